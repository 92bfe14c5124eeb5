//! Baseline, oracle, Swift Sampler and its rivals as complete training methods with comparable budgets.

mod measures;
mod rival;
mod swift_sampler;
mod training;

pub use measures::{EmbeddingProtocol, Measures, Perplexity, TarAtFar, Verification};
pub use swift_sampler::{RuleRun, SearchSummary, auroc, find, train_found, train_under};
pub use training::{Timed, TimedUniformRun, full_run, judge, oracle, uniform_run};

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use ss_approx::{Device, Session, Trainer, UniformRun};
use ss_sampler::SamplerSpec;
use ss_seed::Seed;

use crate::search::{SearchJournal, SearchOutcome, TrialRecord};
use crate::{Error, Experiment, Recipe, Result};

/// A way to train on data of which a part is wrong.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Every example once an epoch.
    Baseline,
    /// Uniform over the truly clean examples: what a perfect sampler of this kind could reach.
    Oracle,
    /// Bootstrapped labels, soft (Reed et al. 2015).
    ReedSoft,
    /// Bootstrapped labels, hard.
    ReedHard,
    /// MentorNet with its predefined curriculum (Jiang et al. 2018).
    MentornetPd,
    /// MentorNet with a curriculum learned from a clean subset.
    MentornetDd,
    /// Learning to reweight examples by a clean subset (Ren et al. 2018).
    L2rw,
    /// Two networks that choose small losses for each other (Han et al. 2018).
    CoTeaching,
    /// Without the largest losses of the uniform run, as many as there are wrong labels.
    LossThreshold,
    /// Swift Sampler.
    Ss,
}

impl Method {
    /// The methods of the table without the rivals.
    pub const OWN: [Self; 3] = [Self::Baseline, Self::Oracle, Self::Ss];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Baseline => "baseline",
            Self::Oracle => "oracle",
            Self::ReedSoft => "reed-soft",
            Self::ReedHard => "reed-hard",
            Self::MentornetPd => "mentornet-pd",
            Self::MentornetDd => "mentornet-dd",
            Self::L2rw => "l2rw",
            Self::CoTeaching => "co-teaching",
            Self::LossThreshold => "loss-threshold",
            Self::Ss => "ss",
        })
    }
}

/// What one method reached on one experiment. Accuracies are in percent, of images or of tokens; where the test classes are not those
/// of training, top-1 is the score that finished models are compared by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodResult {
    /// The method.
    pub method: Method,
    /// Test top-1 of the finished model.
    pub top1_last: f64,
    /// Test top-1 of the epoch with the best validation accuracy (perplexity for text, score for embeddings).
    pub top1_best: f64,
    /// Test top-5 of the finished model; 0 for a list of pairs, which are of no class.
    pub top5_last: f64,
    /// Validation top-1 of the finished model, against the validation labels in use.
    pub val_top1: f64,
    /// What the task measures beside; under a name of its own.
    #[serde(flatten)]
    pub measures: Option<Measures>,
    /// Wall-clock seconds of all full trainings that the method takes: the one that made the model, the uniform run where
    /// the method starts from it, one that was not kept.
    pub train_seconds: f64,
    /// Wall-clock seconds beside them: of reading features at the reference, and of all trials.
    pub search_seconds: f64,
    /// Cost of all trials in units of one full training.
    pub search_cost: f64,
    /// Cost of the forward passes over the training data that read features, for the reference and in the
    /// final training, in units of one full training: a forward pass is a third of an epoch.
    #[serde(default)]
    pub feature_cost: f64,
    /// Cost of what a method does beside the training that makes the model, such as a second network or the finalists that lost, in units
    /// of one full training.
    #[serde(default)]
    pub extra_cost: f64,
    /// What the search found; only for Swift Sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSummary>,
    /// Why there is no model: training diverged. The accuracies are zero then and mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<String>,
}

impl MethodResult {
    /// A training of so many seconds, with neither a model nor costs beside it yet.
    fn of_training(method: Method, train_seconds: f64) -> Self {
        Self {
            method,
            top1_last: 0.0,
            top1_best: 0.0,
            top5_last: 0.0,
            val_top1: 0.0,
            measures: None,
            train_seconds,
            search_seconds: 0.0,
            search_cost: 0.0,
            feature_cost: 0.0,
            extra_cost: 0.0,
            search: None,
            diverged: None,
        }
    }
}

