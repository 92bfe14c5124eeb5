//! One process's part in a study that is recorded in a journal.
//!
//! The record is the study: each operation reads it anew under the journal's lock, brings a fresh optimiser to the
//! state that it tells of, acts, and appends what it did. So any number of processes share a study without
//! knowing of each other, a suggestion is a function of the record, and a process that is killed at any moment
//! leaves a study that goes on as if it had only paused. The file is in the format of Optuna's
//! `JournalFileBackend` ([`ss_bo::journal`]): Optuna opens it, and may add trials while we do.
//!
//! ```
//! use ss_bo::{Optimizer, Outcome, RandomSearch};
//! use ss_cli::study::{Storage, Study, StudySpec};
//! use ss_data::JournalFile;
//!
//! # let folder = tempfile::tempdir()?;
//! let spec = StudySpec {
//!     name: "demo".into(),
//!     parameters: vec!["x".into(), "y".into()],
//!     settings: serde_json::json!({"seed": 3}),
//!     worker: "worker-1".into(),
//! };
//! let storage = Storage::File(JournalFile::new(folder.path().join("study.log")));
//! let study = Study::open(storage, spec, || Ok(Box::new(RandomSearch::new(2, 3)?)))?;
//! for _ in 0..4 {
//!     let trial = study.ask()?;
//!     study.tell(trial.id, Outcome::Score(-trial.x[0]))?;
//! }
//! assert_eq!(study.load()?.optimizer().trials().len(), 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;
use ss_bo::journal::{self, JournalError, JournalRecord, Operation};
use ss_bo::{Optimizer, Outcome, Suggestion, TrialId};
use ss_data::JournalFile;

use crate::{Error, Result};

/// The study attribute that holds the settings.
const SETTINGS: &str = "settings";

/// Where a journal is kept.
#[derive(Debug)]
pub enum Storage {
    /// In memory: a study of this process alone, which ends with it.
    Memory(Mutex<String>),
    /// In a file that other processes may use at the same time.
    File(JournalFile),
}

impl Storage {
    /// An empty journal in memory.
    pub fn memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// Shows `act` the whole journal and appends the records that it returns; nobody else appends meanwhile.
    fn transact<T>(&self, act: impl FnOnce(&str) -> Result<(T, Vec<JournalRecord>)>) -> Result<T> {
        match self {
            Self::Memory(text) => {
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                let (value, records) = act(&text)?;
                for record in records {
                    text.push_str(&record.encode());
                    text.push('\n');
                }
                Ok(value)
            }
            Self::File(file) => {
                let mut locked = file.lock()?;
                let (value, records) = act(&locked.read()?)?;
                locked.append(records.iter().map(JournalRecord::encode))?;
                Ok(value)
            }
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Memory(_) => "the journal in memory".to_owned(),
            Self::File(file) => file.path().display().to_string(),
        }
    }
}

/// What identifies a study and this process's part in it.
#[derive(Clone, Debug, PartialEq)]
pub struct StudySpec {
    /// Name of the study in the journal, which may hold several.
    pub name: String,
    /// Names of the coordinates, in order; each is a real number in `[0, 1]`.
    pub parameters: Vec<String>,
    /// Everything on which a trial's score or a suggestion depends, as a JSON object: kept as an attribute of the
    /// study, so that trials of different settings are never mixed.
    pub settings: Value,
    /// Name of this process among those at work on the study; no two share one at a time.
    pub worker: String,
}

impl StudySpec {
    /// Checks, without waiting or writing, that `file` holds no study of this name with other settings.
    ///
    /// # Errors
    /// Those of [`Study::open`].
    pub fn check(&self, file: &JournalFile) -> Result<()> {
        let Some(text) = file.peek()? else { return Ok(()) };
        self.entry(&text, &file.path().display().to_string()).map(drop)
    }

