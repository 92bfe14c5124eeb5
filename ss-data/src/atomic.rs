//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file so that no reader, and no crash, ever sees half of it: into a temporary file of the same
/// folder, synced to the disk, then renamed over `path`. On an error `path` is as it was before.
///
/// The folder must exist. A symbolic link at `path` is replaced by the file, not followed.
///
/// ```
/// use std::io::Write;
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("answer.txt");
/// ss_data::write_atomically(&path, |out| writeln!(out, "42"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "42\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when the folder does not exist or cannot be written, or when `write` fails.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let at_path = |error| Error::io("write", path, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".partial");
    #[cfg(unix)]
    {
        // Temporary files are private by default; artefacts get what the user's umask says.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let (file, temporary) = builder.tempfile_in(folder).map_err(at_path)?.into_parts();
    let mut writer = BufWriter::new(file);
    write(&mut writer).and_then(|()| writer.flush()).map_err(at_path)?;
    writer.get_ref().sync_all().map_err(at_path)?;
    // Closed before the rename: some systems refuse to move an open file.
    drop(writer);
    temporary.persist(path).map_err(|error| at_path(error.error))?;
    // The rename itself lives in the folder; not every file system can sync one, and the data are safe.
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}
