//! The lock file beside a journal, as Optuna's processes take it.
//!
//! `study.log` is locked while `study.log.lock` exists. Whoever creates that name has the lock: by a symbolic
//! link to the journal (Optuna's default, `JournalFileSymlinkLock`, which works on NFS too), or, where links
//! are not to be had, by a file opened exclusively (its `JournalFileOpenLock`). Each kind excludes the other.
//!
//! A process that is killed leaves its lock behind. As in Optuna, a lock counts as abandoned when neither it nor
//! the journal has changed for a grace period, and is then removed by whoever waits for it.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Error, Result};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Shorter than Optuna's second: a lock is held for milliseconds.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How long a lock is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// A lock that nobody touches for so long is taken to be a dead process's.
    pub(crate) grace: Duration,
    /// Waiting ends in an error after so long.
    pub(crate) limit: Duration,
}

/// A lock that is held; released when dropped, by a panic too.
#[derive(Debug)]
pub(crate) struct LockFile {
    path: PathBuf,
    mark: Mark,
}

/// What tells one lock from a later one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

impl Mark {
    fn of(lock: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(lock)?;
        Ok(Self {
            modified: found.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&found),
        })
    }
}

impl LockFile {
    /// Waits for the lock of `target` and takes it.
    pub(crate) fn acquire(target: &Path, patience: Patience) -> Result<Self> {
        let path = beside(target, ".lock");
        // Absolute, so that processes in any folder see the journal's own times through the link.
        let destination = fs::canonicalize(target).map_err(|error| Error::io("lock", target, error))?;
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut watched: Option<(Signs, Instant)> = None;
        loop {
            match create(&destination, &path) {
                Ok(()) => {
                    let mark = Mark::of(&path).map_err(|error| Error::io("lock", &path, error))?;
                    return Ok(Self { path, mark });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create the lock", &path, error)),
            }
            // A lock that has gone in the meantime is free.
            if let Some(signs) = Signs::of(&path, target) {
                match &watched {
                    Some((seen, since)) if *seen == signs => {
                        if since.elapsed() > patience.grace {
                            remove(&path, &signs.lock)
                                .map_err(|error| Error::io("remove the abandoned lock", &path, error))?;
                            watched = None;
                            continue;
                        }
                    }
                    _ => watched = Some((signs, Instant::now())),
                }
            }
            if began.elapsed() > patience.limit {
                return Err(Error::Locked { path, seconds: patience.limit.as_secs_f64() });
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the lock is still this one: another process may have taken it for abandoned.
    pub(crate) fn is_held(&self) -> bool {
        Mark::of(&self.path).is_ok_and(|mark| mark == self.mark)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.is_held() {
            // What cannot be removed now is removed after the grace period, by whoever waits.
            let _ = remove(&self.path, &self.mark);
        }
    }
}

/// What changes while a lock's owner lives: the lock, when it changes hands, and the journal.
#[derive(PartialEq, Eq)]
struct Signs {
    lock: Mark,
    journal: Option<(u64, Option<SystemTime>)>,
}

impl Signs {
    /// `None` when there is no lock.
    fn of(lock: &Path, journal: &Path) -> Option<Self> {
        let size_and_time = |found: Metadata| (found.len(), found.modified().ok());
        Some(Self { lock: Mark::of(lock).ok()?, journal: fs::metadata(journal).ok().map(size_and_time) })
    }
}

fn create(destination: &Path, lock: &Path) -> io::Result<()> {
    match symlink(destination, lock) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists && error.kind() != ErrorKind::NotFound => {
            // No links on this system or file system.
            OpenOptions::new().write(true).create_new(true).open(lock).map(drop)
        }
        result => result,
    }
}

#[cfg(unix)]
fn symlink(destination: &Path, lock: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(destination, lock)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Removes the lock with this mark, and no other: it is moved aside first, so that of several processes that
/// found it abandoned one removes it, and a lock that was taken meanwhile is put back.
fn remove(lock: &Path, mark: &Mark) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let unique = format!("-{}-{now}-{}.rename", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let aside = beside(lock, &unique);
    match fs::rename(lock, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        result => result?,
    }
    if Mark::of(&aside).is_ok_and(|found| found != *mark) {
        // Fails where a third process has the lock by now; then its owner notices before it writes.
        let _ = fs::hard_link(&aside, lock);
    }
    fs::remove_file(&aside)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
