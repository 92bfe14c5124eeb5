//! What can go wrong with data, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A located failure: the value, the place, and the remedy.
///
/// The message is complete in itself: causes from below (the operating system, a decoder) are part of it,
/// and [`source`](std::error::Error::source) is always `None`, so a caller that prints a chain of causes
/// says nothing twice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A dataset is not where it was looked for.
    #[error("{dataset} not found: looked for {looked_for} in {searched}; {remedy}")]
    DatasetNotFound {
        /// The dataset, as people call it.
        dataset: String,
        /// The files that were looked for.
        looked_for: String,
        /// The folders that were searched.
        searched: String,
        /// The command or step that gets the dataset.
        remedy: String,
    },

    /// The operating system refused.
    #[error("cannot {action} {}: {error}; check that the path exists and its permissions allow this", path.display())]
    Io {
        /// What was tried: "read", "write", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },

    /// A file is not what its name or header says: truncated, corrupt or of another format.
    #[error("{}: expected {expected}, found {found}; {remedy}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the format demands.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        remedy: &'static str,
    },

    /// An encoded image cannot be decoded or has the wrong size.
    #[error("{}: image in row {row}: {reason}; replace the image or remove the row", path.display())]
    Image {
        /// The file that holds the image.
        path: PathBuf,
        /// Row of the file, from 0 (0 for a file that is one image).
        row: usize,
        /// Why it was refused.
        reason: String,
    },

    /// A label that names no class.
    #[error(
        "label {label} in row {row} lies outside 0..{classes}; \
         labels count from 0, correct the label or the number of classes"
    )]
    LabelOutOfRange {
        /// Row, from 0.
        row: usize,
        /// The label.
        label: i64,
        /// Number of classes.
        classes: usize,
    },

    /// Something that must hold at least one element holds none.
    #[error("{what} is empty; at least one is needed")]
    Empty {
        /// What is empty.
        what: String,
    },

    /// Data that shows one class only: there is nothing to learn.
    #[error("{what} has one class only (class {class}, {count} examples); at least two classes are needed")]
    SingleClass {
        /// Which data.
        what: String,
        /// The class that is there.
        class: u32,
        /// Number of examples.
        count: usize,
    },

    /// Two things that belong together differ in length.
    #[error("{what}: expected {expected} values, found {found}; every example needs exactly one")]
    LengthMismatch {
        /// What has the wrong length.
        what: String,
        /// The length that the rest implies.
        expected: usize,
        /// The length found.
        found: usize,
    },

    /// A setting outside its range.
    #[error("{name} = {value} is not valid: expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value given.
        value: String,
        /// The valid values.
        expected: String,
    },

    /// A table lacks a column.
    #[error("no column `{column}`; the columns are {available}; name one of those or add the column")]
    MissingColumn {
        /// The column asked for.
        column: String,
        /// The columns there are.
        available: String,
    },

    /// A column has a type that cannot be used.
    #[error("column `{column}` has type {found}, expected {expected}; convert the column or leave it out")]
    ColumnType {
        /// The column.
        column: String,
        /// The types accepted.
        expected: &'static str,
        /// The type found.
        found: String,
    },

    /// A value that no computation can use: null, NaN, infinite, negative where that is meaningless.
    #[error(
        "column `{column}`, row {row}: {value} is not valid, expected {expected}; correct or drop the row"
    )]
    Value {
        /// The column.
        column: String,
        /// Row, from 0.
        row: usize,
        /// The value, as text.
        value: String,
        /// The valid values.
        expected: &'static str,
    },

    /// A file that is given as two shards of a dataset.
    #[error("{} is given twice; give every file of the dataset once", path.display())]
    GivenTwice {
        /// The file.
        path: PathBuf,
    },
    /// An identifier or a column name that occurs twice.
    #[error("{what} {value} occurs in places {first} and {second}; each must be unique, drop one")]
    Duplicate {
        /// What is repeated.
        what: &'static str,
        /// The repeated value.
        value: String,
        /// First place (row or column number, from 0).
        first: usize,
        /// Second place.
        second: usize,
    },

    /// A lock that other processes do not give up.
    #[error(
        "waited {seconds} s for the lock {}; if no process is using it, remove that file, or wait for them to end",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        seconds: f64,
    },

    /// A lock that another process took away because it was held for longer than the grace period.
    #[error(
        "the lock {} was held for so long that another process took it for abandoned; nothing was written, run again",
        path.display()
    )]
    LockLost {
        /// The lock file.
        path: PathBuf,
    },

    /// Any of the above, found in a file.
    #[error("{}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong there.
        error: Box<Error>,
    },
}

/// What to do with a damaged copy of a published file.
pub(crate) const COPY_AGAIN: &str = "the copy is damaged or incomplete, get the file again";

impl Error {
    /// Says in which file this happened.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::InFile { path: path.to_path_buf(), error: Box::new(self) }
    }

    pub(crate) fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), error }
    }

    pub(crate) fn damaged(path: &Path, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_path_buf(),
            expected: expected.into(),
            found: found.into(),
            remedy: COPY_AGAIN,
        }
    }
}
