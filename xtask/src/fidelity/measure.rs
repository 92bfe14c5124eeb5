//! The trainings: full ones and trials, of every sampler of the panel, on one seed.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use ss_approx::Device;
use ss_approx::sampling::rank;
use ss_approx::shared_start::TrialConfig;
use ss_approx::trainer::Run;
use ss_approx::{Sampling, Score, SharedStart, Trainer, UniformRun, UniformRunConfig};
use ss_cli::progress::Part;
use ss_cli::{Experiment, ExperimentConfig, ValidationLabels};
use ss_seed::Seed;

use super::panel::{Sampler, panel};
use super::plan::Plan;
use super::record::{FullTraining, Journal, Key, Readings, Record, Scores, Setting, Trial};
use crate::workers;

/// Makes the records of `seed` that the journal lacks.
pub(super) fn compute(
    plan: &Plan,
    seed: u64,
    done: &BTreeSet<Key>,
    journal: &Journal,
    part: &Part,
) -> Result<()> {
    let bench = Bench::prepare(plan, seed, part)?;
    let jobs = |sampler: &Sampler| -> Vec<Job> {
        let full = std::iter::once(Job::Full);
        let jobs = full.chain(plan.grid.iter().copied().map(Job::Trial));
        jobs.filter(|job| !done.contains(&Key::new(seed, &sampler.name, job.setting()))).collect()
    };
    let wanted = |sampler: &&Sampler| plan.samplers.contains(&sampler.name);
    // Full trainings first: they are the longest.
    let mut work: Vec<(&Sampler, Job)> = bench
        .panel
        .iter()
        .filter(wanted)
        .flat_map(|s| jobs(s).into_iter().map(move |job| (s, job)))
        .collect();
    work.sort_by_key(|(_, job)| matches!(job, Job::Trial(_)));
    workers::run(plan.settings.run.workers(), work, |(sampler, job), device| {
        let record =
            bench.measure(device, sampler, job).with_context(|| format!("{}, seed {seed}", sampler.name))?;
        part.advance(job.work(plan), &sampler.name);
        journal.append(record)
    })
}

/// Work of a whole seed in full trainings, as progress counts it.
pub(super) fn work(plan: &Plan, seed: u64, done: &BTreeSet<Key>) -> f64 {
    let jobs = || std::iter::once(Job::Full).chain(plan.grid.iter().copied().map(Job::Trial));
    let missing = |name: &String| -> f64 {
        let lacks = |job: &Job| !done.contains(&Key::new(seed, name, job.setting()));
        jobs().filter(lacks).map(|job| job.work(plan)).sum()
    };
    // The uniform run too.
    1.0 + plan.samplers.iter().map(missing).sum::<f64>()
}

#[derive(Clone, Copy, Debug)]
enum Job {
    Full,
    Trial(Setting),
}

impl Job {
    fn setting(self) -> Option<Setting> {
        match self {
            Self::Full => None,
            Self::Trial(setting) => Some(setting),
        }
    }

    fn work(self, plan: &Plan) -> f64 {
        self.setting().map_or(1.0, |setting| setting.epochs / plan.settings.recipe.train.epochs as f64)
    }
}

/// One seed's data, shared starts and panel.
struct Bench<'a> {
    plan: &'a Plan,
    seed: u64,
    experiment: Experiment,
    /// Labels of the validation images.
    noisy_labels: Vec<u32>,
    true_labels: Vec<u32>,
    starts: Vec<SharedStart>,
    panel: Vec<Sampler>,
}

