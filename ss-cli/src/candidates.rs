//! The candidates of a search: from a rule to its trial.

use std::ops::ControlFlow;

use ss_approx::sampling::rank;
use ss_approx::{Checkpoint, Trainer, TrialResult, UniformRun, Watch, WatchedTrial};
use ss_bo::{Trial, TrialState};
use ss_data::ImageSet;
use ss_seed::Seed;

use crate::rule_space::RuleSpace;
use crate::search::{SearchConfig, TrialRecord};
use crate::{Error, Result};

/// Everything that a candidate's trial depends on.
pub(crate) struct Candidates<'a> {
    trainer: &'a Trainer<'a>,
    validation: &'a ImageSet,
    uniform: &'a UniformRun,
    config: &'a SearchConfig,
    seed: Seed,
    pub(crate) rules: RuleSpace,
    /// Where a trial is looked at on its way; only when clearly worse trials are stopped.
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(
        trainer: &'a Trainer<'a>,
        validation: &'a ImageSet,
        uniform: &'a UniformRun,
        config: &'a SearchConfig,
        seed: Seed,
    ) -> Result<Self> {
        let rules = RuleSpace::new(rank(&config.spec, &uniform.features)?, seed.derive("outer-loop", 0))?;
        let checkpoint = match &config.pruning {
            None => None,
            Some(pruning) => Some(trainer.checkpoint(config.trial.epochs, pruning.after)?),
        };
        Ok(Self { trainer, validation, uniform, config, seed, rules, checkpoint })
    }

    /// Tries the candidate at `point`; `judge` says at the checkpoint, where there is one, whether it goes on.
    pub(crate) fn attempt(
        &self,
        point: &[f64],
        mut judge: impl FnMut(&TrialResult) -> ControlFlow<()>,
    ) -> Result<WatchedTrial> {
        let weights = self.rules.weights(point)?;
        let (start, config, seed) = (&self.uniform.start, self.config.trial, self.seed.derive("trials", 0));
        let (trainer, validation) = (self.trainer, self.validation);
        Ok(match self.checkpoint {
            Some(at) => {
                let watch = Watch { at, judge: &mut judge };
                start.watched_trial(trainer, &weights, validation, config, seed, watch)?
            }
            None => WatchedTrial::Finished(start.trial(trainer, &weights, validation, config, seed)?),
        })
    }

    /// What each validation example contributes to the score of a trial.
    pub(crate) fn example_scores(&self, result: &TrialResult) -> Result<Vec<f64>> {
        Ok(result.predictions.example_scores(self.config.trial.score, self.validation.labels())?)
    }

    /// The example scores of a trial that an earlier process ran to its end, by running it again: it is a
    /// function of the point. `None` when it fails here.
    pub(crate) fn repeat(&self, point: &[f64]) -> Result<Option<Vec<f64>>> {
        match self.attempt(point, |_| ControlFlow::Continue(())) {
            Ok(WatchedTrial::Finished(result)) => self.example_scores(&result).map(Some),
            Ok(WatchedTrial::Stopped(_)) => Ok(None),
            Err(error) if is_candidates_fault(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A trial of the study, for the report.
    pub(crate) fn record(&self, trial: &Trial) -> Result<TrialRecord> {
        let (score, pruned, failure) = match &trial.state {
            TrialState::Complete { score, .. } => (Some(*score), None, None),
            TrialState::Pruned { score } => (None, Some(*score), None),
            TrialState::Failed { reason } => (None, None, Some(reason.clone())),
            _ => (None, None, Some("another process has not finished it".to_owned())),
        };
        let effective_share = match failure {
            Some(_) => 0.0,
            None => {
                match self.rules.weights(&trial.x) {
                    Ok(weights) => weights.effective_sample_size() / weights.len() as f64,
                    // Another program may record a score for a rule that draws nothing.
                    Err(Error::Sampler(ss_sampler::Error::NoMass { .. })) => 0.0,
                    Err(error) => return Err(error),
                }
            }
        };
        let name = self.rules.name_of(&trial.x).to_owned();
        Ok(TrialRecord { name, point: trial.x.clone(), score, pruned, failure, effective_share })
    }

    /// Cost of these trials in units of one full training: a trial that was stopped has trained up to the
    /// checkpoint only.
    pub(crate) fn cost(&self, trials: &[TrialRecord]) -> f64 {
        let stopped = trials.iter().filter(|trial| trial.pruned.is_some()).count();
        let up_to_checkpoint = self.checkpoint.map_or(self.config.trial.epochs, |at| at.epochs);
        let epochs =
            (trials.len() - stopped) as f64 * self.config.trial.epochs + stopped as f64 * up_to_checkpoint;
        epochs / self.trainer.config.epochs as f64
    }
}

/// Whether an error says something about the candidate, so that the search goes on: training diverged under
/// it, or its rule gives no example any weight.
pub(crate) fn is_candidates_fault(error: &Error) -> bool {
    error.is_divergence() || matches!(error, Error::Sampler(ss_sampler::Error::NoMass { .. }))
}