    /// The records that bring the study into the journal; none when it is there already.
    fn entry(&self, text: &str, place: &str) -> Result<Vec<JournalRecord>> {
        let record = |operation| JournalRecord::new(&self.worker, operation);
        let settings = |study| {
            let (key, value) = (SETTINGS.to_owned(), self.settings.clone());
            record(Operation::SetStudyAttribute { study, key, value })
        };
        let other = |difference| Error::OtherSettings {
            place: place.to_owned(),
            study: self.name.clone(),
            difference,
        };
        match journal::replay(text, &self.name, &self.parameters) {
            Ok(study) => match study.attributes.get(SETTINGS) {
                Some(found) if *found == self.settings => Ok(Vec::new()),
                Some(found) => Err(other(differences(found, &self.settings).join("; "))),
                // A process was killed between its first two lines.
                None if study.journal_ids.is_empty() => Ok(vec![settings(study.id)]),
                None => Err(other("its settings are not recorded".to_owned())),
            },
            Err(JournalError::UnknownStudy { found, .. }) => {
                let create = Operation::CreateStudy { name: self.name.clone(), maximize: true };
                Ok(vec![record(create), settings(found.len() as u64)])
            }
            Err(reason) => Err(Error::Journal { place: place.to_owned(), reason }),
        }
    }
}

/// A study, as one process sees it and adds to it.
pub struct Study<O: Optimizer + ?Sized> {
    storage: Storage,
    spec: StudySpec,
    make: Box<dyn Fn() -> ss_bo::Result<Box<O>>>,
}

/// A study as it stood at one moment.
pub struct Loaded<O: ?Sized> {
    optimizer: Box<O>,
    record: journal::Study,
}

impl<O: ?Sized> Loaded<O> {
    /// An optimiser that has seen the whole record.
    pub fn optimizer(&self) -> &O {
        &self.optimizer
    }

    /// The scores that the trials had after `step` steps, but for trial `except`.
    pub fn intermediate_scores(&self, step: u64, except: TrialId) -> Vec<f64> {
        let trials = (0_u64..).zip(&self.record.intermediates);
        trials
            .filter(|(id, _)| *id != except.0)
            .filter_map(|(_, scores)| scores.get(&step).copied())
            .collect()
    }

    fn journal_id(&self, id: TrialId) -> ss_bo::Result<u64> {
        let ids = &self.record.journal_ids;
        let found = usize::try_from(id.0).ok().and_then(|i| ids.get(i)).copied();
        found.ok_or(ss_bo::Error::UnknownTrial { id, known: ids.len() })
    }
}

impl<O: Optimizer + ?Sized> Study<O> {
    /// Opens the study, and creates it where the journal has none of its name. `make` gives a fresh optimiser of
    /// the study's settings.
    ///
    /// # Errors
    /// [`Error::OtherSettings`] when there is such a study with other settings; [`Error::Journal`] when it is
    /// over other parameters or the journal is damaged; [`Error::Data`] for the file and its lock.
    pub fn open(
        storage: Storage,
        spec: StudySpec,
        make: impl Fn() -> ss_bo::Result<Box<O>> + 'static,
    ) -> Result<Self> {
        let place = storage.place();
        storage.transact(|text| Ok(((), spec.entry(text, &place)?)))?;
        Ok(Self { storage, spec, make: Box::new(make) })
    }

