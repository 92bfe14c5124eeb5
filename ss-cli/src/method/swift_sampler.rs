//! Swift Sampler as a training method: search a rule, train under it, keep it or fall back to uniform sampling.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use ss_approx::shared_start::TrialConfig;
use ss_approx::{FullRun, Refresh, Sampling, Trainer, UniformRun};
use ss_bo::{Convergence, QuantileRule};
use ss_sampler::{SamplerParams, Weights};

use super::training::{Timed, TimedUniformRun, full_run, judge, validation_gain};
use super::{Event, Method, MethodResult, Setup};
use crate::candidates::is_candidates_fault;
use crate::search::{Pruning, SearchConfig, SearchOutcome, TrialRecord, search};
use crate::selection::Choice;
use crate::{Result, artifact};

/// What a search found, in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchSummary {
    /// Epoch of the reference checkpoint.
    pub reference_epoch: usize,
    /// Name of the chosen candidate.
    pub chosen: String,
    /// Validation gain of the chosen candidate over uniform sampling, in units of the score.
    pub gain: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Rules that were trained in full: the one with the best trial and the next ones, of which `chosen` has the best model.
    #[serde(default = "crate::recipe::one")]
    pub finalists: usize,
    /// Gain of the model trained under the chosen rule over the baseline, in the score by which models of the task are
    /// compared (accuracy in `[-1, 1]`, say); absent when uniform sampling was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_gain: Option<f64>,
    /// Whether the model trained under the chosen rule was kept; otherwise the result is the baseline's.
    pub kept: bool,
    /// Effective sample size over the number of training examples.
    pub effective_share: f64,
    /// Share of the probability that lies on examples that are not wrong.
    pub clean_mass: f64,
    /// Area under the ROC curve of the reference loss as a detector of wrong examples; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_auroc: Option<f64>,
    /// Every trial, in order.
    pub trials: Vec<TrialRecord>,
}

impl SearchSummary {
    /// How many rules were trained in full: none where no rule was clearly better than uniform sampling in its trial.
    pub fn trained(&self) -> usize {
        if self.final_gain.is_some() || self.diverged() { self.finalists } else { 0 }
    }

    /// Whether a rule was clearly better in its trial, but no training under it came to an end.
    pub fn diverged(&self) -> bool {
        !self.kept && self.final_gain.is_none() && self.gain > 0.0
    }
}

/// Searches a rule from the uniform run of the experiment.
///
/// # Errors
/// Those of [`search`](crate::search::search).
pub fn find(
    trainer: &Trainer,
    setup: Setup,
    uniform: &UniformRun,
    observe: &mut impl FnMut(Event),
) -> Result<Timed<SearchOutcome>> {
    let Setup { experiment, recipe, spec, seed, journal, .. } = setup;
    let clock = Instant::now();
    let config = SearchConfig {
        spec: spec.clone(),
        trials: recipe.trials,
        trial: TrialConfig {
            epochs: recipe.trial_epochs,
            learning_rate: trainer.config.learning_rate,
            score: recipe.score,
        },
        caution: recipe.caution,
        finalists: recipe.finalists,
        convergence: recipe
            .converged_below
            .map(|tolerance| Convergence { tolerance, ..Convergence::default() }),
        pruning: recipe.prune_after.map(|after| Pruning { after, rule: QuantileRule::default() }),
        devices: setup.devices.to_vec(),
    };
    let mut done = 0;
    let validation = experiment.validation.as_ref();
    let run = search(trainer, validation, uniform, &config, journal, seed, |record, best| {
        done += 1;
        observe(Event::Trial { trial: done, trials: config.trials, record, best });
    })?;
    Ok(Timed { run, seconds: clock.elapsed().as_secs_f64() })
}

/// A model trained under a rule, and whether it is worth keeping.
pub struct RuleRun {
    /// The training; `None` where it diverged.
    pub training: Option<Timed<FullRun>>,
    /// Gain over the uniform run on validation data, and its standard error, in units of the score that models of the task
    /// are compared by ([`Examples::goal`](ss_approx::Examples::goal)).
    pub gain: Option<(f64, f64)>,
    /// Wall-clock seconds of the training, be it that it diverged.
    pub seconds: f64,
    /// Whether the gain exceeds the recipe's caution; otherwise the baseline is the better choice.
    pub kept: bool,
}

