//! What is computed: flags, texts, and everything that a cell depends on.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_approx::{Device, Score};
use ss_cli::{DeviceFlags, Recipe, TextExperiment, ValidationLabels};
use ss_data::text::{Text, TokenWindows, Vocabulary, WindowShuffling, grammar};
use ss_models::NetworkSpec;
use ss_sampler::{SamplerSpec, Transform};
use ss_seed::Seed;

use crate::workers::Workers;

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Seconds: generated text and a tiny network; shows that every part works.
    Smoke,
    /// Hours on two cores: text from files, a GPT of two layers.
    Cpu,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Cpu => "cpu",
        }
    }
}

/// Flags of `reproduce-table11`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much is computed: smoke (seconds, generated text), cpu (minutes a training on one core, text from files)
    #[arg(long, value_enum, default_value = "cpu")]
    profile: Profile,
    /// Text to train on (UTF-8, one paragraph a line, words between spaces, as WikiText); without it --valid is split
    #[arg(long)]
    train: Option<PathBuf>,
    /// Validation text; without --train, its last lines are the validation text and those before the training text
    #[arg(long)]
    valid: Option<PathBuf>,
    /// Test text
    #[arg(long)]
    test: Option<PathBuf>,
    /// Without --train: the share of the lines of --valid that are the validation text [default: 0.2]
    #[arg(long)]
    split: Option<f64>,
    /// A tokenizer.json (Hugging Face) instead of words
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Words that are told apart, the most frequent ones of the training text [default: 8192; 64 for smoke]
    #[arg(long)]
    vocabulary: Option<usize>,
    /// Tokens that a window reads [default: 64; 12 for smoke]
    #[arg(long)]
    context: Option<usize>,
    /// Shares of the training windows that are shuffled, in [0, 1)
    #[arg(long, value_delimiter = ',', default_value = "0,0.2")]
    noise: Vec<f64>,
    /// Whether the same share of the validation windows is shuffled; the likelihood of a shuffled window says nothing good of a
    /// model
    #[arg(long, value_enum, default_value = "clean")]
    val_text: ValidationLabels,
    /// Number of seeds [default: 3; 1 for smoke]
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of the seeds, which follow each other
    #[arg(long, default_value_t = 0)]
    first_seed: u32,
    /// The coordinate that the rule is a function of: cgf (by gradient mass) or cdf (by rank)
    #[arg(long, default_value = "cgf")]
    transform: Transform,
    /// The score of a trial: likelihood (minus the logarithm of the perplexity) or accuracy (of tokens)
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
    /// Windows a step
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate of the first step
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Network: gpt-LAYERS-WIDTH-HEADS
    #[arg(long)]
    network: Option<NetworkSpec>,
    /// Epochs between re-readings of the features in the final training; 0 never re-reads
    #[arg(long)]
    refresh: Option<usize>,
    /// Units computed side by side; each gets its share of the threads [default: one a core on the CPU, else one a device]
    #[arg(long)]
    jobs: Option<usize>,
    /// Where the journal and the results go; what is finished there is not computed again [default: runs/table11-PROFILE]
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceFlags,
    /// No progress display
    #[arg(long, short)]
    quiet: bool,
}

/// Where the text comes from.
enum Source {
    /// The grammar of the tests.
    Generated,
    Files {
        train: Option<PathBuf>,
        valid: PathBuf,
        test: PathBuf,
        split: f64,
    },
}

/// Settings resolved and checked.
pub(super) struct Plan {
    pub(super) profile: &'static str,
    source: Source,
    tokenizer: Option<PathBuf>,
    vocabulary: usize,
    context: usize,
    /// Ascending, each once.
    pub(super) noise: Vec<f64>,
    pub(super) val_text: ValidationLabels,
    recipe: Recipe,
    pub(super) spec: SamplerSpec,
    seeds: Range<u64>,
    jobs: usize,
    devices: Vec<Device>,
    pub(super) out: PathBuf,
    pub(super) quiet: bool,
}

/// The text in windows, without any of them spoilt.
pub(super) struct Parts {
    pub(super) train: TokenWindows,
    pub(super) validation: TokenWindows,
    pub(super) test: TokenWindows,
    digest: String,
}

impl Plan {
    pub(super) fn resolve(args: Args) -> Result<Self> {
        let smoke = args.profile == Profile::Smoke;
        let recipe = recipe(&args)?;
        let mut noise = args.noise.clone();
        for &rate in &noise {
            WindowShuffling::new(rate).context("--noise")?;
        }
        noise.sort_by(f64::total_cmp);
        noise.dedup();
        if noise.is_empty() {
            bail!("--noise: expected at least one share");
        }
        let seeds = args.seeds.unwrap_or(if smoke { 1 } else { 3 });
        if !(1..=10_000).contains(&seeds) {
            bail!("--seeds {seeds}: expected at least 1, and at most 10000");
        }
        let devices = args.device.open(args.quiet)?;
        let on_cpu = devices.iter().all(|device| matches!(device, Device::Cpu));
        let jobs = args.jobs.unwrap_or(if on_cpu { rayon::current_num_threads() } else { devices.len() });
        if jobs == 0 {
            bail!("--jobs 0: expected at least 1");
        }
        let profile = args.profile.name();
        let first_seed = u64::from(args.first_seed);
        Ok(Self {
            profile,
            source: source(args.profile, args.train, args.valid, args.test, args.split)?,
            tokenizer: args.tokenizer,
            vocabulary: args.vocabulary.unwrap_or(if smoke { 64 } else { 8192 }),
            context: args.context.unwrap_or(if smoke { 12 } else { 64 }),
            noise,
            val_text: args.val_text,
            recipe,
            spec: SamplerSpec::new(["loss", "renormed_entropy"], args.transform)?,
            seeds: first_seed..first_seed + seeds,
            jobs,
            devices,
            out: args.out.unwrap_or_else(|| format!("runs/table11-{profile}").into()),
            quiet: args.quiet,
        })
    }

