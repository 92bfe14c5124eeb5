//! Flags and settings of the reproductions on images in folders: which images, what an instance is, and those of any task.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_approx::{RandomResizedCrop, View};
use ss_cli::{FolderExperiment, Recipe, ValidationLabels};
use ss_data::{FileDataset, LabelNoise, NoiseKind, OpenFolder};
use ss_models::NetworkSpec;
use ss_sampler::SamplerSpec;

use crate::folder_source::FolderSource;
use crate::run_flags::{Run, RunArgs, search_work};

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Seconds: the embedded digits as PNG files and tiny networks; shows that every part works.
    Smoke,
    /// Hours on two cores: some thousand images of CIFAR-10 as files, narrow networks.
    Cpu,
    /// The paper's scale: ImageNet, whole networks at 224x224 pixels. Needs a GPU.
    Paper,
}

impl Profile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Cpu => "cpu",
            Self::Paper => "paper",
        }
    }

    /// MobileNetV2, ResNet-18, ResNet-50 and SE-ResNeXt-50, as wide as the profile affords.
    fn networks(self) -> [&'static str; 4] {
        match self {
            Self::Smoke => {
                ["mobilenet-v2-0.05", "resnet18-2-2-4-4", "resnet50-2-2-2-2", "seresnext50-2x32d-2-2-2-2"]
            }
            Self::Cpu => [
                "mobilenet-v2-0.25",
                "resnet18-8-16-32-64",
                "resnet50-4-8-16-32",
                "seresnext50-4x16d-4-8-16-32",
            ],
            Self::Paper => [
                "mobilenet-v2-imagenet",
                "resnet18-imagenet",
                "resnet50-imagenet",
                "seresnext50-32x4d-imagenet",
            ],
        }
    }
}

/// Flags of every reproduction on folders.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much is computed: smoke (seconds), cpu (hours on two cores), paper (ImageNet)
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) profile: Profile,
    /// Folder with train/CLASS/* and test/CLASS/* or val/CLASS/*
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// CIFAR-10 (Parquet or binary batches), of which the images needed are written as PNG files below --out, once; for the cpu
    /// profile without --data-dir
    #[arg(long, conflicts_with = "data_dir")]
    cifar10: Option<PathBuf>,
    /// Networks, at least one [default: a MobileNetV2, a ResNet-18, a ResNet-50 and an SE-ResNeXt-50]
    #[arg(long, value_delimiter = ',')]
    networks: Vec<NetworkSpec>,
    /// Rows and columns of what a network is shown [default: 224; 32 for cpu, 8 for smoke]
    #[arg(long)]
    side: Option<usize>,
    /// Instances an image: fixed random crops, each with a probability of its own; 0: the whole image is the instance, seen in
    /// other crops each epoch
    #[arg(long, default_value_t = 0)]
    crops: usize,
    /// The smallest share of an image that a random crop shows [default: 0.08; 0.3 for images of 32x32 pixels and less]
    #[arg(long)]
    crop_scale: Option<f64>,
    /// Decode every image first and leave out those that cannot be decoded
    #[arg(long)]
    skip_bad: bool,
    /// MiB of decoded images that are kept in memory; changes no result
    #[arg(long, default_value_t = 1024)]
    memory: u64,
    /// Training images; 0 takes all that validation leaves
    #[arg(long)]
    train_size: Option<usize>,
    /// Validation images, held out of the training images
    #[arg(long)]
    val_size: Option<usize>,
    /// Test images
    #[arg(long)]
    test_size: Option<usize>,
    /// Whether validation labels carry the same noise as training labels
    #[arg(long, value_enum, default_value = "noisy")]
    val_labels: ValidationLabels,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Settings resolved and checked.
#[derive(Clone, Debug)]
pub(crate) struct FolderSettings {
    pub(crate) profile: Profile,
    source: FolderSource,
    open: OpenFolder,
    /// Each once, at least one.
    pub(crate) networks: Vec<NetworkSpec>,
    side: usize,
    crop: RandomResizedCrop,
    crops: usize,
    /// With the first of the networks.
    pub(crate) recipe: Recipe,
    pub(crate) spec: SamplerSpec,
    validation_labels: ValidationLabels,
    pub(crate) run: Run,
}

