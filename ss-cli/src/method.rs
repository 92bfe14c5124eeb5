//! Baseline, oracle and Swift Sampler as complete training methods with comparable budgets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

use candle_core::Device;
use serde::{Deserialize, Serialize};
use ss_approx::full_run::FullRun;
use ss_approx::shared_start::TrialConfig;
use ss_approx::{Refresh, Sampling, Score, Trainer, UniformRun, UniformRunConfig};
use ss_bo::{Convergence, QuantileRule};
use ss_sampler::{SamplerSpec, Weights};
use ss_seed::Seed;

use crate::candidates::is_candidates_fault;
use crate::search::{Pruning, SearchConfig, SearchJournal, SearchOutcome, TrialRecord, search};
use crate::selection::paired;
use crate::{Experiment, Recipe, Result, artifact};

/// A way to train on data with wrong labels.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Every example once an epoch.
    Baseline,
    /// Uniform over the truly clean examples: what a perfect sampler of this kind could reach.
    Oracle,
    /// Swift Sampler.
    Ss,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Oracle => "oracle",
            Self::Ss => "ss",
        })
    }
}

/// What one method reached on one experiment. Accuracies are in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodResult {
    /// The method.
    pub method: Method,
    /// Test top-1 of the finished model.
    pub top1_last: f64,
    /// Test top-1 of the epoch with the best validation accuracy.
    pub top1_best: f64,
    /// Validation top-1 of the finished model, against the validation labels in use.
    pub val_top1: f64,
    /// Wall-clock seconds of the training that made the model, and of one that was not kept.
    pub train_seconds: f64,
    /// Wall-clock seconds of everything before it: for Swift Sampler all trials (the uniform run is the
    /// baseline that everyone has).
    pub search_seconds: f64,
    /// Cost of all trials in units of one full training.
    pub search_cost: f64,
    /// Cost of the forward passes over the training data that read features, for the reference and in the
    /// final training, in units of one full training: a forward pass is a third of an epoch.
    #[serde(default)]
    pub feature_cost: f64,
    /// What the search found; only for Swift Sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSummary>,
}

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
    /// Gain in validation accuracy, in `[-1, 1]`, of the model trained under the chosen rule over the
    /// baseline; absent when uniform sampling was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_gain: Option<f64>,
    /// Whether the model trained under the chosen rule was kept; otherwise the result is the baseline's.
    pub kept: bool,
    /// Effective sample size over the number of training examples.
    pub effective_share: f64,
    /// Share of the probability that lies on truly clean examples.
    pub clean_mass: f64,
    /// Area under the ROC curve of the reference loss as a detector of wrong labels; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_auroc: Option<f64>,
    /// Every trial, in order.
    pub trials: Vec<TrialRecord>,
}

/// What is happening, for a progress display.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An epoch of a full training has ended.
    Epoch {
        /// Which method's training it is.
        method: Method,
        /// Epochs done.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Mean training loss in nats.
        loss: f64,
    },
    /// A trial of the search has ended.
    Trial {
        /// Trials done.
        trial: usize,
        /// Trials in all.
        trials: usize,
        /// The trial.
        record: &'a TrialRecord,
        /// Best score so far.
        best: f64,
    },
    /// A method has finished.
    Finished {
        /// What it reached.
        result: &'a MethodResult,
    },
}

/// The result of [`run`] with what the artefacts need.
pub struct Outcome {
    /// One result a method, in the order of [`Method`].
    pub results: Vec<MethodResult>,
    /// The search, where Swift Sampler was among the methods.
    pub search: Option<Search>,
}

/// A search with the run it started from.
pub struct Search {
    /// The uniform run.
    pub uniform: UniformRun,
    /// The search's outcome; uniform sampling where the model trained under the found rule was not kept.
    pub outcome: SearchOutcome,
}

/// What the methods of one experiment share.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The data.
    pub experiment: &'a Experiment,
    /// Network, schedule and search budget.
    pub recipe: &'a Recipe,
    /// The rule that Swift Sampler searches.
    pub spec: &'a SamplerSpec,
    /// Where networks are trained.
    pub device: &'a Device,
    /// Root of all random choices.
    pub seed: Seed,
    /// Where the search keeps its trials; `None` keeps them in memory.
    pub journal: Option<&'a SearchJournal>,
}

