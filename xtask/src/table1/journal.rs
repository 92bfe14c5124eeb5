//! Finished cells on disk, one JSON line each: a killed run continues where it was.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::cells::Cell;

/// The first line of a journal: what its cells were computed with.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    table1_journal: u32,
    config: serde_json::Value,
}

const VERSION: u32 = 1;

/// An append-only file of finished cells.
pub(crate) struct Journal {
    path: PathBuf,
    state: Mutex<(File, Vec<Cell>)>,
}

impl Journal {
    /// Opens or creates `cells.jsonl` in `folder`.
    ///
    /// A last line without its end, left by a kill, is cut off. Cells of other settings are never mixed in:
    /// a journal with another `config` is an error.
    pub(crate) fn open(folder: &Path, config: &serde_json::Value) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let path = folder.join("cells.jsonl");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        let header = Header { table1_journal: VERSION, config: config.clone() };
        let mut lines = text[..whole].lines();
        match lines.next() {
            None => writeln!(file, "{}", serde_json::to_string(&header)?)?,
            Some(first) => {
                let found: Header = serde_json::from_str(first)
                    .with_context(|| format!("{}:1: not a journal of this task", path.display()))?;
                if found.table1_journal != VERSION {
                    bail!("{}: journal version {}, expected {VERSION}", path.display(), found.table1_journal);
                }
                if found.config != header.config {
                    bail!(
                        "{} holds cells of other settings ({}); choose another --out or remove it",
                        path.display(),
                        difference(&found.config, &header.config)
                    );
                }
            }
        }
        let mut cells = Vec::new();
        for (i, line) in lines.enumerate() {
            let cell = serde_json::from_str(line)
                .with_context(|| format!("{}:{}: not a cell", path.display(), i + 2))?;
            cells.push(cell);
        }
        Ok(Self { path, state: Mutex::new((file, cells)) })
    }

    /// Adds a finished cell and waits until it is on disk.
    pub(crate) fn append(&self, cell: Cell) -> Result<()> {
        let mut state = self.lock();
        let line = serde_json::to_string(&cell)? + "\n";
        state.0.write_all(line.as_bytes()).and_then(|()| state.0.sync_data())
            .with_context(|| format!("writing {}", self.path.display()))?;
        state.1.push(cell);
        Ok(())
    }

    pub(crate) fn cells(&self) -> Vec<Cell> {
        self.lock().1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (File, Vec<Cell>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first setting in which two configurations differ.
fn difference(found: &serde_json::Value, wanted: &serde_json::Value) -> String {
    let (Some(a), Some(b)) = (found.as_object(), wanted.as_object()) else { return "unreadable".into() };
    a.keys()
        .chain(b.keys())
        .find(|key| a.get(*key) != b.get(*key))
        .map_or_else(String::new, |key| {
            let show = |value: Option<&serde_json::Value>| value.map_or("nothing".into(), |v| v.to_string());
            format!("{key}: {} there, {} asked for", show(a.get(key)), show(b.get(key)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell(seed: u64) -> Cell {
        serde_json::from_value(json!({
            "noise": 0.2, "realized_noise": 0.2, "seed": seed, "method": "baseline", "top1_last": 90.0,
            "top1_best": 91.0, "val_top1": 70.0, "train_seconds": 1.0, "search_seconds": 0.0, "search_cost": 0.0
        }))
        .unwrap()
    }

    #[test]
    fn cells_survive_a_kill_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"trials": 3});
        let journal = Journal::open(folder.path(), &config).unwrap();
        journal.append(cell(0)).unwrap();
        journal.append(cell(1)).unwrap();
        drop(journal);
        let path = folder.path().join("cells.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        let journal = Journal::open(folder.path(), &config).unwrap();
        assert_eq!(journal.cells(), [cell(0)]);
        journal.append(cell(2)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path(), &config).unwrap().cells(), [cell(0), cell(2)]);
    }

    #[test]
    fn other_settings_and_foreign_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Journal::open(folder.path(), &json!({"trials": 3})).unwrap());
        let error = Journal::open(folder.path(), &json!({"trials": 4})).err().unwrap().to_string();
        assert!(error.contains("trials: 3 there, 4 asked for"), "{error}");
        std::fs::write(folder.path().join("cells.jsonl"), "hello\n").unwrap();
        assert!(Journal::open(folder.path(), &json!({})).is_err());
    }
}
