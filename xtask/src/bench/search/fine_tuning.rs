//! The real objective: trials from the shared start in the middle of a uniform run.

use anyhow::{Context, Result};
use ss_approx::sampling::rank;
use ss_approx::shared_start::TrialConfig;
use ss_approx::{Device, Examples, Score, SharedStart, Trainer, TrialResult, UniformRun, UniformRunConfig};
use ss_cli::{Experiment, ExperimentConfig, Recipe, ValidationLabels};
use ss_data::{Dataset, LabelNoise};
use ss_sampler::{RankedFeatures, SamplerSpec, Transform};
use ss_seed::Seed;

use super::objective::{ByRule, Candidate, Objective, Ranked, Reading, RuleKey, Tried};

/// One seed's data and uniform run, and the trials made from it. The experiment, the uniform run and the seeds
/// are those of `swift-sampler search` with the same seed.
pub(crate) struct FineTuning {
    experiment: Experiment,
    /// True labels of the validation images, which no optimiser is told.
    true_labels: Vec<u32>,
    recipe: Recipe,
    device: Device,
    ranked: Ranked,
    loss: Vec<f32>,
    start: SharedStart,
    seed: Seed,
    trials: ByRule<Tried>,
    tests: ByRule<Option<f64>>,
}

impl FineTuning {
    /// Makes labels wrong and trains the uniform run on `device`, calling `observe` after each of its epochs.
    pub(crate) fn prepare(
        dataset: &Dataset,
        recipe: &Recipe,
        device: &Device,
        noise: LabelNoise,
        seed: Seed,
        mut observe: impl FnMut(usize),
    ) -> Result<Self> {
        let with = |validation_labels| {
            let config = ExperimentConfig { sizes: recipe.sizes(), noise: noise.into(), validation_labels };
            Experiment::prepare(dataset, &config, seed)
        };
        let experiment = with(ValidationLabels::Noisy)?;
        // The same images: a split depends on the seed and the sizes alone.
        let true_labels = with(ValidationLabels::Clean)?.validation_images()?.labels().to_vec();
        let config = UniformRunConfig {
            start_epoch: recipe.start_epoch,
            reference_until: recipe.reference_until,
            reference_score: recipe.score,
        };
        let trainer = trainer(&experiment, recipe, device)?;
        let uniform = UniformRun::run(&trainer, seed, experiment.validation.as_ref(), config, |report| {
            observe(report.epoch + 1);
        })
        .context("the uniform run")?;
        let by_rank = SamplerSpec::new(SamplerSpec::paper().features().to_vec(), Transform::Cdf)?;
        let ranked = Ranked {
            cgf: rank(&SamplerSpec::paper(), &uniform.features)?,
            cdf: rank(&by_rank, &uniform.features)?,
        };
        let loss = uniform.features.column("loss")?.to_vec();
        Ok(Self {
            experiment,
            true_labels,
            recipe: recipe.clone(),
            device: device.clone(),
            ranked,
            loss,
            start: uniform.start,
            seed,
            trials: ByRule::default(),
            tests: ByRule::default(),
        })
    }

    /// `None` with the reason when training diverged, which says something about the candidate.
    fn trial(
        &self,
        candidate: &Candidate,
        examples: &dyn Examples,
        score: Score,
    ) -> Result<std::result::Result<TrialResult, String>> {
        let trainer = trainer(&self.experiment, &self.recipe, &self.device)?;
        let config = TrialConfig {
            epochs: self.recipe.trial_epochs,
            learning_rate: trainer.config.learning_rate,
            score,
        };
        let seed = self.seed.derive("trials", 0);
        match self.start.trial(&trainer, &candidate.weights, examples, config, seed) {
            Ok(result) => Ok(Ok(result)),
            Err(error) if error.is_divergence() => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

fn trainer<'a>(experiment: &'a Experiment, recipe: &Recipe, device: &Device) -> Result<Trainer<'a>> {
    Ok(Trainer {
        network: recipe.network.clone(),
        data: experiment.train.as_ref(),
        config: recipe.train.clone().check()?,
        device: device.clone(),
    })
}

impl Objective for FineTuning {
    fn ranked(&self, transform: Transform) -> &RankedFeatures {
        self.ranked.of(transform)
    }

    fn loss(&self) -> &[f32] {
        &self.loss
    }

    fn wrong(&self) -> &[bool] {
        &self.experiment.wrong
    }

    fn measure(&mut self, candidate: &Candidate, _trial: Option<u64>) -> Result<Tried> {
        let mut trials = std::mem::take(&mut self.trials);
        let tried = trials.get_or(candidate.rule.as_ref(), || {
            Ok(match self.trial(candidate, self.experiment.validation.as_ref(), self.recipe.score)? {
                Ok(result) => Ok(Reading {
                    score: result.score,
                    truth: result.predictions.classes()?.accuracy(&self.true_labels)?,
                }),
                Err(reason) => Err(reason),
            })
        });
        self.trials = trials;
        tried
    }

    fn test(&mut self, candidate: &Candidate) -> Result<Option<f64>> {
        let mut tests = std::mem::take(&mut self.tests);
        let accuracy = tests.get_or(candidate.rule.as_ref(), || {
            let result = self.trial(candidate, self.experiment.test.as_ref(), Score::Accuracy)?;
            Ok(result.ok().map(|result| result.score))
        });
        self.tests = tests;
        accuracy
    }

    fn recall(&mut self, rule: RuleKey, tried: Tried) {
        self.trials.insert(rule, tried);
    }
}