impl<'a> Setup<'a> {
    fn trainer(&self) -> Result<Trainer<'a>> {
        Ok(Trainer {
            network: self.recipe.network.clone(),
            data: &self.experiment.train,
            config: self.recipe.train.clone().check()?,
            device: self.device.clone(),
        })
    }
}

/// Runs the `methods` on one experiment. Baseline and Swift Sampler share the uniform run; every training
/// has the same number of steps and the same random numbers.
///
/// # Errors
/// [`Error::InvalidSetting`](crate::Error::InvalidSetting) before any training; then errors of training and of
/// [`search`].
pub fn run(setup: Setup, methods: &[Method], mut observe: impl FnMut(Event)) -> Result<Outcome> {
    let Setup { experiment, recipe, seed, .. } = setup;
    let trainer = setup.trainer()?;
    // Checked here and not only by the search, which comes after a full training.
    if let Some(share) = recipe.prune_after {
        trainer.checkpoint(recipe.trial_epochs, share)?;
    }
    let mut outcome = Outcome { results: Vec::new(), search: None };
    let mut uniform: Option<(UniformRun, f64)> = None;
    // Baseline before Swift Sampler, which consumes the uniform run that they share.
    let methods: BTreeSet<Method> = methods.iter().copied().collect();
    for method in methods {
        let needs_uniform = matches!(method, Method::Baseline | Method::Ss);
        if needs_uniform && uniform.is_none() {
            uniform = Some(uniform_run(&trainer, experiment, recipe, seed, &mut observe)?);
        }
        let result = match (method, &uniform) {
            (Method::Baseline, Some((uniform, seconds))) => {
                judge(&trainer, experiment, method, &uniform.run, *seconds)?
            }
            (Method::Oracle, _) => {
                let clean = experiment.wrong.iter().map(|&wrong| f64::from(u8::from(!wrong))).collect();
                let sampling = Sampling::Fixed(Weights::new(clean)?);
                let (run, seconds) = full_run(&trainer, experiment, method, sampling, seed, &mut observe)?;
                judge(&trainer, experiment, method, &run, seconds)?
            }
            (Method::Ss, Some(_)) => {
                let Some((run, seconds)) = uniform.take() else { continue };
                let (result, search) = swift_sampler(&trainer, setup, run, seconds, &mut observe)?;
                outcome.search = Some(search);
                result
            }
            (Method::Baseline | Method::Ss, None) => continue,
        };
        observe(Event::Finished { result: &result });
        outcome.results.push(result);
    }
    Ok(outcome)
}

fn uniform_run(
    trainer: &Trainer,
    experiment: &Experiment,
    recipe: &Recipe,
    seed: Seed,
    observe: &mut impl FnMut(Event),
) -> Result<(UniformRun, f64)> {
    let clock = Instant::now();
    let config = UniformRunConfig {
        start_epoch: recipe.start_epoch,
        reference_until: recipe.reference_until,
        reference_score: recipe.score,
    };
    let run = UniformRun::run(trainer, seed, &experiment.validation, config, |report| {
        observe(Event::Epoch {
            method: Method::Baseline,
            epoch: report.epoch + 1,
            epochs: report.epochs,
            loss: report.train_loss,
        });
    })?;
    Ok((run, clock.elapsed().as_secs_f64()))
}

fn full_run(
    trainer: &Trainer,
    experiment: &Experiment,
    method: Method,
    sampling: Sampling,
    seed: Seed,
    observe: &mut impl FnMut(Event),
) -> Result<(FullRun, f64)> {
    let clock = Instant::now();
    let run = FullRun::run(trainer, seed, sampling, &experiment.validation, |report, _, _| {
        observe(Event::Epoch {
            method,
            epoch: report.epoch + 1,
            epochs: report.epochs,
            loss: report.train_loss,
        });
        Ok(())
    })?;
    Ok((run, clock.elapsed().as_secs_f64()))
}

/// Test accuracies of a finished run, in percent.
fn judge(
    trainer: &Trainer,
    experiment: &Experiment,
    method: Method,
    run: &FullRun,
    train_seconds: f64,
) -> Result<MethodResult> {
    let test = |snapshot| -> Result<f64> {
        let predictions = trainer.predict(snapshot, &experiment.test)?;
        Ok(100.0 * predictions.accuracy(experiment.test.labels())?)
    };
    Ok(MethodResult {
        method,
        top1_last: test(&run.last)?,
        top1_best: test(&run.best)?,
        val_top1: run.history.last().map_or(f64::NAN, |epoch| 100.0 * epoch.accuracy),
        train_seconds,
        search_seconds: 0.0,
        search_cost: 0.0,
        feature_cost: 0.0,
        search: None,
    })
}

