//! Trials that are lent to workers for a time: a worker that dies gives its trial back without knowing.
//!
//! Who holds a trial and until when are user attributes of the trial in the journal, `worker` and `lease_until`
//! (seconds since 1970). The clock is the caller's.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use ss_bo::journal::{JournalRecord, Operation};
use ss_bo::{Optimizer, Suggestion, TrialId};

use super::{Loaded, Study};
use crate::Result;

/// The trial attribute that names the holder, where it is not the worker that asked first.
const WORKER: &str = "worker";
/// The trial attribute that says until when the holder has the trial, in seconds since 1970.
const LEASE_UNTIL: &str = "lease_until";

/// A trial that this worker has for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased {
    /// What is to be tried.
    pub suggestion: Suggestion,
    /// Whose it was before.
    pub history: LeaseHistory,
}

/// Where a leased trial comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseHistory {
    /// It was just made.
    New,
    /// This worker had it already and did not finish it: the lease is renewed.
    Renewed,
    /// The lease of this worker ran out.
    TakenOver(String),
}

/// Who has a running trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// The worker that is at it.
    pub worker: String,
    /// Until when, in seconds since 1970; `None` for a trial that was not leased, which has no end.
    pub until: Option<f64>,
}

impl Lease {
    fn of(creator: &str, attributes: &BTreeMap<String, Value>) -> Self {
        let worker = attributes.get(WORKER).and_then(Value::as_str).unwrap_or(creator).to_owned();
        Self { worker, until: attributes.get(LEASE_UNTIL).and_then(Value::as_f64) }
    }

    /// Whether the trial may be given to another worker.
    pub fn has_run_out(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| until <= now.as_secs_f64())
    }
}

impl<O: Optimizer + ?Sized> Loaded<O> {
    /// Who has a trial, or had it when it ended.
    ///
    /// # Errors
    /// [`ss_bo::Error::UnknownTrial`].
    pub fn lease(&self, id: TrialId) -> ss_bo::Result<Lease> {
        self.journal_id(id)?;
        let at = id.0 as usize;
        Ok(Lease::of(&self.record.workers[at], &self.record.trial_attributes[at]))
    }
}

impl<O: Optimizer + ?Sized> Study<O> {
    /// A trial for this worker for a `period` from `now` (since 1970): the one that a process of its name has not
    /// finished, else one whose lease has run out, else a new one, unless `wanted` declines in view of the study.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask), and of `wanted`.
    pub fn lease(
        &self,
        now: Duration,
        period: Duration,
        wanted: impl FnOnce(&O) -> Result<bool>,
    ) -> Result<Option<Leased>> {
        let until = json!((now + period).as_secs_f64());
        let me = &self.spec.worker;
        self.act(|loaded| {
            let trials = loaded.optimizer().trials().iter().filter(|trial| trial.is_running());
            let running: Vec<(Suggestion, Lease)> = trials
                .map(|t| Ok((Suggestion { id: t.id, x: t.x.clone(), origin: t.origin }, loaded.lease(t.id)?)))
                .collect::<ss_bo::Result<_>>()?;
            let own = running.iter().find(|(_, lease)| lease.worker == *me);
            let open = || running.iter().find(|(_, lease)| lease.has_run_out(now));
            if let Some((suggestion, lease)) = own.or_else(open) {
                let history = if lease.worker == *me {
                    LeaseHistory::Renewed
                } else {
                    LeaseHistory::TakenOver(lease.worker.clone())
                };
                let trial = loaded.journal_id(suggestion.id)?;
                let set =
                    |key: &str, value| Operation::SetTrialAttribute { trial, key: key.to_owned(), value };
                let records = [set(WORKER, json!(me)), set(LEASE_UNTIL, until)];
                let records = records.map(|operation| JournalRecord::new(me, operation)).to_vec();
                return Ok((Some(Leased { suggestion: suggestion.clone(), history }), records));
            }
            if !wanted(loaded.optimizer())? {
                return Ok((None, Vec::new()));
            }
            let (suggestion, mut records) = self.suggest(loaded)?;
            for record in &mut records {
                // In the line that makes the trial: a process that is killed between lines leaves no trial without
                // an end.
                if let Operation::CreateTrial(trial) = &mut record.operation {
                    trial.attributes.insert(LEASE_UNTIL.to_owned(), until.clone());
                }
            }
            Ok((Some(Leased { suggestion, history: LeaseHistory::New }), records))
        })
    }

    /// Gives a running trial back: the next worker that asks gets it.
    ///
    /// # Errors
    /// Those of [`tell`](Self::tell).
    pub fn give_back(&self, id: TrialId) -> Result<()> {
        self.act(|loaded| {
            let (trial, key) = (loaded.journal_id(id)?, LEASE_UNTIL.to_owned());
            let operation = Operation::SetTrialAttribute { trial, key, value: json!(0.0) };
            Ok(((), vec![JournalRecord::new(&self.spec.worker, operation)]))
        })
    }
}
