//! What is computed: flags, texts, and everything that a cell depends on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_cli::{Recipe, TextExperiment, ValidationLabels};
use ss_data::text::{Text, TokenWindows, Vocabulary, WindowShuffling, grammar};
use ss_seed::Seed;

use crate::own_methods::Settings;
use crate::run_flags::{RunArgs, rates};

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
    /// Windows a step
    #[arg(long)]
    batch: Option<usize>,
    /// The largest learning rate of AdamW
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Decay of the weights
    #[arg(long)]
    weight_decay: Option<f64>,
    #[command(flatten)]
    run: RunArgs,
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
    pub(super) val_text: ValidationLabels,
    /// But for the sizes in the recipe, which the text has.
    pub(super) settings: Settings,
}

/// The text in windows, without any of them spoilt.
pub(super) struct Parts {
    pub(super) train: TokenWindows,
    pub(super) validation: TokenWindows,
    pub(super) test: TokenWindows,
    digest: String,
}

impl Parts {
    /// What a tokenizer made of the text: two of the same size may cut it differently.
    fn token_digests(&self) -> String {
        [&self.train, &self.validation, &self.test]
            .map(|windows| format!("{:016x}", windows.digest()))
            .join(" ")
    }
}

impl Plan {
    pub(super) fn resolve(args: Args) -> Result<Self> {
        let smoke = args.profile == Profile::Smoke;
        let recipe = recipe(&args)?;
        let noise = rates(&args.noise, |rate| {
            WindowShuffling::new(rate)?;
            Ok(())
        })?;
        let profile = args.profile.name();
        Ok(Self {
            profile,
            source: source(args.profile, args.train, args.valid, args.test, args.split)?,
            tokenizer: args.tokenizer,
            vocabulary: args.vocabulary.unwrap_or(if smoke { 64 } else { 8192 }),
            context: args.context.unwrap_or(if smoke { 12 } else { 64 }),
            val_text: args.val_text,
            settings: Settings {
                noise,
                recipe,
                spec: args.run.spec()?,
                run: args.run.resolve(smoke, true, &format!("table11-{profile}"))?,
            },
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

    /// The settings with the sizes that the text has.
    pub(super) fn settings(&self, parts: &Parts) -> Settings {
        let mut settings = self.settings.clone();
        settings.recipe.train_size = Some(parts.train.len());
        settings.recipe.validation_size = parts.validation.len();
        settings.recipe.test_size = Some(parts.test.len());
        settings
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

    /// Everything that changes a cell, apart from its method, noise and seed.
    pub(super) fn fingerprint(&self, parts: &Parts) -> Result<Value> {
        self.settings(parts).fingerprint(json!({
            "text_digests": parts.digest,
            "context": parts.train.context(),
            "vocabulary": parts.train.vocabulary(),
            "tokenizer": self.tokenizer.as_ref().map_or(json!(false), |_| json!(parts.token_digests())),
            "validation_text": serde_json::to_value(self.val_text)?,
        }))
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
        recipe.train.learning_rate = 0.01;
        recipe.trials = 4;
        recipe.trial_epochs = 1.0;
        recipe.set_epochs(4);
    }
    args.run.adjust(&mut recipe);
    recipe.train.batch_size = args.batch.unwrap_or(recipe.train.batch_size);
    recipe.train.learning_rate = args.learning_rate.unwrap_or(recipe.train.learning_rate);
    recipe.train.weight_decay = args.weight_decay.unwrap_or(recipe.train.weight_decay);
    recipe.check()?;
    Ok(recipe)
}
