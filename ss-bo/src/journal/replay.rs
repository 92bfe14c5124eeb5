//! From a journal's lines to a study.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::time::since_epoch;
use super::{FinalState, JournalError, JournalRecord, NewTrial, Operation};
use crate::optimizer::Event;
use crate::trial::{Origin, Outcome, Suggestion, TrialId};

/// A study as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// Its number in the journal.
    pub id: u64,
    /// Its attributes.
    pub attributes: BTreeMap<String, Value>,
    /// Suggestions and outcomes in the order in which they happened, for
    /// [`Optimizer::replay`](crate::Optimizer::replay). Trials are numbered within the study.
    pub events: Vec<Event>,
    /// The number in the journal of each of the study's trials, by the number within the study.
    pub journal_ids: Vec<u64>,
    /// The worker that created each of the study's trials, by the number within the study.
    pub workers: Vec<String>,
    /// The user attributes of each of the study's trials, by the number within the study; set after its end, they do
    /// not count.
    pub trial_attributes: Vec<BTreeMap<String, Value>>,
    /// When each of the study's trials was asked for, since 1970, where the journal says it in UTC; by the number
    /// within the study.
    pub started: Vec<Option<Duration>>,
    /// The scores that each of the study's trials had along the way, by step; by the number within the study.
    pub intermediates: Vec<BTreeMap<u64, f64>>,
    /// The number that the next trial of the journal (of any study) will have.
    pub next_journal_id: u64,
    /// Bytes of the text that are complete lines. Less than its length when the last write was cut short:
    /// truncate the file to this length before appending.
    pub complete_bytes: usize,
}

/// One trial while the lines are read.
struct Row {
    study: u64,
    worker: String,
    start: Option<String>,
    intermediates: BTreeMap<u64, f64>,
    parameters: BTreeMap<String, f64>,
    attributes: BTreeMap<String, Value>,
    result: Option<(FinalState, Option<f64>)>,
    created: usize,
    finished: usize,
}

/// All lines of a journal, applied in order.
#[derive(Default)]
struct Lines {
    /// Name of each study, and whether it is maximised.
    studies: Vec<(String, bool)>,
    deleted: Vec<u64>,
    attributes: BTreeMap<u64, BTreeMap<String, Value>>,
    rows: Vec<Row>,
}

impl Lines {
    /// Applies the complete lines of `text`.
    fn read(text: &str) -> Result<Self, JournalError> {
        let mut all = Self::default();
        for (i, line) in text.lines().enumerate() {
            let record = JournalRecord::decode(line).map_err(|error| match error {
                JournalError::InvalidLine { problem, .. } => {
                    JournalError::InvalidLine { line: i + 1, problem }
                }
                other => other,
            })?;
            all.apply(record, i);
        }
        Ok(all)
    }

    fn apply(&mut self, record: JournalRecord, line: usize) {
        match record.operation {
            Operation::CreateStudy { name, maximize } => {
                if self.find(&name).is_none() {
                    self.studies.push((name, maximize));
                }
            }
            Operation::DeleteStudy { study } => self.deleted.push(study),
            Operation::SetStudyAttribute { study, key, value } => {
                self.attributes.entry(study).or_default().insert(key, value);
            }
            Operation::CreateTrial(NewTrial { study, start, parameters, attributes, result, .. }) => {
                if (study as usize) < self.studies.len() && !self.deleted.contains(&study) {
                    let (worker, intermediates) = (record.worker, BTreeMap::new());
                    let (created, finished) = (line, line);
                    self.rows.push(Row {
                        study,
                        worker,
                        start,
                        intermediates,
                        parameters,
                        attributes,
                        result,
                        created,
                        finished,
                    });
                }
            }
            operation => apply(&mut self.rows, operation, line),
        }
    }

    /// The number of the study of this name.
    fn find(&self, name: &str) -> Option<usize> {
        let alive = |s: usize| !self.deleted.contains(&(s as u64));
        self.studies.iter().enumerate().position(|(s, (other, _))| other == name && alive(s))
    }

    fn unknown(self, name: &str) -> JournalError {
        let found = self.studies.into_iter().map(|(name, _)| name).collect();
        JournalError::UnknownStudy { name: name.to_owned(), found }
    }
}

/// How many bytes of the text are complete lines.
fn complete(text: &str) -> usize {
    text.rfind('\n').map_or(0, |end| end + 1)
}

/// The attributes of the study `name`, whatever its parameters are: what a reader needs to know before it can name
/// them.
///
/// # Errors
/// [`JournalError`]: a malformed line, or no such study.
pub fn study_attributes(text: &str, name: &str) -> Result<BTreeMap<String, Value>, JournalError> {
    let mut lines = Lines::read(&text[..complete(text)])?;
    match lines.find(name) {
        Some(id) => Ok(lines.attributes.remove(&(id as u64)).unwrap_or_default()),
        None => Err(lines.unknown(name)),
    }
}

