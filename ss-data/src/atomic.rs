//! Files that appear whole or not at all.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{TempDir, TempPath};

use crate::error::{Error, Result};

/// The temporary files and folders of this process.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the temporary files and folders of this process, then does `last`, before which no other is finished: for a
/// program that a signal ends, which drops nothing. Files that are complete have their own names and stay.
pub fn remove_unfinished_files(last: impl FnOnce()) {
    let unfinished = unfinished();
    for path in unfinished.iter() {
        // Nobody is left to tell of one that cannot be removed.
        if path.is_dir() {
            remove_folder(path);
        } else {
            let _ = std::fs::remove_file(path);
        }
    }
    last();
}

/// Removes a folder that other threads fill meanwhile: under another name, where they do not find it.
fn remove_folder(path: &Path) {
    let aside = path.with_extension("removed");
    let place = if std::fs::rename(path, &aside).is_ok() { &aside } else { path };
    // A file may have been on its way there.
    let _ = std::fs::remove_dir_all(place).or_else(|_| std::fs::remove_dir_all(place));
}

/// The name of something temporary, which [`remove_unfinished_files`] knows until this is dropped. As a field it stands
/// after what it is the name of: fields are dropped in order, and what is known until nothing is left of it is never left
/// behind.
#[derive(Debug)]
struct Known(PathBuf);

impl Drop for Known {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// A temporary file that [`remove_unfinished_files`] knows of, removed when dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    file: TempPath,
    known: Known,
}

impl Temporary {
    pub(crate) fn new(file: TempPath) -> Self {
        let known = Known(file.to_path_buf());
        unfinished().insert(known.0.clone());
        Self { file, known }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.known.0
    }

    fn persist(self, path: &Path) -> io::Result<()> {
        // While a signal removes files, none is renamed.
        let unfinished = unfinished();
        let persisted = self.file.persist(path);
        drop(unfinished);
        persisted.map_err(|error| error.error)
    }
}

/// A folder that is filled under a temporary name beside the one that it gets, and that [`remove_unfinished_files`] knows
/// of. Dropped before it is complete, it leaves nothing behind. Who fills it makes no folder above its
/// [`place`](Self::place), lest one be made again that a signal has removed.
#[derive(Debug)]
pub(crate) struct AtomicFolder {
    path: PathBuf,
    temporary: TempDir,
    _known: Known,
}

impl AtomicFolder {
    /// A folder to be at `path`, in a folder that exists.
    ///
    /// # Errors
    /// [`Error::Io`] when that folder cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let parent = folder_of(path);
        let temporary = {
            // A signal waits until it knows of the folder.
            let mut unfinished = unfinished();
            let made = tempfile::Builder::new().prefix(".").suffix(".partial").tempdir_in(parent);
            let made = made.map_err(|error| Error::io("create a folder in", parent, error))?;
            unfinished.insert(made.path().to_owned());
            made
        };
        let known = Known(temporary.path().to_owned());
        let folder = Self { path: path.to_owned(), temporary, _known: known };
        // The temporary one is private; this one gets what the user's umask says.
        let place = folder.place();
        std::fs::create_dir(&place).map_err(|error| Error::io("create", &place, error))?;
        Ok(folder)
    }

    /// Where it is filled.
    pub(crate) fn place(&self) -> PathBuf {
        self.temporary.path().join("whole")
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`] when the name is taken; then nothing is left of it.
    pub(crate) fn commit(self) -> Result<()> {
        // While a signal removes files, none is renamed.
        let renamed = {
            let _unfinished = unfinished();
            std::fs::rename(self.place(), &self.path)
        };
        renamed.map_err(|error| Error::io("create", &self.path, error))
    }
}

/// A file that is written piece by piece into a temporary one of the same folder and appears under its name only by
/// [`commit`](Self::commit). Dropped before that, it leaves nothing behind.
pub(crate) struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<File>,
    temporary: Temporary,
}

impl AtomicFile {
    /// A file to be at `path`, in a folder that exists.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder does not exist or cannot be written, or when there is something else than a file at
    /// `path`: a device or a pipe would be replaced by the file.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        check_place(path).map_err(|what| Error::io("write", path, io::Error::other(what)))?;
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
        let temporary = Temporary::new(temporary);
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
        temporary.persist(&path).map_err(at_path)?;
        // The rename itself lives in the folder; not every file system can sync one, and the data are safe.
        #[cfg(unix)]
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

/// Refuses what a file must not replace: a device or a pipe, by its own name or by a link, and the streams of a process.
fn check_place(path: &Path) -> std::result::Result<(), &'static str> {
    match path.metadata() {
        Ok(found) if found.is_dir() => return Err("it is a folder"),
        Ok(found) if !found.is_file() => return Err("it is a device or a pipe, not a file"),
        _ => {}
    }
    let of_process = |place: io::Result<PathBuf>| place.is_ok_and(|place| place.starts_with("/proc"));
    if of_process(path.read_link()) || of_process(folder_of(path).canonicalize()) {
        return Err("it is a stream of a process, not a file");
    }
    Ok(())
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let message = write_atomically(&path, |_| Ok(())).unwrap_err().to_string();
        assert!(message.contains("socket") && message.contains("not a file"), "{message}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(write_atomically(&link, |_| Ok(())).unwrap_err().to_string().contains("not a file"));
        // A link to a file is replaced; one to standard output is not, whatever that is.
        let (other, target) = (folder.path().join("other"), folder.path().join("target"));
        std::fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &other).unwrap();
        write_atomically(&other, |out| out.write_all(b"new")).unwrap();
        assert_eq!([&target, &other].map(|path| std::fs::read_to_string(path).unwrap()), ["kept", "new"]);
        let stream = folder.path().join("stream");
        std::os::unix::fs::symlink("/proc/self/fd/1", &stream).unwrap();
        assert!(write_atomically(&stream, |_| Ok(())).is_err());
        assert!(stream.is_symlink());
        assert!(write_atomically(folder.path(), |_| Ok(())).unwrap_err().to_string().contains("folder"));
        assert!(path.symlink_metadata().is_ok_and(|found| !found.is_file()));
    }
}