/// What is happening, for a progress display and for who wants to look at the network as it learns.
#[derive(Clone, Copy)]
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
        /// The network as it is now, where one network is trained. Looking does not change the run.
        session: Option<&'a Session<'a>>,
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
    /// Where networks are trained: full trainings on the first device, the candidates of a search on all of them side by
    /// side. At least one.
    pub devices: &'a [Device],
    /// Root of all random choices.
    pub seed: Seed,
    /// Where the search keeps its trials; `None` keeps them in memory.
    pub journal: Option<&'a SearchJournal>,
}

impl<'a> Setup<'a> {
    /// What trains every network of the experiment.
    ///
    /// # Errors
    /// Settings of training out of range.
    pub fn trainer(&self) -> Result<Trainer<'a>> {
        Ok(Trainer {
            network: self.recipe.network.clone(),
            data: self.experiment.train.as_ref(),
            config: self.recipe.train.clone().check()?,
            device: self.devices.first().cloned().unwrap_or_default(),
        })
    }
}

/// Runs the `methods` on one experiment. Baseline, Swift Sampler and whoever reads features share the uniform run;
/// every training has the same number of steps and the same random numbers. A rival whose training diverges gives a result that
/// says so.
///
/// # Errors
/// [`Error::InvalidSetting`] before any training, also for a score or a method that the task does not have; then errors of training and
/// of [`search`](crate::search::search).
pub fn run(setup: Setup, methods: &[Method], mut observe: impl FnMut(Event)) -> Result<Outcome> {
    let Setup { experiment, recipe, .. } = setup;
    let trainer = setup.trainer()?;
    // Checked here and not only where it matters, which comes after full trainings.
    for method in methods {
        let Some(rival) = method.rival()? else { continue };
        rival.check_backend(trainer.device.backend())?;
        if experiment.train.as_images().is_none() {
            return Err(Error::InvalidSetting {
                setting: "method",
                found: method.to_string(),
                expected: "baseline, oracle or ss: the rivals learn from one label an image in memory, which this task has not",
            });
        }
    }
    if let Some(share) = recipe.prune_after {
        trainer.checkpoint(recipe.trial_epochs, share)?;
    }
    experiment.validation.check_score(recipe.score)?;
    let mut outcome = Outcome { results: Vec::new(), search: None };
    let mut uniform: Option<TimedUniformRun> = None;
    // Baseline before Swift Sampler, which consumes the uniform run that they share.
    let methods: BTreeSet<Method> = methods.iter().copied().collect();
    for method in methods {
        if method.needs_uniform_run()? && uniform.is_none() {
            uniform = Some(uniform_run(&trainer, setup, &mut observe)?);
        }
        let rival = method.rival()?;
        let result = match (method, &uniform) {
            (Method::Baseline, Some(uniform)) => {
                judge(&trainer, experiment, method, &uniform.run.run, uniform.seconds)?
            }
            (Method::Oracle, _) => oracle(&trainer, setup, &mut observe)?,
            (Method::Ss, Some(_)) => {
                let Some(uniform) = uniform.take() else { continue };
                let (result, found) = swift_sampler::swift_sampler(&trainer, setup, &uniform, &mut observe)?;
                outcome.search = Some(Search { uniform: uniform.run, outcome: found });
                result
            }
            (method, uniform) => {
                let Some(rival) = rival else { continue };
                let clock = Instant::now();
                let uniform = uniform.as_ref();
                match rival::train_rival(&trainer, setup, method, rival.as_ref(), uniform, &mut observe) {
                    // A result too: one that no table should stop for.
                    Err(error) if error.is_divergence() => {
                        let trained = MethodResult::of_training(method, clock.elapsed().as_secs_f64());
                        MethodResult { diverged: Some(error.to_string()), ..trained }
                    }
                    result => result?,
                }
            }
        };
        observe(Event::Finished { result: &result });
        outcome.results.push(result);
    }
    Ok(outcome)
}
