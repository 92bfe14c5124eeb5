//! The outer loop: Bayesian optimisation over the ten numbers, each judged by a fine-tuning trial.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ss_approx::sampling::rank;
use ss_approx::shared_start::TrialConfig;
use ss_approx::{Trainer, TrialResult, UniformRun};
use ss_bo::{BayesOpt, BoConfig, Optimizer, Outcome};
use ss_data::ImageSet;
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Weights, shapes};
use ss_seed::Seed;

use crate::selection::{Choice, Evidence};
use crate::{Error, Result};

/// How a sampler is searched.
#[derive(Clone, Debug)]
pub struct SearchConfig {
    /// Features, transform and segments of the rule.
    pub spec: SamplerSpec,
    /// `E_o`: how many candidates are tried, at least 1. The first ones are simple shapes of the rule.
    pub trials: usize,
    /// `E_f`, learning rate and score of a trial.
    pub trial: TrialConfig,
    /// How many standard errors a rule must gain over uniform sampling to be preferred to it.
    pub caution: f64,
}

/// One candidate and what it scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// What the candidate is: the name of a start-up shape, or `model`.
    pub name: String,
    /// The candidate in the unit cube.
    pub point: Vec<f64>,
    /// The score P; absent when the trial failed.
    pub score: Option<f64>,
    /// Why there is no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Effective sample size over the number of examples, in `(0, 1]`.
    pub effective_share: f64,
}

/// A finished search.
pub struct SearchOutcome {
    /// The chosen rule.
    pub params: SamplerParams,
    /// Its weights on the training examples, from the features of the reference checkpoint.
    pub weights: Weights,
    /// Which trial it is and what it gains over uniform sampling.
    pub choice: Choice,
    /// Every trial, in order; the first is uniform sampling.
    pub trials: Vec<TrialRecord>,
    /// Cost of all trials in units of one full training.
    pub cost: f64,
    /// The ranked features that every candidate was computed from.
    pub ranked: RankedFeatures,
}

impl SearchOutcome {
    /// Gives up the chosen rule for uniform sampling: the model trained under it did not prove itself.
    pub fn fall_back_to_uniform(&mut self) -> Result<()> {
        self.params = SamplerParams::uniform(self.ranked.spec());
        self.weights = self.ranked.weights(&self.params)?;
        self.choice = Choice { trial: 0, gain: 0.0, standard_error: self.choice.standard_error };
        Ok(())
    }
}

/// Searches a sampler for the trained `uniform` run.
///
/// Every candidate sees the same random numbers, drawn from `seed`. `observe` is told of each trial and the
/// best score so far.
///
/// # Errors
/// [`Error::NoTrialSucceeded`] when no trial gave a score. A trial that diverges is recorded and survived.
pub fn search(
    trainer: &Trainer,
    validation: &ImageSet,
    uniform: &UniformRun,
    config: &SearchConfig,
    seed: Seed,
    mut observe: impl FnMut(&TrialRecord, f64),
) -> Result<SearchOutcome> {
    if config.trials == 0 {
        return Err(Error::InvalidSetting { setting: "trials", found: "0".into(), expected: "at least 1" });
    }
    let ranked = rank(&config.spec, &uniform.features)?;
    let shapes = shapes::startup(&ranked)?;
    let designs = shapes
        .iter()
        .map(|(name, params)| Ok((name.as_str(), params.canonical().to_unit(&config.spec)?)))
        .collect::<Result<Vec<_>>>()?;
    let spec = config.spec.clone();
    // The optimiser only asks for points of the right dimension, the one thing that can be wrong with them.
    let projection =
        Arc::new(move |x: &[f64]| ss_sampler::canonicalize_unit(&spec, x).unwrap_or_else(|_| x.to_vec()));
    let bo = BoConfig {
        startup: designs.iter().map(|(_, point)| point.clone()).collect(),
        seed: seed.derive("outer-loop", 0).value(),
        ..BoConfig::default()
    };
    let mut optimizer = BayesOpt::with_projection(config.spec.dim(), bo, projection)?;

    let trial_seed = seed.derive("trials", 0);
    let mut trials: Vec<TrialRecord> = Vec::new();
    let mut evidence = Evidence::default();
    let mut best = f64::NEG_INFINITY;
    for number in 0..config.trials {
        let suggestion = optimizer.ask()?;
        let params = SamplerParams::from_unit(&config.spec, &suggestion.x)?;
        let mut record = TrialRecord {
            name: name_of(&designs, &suggestion.x).to_owned(),
            point: suggestion.x,
            score: None,
            failure: None,
            effective_share: 0.0,
        };
        let trial = || -> Result<(f64, TrialResult)> {
            let weights = ranked.weights(&params)?;
            let share = weights.effective_sample_size() / weights.len() as f64;
            Ok((share, uniform.start.trial(trainer, &weights, validation, config.trial, trial_seed)?))
        };
        let outcome = match trial() {
            Ok((share, result)) => {
                let scores = result.predictions.example_scores(config.trial.score, validation.labels())?;
                evidence.add(number, suggestion.id, scores);
                (record.score, record.effective_share) = (Some(result.score), share);
                best = best.max(result.score);
                Outcome::Score(result.score)
            }
            Err(error) if is_candidates_fault(&error) => {
                record.failure = Some(error.to_string());
                Outcome::Failed { reason: error.to_string() }
            }
            Err(error) => return Err(error),
        };
        optimizer.tell(suggestion.id, outcome)?;
        observe(&record, best);
        trials.push(record);
    }

    let Some(recommended) = optimizer.best() else {
        let reason = trials.last().and_then(|trial| trial.failure.clone()).unwrap_or_default();
        return Err(Error::NoTrialSucceeded { trials: trials.len(), reason });
    };
    let choice = evidence.choose(recommended.id, config.caution);
    let params = SamplerParams::from_unit(&config.spec, &trials[choice.trial].point)?.canonical();
    Ok(SearchOutcome {
        weights: ranked.weights(&params)?,
        params,
        choice,
        cost: trials.len() as f64 * config.trial.epochs / trainer.config.epochs as f64,
        trials,
        ranked,
    })
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

/// The start-up shape at `point`, or `model` for a point that the optimiser chose.
fn name_of<'a>(designs: &[(&'a str, Vec<f64>)], point: &[f64]) -> &'a str {
    let same = |design: &[f64]| design.iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-9);
    designs.iter().find(|(_, design)| same(design)).map_or("model", |(name, _)| name)
}
