//! Finished parts of a task on disk, one JSON line each: a killed run continues where it was.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ss_cli::artifact::{FolderLock, lock_folder, prepare_folder};
use ss_cli::study::differences;

const VERSION: u32 = 1;
const REMEDY: &str = "choose another --out or remove that file";

/// Where a task keeps its journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Created where it is missing.
    pub(crate) folder: &'a Path,
    /// Name of the file in it.
    pub(crate) file: &'a str,
    /// The key of the file's first line that tells whose journal it is and which version.
    pub(crate) task: &'a str,
}

/// An append-only file of finished cells `T`; it comes into being with the first of them.
pub(crate) struct Journal<T> {
    path: PathBuf,
    /// The folder, for as long as this journal lives.
    _lock: FolderLock,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Absent until there is something to write.
    file: Option<File>,
    /// The line that a new file begins with.
    header: String,
    cells: Vec<T>,
}

impl<T: Clone + Serialize + DeserializeOwned> Journal<T> {
    /// Opens the journal at `place`. Its first line says what its cells were computed with: `config`.
    ///
    /// A last line without its end, left by a kill, is cut off. Cells of other settings are never mixed in:
    /// a journal with another `config` is an error, and is left as it is. So is a file that is no journal. One
    /// run at a time may use a folder; a second is told so.
    pub(crate) fn open(place: Place, config: &Value) -> Result<Self> {
        prepare_folder(place.folder)?;
        let lock = lock_folder(place.folder)?;
        let path = place.folder.join(place.file);
        let header = format!("{{\"{}\":{VERSION},\"config\":{config}}}\n", place.task);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let state = State { file: None, header, cells: Vec::new() };
                return Ok(Self { path, _lock: lock, state: Mutex::new(state) });
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole == 0 && !header.starts_with(&text) {
            bail!("{}: not a journal of this task; {REMEDY}", path.display());
        }
        let mut lines = text[..whole].lines();
        if let Some(first) = lines.next() {
            check_header(first, place.task, config).with_context(|| path.display().to_string())?;
        }
        let cells = lines
            .enumerate()
            .map(|(i, line)| {
                serde_json::from_str(line)
                    .with_context(|| format!("{}:{}: not a finished cell; {REMEDY}", path.display(), i + 2))
            })
            .collect::<Result<Vec<T>>>()?;
        let opened = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().append(true).open(&path)?;
            file.set_len(whole as u64)?;
            if whole == 0 {
                file.write_all(header.as_bytes())?;
            }
            Ok(file)
        };
        let file = opened().with_context(|| format!("writing {}", path.display()))?;
        let state = State { file: Some(file), header, cells };
        Ok(Self { path, _lock: lock, state: Mutex::new(state) })
    }

    /// Adds a finished cell and waits until it is on disk.
    pub(crate) fn append(&self, cell: T) -> Result<()> {
        let mut state = self.lock();
        let line = serde_json::to_string(&cell)? + "\n";
        state
            .write(&self.path, line.as_bytes())
            .with_context(|| format!("writing {}", self.path.display()))?;
        state.cells.push(cell);
        Ok(())
    }

    pub(crate) fn cells(&self) -> Vec<T> {
        self.lock().cells.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn write(&mut self, path: &Path, line: &[u8]) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = OpenOptions::new().append(true).create_new(true).open(path)?;
                file.write_all(self.header.as_bytes())?;
                none.insert(file)
            }
        };
        let whole = file.metadata()?.len();
        let written = file.write_all(line).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would make the next one unreadable too; the error that counts is the first.
            let _ = file.set_len(whole);
        }
        written
    }
}

fn check_header(line: &str, task: &str, config: &Value) -> Result<()> {
    let header = serde_json::from_str::<Value>(line).unwrap_or_default();
    let (Some(version), Some(found)) = (header[task].as_u64(), header.get("config")) else {
        bail!("line 1: not a journal of this task; {REMEDY}");
    };
    if version != u64::from(VERSION) {
        bail!("journal version {version}, expected {VERSION}; {REMEDY}");
    }
    if found != config {
        bail!("holds cells of other settings ({}); {REMEDY}", differences(found, config).join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell(seed: u64) -> Value {
        json!({"noise": 0.2, "seed": seed, "method": "baseline", "top1_last": 90.0, "val_top1": 70.5})
    }

    fn open(folder: &Path, config: &Value) -> Result<Journal<Value>> {
        Journal::open(Place { folder, file: "cells.jsonl", task: "table1_journal" }, config)
    }

    #[test]
    fn cells_survive_a_kill_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"trials": 3});
        let journal = open(folder.path(), &config).unwrap();
        journal.append(cell(0)).unwrap();
        journal.append(cell(1)).unwrap();
        drop(journal);
        let path = folder.path().join("cells.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        let journal = open(folder.path(), &config).unwrap();
        assert_eq!(journal.cells(), [cell(0)]);
        journal.append(cell(2)).unwrap();
        drop(journal);
        assert_eq!(open(folder.path(), &config).unwrap().cells(), [cell(0), cell(2)]);
        // A kill while the first line was written.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.find('\n').unwrap() - 3]).unwrap();
        let journal = open(folder.path(), &config).unwrap();
        assert!(journal.cells().is_empty());
        journal.append(cell(0)).unwrap();
        drop(journal);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            text.lines().take(2).map(|l| l.to_owned() + "\n").collect::<String>()
        );
    }

    #[test]
    fn a_second_run_in_one_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), &json!({})).unwrap();
        let error = open(folder.path(), &json!({})).err().unwrap().to_string();
        assert!(error.contains("another run"), "{error}");
        drop(first);
        assert!(open(folder.path(), &json!({})).is_ok());
    }

    #[test]
    fn other_settings_and_foreign_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), &json!({"trials": 3})).unwrap());
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "no cell, no file");
        open(folder.path(), &json!({"trials": 3})).unwrap().append(cell(0)).unwrap();
        let error = format!("{:#}", open(folder.path(), &json!({"trials": 4})).err().unwrap());
        assert!(error.contains("trials: 3 there, 4 asked for"), "{error}");
        // Of nested settings the one that differs, and not all of them.
        let nested = tempfile::tempdir().unwrap();
        let config = |epochs| json!({"recipe": {"network": "resnet8", "train": {"epochs": epochs}}});
        open(nested.path(), &config(14)).unwrap().append(cell(0)).unwrap();
        let error = format!("{:#}", open(nested.path(), &config(13)).err().unwrap());
        assert!(error.contains("(recipe.train.epochs: 14 there, 13 asked for)"), "{error}");
        let path = folder.path().join("cells.jsonl");
        for foreign in
            ["hello\n", "hello", "{\"method\": \"ss\"}\n", "{\"table1_journal\": 9, \"config\": {}}\n"]
        {
            std::fs::write(&path, foreign).unwrap();
            assert!(open(folder.path(), &json!({})).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign, "a foreign file is left alone");
        }
    }
}
