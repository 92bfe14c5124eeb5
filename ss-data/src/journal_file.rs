//! A file of lines that several processes append to.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::lock_file::{LockFile, Patience};

/// An append-only file of JSON lines that any number of processes read and extend in turn, Optuna's
/// `JournalFileBackend` among them: the lock is the one that Optuna takes (the symbolic link `PATH.lock`), so its
/// processes may append to the same file at the same time.
///
/// A process killed while it holds the lock leaves `PATH.lock` behind; the next one waits until neither it nor the
/// journal has changed for a grace period of 30 seconds (Optuna's), then removes it. A process killed while it
/// writes leaves half a line; the next one to append cuts that off.
///
/// ```
/// use ss_data::JournalFile;
/// # let folder = tempfile::tempdir()?;
/// let journal = JournalFile::new(folder.path().join("study.log"));
/// let mut locked = journal.lock()?;
/// assert_eq!(locked.read()?, "");
/// locked.append(["{\"op_code\":0}", "{\"op_code\":4}"])?;
/// drop(locked);
/// assert_eq!(journal.lock()?.read()?, "{\"op_code\":0}\n{\"op_code\":4}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct JournalFile {
    path: PathBuf,
    patience: Patience,
}

/// A [`JournalFile`] that no other process writes to while this value lives. Dropping it releases the lock.
#[derive(Debug)]
pub struct LockedJournal<'a> {
    journal: &'a JournalFile,
    file: File,
    lock: LockFile,
}

impl JournalFile {
    /// The journal at `path`. Touches no file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let patience = Patience { grace: Duration::from_secs(30), limit: Duration::from_secs(120) };
        Self { path: path.into(), patience }
    }

    /// Changes how long a lock may stay untouched before it counts as abandoned (30 s by default), and how
    /// long [`lock`](Self::lock) waits in all before it gives up (120 s). A grace period shorter than the time
    /// for which other processes hold the lock breaks their locks.
    #[must_use]
    pub fn with_patience(self, grace: Duration, limit: Duration) -> Self {
        Self { patience: Patience { grace, limit }, ..self }
    }

    /// Where the journal is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the lock and takes it; creates an empty file where there is none.
    ///
    /// # Errors
    /// [`Error::Locked`] when other processes keep the lock for longer than the limit; [`Error::Io`] when the
    /// file or its lock cannot be created.
    pub fn lock(&self) -> Result<LockedJournal<'_>> {
        let open = || {
            let mut options = OpenOptions::new();
            let file = options.read(true).append(true).create(true).open(&self.path);
            file.map_err(|error| Error::io("open", &self.path, error))
        };
        // The lock watches the journal for signs of life, so there must be one.
        open()?;
        let lock = LockFile::acquire(&self.path, self.patience)?;
        // Opened again: the file may have been removed or replaced while this process waited.
        Ok(LockedJournal { journal: self, file: open()?, lock })
    }

    /// What the journal holds now, without waiting for anyone: all lines that are complete. `None` when there
    /// is no such file.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Corrupt`] when it is not text.
    pub fn peek(&self) -> Result<Option<String>> {
        match File::open(&self.path) {
            Ok(mut file) => complete_lines(&mut file, &self.path).map(|(text, _)| Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &self.path, error)),
        }
    }
}

impl LockedJournal<'_> {
    /// All complete lines.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Corrupt`] when the file is not text.
    pub fn read(&mut self) -> Result<String> {
        self.read_whole().map(|(text, _)| text)
    }

    /// Appends whole lines (given without their line ends) in one write and waits until they are on disk. What
    /// a killed process left of its last line is cut off first.
    ///
    /// # Errors
    /// [`Error::LockLost`] when another process has taken this lock for abandoned; [`Error::Corrupt`] when the
    /// file ends in something that is not the beginning of a JSON line, which is then left alone;
    /// [`Error::Io`]. Nothing is appended then.
    pub fn append<S: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = S>) -> Result<()> {
        let mut text = String::new();
        for line in lines {
            text.push_str(line.as_ref());
            text.push('\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        let (complete, torn) = self.read_whole()?;
        if !torn.is_empty() && torn[0] != b'{' {
            return Err(Error::Corrupt {
                path: self.journal.path.clone(),
                expected: "a journal of JSON lines".into(),
                found: format!("{:?} at its end", String::from_utf8_lossy(&torn[..torn.len().min(40)])),
                remedy: "choose another file, or cut that off",
            });
        }
        if !self.lock.is_held() {
            return Err(Error::LockLost { path: self.lock.path().to_owned() });
        }
        let whole = complete.len() as u64;
        let io = |error| Error::io("append to", &self.journal.path, error);
        if !torn.is_empty() {
            self.file.set_len(whole).map_err(io)?;
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Half a record would be taken for a whole one; the error that counts is the first.
            let _ = self.file.set_len(whole);
        }
        written.map_err(io)
    }

    fn read_whole(&mut self) -> Result<(String, Vec<u8>)> {
        use std::io::Seek;
        let path = &self.journal.path;
        self.file.rewind().map_err(|error| Error::io("read", path, error))?;
        complete_lines(&mut self.file, path)
    }
}

/// The complete lines of a file, and what follows the last of them.
fn complete_lines(file: &mut File, path: &Path) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| Error::io("read", path, error))?;
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let torn = bytes.split_off(end);
    let text = String::from_utf8(bytes).map_err(|error| Error::Corrupt {
        path: path.to_owned(),
        expected: "a journal of JSON lines in UTF-8".into(),
        found: format!("other bytes at {}", error.utf8_error().valid_up_to()),
        remedy: "choose another file, or restore this one",
    })?;
    Ok((text, torn))
}
