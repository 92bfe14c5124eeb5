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
//! let storage = Storage::file(JournalFile::new(folder.path().join("study.log")));
//! let study = Study::open(storage, spec, || Ok(Box::new(RandomSearch::new(2, 3)?)))?;
//! for _ in 0..4 {
//!     let trial = study.ask()?;
//!     study.tell(trial.id, Outcome::Score(-trial.x[0]))?;
//! }
//! assert_eq!(study.load()?.optimizer().trials().len(), 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod lease;
mod spec;
mod storage;

pub use lease::{Lease, LeaseHistory, Leased};
pub use spec::{StudySpec, differences};
pub use storage::Storage;

use std::time::{Duration, SystemTime};

use serde_json::Value;
use ss_bo::journal::{self, JournalRecord, Operation};
use ss_bo::{Optimizer, Outcome, Suggestion, TrialId};

use crate::{Error, Result};

/// A study, as one process sees it and adds to it.
pub struct Study<O: Optimizer + ?Sized> {
    storage: Storage,
    spec: StudySpec,
    make: Box<dyn Fn() -> ss_bo::Result<Box<O>> + Send + Sync>,
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

    /// Something that was remembered about the study.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.record.attributes.get(key)
    }

    /// Something that was noted about a trial before it ended.
    pub fn trial_attribute(&self, id: TrialId, key: &str) -> Option<&Value> {
        let attributes = usize::try_from(id.0).ok().and_then(|i| self.record.trial_attributes.get(i));
        attributes.and_then(|attributes| attributes.get(key))
    }

    /// When a trial was asked for, since 1970, where the record says so.
    pub fn started(&self, id: TrialId) -> Option<Duration> {
        usize::try_from(id.0).ok().and_then(|i| self.record.started.get(i)).copied().flatten()
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
        make: impl Fn() -> ss_bo::Result<Box<O>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let place = storage.place();
        // A study that is there needs no lock: one that may be read but not written can be shown.
        if !spec.entry(&storage.peek()?, &place)?.is_empty() {
            storage.transact(|text| Ok(((), spec.entry(text, &place)?)))?;
        }
        Ok(Self { storage, spec, make: Box::new(make) })
    }

    /// The study as it stands, without waiting for anyone: of records that a process is about to append, all, some or none are
    /// in it, as if that process had been killed meanwhile.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    pub fn load(&self) -> Result<Loaded<O>> {
        // What a killed process left of a line may be cut off while the file is read: read again.
        self.replayed(&self.storage.peek()?).or_else(|_| self.replayed(&self.storage.peek()?))
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
        self.tell_with(id, outcome, |_| Ok(None))
    }

    /// As [`tell`](Self::tell), and keeps the trial attribute that `note` gives in view of the study, unless `note`
    /// declines the outcome by an error. It is not asked when another process has told already.
    ///
    /// # Errors
    /// Those of [`tell`](Self::tell), and of `note`.
    pub fn tell_with(
        &self,
        id: TrialId,
        outcome: Outcome,
        note: impl FnOnce(&Loaded<O>) -> Result<Option<(&'static str, Value)>>,
    ) -> Result<bool> {
        self.act(|loaded| {
            let trial = loaded.journal_id(id)?;
            if !loaded.optimizer.trials().iter().any(|trial| trial.id == id && trial.is_running()) {
                return Ok((false, Vec::new()));
            }
            let worker = &self.spec.worker;
            let noted = note(&loaded)?.map(|(key, value)| {
                let operation = Operation::SetTrialAttribute { trial, key: key.to_owned(), value };
                JournalRecord::new(worker, operation)
            });
            // Before the outcome: what is noted about a trial that has ended does not count.
            let records = noted.into_iter().chain(journal::tell_records(worker, trial, &outcome, &now()));
            Ok((true, records.collect()))
        })
    }

    /// Remembers something about the study that is not one of its settings; a later value replaces an earlier one.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    pub fn remember(&self, key: &str, value: Value) -> Result<()> {
        self.act(|loaded| {
            let (study, key) = (loaded.record.id, key.to_owned());
            let operation = Operation::SetStudyAttribute { study, key, value };
            Ok(((), vec![JournalRecord::new(&self.spec.worker, operation)]))
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
        self.storage.transact(|text| act(self.replayed(text)?))
    }

    fn replayed(&self, text: &str) -> Result<Loaded<O>> {
        let record = journal::replay(text, &self.spec.name, &self.spec.parameters)
            .map_err(|reason| Error::Journal { place: self.place(), reason })?;
        let mut optimizer = (self.make)()?;
        optimizer.replay(&record.events)?;
        Ok(Loaded { optimizer, record })
    }
}

fn now() -> String {
    journal::timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}