    /// Reads or makes the text and cuts it into windows.
    pub(super) fn load(&self) -> Result<Parts> {
        let (train, validation, test) = match &self.source {
            Source::Generated => {
                let (rest, test) = grammar::text(4_000, Seed::new(0))?.cut(0.25)?;
                let (train, validation) = rest.cut(0.25)?;
                (train, validation, test)
            }
            Source::Files { train: Some(train), valid, test, .. } => {
                (Text::read(train)?, Text::read(valid)?, Text::read(test)?)
            }
            Source::Files { train: None, valid, test, split } => {
                let (train, validation) = Text::read(valid)?.cut(*split).context("--split")?;
                (train, validation, Text::read(test)?)
            }
        };
        let vocabulary = match &self.tokenizer {
            Some(path) => Vocabulary::from_tokenizer(path)?,
            None => Vocabulary::of_words(&train, self.vocabulary).context("--vocabulary")?,
        };
        let windows = |text: &Text, what: &'static str| -> Result<TokenWindows> {
            let tokens = vocabulary.encode(text)?;
            TokenWindows::new(&tokens, self.context, vocabulary.size()).context(what)
        };
        let digests = [&train, &validation, &test].map(|text| format!("{:016x}", text.digest()));
        Ok(Parts {
            train: windows(&train, "the training text")?,
            validation: windows(&validation, "the validation text")?,
            test: windows(&test, "the test text")?,
            digest: digests.join(" "),
        })
    }

    /// The recipe with the sizes that the text has.
    pub(super) fn recipe(&self, parts: &Parts) -> Recipe {
        Recipe {
            train_size: Some(parts.train.len()),
            validation_size: parts.validation.len(),
            test_size: Some(parts.test.len()),
            ..self.recipe.clone()
        }
    }

    pub(super) fn experiment(&self, parts: &Parts, noise: f64) -> Result<TextExperiment> {
        Ok(TextExperiment {
            train: parts.train.clone(),
            validation: parts.validation.clone(),
            test: parts.test.clone(),
            shuffling: WindowShuffling::new(noise)?,
            validation_windows: self.val_text,
        })
    }

    pub(super) fn seeds(&self) -> Range<u64> {
        self.seeds.clone()
    }

    pub(super) fn workers(&self) -> Workers<'_> {
        let threads = rayon::current_num_threads();
        Workers { jobs: self.jobs, threads, devices: &self.devices, out: &self.out }
    }

    /// All trials of a search in units of one full training.
    pub(super) fn search_work(&self) -> f64 {
        self.recipe.trials as f64 * self.recipe.trial_epochs / self.recipe.train.epochs as f64
    }

    /// Everything that changes a cell, apart from its method, noise and seed.
    pub(super) fn fingerprint(&self, parts: &Parts) -> Result<Value> {
        let mut fingerprint = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "format": 1,
            "text_digests": parts.digest,
            "context": parts.train.context(),
            "vocabulary": parts.train.vocabulary(),
            "tokenizer": self.tokenizer.is_some(),
            "recipe": serde_json::to_value(self.recipe(parts))?,
            "spec": serde_json::to_value(&self.spec)?,
            "validation_text": serde_json::to_value(self.val_text)?,
        });
        if let Some(arithmetic) = self.devices.first().and_then(Device::arithmetic) {
            fingerprint["device"] = arithmetic.into();
        }
        Ok(fingerprint)
    }
}

fn source(
    profile: Profile,
    train: Option<PathBuf>,
    valid: Option<PathBuf>,
    test: Option<PathBuf>,
    split: Option<f64>,
) -> Result<Source> {
    if profile == Profile::Smoke {
        let given: [Option<&Path>; 3] = [train.as_deref(), valid.as_deref(), test.as_deref()];
        if let Some(path) = given.into_iter().flatten().next() {
            bail!(
                "{}: the smoke profile generates its text; leave the file out or use --profile cpu",
                path.display()
            );
        }
        return Ok(Source::Generated);
    }
    let (Some(valid), Some(test)) = (valid, test) else {
        bail!(
            "--valid and --test: expected a text file each, such as those of WikiText-2; --train too, if there is one"
        );
    };
    if train.is_some() && split.is_some() {
        bail!("--split: --valid is split only where there is no --train; leave one of the two out");
    }
    Ok(Source::Files { train, valid, test, split: split.unwrap_or(0.2) })
}

fn recipe(args: &Args) -> Result<Recipe> {
    let mut recipe = Recipe::for_text();
    if args.profile == Profile::Smoke {
        recipe.network = "gpt-1-16-2".parse()?;
        recipe.train.learning_rate = 0.3;
        recipe.trials = 4;
        recipe.trial_epochs = 1.0;
        recipe.set_epochs(4);
    }
    if let Some(epochs) = args.epochs {
        recipe.set_epochs(epochs);
    }
    recipe.trials = args.trials.unwrap_or(recipe.trials);
    recipe.trial_epochs = args.trial_epochs.unwrap_or(recipe.trial_epochs);
    recipe.score = args.score.unwrap_or(recipe.score);
    recipe.train.batch_size = args.batch.unwrap_or(recipe.train.batch_size);
    recipe.train.learning_rate = args.learning_rate.unwrap_or(recipe.train.learning_rate);
    if let Some(network) = &args.network {
        recipe.network = network.clone();
    }
    if let Some(every) = args.refresh {
        recipe.refresh = (every > 0).then_some(every);
    }
    recipe.check()?;
    Ok(recipe)
}
