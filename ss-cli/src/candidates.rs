//! The candidates of a search: from a point of the unit cube to a rule, and from a rule to its trial.

use std::ops::ControlFlow;
use std::sync::Arc;

use ss_approx::sampling::rank;
use ss_approx::{Checkpoint, Trainer, TrialResult, UniformRun, Watch, WatchedTrial};
use ss_bo::{BayesOpt, BoConfig, Trial, TrialState};
use ss_data::ImageSet;
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, shapes};
use ss_seed::Seed;

use crate::search::{SearchConfig, TrialRecord};
use crate::{Error, Result};

/// Everything that a candidate's trial depends on.
pub(crate) struct Candidates<'a> {
    trainer: &'a Trainer<'a>,
    validation: &'a ImageSet,
    uniform: &'a UniformRun,
    config: &'a SearchConfig,
    seed: Seed,
    pub(crate) ranked: RankedFeatures,
    /// The start-up shapes by name; uniform sampling is the first.
    designs: Vec<(String, Vec<f64>)>,
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
        let ranked = rank(&config.spec, &uniform.features)?;
        let designs = shapes::startup(&ranked)?
            .into_iter()
            .map(|(name, params)| Ok((name, params.canonical().to_unit(&config.spec)?)))
            .collect::<Result<Vec<_>>>()?;
        let checkpoint = match &config.pruning {
            None => None,
            Some(pruning) => Some(trainer.checkpoint(config.trial.epochs, pruning.after)?),
        };
        Ok(Self { trainer, validation, uniform, config, seed, ranked, designs, checkpoint })
    }

    /// What makes a fresh optimiser over the candidates.
    pub(crate) fn optimizer(&self) -> impl Fn() -> ss_bo::Result<Box<BayesOpt>> + 'static {
        let spec = self.config.spec.clone();
        let dim = spec.dim();
        let config = BoConfig {
            startup: self.designs.iter().map(|(_, point)| point.clone()).collect(),
            seed: self.seed.derive("outer-loop", 0).value(),
            ..BoConfig::default()
        };
        // The optimiser only asks for points of the right dimension, the one thing that can be wrong with them.
        let projection: ss_bo::Projection =
            Arc::new(move |x| ss_sampler::canonicalize_unit(&spec, x).unwrap_or_else(|_| x.to_vec()));
        move || Ok(Box::new(BayesOpt::with_projection(dim, config.clone(), Arc::clone(&projection))?))
    }

    /// Tries the candidate at `point`; `judge` says at the checkpoint, where there is one, whether it goes on.
    pub(crate) fn attempt(
        &self,
        point: &[f64],
        mut judge: impl FnMut(&TrialResult) -> ControlFlow<()>,
    ) -> Result<WatchedTrial> {
        let weights = self.ranked.weights(&SamplerParams::from_unit(&self.config.spec, point)?)?;
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
                let params = SamplerParams::from_unit(&self.config.spec, &trial.x)?;
                match self.ranked.weights(&params) {
                    Ok(weights) => weights.effective_sample_size() / weights.len() as f64,
                    // Another program may record a score for a rule that draws nothing.
                    Err(ss_sampler::Error::NoMass { .. }) => 0.0,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let name = self.name_of(&trial.x).to_owned();
        Ok(TrialRecord { name, point: trial.x.clone(), score, pruned, failure, effective_share })
    }

    /// Whether `point` is uniform sampling.
    pub(crate) fn is_uniform(&self, point: &[f64]) -> bool {
        self.designs.first().is_some_and(|(_, design)| same(design, point))
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

    /// The start-up shape at `point`, or `model` for a point that the optimiser chose.
    fn name_of(&self, point: &[f64]) -> &str {
        self.designs.iter().find(|(_, design)| same(design, point)).map_or("model", |(name, _)| name)
    }
}

/// Whether an error says something about the candidate, so that the search goes on: training diverged under
/// it, or its rule gives no example any weight.
pub(crate) fn is_candidates_fault(error: &Error) -> bool {
    matches!(
        error,
        Error::Approx(ss_approx::Error::Diverged { .. } | ss_approx::Error::NonFiniteLogit { .. })
            | Error::Sampler(ss_sampler::Error::NoMass { .. })
    )
}

/// The names of the coordinates of the unit cube of `spec`, in order: of the candidate's parameters.
pub(crate) fn parameter_names(spec: &SamplerSpec) -> Vec<String> {
    let coefficients = spec.features().iter().map(|feature| format!("c_{feature}"));
    let knots = (1..spec.segments()).map(|k| format!("e_{k}"));
    let values = (0..=spec.segments()).map(|k| format!("v_{k}"));
    coefficients.chain(knots).chain(values).collect()
}

fn same(design: &[f64], point: &[f64]) -> bool {
    design.iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coordinate_has_a_name_of_its_own() {
        let spec = SamplerSpec::paper();
        let names = parameter_names(&spec);
        assert_eq!(names.join(" "), "c_loss c_renormed_entropy e_1 e_2 e_3 v_0 v_1 v_2 v_3 v_4");
        assert_eq!(names.len(), spec.dim());
    }
}
