//! What a run of the study computes: flags, checked, and what of them changes a result.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ss_cli::Recipe;
use ss_data::{Dataset, DatasetKind, LabelNoise, NoiseKind};
use ss_sampler::SamplerSpec;

use super::panel;
use super::record::Setting;
use crate::profile::{Profile, default_jobs};

/// Flags of `reproduce-fidelity`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much is computed: smoke (seconds), quick (minutes), cpu (hours)
    #[arg(long, value_enum, default_value = "quick")]
    profile: Profile,
    /// digits, fashion-mnist, cifar10 or cifar100 [default: digits; fashion-mnist for the cpu profile]
    #[arg(long)]
    dataset: Option<DatasetKind>,
    /// Folder that holds the dataset [default: the place where its package installs it]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Share of wrong labels, in training and validation, in [0, 1)
    #[arg(long, default_value_t = 0.4)]
    noise: f64,
    /// Number of seeds [default: 3; 2 for smoke]
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of the seeds, which follow each other
    #[arg(long, default_value_t = 0)]
    first_seed: u32,
    /// E_f: epochs of a trial, fractions allowed [default: 0.5,1,2,4; 0.5,1 for smoke]
    #[arg(long, value_delimiter = ',')]
    trial_epochs: Vec<f64>,
    /// First learning rates of a trial, in units of the training's [default: 1,0.5,0.2; 1,0.2 for smoke]
    #[arg(long, value_delimiter = ',')]
    rates: Vec<f64>,
    /// Shared starts, as shares of the uniform run in (0, 1] [default: 0.1,0.5,1; 0.5,1 for smoke]
    #[arg(long, value_delimiter = ',')]
    starts: Vec<f64>,
    /// Epochs of a full training
    #[arg(long)]
    epochs: Option<usize>,
    /// Trainings computed side by side; each gets its share of the threads [default: one a core for digits, 1 else]
    #[arg(long)]
    jobs: Option<usize>,
    /// Where the journal, fidelity.json, fidelity.md and fidelity.svg go; finished trainings there are not computed
    /// again [default: runs/fidelity-PROFILE-DATASET]
    #[arg(long)]
    out: Option<PathBuf>,
    /// No progress display
    #[arg(long, short)]
    quiet: bool,
}

/// A checked run.
pub(super) struct Plan {
    pub(super) profile: &'static str,
    pub(super) kind: DatasetKind,
    pub(super) dataset: Dataset,
    pub(super) recipe: Recipe,
    pub(super) spec: SamplerSpec,
    pub(super) noise: LabelNoise,
    pub(super) seeds: Vec<u64>,
    /// In the order of start, rate and epochs.
    pub(super) settings: Vec<Setting>,
    pub(super) jobs: usize,
    pub(super) threads: usize,
    pub(super) out: PathBuf,
    pub(super) quiet: bool,
}

impl Plan {
    pub(super) fn resolve(args: Args) -> Result<Self> {
        let kind = args.dataset.unwrap_or(args.profile.dataset());
        let mut recipe = args.profile.recipe(kind);
        if let Some(epochs) = args.epochs {
            recipe.set_epochs(epochs);
        }
        recipe.check()?;
        let noise = LabelNoise::new(NoiseKind::Symmetric, args.noise).context("--noise")?;
        let smoke = args.profile == Profile::Smoke;
        let seeds = args.seeds.unwrap_or(if smoke { 2 } else { 3 });
        if !(1..=10_000).contains(&seeds) {
            bail!("--seeds {seeds}: expected at least 1, and at most 10000");
        }
        let or = |given: Vec<f64>, quick: &[f64], small: &[f64]| {
            let values = if given.is_empty() { if smoke { small } else { quick }.to_vec() } else { given };
            distinct(values)
        };
        let trial_epochs = or(args.trial_epochs, &[0.5, 1.0, 2.0, 4.0], &[0.5, 1.0]);
        let rates = or(args.rates, &[1.0, 0.5, 0.2], &[1.0, 0.2]);
        let starts = or(args.starts, &[0.1, 0.5, 1.0], &[0.5, 1.0]);
        if let Some(bad) = trial_epochs.iter().find(|e| !(**e > 0.0 && **e <= 1e6)) {
            bail!("--trial-epochs {bad}: expected positive numbers, such as 1 or 0.5, and at most 1e6");
        }
        if let Some(bad) = rates.iter().find(|r| !(r.is_finite() && **r > 0.0)) {
            bail!("--rates {bad}: expected positive numbers, such as 1 or 0.5");
        }
        if let Some(bad) = starts.iter().find(|s| !(**s > 0.0 && **s <= 1.0)) {
            bail!("--starts {bad}: expected shares of the uniform run above 0 and up to 1, such as 0.5");
        }
        let jobs = default_jobs(args.jobs, kind)?;
        let settings = grid(&starts, &rates, &trial_epochs, recipe.train.epochs);
        let first = u64::from(args.first_seed);
        let profile = args.profile.name();
        Ok(Self {
            profile,
            kind,
            dataset: ss_data::load(kind, args.data_dir.as_deref())?,
            recipe,
            spec: SamplerSpec::paper(),
            noise,
            seeds: (first..first + seeds).collect(),
            settings,
            jobs,
            threads: rayon::current_num_threads(),
            out: args.out.unwrap_or_else(|| format!("runs/fidelity-{profile}-{kind}").into()),
            quiet: args.quiet,
        })
    }

    /// What the search does unless told otherwise, apart from its score: the recipe's.
    pub(super) fn default_setting(&self) -> Setting {
        Setting { start_epoch: self.recipe.start_epoch, rate: 1.0, epochs: self.recipe.trial_epochs }
    }

    /// Everything that changes a result, apart from what identifies a record.
    pub(super) fn fingerprint(&self) -> Result<Value> {
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data_digest": format!("{:016x}", self.dataset.digest()),
            "dataset": self.kind.to_string(),
            "recipe": serde_json::to_value(&self.recipe)?,
            "spec": serde_json::to_value(&self.spec)?,
            "noise": self.noise.rate(),
            "panel": panel::VERSION,
        }))
    }
}

/// Every combination; shares of the run become whole epochs, at least one.
fn grid(starts: &[f64], rates: &[f64], trial_epochs: &[f64], total: usize) -> Vec<Setting> {
    let start_epochs: BTreeSet<usize> =
        starts.iter().map(|share| ((share * total as f64).round() as usize).clamp(1, total)).collect();
    let mut settings = Vec::new();
    for &start_epoch in &start_epochs {
        for &rate in rates {
            for &epochs in trial_epochs {
                settings.push(Setting { start_epoch, rate, epochs });
            }
        }
    }
    settings
}

/// Without repetition, in the order given.
fn distinct(mut values: Vec<f64>) -> Vec<f64> {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.to_bits()));
    values
}
