//! Where a study stands.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use ss_bo::{Optimizer, TrialId, TrialState};

use super::ExternalStudy;
use crate::Result;

/// Where a study stands, trial by trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// How many trials there are to be.
    pub budget: usize,
    /// Trials with a score.
    pub complete: usize,
    /// Trials without one.
    pub failed: usize,
    /// Trials that are lent.
    pub running: usize,
    /// Running trials whose lease has run out: the next worker that asks gets them.
    pub run_out: usize,
    /// All trials in the order of suggestion.
    pub trials: Vec<TrialStatus>,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialStatus {
    /// Its number.
    pub trial: TrialId,
    /// What it is: the name of a start-up shape, or `model`.
    pub name: String,
    /// Who has it, or had it last.
    pub worker: String,
    /// Seconds that are left of the lease of a running trial, negative where it has run out; absent without a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_left: Option<f64>,
    /// Seconds since a running trial was asked for; absent where the record does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
    /// What came of it.
    #[serde(flatten)]
    pub state: TrialState,
}

impl ExternalStudy {
    /// Where the study stands at `now` (since 1970).
    ///
    /// # Errors
    /// Those of [`Study::load`](crate::study::Study::load).
    pub fn status(&self, now: Duration) -> Result<Status> {
        let budget = self.budget()?;
        let loaded = self.study.load()?;
        let mut status =
            Status { budget, complete: 0, failed: 0, running: 0, run_out: 0, trials: Vec::new() };
        for trial in loaded.optimizer().trials() {
            let lease = loaded.lease(trial.id)?;
            let (mut lease_left, mut age) = (None, None);
            match trial.state {
                TrialState::Complete { .. } => status.complete += 1,
                TrialState::Running => {
                    status.running += 1;
                    status.run_out += usize::from(lease.has_run_out(now));
                    lease_left = lease.until.map(|until| until - now.as_secs_f64());
                    age = loaded.started(trial.id).map(|start| now.saturating_sub(start).as_secs_f64());
                }
                _ => status.failed += 1,
            }
            status.trials.push(TrialStatus {
                trial: trial.id,
                name: self.rules.name_of(&trial.x).to_owned(),
                worker: lease.worker,
                lease_left,
                age,
                state: trial.state.clone(),
            });
        }
        Ok(status)
    }
}

impl Status {
    /// The status as lines of text.
    pub fn in_words(&self) -> String {
        let Self { budget, complete, failed, running, run_out, trials } = self;
        let mut out = format!(
            "{} of {budget} trials: {complete} with a score, {failed} failed or pruned, {running} running",
            trials.len()
        );
        if *run_out > 0 {
            let _ = write!(out, " ({run_out} abandoned, for the next worker that asks)");
        }
        out.push('\n');
        for TrialStatus { trial, name, worker, lease_left, state, .. } in trials {
            let _ = write!(out, "{:>4}  {name:<18} ", trial.0);
            let _ = match (state, lease_left) {
                (TrialState::Running, Some(left)) if *left <= 0.0 => write!(out, "abandoned by {worker}"),
                (TrialState::Running, Some(left)) => write!(out, "running, {worker}, {left:.0} s left"),
                (TrialState::Running, None) => write!(out, "running, {worker}"),
                (state, _) => write!(out, "{}", outcome_in_words(state)),
            };
            out.push('\n');
        }
        out
    }
}

pub(super) fn outcome_in_words(state: &TrialState) -> String {
    match state {
        TrialState::Complete { score, variance: None } => format!("score {score}"),
        TrialState::Complete { score, variance: Some(variance) } => {
            format!("score {score} +- {:.3e}", variance.sqrt())
        }
        TrialState::Pruned { score } => format!("stopped at {score}"),
        TrialState::Failed { reason } => format!("failed: {reason}"),
        _ => "running".to_owned(),
    }
}
