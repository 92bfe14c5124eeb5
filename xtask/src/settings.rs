//! Flags and settings that all reproductions share: dataset, network, schedule, search budget, seeds.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_approx::{Device, Score};
use ss_cli::{DeviceFlags, Experiment, ExperimentConfig, NoiseSource, Recipe, ValidationLabels};
use ss_data::{Dataset, DatasetKind};
use ss_sampler::{SamplerSpec, Transform};
use ss_seed::Seed;

use crate::workers::Workers;

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Seconds: shows that every part works, says nothing about the method.
    Smoke,
    /// Minutes on two cores: the embedded digits, whole.
    Quick,
    /// Hours on two cores: Fashion-MNIST or CIFAR-10.
    Cpu,
    /// The paper's scale: all of CIFAR-10 or CIFAR-100, a wide residual network, 200 epochs. Weeks without a GPU.
    Paper,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Cpu => "cpu",
            Self::Paper => "paper",
        }
    }

    fn dataset(self) -> DatasetKind {
        match self {
            Self::Smoke | Self::Quick => DatasetKind::Digits,
            Self::Cpu => DatasetKind::FashionMnist,
            Self::Paper => DatasetKind::Cifar10,
        }
    }
}

/// Flags of every reproduction.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much is computed: smoke (seconds), quick (minutes), cpu (hours), paper (full datasets and networks)
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) profile: Profile,
    /// digits, fashion-mnist, cifar10 or cifar100 [default: digits; fashion-mnist for the cpu profile, cifar10 for
    /// the paper profile]
    #[arg(long)]
    dataset: Option<DatasetKind>,
    /// Folder that holds the dataset [default: the place where its package installs it]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Number of seeds [default: 3; 1 for smoke]
    #[arg(long)]
    pub(crate) seeds: Option<u64>,
    /// The first of the seeds, which follow each other. Seeds 0 to 4 of the digits were looked at while the
    /// defaults were chosen
    #[arg(long, default_value_t = 0)]
    first_seed: u32,
    /// Training images
    #[arg(long)]
    train_size: Option<usize>,
    /// Validation images
    #[arg(long)]
    val_size: Option<usize>,
    /// Whether validation labels carry the same noise as training labels
    #[arg(long, value_enum, default_value = "noisy")]
    val_labels: ValidationLabels,
    /// The coordinate that the rule is a function of: cgf (by gradient mass) or cdf (by rank)
    #[arg(long, default_value = "cgf")]
    transform: Transform,
    /// The score of a trial: accuracy, likelihood or calibrated
    #[arg(long)]
    score: Option<Score>,
    /// E_o: candidates that a search tries
    #[arg(long)]
    trials: Option<usize>,
    /// E_f: epochs of a trial, fractions allowed
    #[arg(long)]
    trial_epochs: Option<f64>,
    /// Epochs of a full training
    #[arg(long)]
    epochs: Option<usize>,
    /// Network: resnet8, resnet8-W1-W2-W3, resnet20, resnet18 to resnet101, mobilenet-v2, seresnext50-32x4d, wrn-DEPTH-WIDTH, six-conv
    #[arg(long)]
    network: Option<ss_models::NetworkSpec>,
    /// Epochs between re-readings of the features in the final training; 0 never re-reads
    #[arg(long)]
    refresh: Option<usize>,
    /// Units computed side by side; each gets its share of the threads [default: one a core for digits on
    /// the CPU, else one a device]
    #[arg(long)]
    jobs: Option<usize>,
    /// Where the journal and the results go; what is finished there is not computed again
    /// [default: runs/TASK-PROFILE-DATASET]
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceFlags,
    /// No progress display
    #[arg(long, short)]
    quiet: bool,
}

impl Args {
    /// Whether a table about whole datasets takes all training images: the profile is one of scale, and nothing else is said.
    pub(crate) fn whole_dataset(&self) -> bool {
        self.train_size.is_none() && matches!(self.profile, Profile::Cpu | Profile::Paper)
    }
}

/// Settings resolved and checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) profile: &'static str,
    pub(crate) dataset: DatasetKind,
    data_dir: Option<PathBuf>,
    pub(crate) recipe: Recipe,
    pub(crate) spec: SamplerSpec,
    pub(crate) validation_labels: ValidationLabels,
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
    pub(crate) jobs: usize,
    pub(crate) threads: usize,
    /// Where networks are trained; units side by side are dealt to them in turn.
    pub(crate) devices: Vec<Device>,
    pub(crate) out: PathBuf,
    pub(crate) quiet: bool,
}