impl<'a> Bench<'a> {
    fn prepare(plan: &'a Plan, seed: u64, part: &Part) -> Result<Self> {
        let root = Seed::new(seed);
        let with = |validation_labels| {
            let config = ExperimentConfig {
                sizes: plan.settings.recipe.sizes(),
                noise: plan.noise.into(),
                validation_labels,
            };
            Experiment::prepare(&plan.dataset, &config, root)
        };
        let experiment = with(plan.settings.validation_labels)?;
        // The same images: a split depends on the seed and the sizes alone.
        let labels = |kind| Ok::<_, anyhow::Error>(with(kind)?.validation_images()?.labels().to_vec());
        let (noisy_labels, true_labels) =
            (labels(ValidationLabels::Noisy)?, labels(ValidationLabels::Clean)?);
        let config = UniformRunConfig {
            start_epoch: plan.settings.recipe.start_epoch,
            reference_until: plan.settings.recipe.reference_until,
            reference_score: plan.settings.recipe.score,
        };
        let wanted: BTreeSet<usize> = plan.grid.iter().map(|setting| setting.start_epoch).collect();
        let epoch_work = 1.0 / plan.settings.recipe.train.epochs as f64;
        let mut starts = Vec::new();
        let trainer = trainer(plan, &plan.settings.run.devices[0], &experiment)?;
        let uniform =
            UniformRun::watched(&trainer, root, experiment.validation.as_ref(), config, |report, session| {
                let epoch = report.epoch + 1;
                if wanted.contains(&epoch) {
                    starts.push(SharedStart::new(session.snapshot()?, epoch));
                }
                part.advance(epoch_work, &format!("uniform run, epoch {epoch}/{}", report.epochs));
                Ok(())
            })
            .context("the uniform run")?;
        let panel = panel(&rank(&plan.settings.spec, &uniform.features)?, &experiment.wrong)?;
        Ok(Self { plan, seed, experiment, noisy_labels, true_labels, starts, panel })
    }

    fn measure(&self, device: &Device, sampler: &Sampler, job: Job) -> Result<Record> {
        let (seed, name) = (self.seed, sampler.name.clone());
        Ok(match job {
            Job::Full => Record::Full(FullTraining {
                seed,
                sampler: name,
                test: survived(self.full(device, sampler))?,
            }),
            Job::Trial(setting) => {
                let readings = survived(self.trial(device, sampler, setting))?;
                Record::Trial(Trial { seed, sampler: name, setting, readings })
            }
        })
    }

    /// The schedule and the random numbers of [`ss_approx::FullRun`].
    fn full(&self, device: &Device, sampler: &Sampler) -> ss_approx::Result<f64> {
        let trainer = trainer(self.plan, device, &self.experiment)?;
        let seed = Seed::new(self.seed);
        let mut session = trainer.session(seed)?;
        let run = Run {
            seed,
            epochs: trainer.config.epochs as f64,
            learning_rate: trainer.config.learning_rate,
            sampling: Sampling::Fixed(sampler.weights.clone()),
        };
        session.train(&run, |_, _| Ok(()))?;
        session.predict(self.experiment.test.as_ref())?.accuracy()
    }

    /// The random numbers of a search.
    fn trial(&self, device: &Device, sampler: &Sampler, setting: Setting) -> ss_approx::Result<Readings> {
        let trainer = trainer(self.plan, device, &self.experiment)?;
        // One for every start epoch of the settings was kept.
        let start = &self.starts[self.starts.partition_point(|start| start.epoch() < setting.start_epoch)];
        let config = TrialConfig {
            epochs: setting.epochs,
            learning_rate: setting.rate * trainer.config.learning_rate,
            score: Score::Accuracy,
        };
        let validation = self.experiment.validation.as_ref();
        let seed = Seed::new(self.seed).derive("trials", 0);
        let result = start.trial(&trainer, &sampler.weights, validation, config, seed)?;
        let predictions = result.predictions.classes()?;
        Ok(Readings {
            noisy: Scores::of(predictions, &self.noisy_labels)?,
            clean: Scores::of(predictions, &self.true_labels)?,
        })
    }
}

fn trainer<'a>(plan: &Plan, device: &Device, experiment: &'a Experiment) -> ss_approx::Result<Trainer<'a>> {
    Ok(Trainer {
        network: plan.settings.recipe.network.clone(),
        data: experiment.train.as_ref(),
        config: plan.settings.recipe.train.clone().check()?,
        device: device.clone(),
    })
}

/// `None` for a training that diverged, which says something about its sampler.
fn survived<T>(result: ss_approx::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_divergence() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
