//! What a run of the table computes: flags as parsed, then resolved against the profile.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use ss_approx::Score;
use ss_cli::{Method, Recipe, ValidationLabels};
use ss_data::{Dataset, DatasetKind, LabelNoise, NoiseKind};
use ss_sampler::{SamplerSpec, Transform};

use super::cells::Key;

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Seconds: shows that every part works, says nothing about the method.
    Smoke,
    /// Minutes on two cores: the embedded digits, whole.
    Quick,
    /// Hours on two cores: Fashion-MNIST or CIFAR-10.
    Cpu,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Cpu => "cpu",
        }
    }
}

/// Flags of `reproduce-table1`.
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
    /// Shares of wrong training labels, in [0, 1) [default: 0,0.1,0.2,0.3,0.4]
    #[arg(long, value_delimiter = ',')]
    noise: Vec<f64>,
    /// Methods [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<Method>,
    /// Number of seeds [default: 3; 1 for smoke]
    #[arg(long)]
    seeds: Option<u64>,
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
    /// Network: resnet8, resnet8-W1-W2-W3, resnet20, resnet18, wrn-DEPTH-WIDTH, six-conv
    #[arg(long)]
    network: Option<ss_models::NetworkSpec>,
    /// Epochs between re-readings of the features in the final training; 0 never re-reads
    #[arg(long)]
    refresh: Option<usize>,
    /// Units computed side by side; each gets its share of the threads [default: one a core for digits, 1 else]
    #[arg(long)]
    jobs: Option<usize>,
    /// Where the journal, table1.json and table1.md go; finished cells there are not computed again
    /// [default: runs/table1-PROFILE-DATASET]
    #[arg(long)]
    out: Option<PathBuf>,
    /// No progress display
    #[arg(long, short)]
    quiet: bool,
}

/// A resolved run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) profile: &'static str,
    pub(crate) dataset: DatasetKind,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) recipe: Recipe,
    pub(crate) spec: SamplerSpec,
    pub(crate) validation_labels: ValidationLabels,
    pub(crate) noise: Vec<f64>,
    pub(crate) methods: Vec<Method>,
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
    pub(crate) jobs: usize,
    pub(crate) threads: usize,
    pub(crate) out: PathBuf,
    pub(crate) quiet: bool,
}

impl Plan {
    /// Fills in what the flags leave open and checks every value.
    pub(crate) fn resolve(args: Args) -> Result<Self> {
        let dataset = args.dataset.unwrap_or(match args.profile {
            Profile::Smoke | Profile::Quick => DatasetKind::Digits,
            Profile::Cpu => DatasetKind::FashionMnist,
        });
        let recipe = recipe(&args, dataset)?;
        let mut noise = args.noise;
        if noise.is_empty() {
            noise = match args.profile {
                Profile::Smoke => vec![0.0, 0.4],
                Profile::Quick | Profile::Cpu => vec![0.0, 0.1, 0.2, 0.3, 0.4],
            };
        }
        for &rate in &noise {
            LabelNoise::new(NoiseKind::Symmetric, rate).context("--noise")?;
        }
        // A rate or method given twice is one row of the table, not one with twice the seeds.
        let mut seen = BTreeSet::new();
        noise.retain(|rate| seen.insert(rate.abs().to_bits()));
        let seeds = args.seeds.unwrap_or(if args.profile == Profile::Smoke { 1 } else { 3 });
        if !(1..=10_000).contains(&seeds) {
            bail!("--seeds {seeds}: expected at least 1, and at most 10000");
        }
        let mut methods = args.methods;
        if methods.is_empty() {
            methods = Method::value_variants().to_vec();
        }
        let mut seen = BTreeSet::new();
        methods.retain(|method| seen.insert(*method));
        let threads = rayon::current_num_threads();
        let jobs = args.jobs.unwrap_or(if dataset == DatasetKind::Digits { threads } else { 1 });
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
            noise,
            methods,
            seeds,
            first_seed: args.first_seed.into(),
            jobs,
            threads,
            out: args.out.unwrap_or_else(|| format!("runs/table1-{profile}-{dataset}").into()),
            quiet: args.quiet,
        })
    }

    /// The keys of the cells that the table shows, in the order of its rows.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Key> + '_ {
        self.noise.iter().flat_map(move |&noise| {
            (self.first_seed..self.first_seed + self.seeds)
                .flat_map(move |seed| self.methods.iter().map(move |&method| Key::new(method, noise, seed)))
        })
    }

    /// What the cells of a journal have in common: everything that changes a result, apart from the keys.
    pub(crate) fn fingerprint(&self, dataset: &Dataset) -> Result<serde_json::Value> {
        Ok(serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data_digest": format!("{:016x}", digest(dataset)),
            "dataset": self.dataset.to_string(),
            "recipe": serde_json::to_value(&self.recipe)?,
            "spec": serde_json::to_value(&self.spec)?,
            "validation_labels": serde_json::to_value(self.validation_labels)?,
        }))
    }
}

/// FNV-1a over all labels and pixels: which copy of a dataset the cells were computed on.
pub(crate) fn digest(dataset: &Dataset) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    [Some(&dataset.train), dataset.test.as_ref()].into_iter().flatten().fold(
        0xcbf2_9ce4_8422_2325,
        |hash, set| {
            let labels = set.labels().iter().map(|&label| label as u8);
            set.pixels().iter().copied().chain(labels).fold(hash, step)
        },
    )
}

fn recipe(args: &Args, dataset: DatasetKind) -> Result<Recipe> {
    let mut recipe = Recipe::for_dataset(dataset);
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