impl Settings {
    /// Fills in what the flags leave open and checks every value; results go to `runs/TASK-...`.
    pub(crate) fn resolve(args: Args, task: &str) -> Result<Self> {
        let dataset = args.dataset.unwrap_or(args.profile.dataset());
        let recipe = recipe(&args, dataset)?;
        let seeds = args.seeds.unwrap_or(if args.profile == Profile::Smoke { 1 } else { 3 });
        if !(1..=10_000).contains(&seeds) {
            bail!("--seeds {seeds}: expected at least 1, and at most 10000");
        }
        let threads = rayon::current_num_threads();
        let devices = args.device.open(args.quiet)?;
        let on_cpu = devices.iter().all(|device| matches!(device, Device::Cpu));
        let one_a_core = on_cpu && dataset == DatasetKind::Digits;
        let jobs = args.jobs.unwrap_or(if one_a_core { threads } else { devices.len() });
        if jobs == 0 {
            bail!("--jobs 0: expected at least 1");
        }
        let profile = args.profile.name();
        Ok(Self {
            profile,
            dataset,
            data_dir: args.data_dir,
            spec: SamplerSpec::new(["loss", "renormed_entropy"], args.transform)?,
            recipe,
            validation_labels: args.val_labels,
            seeds,
            first_seed: args.first_seed.into(),
            jobs,
            threads,
            devices,
            out: args.out.unwrap_or_else(|| format!("runs/{task}-{profile}-{dataset}").into()),
            quiet: args.quiet,
        })
    }

    /// Who computes units side by side.
    pub(crate) fn workers(&self) -> Workers<'_> {
        Workers { jobs: self.jobs, threads: self.threads, devices: &self.devices, out: &self.out }
    }

    /// Reads the dataset.
    pub(crate) fn load(&self) -> Result<Dataset> {
        Ok(ss_data::load(self.dataset, self.data_dir.as_deref())?)
    }

    /// The data of one seed.
    pub(crate) fn experiment(&self, dataset: &Dataset, noise: NoiseSource, seed: Seed) -> Result<Experiment> {
        let sizes = self.recipe.sizes();
        let config = ExperimentConfig { sizes, noise, validation_labels: self.validation_labels };
        Ok(Experiment::prepare(dataset, &config, seed)?)
    }

    /// All trials of a search in units of one full training.
    pub(crate) fn search_work(&self) -> f64 {
        self.recipe.trials as f64 * self.recipe.trial_epochs / self.recipe.train.epochs as f64
    }

    /// The seeds.
    pub(crate) fn seeds(&self) -> std::ops::Range<u64> {
        self.first_seed..self.first_seed + self.seeds
    }

    /// The seeds, for a reader.
    pub(crate) fn seeds_text(&self) -> String {
        self.seeds().map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The number of training images, for a reader.
    pub(crate) fn train_size_text(&self) -> String {
        self.recipe.train_size.map_or_else(|| "all".to_owned(), |size| size.to_string())
    }

    /// Everything here that changes a result, apart from seeds.
    pub(crate) fn fingerprint(&self, dataset: &Dataset) -> Result<Value> {
        let mut fingerprint = json!({
            "version": env!("CARGO_PKG_VERSION"),
            // Of the cells: 2 since they hold top-5.
            "format": 2,
            "data_digest": format!("{:016x}", dataset.digest()),
            "dataset": self.dataset.to_string(),
            "recipe": serde_json::to_value(&self.recipe)?,
            "spec": serde_json::to_value(&self.spec)?,
            "validation_labels": serde_json::to_value(self.validation_labels)?,
        });
        // The CPU is not named: its results are the same bits everywhere.
        if let Some(arithmetic) = self.devices.first().and_then(Device::arithmetic) {
            fingerprint["device"] = arithmetic.into();
        }
        Ok(fingerprint)
    }
}

fn recipe(args: &Args, dataset: DatasetKind) -> Result<Recipe> {
    let mut recipe = match args.profile {
        Profile::Paper => Recipe::paper(dataset),
        Profile::Smoke | Profile::Quick | Profile::Cpu => Recipe::for_dataset(dataset),
    };
    if args.profile == Profile::Smoke {
        recipe.train_size = Some(200);
        recipe.validation_size = 100;
        recipe.test_size = Some(200);
        recipe.trials = 4;
        recipe.set_epochs(4);
    }
    if let Some(epochs) = args.epochs {
        recipe.set_epochs(epochs);
    }
    if let Some(size) = args.train_size {
        recipe.train_size = Some(size);
    }
    recipe.validation_size = args.val_size.unwrap_or(recipe.validation_size);
    recipe.trials = args.trials.unwrap_or(recipe.trials);
    recipe.trial_epochs = args.trial_epochs.unwrap_or(recipe.trial_epochs);
    recipe.score = args.score.unwrap_or(recipe.score);
    if let Some(network) = &args.network {
        recipe.network = network.clone();
    }
    if let Some(every) = args.refresh {
        recipe.refresh = (every > 0).then_some(every);
    }
    recipe.check()?;
    Ok(recipe)
}
