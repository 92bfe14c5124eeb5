//! Flags and settings that all reproductions on images share: dataset, sizes, labels, and those of any task.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_cli::{Experiment, ExperimentConfig, NoiseSource, Recipe, ValidationLabels};
use ss_data::{Dataset, DatasetKind};
use ss_sampler::SamplerSpec;
use ss_seed::Seed;

use crate::run_flags::{Run, RunArgs, search_work};

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
    /// Training images; 0 takes all that validation leaves
    #[arg(long)]
    train_size: Option<usize>,
    /// Validation images
    #[arg(long)]
    val_size: Option<usize>,
    /// Whether validation labels carry the same noise as training labels
    #[arg(long, value_enum, default_value = "noisy")]
    val_labels: ValidationLabels,
    #[command(flatten)]
    pub(crate) run: RunArgs,
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
    pub(crate) run: Run,
}

impl Settings {
    /// Fills in what the flags leave open and checks every value; results go to `runs/TASK-...`.
    pub(crate) fn resolve(args: Args, task: &str) -> Result<Self> {
        let dataset = args.dataset.unwrap_or(args.profile.dataset());
        let recipe = recipe(&args, dataset)?;
        let profile = args.profile.name();
        let (smoke, small) = (args.profile == Profile::Smoke, dataset == DatasetKind::Digits);
        Ok(Self {
            profile,
            dataset,
            data_dir: args.data_dir,
            spec: args.run.spec()?,
            recipe,
            validation_labels: args.val_labels,
            run: args.run.resolve(smoke, small, &format!("{task}-{profile}-{dataset}"))?,
        })
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

    /// As [`search_work`].
    pub(crate) fn search_work(&self) -> f64 {
        search_work(&self.recipe)
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
        self.run.add_arithmetic(&mut fingerprint);
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
    args.run.adjust(&mut recipe);
    if let Some(size) = args.train_size {
        recipe.set_train_size(size);
    }
    recipe.validation_size = args.val_size.unwrap_or(recipe.validation_size);
    recipe.check()?;
    Ok(recipe)
}