impl RuleRun {
    /// What finalists are compared by: first whether the model is worth keeping, then its gain; of a training that diverged, less
    /// than any.
    fn rank(&self) -> (bool, f64) {
        (self.kept, self.gain.map_or(f64::NEG_INFINITY, |(mean, _)| mean))
    }
}

/// Trains from scratch under the rule `params`, which gives `weights` on the features of `uniform`; features are
/// re-read as the recipe says.
///
/// # Errors
/// Those of training, but for divergence, which is the rule's fault.
pub fn train_under(
    trainer: &Trainer,
    setup: Setup,
    uniform: &UniformRun,
    params: &SamplerParams,
    weights: &Weights,
    observe: &mut impl FnMut(Event),
) -> Result<RuleRun> {
    let recipe = setup.recipe;
    let sampling = match recipe.refresh {
        None => Sampling::Fixed(weights.clone()),
        Some(every) => Sampling::Refreshed(Box::new(Refresh {
            sampler: artifact::fit(setup.spec, params, &uniform.features, BTreeMap::new())?,
            initial: weights.clone(),
            warm_up: uniform.reference_epoch,
            every,
            smoothing: recipe.smoothing,
        })),
    };
    let clock = Instant::now();
    match full_run(trainer, setup, Method::Ss, sampling, observe) {
        Ok(training) => {
            let gain = validation_gain(trainer, setup.experiment, &training.run, &uniform.run)?;
            let kept = gain.0 > recipe.caution * gain.1;
            Ok(RuleRun { seconds: training.seconds, training: Some(training), gain: Some(gain), kept })
        }
        // A rule under which training diverges is not worth using; the baseline is.
        Err(error) if is_candidates_fault(&error) => {
            let seconds = clock.elapsed().as_secs_f64();
            Ok(RuleRun { training: None, gain: None, seconds, kept: false })
        }
        Err(error) => Err(error),
    }
}

/// The whole method from a uniform run: what its model reaches, and the outcome of the search; uniform sampling
/// where the model trained under the found rule was not kept.
pub(super) fn swift_sampler(
    trainer: &Trainer,
    setup: Setup,
    uniform: &TimedUniformRun,
    observe: &mut impl FnMut(Event),
) -> Result<(MethodResult, SearchOutcome)> {
    let Timed { run: mut outcome, seconds } = find(trainer, setup, &uniform.run, observe)?;
    let mut result = train_found(trainer, setup, uniform, &mut outcome, observe)?;
    result.search_seconds += seconds;
    if result.search.as_ref().is_none_or(|summary| !summary.kept) {
        outcome.fall_back_to_uniform()?;
    }
    Ok((result, outcome))
}

