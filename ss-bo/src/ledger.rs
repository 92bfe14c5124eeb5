//! The record of trials that every optimiser keeps.

use crate::error::{Error, Result};
use crate::trial::{Origin, Outcome, Recommendation, Suggestion, Trial, TrialId, TrialState};

/// Trials in the order of suggestion; the only place where a trial changes state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    trials: Vec<Trial>,
}

impl Ledger {
    pub(crate) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    pub(crate) fn len(&self) -> usize {
        self.trials.len()
    }

    pub(crate) fn open(&mut self, x: Vec<f64>, origin: Origin) -> Suggestion {
        let id = TrialId(self.trials.len() as u64);
        self.trials.push(Trial { id, x: x.clone(), origin, state: TrialState::Running });
        Suggestion { id, x, origin }
    }

    /// Records the outcome and returns the closed trial.
    pub(crate) fn close(&mut self, id: TrialId, outcome: Outcome) -> Result<&Trial> {
        let known = self.trials.len();
        let trial = usize::try_from(id.0)
            .ok()
            .and_then(|i| self.trials.get_mut(i))
            .ok_or(Error::UnknownTrial { id, known })?;
        if !trial.is_running() {
            return Err(Error::AlreadyTold { id });
        }
        trial.state = outcome.into();
        Ok(trial)
    }

    /// The best observed score; the earliest trial wins ties.
    pub(crate) fn best_observed(&self) -> Option<Recommendation> {
        let mut best: Option<Recommendation> = None;
        for trial in &self.trials {
            let TrialState::Complete { score, variance } = trial.state else { continue };
            if best.as_ref().is_none_or(|b| score > b.observed) {
                best = Some(Recommendation {
                    id: trial.id,
                    x: trial.x.clone(),
                    observed: score,
                    mean: score,
                    std: variance.unwrap_or(0.0).sqrt(),
                });
            }
        }
        best
    }
}
