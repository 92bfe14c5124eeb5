//! The candidates of a search: from a rule to its trial.

use std::ops::ControlFlow;

use ss_approx::sampling::rank;
use ss_approx::{Checkpoint, Examples, SharedStart, Trainer, TrialResult, UniformRun, Watch, WatchedTrial};
use ss_bo::{Suggestion, Trial, TrialState};
use ss_seed::Seed;

use crate::device_flags::check_alike;
use crate::rule_space::RuleSpace;
use crate::search::{SearchConfig, TrialRecord};
use crate::{Error, Result};

/// Everything that a candidate's trial depends on.
pub(crate) struct Candidates<'a> {
    /// One a device; the first is that of trials that run alone.
    lanes: Vec<Lane<'a>>,
    validation: &'a dyn Examples,
    config: &'a SearchConfig,
    seed: Seed,
    pub(crate) rules: RuleSpace,
    /// Where a trial is looked at on its way; only when clearly worse trials are stopped.
    pub(crate) checkpoint: Option<Checkpoint>,
}

/// A device that tries candidates, and the shared start on it.
struct Lane<'a> {
    trainer: Trainer<'a>,
    start: SharedStart,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(
        trainer: &Trainer<'a>,
        validation: &'a dyn Examples,
        uniform: &UniformRun,
        config: &'a SearchConfig,
        seed: Seed,
    ) -> Result<Self> {
        let rules = RuleSpace::new(rank(&config.spec, &uniform.features)?, seed.derive("outer-loop", 0))?;
        let checkpoint = match &config.pruning {
            None => None,
            Some(pruning) => Some(trainer.checkpoint(config.trial.epochs, pruning.after)?),
        };
        let lanes = lanes(trainer, uniform, config)?;
        Ok(Self { lanes, validation, config, seed, rules, checkpoint })
    }

    /// How many candidates are tried side by side, at least 1.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Tries the candidate at `point`; `judge` says at the checkpoint, where there is one, whether it goes on.
    pub(crate) fn attempt(
        &self,
        point: &[f64],
        judge: impl FnMut(&TrialResult) -> ControlFlow<()>,
    ) -> Result<WatchedTrial> {
        self.attempt_on(&self.lanes[0], point, judge)
    }

    /// Tries each of these candidates, at most as many as there are lanes, on a lane of its own.
    pub(crate) fn attempt_side_by_side(&self, candidates: &[Suggestion]) -> Vec<Result<WatchedTrial>> {
        let unwatched = |_: &TrialResult| ControlFlow::Continue(());
        std::thread::scope(|scope| {
            let lanes = self.lanes.iter().zip(candidates);
            let threads: Vec<_> = lanes
                .map(|(lane, candidate)| scope.spawn(move || self.attempt_on(lane, &candidate.x, unwatched)))
                .collect();
            // A panic goes on as it would have without threads.
            let joined =
                threads.into_iter().map(|t| t.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
            joined.collect()
        })
    }

    fn attempt_on(
        &self,
        Lane { trainer, start }: &Lane,
        point: &[f64],
        mut judge: impl FnMut(&TrialResult) -> ControlFlow<()>,
    ) -> Result<WatchedTrial> {
        let weights = self.rules.weights(point)?;
        let (config, seed, validation) = (self.config.trial, self.seed.derive("trials", 0), self.validation);
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
        Ok(result.predictions.example_scores(self.config.trial.score)?)
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
        epochs / self.lanes[0].trainer.config.epochs as f64
    }
}

/// The devices of the search, each with the shared start.
fn lanes<'a>(trainer: &Trainer<'a>, uniform: &UniformRun, config: &SearchConfig) -> Result<Vec<Lane<'a>>> {
    if config.devices.len() <= 1 {
        return Ok(vec![Lane { trainer: trainer.clone(), start: uniform.start.clone() }]);
    }
    check_alike(&config.devices)?;
    if config.pruning.is_some() {
        return Err(Error::InvalidSetting {
            setting: "--prune",
            found: format!("{} devices", config.devices.len()),
            expected: "one device: which trials are stopped would depend on who is faster",
        });
    }
    let lane = |device: &ss_approx::Device| -> Result<Lane<'a>> {
        let trainer = Trainer { device: device.clone(), ..trainer.clone() };
        Ok(Lane { start: uniform.start.on(device)?, trainer })
    };
    config.devices.iter().map(lane).collect()
}

/// Whether an error says something about the candidate, so that the search goes on: training diverged under
/// it, or its rule gives no example any weight.
pub(crate) fn is_candidates_fault(error: &Error) -> bool {
    error.is_divergence() || matches!(error, Error::Sampler(ss_sampler::Error::NoMass { .. }))
}