/// Trains under the rule that a search has chosen, and under its runner-ups, and judges the model that is best on validation data, whose
/// rule becomes the choice; the baseline's result where uniform sampling was chosen or the model is not kept. Of the seconds before the training it has those of reading the features, not those of
/// the trials.
///
/// # Errors
/// As [`train_under`].
pub fn train_found(
    trainer: &Trainer,
    setup: Setup,
    uniform: &TimedUniformRun,
    outcome: &mut SearchOutcome,
    observe: &mut impl FnMut(Event),
) -> Result<MethodResult> {
    let Setup { experiment, recipe, .. } = setup;
    // Uniform sampling is the baseline bit for bit: when it is the choice, its model exists already.
    let baseline = judge(trainer, experiment, Method::Ss, &uniform.run.run, uniform.seconds)?;
    let finalists: Vec<Choice> = [outcome.choice].into_iter().chain(outcome.runner_ups.clone()).collect();
    let (mut final_gain, mut kept) = (None, false);
    let mut readings = recipe.reference_until as f64;
    let mut result = if outcome.choice.trial == 0 {
        baseline
    } else {
        let mut train_seconds = uniform.seconds;
        let mut best: Option<(Choice, RuleRun)> = None;
        for &choice in &finalists {
            outcome.settle_on(choice)?;
            let rule = train_under(trainer, setup, &uniform.run, &outcome.params, &outcome.weights, observe)?;
            train_seconds += rule.seconds;
            let reread = rule.training.as_ref().map_or(0, |training| training.run.cost.reread);
            readings += reread as f64 / experiment.train.len() as f64;
            // Of equal ones the first, whose trial was better.
            if best.as_ref().is_none_or(|(_, before)| rule.rank() > before.rank()) {
                best = Some((choice, rule));
            }
        }
        let others = (finalists.len() - 1) as f64;
        let result = match best {
            Some((choice, rule)) => {
                outcome.settle_on(choice)?;
                (final_gain, kept) = (rule.gain.map(|(gain, _)| gain), rule.kept);
                match rule.training.filter(|_| kept) {
                    Some(Timed { run, .. }) => judge(trainer, experiment, Method::Ss, &run, train_seconds)?,
                    None => MethodResult { train_seconds, ..baseline },
                }
            }
            None => baseline,
        };
        MethodResult { extra_cost: others, ..result }
    };
    result.search_seconds = uniform.reading_seconds;
    result.search_cost = outcome.cost;
    result.feature_cost = readings / (3.0 * trainer.config.epochs as f64);
    let probabilities = outcome.weights.probabilities();
    let right = probabilities.iter().zip(&experiment.wrong).filter(|(_, wrong)| !**wrong);
    result.search = Some(SearchSummary {
        reference_epoch: uniform.run.reference_epoch,
        finalists: finalists.len(),
        final_gain,
        kept,
        chosen: outcome.trials[outcome.choice.trial].name.clone(),
        gain: outcome.choice.gain,
        standard_error: outcome.choice.standard_error,
        effective_share: outcome.weights.effective_sample_size() / experiment.train.len() as f64,
        clean_mass: right.map(|(p, _)| p).sum(),
        loss_auroc: auroc(uniform.run.features.column("loss")?, &experiment.wrong),
        trials: outcome.trials.clone(),
    });
    Ok(result)
}

impl MethodResult {
    /// The same model, as the choice of a search that has gone on and not changed its mind.
    #[must_use]
    pub fn after_more_trials(self, outcome: &SearchOutcome) -> Self {
        let search = self.search.map(|summary| SearchSummary {
            chosen: outcome.trials[outcome.choice.trial].name.clone(),
            gain: outcome.choice.gain,
            standard_error: outcome.choice.standard_error,
            trials: outcome.trials.clone(),
            ..summary
        });
        Self { search_cost: outcome.cost, search, ..self }
    }
}

/// Area under the ROC curve: the probability that a `positive` example has the larger value, ties counted half; `None` when all
/// or none are positive.
pub fn auroc(values: &[f32], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let positives = positive.iter().filter(|p| **p).count();
    let negatives = values.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut wins, mut below, mut i) = (0.0, 0.0, 0);
    while i < order.len() {
        let tied = order[i..].iter().take_while(|&&j| values[j] == values[order[i]]).count();
        let hits = order[i..i + tied].iter().filter(|&&j| positive[j]).count() as f64;
        let misses = tied as f64 - hits;
        wins += hits * (below + 0.5 * misses);
        below += misses;
        i += tied;
    }
    Some(wins / (positives as f64 * negatives as f64))
}

#[cfg(test)]
mod tests {
    use super::auroc;

    #[test]
    fn auroc_of_hand_made_cases() {
        let wrong = [false, false, true, true];
        assert_eq!(auroc(&[0.0, 1.0, 2.0, 3.0], &wrong), Some(1.0));
        assert_eq!(auroc(&[3.0, 2.0, 1.0, 0.0], &wrong), Some(0.0));
        assert_eq!(auroc(&[1.0; 4], &wrong), Some(0.5));
        assert_eq!(auroc(&[0.0, 2.0, 1.0, 3.0], &wrong), Some(0.75));
        assert_eq!(auroc(&[0.0, 1.0], &[false, false]), None);
    }
}