fn swift_sampler(
    trainer: &Trainer,
    setup: Setup,
    uniform: UniformRun,
    uniform_seconds: f64,
    observe: &mut impl FnMut(Event),
) -> Result<(MethodResult, Search)> {
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
        convergence: recipe
            .converged_below
            .map(|tolerance| Convergence { tolerance, ..Convergence::default() }),
        pruning: recipe.prune_after.map(|after| Pruning { after, rule: QuantileRule::default() }),
    };
    let mut done = 0;
    let validation = &experiment.validation;
    let mut outcome = search(trainer, validation, &uniform, &config, journal, seed, |record, best| {
        done += 1;
        observe(Event::Trial { trial: done, trials: config.trials, record, best });
    })?;
    let search_seconds = clock.elapsed().as_secs_f64();

    // Uniform sampling is the baseline bit for bit: when it is the choice, its model exists already.
    let baseline = judge(trainer, experiment, Method::Ss, &uniform.run, uniform_seconds)?;
    let (mut final_gain, mut kept) = (None, false);
    let mut readings = recipe.reference_until as f64;
    let mut result = if outcome.choice.trial == 0 {
        baseline
    } else {
        let sampling = match recipe.refresh {
            None => Sampling::Fixed(outcome.weights.clone()),
            Some(every) => Sampling::Refreshed(Box::new(Refresh {
                sampler: artifact::fit(spec, &outcome.params, &uniform.features, BTreeMap::new())?,
                initial: outcome.weights.clone(),
                warm_up: uniform.reference_epoch,
                every,
                smoothing: recipe.smoothing,
            })),
        };
        match full_run(trainer, experiment, Method::Ss, sampling, seed, observe) {
            Ok((run, seconds)) => {
                let (gain, standard_error) = validation_gain(trainer, experiment, &run, &uniform.run)?;
                final_gain = Some(gain);
                readings += run.cost.reread as f64 / experiment.train.len() as f64;
                if gain <= recipe.caution * standard_error {
                    MethodResult { train_seconds: uniform_seconds + seconds, ..baseline }
                } else {
                    kept = true;
                    judge(trainer, experiment, Method::Ss, &run, seconds)?
                }
            }
            // A rule under which training diverges is not worth using; the baseline is.
            Err(error) if is_candidates_fault(&error) => baseline,
            Err(error) => return Err(error),
        }
    };
    result.search_seconds = search_seconds;
    result.search_cost = outcome.cost;
    result.feature_cost = readings / (3.0 * trainer.config.epochs as f64);
    let clean_mass: f64 = outcome
        .weights
        .probabilities()
        .iter()
        .zip(&experiment.wrong)
        .filter(|(_, wrong)| !**wrong)
        .map(|(p, _)| p)
        .sum();
    result.search = Some(SearchSummary {
        reference_epoch: uniform.reference_epoch,
        final_gain,
        kept,
        chosen: outcome.trials[outcome.choice.trial].name.clone(),
        gain: outcome.choice.gain,
        standard_error: outcome.choice.standard_error,
        effective_share: outcome.weights.effective_sample_size() / experiment.train.len() as f64,
        clean_mass,
        loss_auroc: auroc(uniform.features.column("loss")?, &experiment.wrong),
        trials: outcome.trials.clone(),
    });
    if !kept {
        outcome.fall_back_to_uniform()?;
    }
    Ok((result, Search { uniform, outcome }))
}

/// Gain in validation accuracy of one finished model over another, and its standard error.
///
/// Accuracy, whatever the score of the trials was: a likelihood also rewards mere caution, and what a user
/// wants of the finished model is the right label.
fn validation_gain(
    trainer: &Trainer,
    experiment: &Experiment,
    run: &FullRun,
    base: &FullRun,
) -> Result<(f64, f64)> {
    let hits = |run: &FullRun| -> Result<Vec<f64>> {
        let predictions = trainer.predict(&run.last, &experiment.validation)?;
        Ok(predictions.example_scores(Score::Accuracy, experiment.validation.labels())?)
    };
    Ok(paired(&hits(run)?, &hits(base)?))
}

/// Probability that a wrong label has the larger value, ties counted half; `None` when one class is empty.
fn auroc(values: &[f32], positive: &[bool]) -> Option<f64> {
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