impl FolderSettings {
    /// Fills in what the flags leave open and checks every value; results go to `runs/TASK-PROFILE`.
    pub(crate) fn resolve(args: Args, task: &str) -> Result<Self> {
        let profile = args.profile;
        if let Some(network) = args.run.network() {
            bail!("--network {network}: this task has several; name them with --networks");
        }
        let mut networks: Vec<NetworkSpec> = Vec::new();
        for network in args.networks.iter().cloned() {
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        if networks.is_empty() {
            networks = profile.networks().iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        }
        let side = args.side.unwrap_or(match profile {
            Profile::Smoke => 8,
            Profile::Cpu => 32,
            Profile::Paper => 224,
        });
        let smallest = args.crop_scale.unwrap_or(if side <= 32 { 0.3 } else { 0.08 });
        let mut recipe = recipe(profile);
        recipe.network = networks[0].clone();
        args.run.adjust(&mut recipe);
        if let Some(size) = args.train_size {
            recipe.set_train_size(size);
        }
        recipe.validation_size = args.val_size.unwrap_or(recipe.validation_size);
        recipe.test_size = args.test_size.or(recipe.test_size);
        recipe.check()?;
        let source = match (args.data_dir, args.cifar10, profile) {
            (Some(dir), ..) => FolderSource::Folder(dir),
            (None, Some(dir), _) => FolderSource::Cifar10(dir),
            (None, None, Profile::Smoke) => FolderSource::Digits,
            (None, None, Profile::Cpu) => {
                bail!(
                    "no images: name the folder of CIFAR-10 with --cifar10, or a folder of images with --data-dir"
                )
            }
            (None, None, Profile::Paper) => {
                bail!("no images: name the folder of ImageNet (train/CLASS/*, val/CLASS/*) with --data-dir")
            }
        };
        let name = format!("{task}-{}", profile.name());
        Ok(Self {
            profile,
            source,
            open: OpenFolder { skip_bad: args.skip_bad, memory: args.memory.saturating_mul(1 << 20) },
            networks,
            side,
            crop: RandomResizedCrop::new(smallest).context("--crop-scale")?,
            crops: args.crops,
            recipe,
            spec: args.run.spec()?,
            validation_labels: args.val_labels,
            run: args.run.resolve(profile == Profile::Smoke, profile != Profile::Paper, &name)?,
        })
    }

    /// Opens the folder, made before where it has to be. Images that are left out are named.
    pub(crate) fn load(&self) -> Result<FileDataset> {
        let Recipe { train_size, validation_size, test_size, .. } = self.recipe;
        let sizes = [train_size.map(|size| size.saturating_add(validation_size)), test_size];
        let dataset = FileDataset::open(&self.source.folder(&self.run.out, sizes)?, self.open)?;
        for (path, reason) in &dataset.skipped {
            eprintln!("left out: {}: {reason}", path.display());
        }
        if !dataset.skipped.is_empty() {
            eprintln!("images left out: {}", dataset.skipped.len());
        }
        Ok(dataset)
    }

    /// How the data of a seed are made.
    pub(crate) fn experiment(&self, noise: f64) -> Result<FolderExperiment> {
        Ok(FolderExperiment {
            sizes: self.recipe.sizes(),
            noise: LabelNoise::new(NoiseKind::Symmetric, noise)?.into(),
            validation_labels: self.validation_labels,
            side: self.side,
            view: match self.crops {
                0 => View::Whole(self.crop),
                each => View::Crops(each, self.crop),
            },
        })
    }

    /// The recipe of one of the networks.
    pub(crate) fn recipe_of(&self, network: &NetworkSpec) -> Recipe {
        Recipe { network: network.clone(), ..self.recipe.clone() }
    }

    /// As [`search_work`].
    pub(crate) fn search_work(&self) -> f64 {
        search_work(&self.recipe)
    }

    /// The data and the schedule, for a reader.
    pub(crate) fn describe(&self, dataset: &FileDataset) -> String {
        let instances = match self.crops {
            0 => format!("seen in random crops of at least {:.0}%", 100.0 * self.crop.smallest()),
            each => {
                format!(
                    "{each} fixed crops of at least {:.0}% of each as instances",
                    100.0 * self.crop.smallest()
                )
            }
        };
        let size = |size: Option<usize>| size.map_or_else(|| "all".to_owned(), |size| size.to_string());
        format!(
            "{}: {} training images at {side}x{side} pixels, {instances}; {} validation and {} test images; {} epochs",
            dataset.name,
            size(self.recipe.train_size),
            self.recipe.validation_size,
            size(self.recipe.test_size),
            self.recipe.train.epochs,
            side = self.side,
        )
    }

    /// Everything here that changes a result of a network, apart from noise and seeds.
    pub(crate) fn fingerprint(&self, dataset: &FileDataset) -> Result<Value> {
        let mut recipe = serde_json::to_value(&self.recipe)?;
        if let Some(recipe) = recipe.as_object_mut() {
            recipe.remove("network");
        }
        let mut fingerprint = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "format": 1,
            "data_digest": format!("{:016x}", dataset.digest()),
            "recipe": recipe,
            "spec": serde_json::to_value(&self.spec)?,
            "validation_labels": serde_json::to_value(self.validation_labels)?,
            "side": self.side,
            "crops": self.crops,
            "crop_scale": self.crop.smallest(),
        });
        self.run.add_arithmetic(&mut fingerprint);
        Ok(fingerprint)
    }
}

fn recipe(profile: Profile) -> Recipe {
    let mut recipe = Recipe::for_image_folder();
    match profile {
        Profile::Paper => {}
        Profile::Cpu => {
            recipe.set_epochs(15);
            (recipe.train_size, recipe.validation_size, recipe.test_size) = (Some(4000), 2000, Some(2000));
            (recipe.trials, recipe.trial_epochs) = (16, 0.5);
            (recipe.train.batch_size, recipe.train.weight_decay) = (64, 5e-4);
        }
        Profile::Smoke => {
            recipe.set_epochs(2);
            (recipe.train_size, recipe.validation_size, recipe.test_size) = (Some(120), 60, Some(60));
            (recipe.trials, recipe.trial_epochs) = (2, 1.0);
            recipe.train.batch_size = 32;
        }
    }
    recipe
}
