//! A journal, in memory or in a file, behind one way to use it.

use std::sync::{Mutex, PoisonError};

use ss_bo::journal::JournalRecord;
use ss_data::JournalFile;

use crate::Result;

/// Where a journal is kept.
#[derive(Debug)]
pub struct Storage(Place);

#[derive(Debug)]
enum Place {
    Memory(Mutex<String>),
    File(JournalFile),
}

impl Storage {
    /// An empty journal in memory: a study of this process alone, which ends with it.
    pub fn memory() -> Self {
        Self(Place::Memory(Mutex::default()))
    }

    /// A file that other processes may use at the same time.
    pub fn file(file: JournalFile) -> Self {
        Self(Place::File(file))
    }

    /// Shows `act` the whole journal and appends the records that it returns; nobody else appends meanwhile.
    pub(super) fn transact<T>(&self, act: impl FnOnce(&str) -> Result<(T, Vec<JournalRecord>)>) -> Result<T> {
        match &self.0 {
            Place::Memory(text) => {
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                let (value, records) = act(&text)?;
                for record in records {
                    text.push_str(&record.encode());
                    text.push('\n');
                }
                Ok(value)
            }
            Place::File(file) => {
                let mut locked = file.lock()?;
                let (value, records) = act(&locked.read()?)?;
                locked.append(records.iter().map(JournalRecord::encode))?;
                Ok(value)
            }
        }
    }

    /// The journal as it is now, in whole lines; empty where there is none yet. Neither waits nor writes.
    pub(super) fn peek(&self) -> Result<String> {
        match &self.0 {
            Place::Memory(text) => Ok(text.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            Place::File(file) => Ok(file.peek()?.unwrap_or_default()),
        }
    }

    pub(super) fn place(&self) -> String {
        match &self.0 {
            Place::Memory(_) => "the journal in memory".to_owned(),
            Place::File(file) => file.path().display().to_string(),
        }
    }
}
