//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::{Error, Result};

/// A file that is written piece by piece into a temporary one of the same folder and appears under its name only by
/// [`commit`](Self::commit). Dropped before that, it leaves nothing behind.
pub(crate) struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<File>,
    temporary: TempPath,
}

impl AtomicFile {
    /// A file to be at `path`, in a folder that exists.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder does not exist or cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".partial");
        #[cfg(unix)]
        {
            // Temporary files are private by default; artefacts get what the user's umask says.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let made = builder.tempfile_in(folder_of(path)).map_err(|error| Error::io("write", path, error))?;
        let (file, temporary) = made.into_parts();
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file), temporary })
    }

    /// Syncs the file to the disk and renames it over its path.
    ///
    /// # Errors
    /// [`Error::Io`]; the path is then as it was before.
    pub(crate) fn commit(self) -> Result<()> {
        let Self { path, mut writer, temporary } = self;
        let at_path = |error| Error::io("write", &path, error);
        writer.flush().map_err(at_path)?;
        writer.get_ref().sync_all().map_err(at_path)?;
        // Closed before the rename: some systems refuse to move an open file.
        drop(writer);
        temporary.persist(&path).map_err(|error| at_path(error.error))?;
        // The rename itself lives in the folder; not every file system can sync one, and the data are safe.
        #[cfg(unix)]
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

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
    let mut file = AtomicFile::create(path)?;
    write(&mut file.writer).map_err(|error| Error::io("write", path, error))?;
    file.commit()
}