    /// The study as it stands.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    pub fn load(&self) -> Result<Loaded<O>> {
        self.act(|loaded| Ok((loaded, Vec::new())))
    }

    /// Where the journal is, for messages.
    pub fn place(&self) -> String {
        self.storage.place()
    }

    /// A new trial, recorded as running.
    ///
    /// # Errors
    /// [`Error::Data`] for the file and its lock, [`Error::Journal`] for what it holds, and
    /// [`Error::Optimiser`], also when the record is not one that this optimiser can continue.
    pub fn ask(&self) -> Result<Suggestion> {
        self.act(|loaded| self.suggest(loaded))
    }

    /// A new trial, unless `wanted` declines in view of the study as it stands.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask), and of `wanted`.
    pub fn ask_if(&self, wanted: impl FnOnce(&O) -> Result<bool>) -> Result<Option<Suggestion>> {
        self.act(|loaded| {
            if !wanted(loaded.optimizer())? {
                return Ok((None, Vec::new()));
            }
            self.suggest(loaded).map(|(suggestion, records)| (Some(suggestion), records))
        })
    }

    /// The trials that a process of this worker's name asked for and did not finish: those to run again after it
    /// was killed.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    pub fn unfinished(&self) -> Result<Vec<Suggestion>> {
        let Loaded { optimizer, record } = self.load()?;
        let trials = optimizer.trials().iter().zip(&record.workers);
        let own = trials.filter(|(trial, worker)| trial.is_running() && **worker == self.spec.worker);
        Ok(own.map(|(t, _)| Suggestion { id: t.id, x: t.x.clone(), origin: t.origin }).collect())
    }

    /// Records the score of a running trial after `step` steps, and returns the scores that the other trials of
    /// the study had there.
    ///
    /// # Errors
    /// Those of [`tell`](Self::tell).
    pub fn report(&self, id: TrialId, step: u64, score: f64) -> Result<Vec<f64>> {
        self.act(|loaded| {
            let records = journal::report_records(&self.spec.worker, loaded.journal_id(id)?, step, score);
            Ok((loaded.intermediate_scores(step, id), records))
        })
    }

    /// Records the outcome of a trial. Returns false, and records nothing, when another process has done so
    /// already: the first outcome counts.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask); [`ss_bo::Error::UnknownTrial`] for a trial that the study does not have.
    pub fn tell(&self, id: TrialId, outcome: Outcome) -> Result<bool> {
        self.act(|loaded| {
            let journal_id = loaded.journal_id(id)?;
            let trial = loaded.optimizer.trials().iter().find(|trial| trial.id == id);
            if !trial.is_some_and(|trial| trial.is_running()) {
                return Ok((false, Vec::new()));
            }
            Ok((true, journal::tell_records(&self.spec.worker, journal_id, &outcome, &now())))
        })
    }

    fn suggest(&self, loaded: Loaded<O>) -> Result<(Suggestion, Vec<JournalRecord>)> {
        let Loaded { mut optimizer, record } = loaded;
        let suggestion = optimizer.ask()?;
        let StudySpec { worker, parameters, .. } = &self.spec;
        let records = journal::ask_records(worker, record.id, &suggestion, parameters, &now());
        Ok((suggestion, records))
    }

    fn act<T>(&self, act: impl FnOnce(Loaded<O>) -> Result<(T, Vec<JournalRecord>)>) -> Result<T> {
        self.storage.transact(|text| {
            let record = journal::replay(text, &self.spec.name, &self.spec.parameters)
                .map_err(|reason| Error::Journal { place: self.place(), reason })?;
            let mut optimizer = (self.make)()?;
            optimizer.replay(&record.events)?;
            act(Loaded { optimizer, record })
        })
    }
}

fn now() -> String {
    journal::timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// Where two JSON values differ, as `path: this there, that asked for`.
fn differences(found: &Value, wanted: &Value) -> Vec<String> {
    fn walk(path: &str, found: Option<&Value>, wanted: Option<&Value>, out: &mut Vec<String>) {
        if let (Some(Value::Object(a)), Some(Value::Object(b))) = (found, wanted) {
            let only_b = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(only_b) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, a.get(key), b.get(key), out);
            }
        } else if found != wanted {
            let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            let path = if path.is_empty() { SETTINGS } else { path };
            out.push(format!("{path}: {} there, {} asked for", show(found), show(wanted)));
        }
    }
    let mut out = Vec::new();
    walk("", Some(found), Some(wanted), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_by_their_path() {
        let a = json!({"seed": 1, "recipe": {"epochs": 4, "old": true}, "same": [1, 2.5]});
        let b = json!({"seed": 2, "recipe": {"epochs": 4, "new": null}, "same": [1, 2.5]});
        assert_eq!(
            differences(&a, &b),
            [
                "recipe.old: true there, nothing asked for",
                "recipe.new: nothing there, null asked for",
                "seed: 1 there, 2 asked for"
            ]
        );
        assert_eq!(differences(&a, &a), [""; 0]);
        assert_eq!(differences(&json!(3), &a).len(), 1);
    }
}