/// Replays the text of a journal for the study `name` with parameters `names`, in the order of the
/// coordinates. A last line without its line end is the remains of a write that was cut short, and ignored.
///
/// Trials of other studies in the file are skipped. Operations on trials that are unknown or already finished
/// are ignored, as Optuna does: two processes may race. A trial that lacks a parameter (it waits in Optuna's
/// queue) is a failed one at the centre of the cube.
///
/// # Errors
/// [`JournalError`]: a malformed line, no such study, or a study with another direction or other parameters.
pub fn replay(text: &str, name: &str, names: &[String]) -> Result<Study, JournalError> {
    let complete_bytes = complete(text);
    let lines = Lines::read(&text[..complete_bytes])?;
    let Some(id) = lines.find(name) else { return Err(lines.unknown(name)) };
    let Lines { studies, mut attributes, rows, .. } = lines;
    let other =
        |found: String, expected: String| JournalError::OtherStudy { name: name.to_owned(), found, expected };
    if !studies[id].1 {
        return Err(other("not maximised".into(), "a study that maximises one score".into()));
    }
    let id = id as u64;
    let next_journal_id = rows.len() as u64;
    let (mut journal_ids, mut workers, mut intermediates) = (Vec::new(), Vec::new(), Vec::new());
    let (mut trial_attributes, mut started) = (Vec::new(), Vec::new());
    let mut events: Vec<(usize, Event)> = Vec::new();
    for (journal_id, row) in rows.into_iter().enumerate().filter(|(_, row)| row.study == id) {
        if let Some(unknown) = row.parameters.keys().find(|k| !names.contains(k)) {
            return Err(other(format!("over a parameter `{unknown}`"), format!("one over {names:?}")));
        }
        let trial = TrialId(journal_ids.len() as u64);
        journal_ids.push(journal_id as u64);
        row.events(trial, names, &mut events);
        workers.push(row.worker);
        started.push(row.start.as_deref().and_then(since_epoch));
        trial_attributes.push(row.attributes);
        intermediates.push(row.intermediates);
    }
    // Stable: a trial's suggestion stays before its outcome when one line made both.
    events.sort_by_key(|(line, _)| *line);
    Ok(Study {
        id,
        attributes: attributes.remove(&id).unwrap_or_default(),
        events: events.into_iter().map(|(_, event)| event).collect(),
        journal_ids,
        workers,
        trial_attributes,
        started,
        intermediates,
        next_journal_id,
        complete_bytes,
    })
}

/// Applies an operation on a trial, unless the trial is unknown or finished.
fn apply(rows: &mut [Row], operation: Operation, line: usize) {
    let trial = match &operation {
        Operation::SetParameter { trial, .. }
        | Operation::Start { trial, .. }
        | Operation::Finish { trial, .. }
        | Operation::SetIntermediate { trial, .. }
        | Operation::SetTrialAttribute { trial, .. } => *trial,
        _ => return,
    };
    let Some(row) = rows.get_mut(trial as usize).filter(|row| row.result.is_none()) else { return };
    match operation {
        Operation::SetParameter { name, value, .. } => {
            row.parameters.insert(name, value);
        }
        Operation::Start { time, .. } => row.start = Some(time),
        Operation::SetTrialAttribute { key, value, .. } => {
            row.attributes.insert(key, value);
        }
        // A score that is not a number is none; a later report of a step replaces an earlier one.
        Operation::SetIntermediate { step, value, .. } => {
            match value {
                Some(value) => row.intermediates.insert(step, value),
                None => row.intermediates.remove(&step),
            };
        }
        Operation::Finish { state, score, .. } => {
            row.result = Some((state, score));
            row.finished = line;
        }
        _ => {}
    }
}

impl Row {
    fn events(&self, id: TrialId, names: &[String], events: &mut Vec<(usize, Event)>) {
        let x: Option<Vec<f64>> = names.iter().map(|name| self.parameters.get(name).copied()).collect();
        let origin = self
            .attributes
            .get("origin")
            .and_then(|v| serde_json::from_value(v.clone()).ok())
            // Without our mark it was someone else's idea.
            .unwrap_or(Origin::Enqueued);
        let missing = x.is_none();
        let x = x.unwrap_or_else(|| vec![0.5; names.len()]);
        events.push((self.created, Event::Asked(Suggestion { id, x, origin })));
        let reason = || match self.attributes.get("reason").and_then(Value::as_str) {
            Some(reason) => reason.to_owned(),
            None => "no reason recorded".to_owned(),
        };
        let variance = self.attributes.get("variance").and_then(Value::as_f64);
        let outcome = match (self.result, variance) {
            _ if missing => Outcome::Failed { reason: "parameters are missing".to_owned() },
            (None, _) => return,
            (Some((FinalState::Complete, Some(score))), Some(variance)) => {
                Outcome::ScoreWithVariance { score, variance }
            }
            (Some((FinalState::Complete, Some(score))), None) => Outcome::Score(score),
            (Some((FinalState::Pruned, Some(score))), _) => Outcome::Pruned { score },
            _ => Outcome::Failed { reason: reason() },
        };
        events.push((self.finished, Event::Told(id, outcome)));
    }
}
