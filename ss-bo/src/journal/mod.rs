//! The study as a journal of lines, in the format of Optuna's `JournalFileBackend`.
//!
//! Each line is one JSON object, one operation; a study is what results from applying all lines in order.
//! Lines are only ever appended, so several processes can share a file under a lock, a killed process loses
//! at most the line it was writing, and Optuna (with its dashboard) opens the same file. This module only
//! maps operations to lines and back; files and locks are the caller's.
//!
//! The protocol of one process, under the file's lock: read all lines, [`replay`] them, bring an optimiser to
//! that state with [`Optimizer::replay`](crate::Optimizer::replay), `ask`, append [`ask_records`]. Release
//! the lock, evaluate (with [`report_records`] along the way, where trials are stopped early), then append
//! [`tell_records`] under the lock. Suggestions are functions of the record, so a run that continues from the
//! file goes on with the suggestion that an uninterrupted run would have made.
//!
//! Parameters are called by name in the file, are real numbers in `[0, 1]`, and the study's direction is
//! *maximise*. What Optuna has no field for is kept in user attributes: `origin` and `reason` of a trial,
//! `variance` of a score.
//!
//! ```
//! use ss_bo::journal::{Operation, JournalRecord, ask_records, replay, tell_records, timestamp};
//! use ss_bo::{BayesOpt, BoConfig, Optimizer, Outcome};
//! use std::time::Duration;
//!
//! let names = ["a".to_owned(), "b".to_owned()];
//! let now = timestamp(Duration::from_secs(1_700_000_000));
//! assert_eq!(now, "2023-11-14T22:13:20.000000+00:00");
//! let create = Operation::CreateStudy { name: "demo".into(), maximize: true };
//! let mut file = JournalRecord::new("worker-1", create).encode() + "\n";
//!
//! let mut bo = BayesOpt::new(2, BoConfig::default())?;
//! let trial = bo.ask()?;
//! for record in ask_records("worker-1", 0, &trial, &names, &now) {
//!     file += &(record.encode() + "\n");
//! }
//! for record in tell_records("worker-1", 0, &Outcome::Score(0.5), &now) {
//!     file += &(record.encode() + "\n");
//! }
//! bo.tell(trial.id, Outcome::Score(0.5))?;
//!
//! let study = replay(&file, "demo", &names)?;
//! let mut resumed = BayesOpt::new(2, BoConfig::default())?;
//! resumed.replay(&study.events)?;
//! assert_eq!(resumed.ask()?, bo.ask()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod record;
mod replay;
mod time;

pub use record::{FinalState, JournalRecord, NewTrial, Operation};
pub use replay::{Study, replay, study_attributes};
pub use time::timestamp;

use serde_json::json;

use crate::trial::{Outcome, Suggestion, TrialState};

/// What can be wrong with a journal.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JournalError {
    /// A line is not an operation.
    #[error(
        "line {line} of the journal is not a valid operation: {problem}: restore the file from a backup, or cut it before this line"
    )]
    InvalidLine {
        /// Line number, counted from 1; 0 for a line decoded by itself.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// There is no study of this name.
    #[error("the journal has no study `{name}`, it has: {found:?}")]
    UnknownStudy {
        /// The name looked for.
        name: String,
        /// The names there are.
        found: Vec<String>,
    },
    /// The study minimises, or its parameters are other ones.
    #[error("study `{name}` of the journal is {found}, expected {expected}: use another name or file")]
    OtherStudy {
        /// The study.
        name: String,
        /// What it is.
        found: String,
        /// What was expected.
        expected: String,
    },
}

/// The lines that record a suggestion as a running trial of the study with number `study`, whose parameters
/// have these
/// `names`, at `time` (see [`timestamp`]).
pub fn ask_records(
    worker: &str,
    study: u64,
    suggestion: &Suggestion,
    names: &[String],
    time: &str,
) -> Vec<JournalRecord> {
    let trial = NewTrial {
        study,
        start: Some(time.to_owned()),
        waiting: false,
        parameters: names.iter().cloned().zip(suggestion.x.iter().copied()).collect(),
        attributes: [("origin".to_owned(), json!(suggestion.origin))].into(),
        result: None,
    };
    vec![JournalRecord::new(worker, Operation::CreateTrial(trial))]
}

/// The lines that record a score that the trial with number `trial` in the journal had along the way, after
/// `step` steps: what Optuna calls an intermediate value. A step's later record replaces its earlier one. To be
/// appended before the trial ends. A score that is not finite is not recorded.
pub fn report_records(worker: &str, trial: u64, step: u64, score: f64) -> Vec<JournalRecord> {
    let value = score.is_finite().then_some(score);
    let operation = value.map(|_| Operation::SetIntermediate { trial, step, value });
    operation.into_iter().map(|operation| JournalRecord::new(worker, operation)).collect()
}

/// The lines that record the outcome of the trial with number `trial` in the journal (see
/// [`Study::journal_ids`]). NaN and infinite scores are recorded as failures, as `tell` does. The steps at which
/// a pruned trial was looked at are recorded by [`report_records`].
pub fn tell_records(worker: &str, trial: u64, outcome: &Outcome, time: &str) -> Vec<JournalRecord> {
    let attribute = |key: &str, value| Operation::SetTrialAttribute { trial, key: key.to_owned(), value };
    let finish = |state, score| Operation::Finish { trial, state, score, time: time.to_owned() };
    let operations = match TrialState::from(outcome.clone()) {
        TrialState::Complete { score, variance: None } => vec![finish(FinalState::Complete, Some(score))],
        TrialState::Complete { score, variance: Some(v) } => {
            vec![attribute("variance", json!(v)), finish(FinalState::Complete, Some(score))]
        }
        TrialState::Pruned { score } => vec![finish(FinalState::Pruned, Some(score))],
        TrialState::Failed { reason } => {
            vec![attribute("reason", json!(reason)), finish(FinalState::Failed, None)]
        }
        TrialState::Running => Vec::new(),
    };
    operations.into_iter().map(|operation| JournalRecord::new(worker, operation)).collect()
}
