//! What a run of the bench computes: flags, checked, and what of them changes a result.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_approx::Score;
use ss_cli::Recipe;
use ss_data::{Dataset, DatasetKind, LabelNoise, NoiseKind};

use super::arm::Arm;
use super::synthetic;

/// Flags of `bench search`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the searches are judged by
    #[arg(long, value_enum, default_value = "synthetic")]
    objective: ObjectiveKind,
    /// Share of bad examples, or of wrong labels, in training and validation, in [0, 1); no search is told
    #[arg(long, default_value_t = 0.4)]
    noise: f64,
    /// Trials of a search
    #[arg(long, default_value_t = 30)]
    trials: usize,
    /// Number of seeds
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// The first of the seeds, which follow each other
    #[arg(long, default_value_t = 0)]
    first_seed: u32,
    /// The score of a trial on noisy validation labels: accuracy or calibrated
    #[arg(long, default_value = "accuracy")]
    score: Score,
    /// Arms, computed in this order [default: all but those with cdf]
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<Arm>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Folder of the journal; finished searches there are not computed again [default: runs/search]
    #[arg(long, default_value = "runs/search", hide_default_value = true)]
    out: PathBuf,
    /// Folder that holds the dataset [default: the place where its package installs it]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// No progress display
    #[arg(long, short)]
    quiet: bool,
}

/// What the searches are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ObjectiveKind {
    /// A known function of the weights of synthetic examples: seconds
    Synthetic,
    /// Trials on the embedded digits: minutes
    Digits,
    /// Trials on Fashion-MNIST: hours
    FashionMnist,
}

impl ObjectiveKind {
    /// The dataset behind it.
    fn dataset(self) -> Option<DatasetKind> {
        match self {
            Self::Synthetic => None,
            Self::Digits => Some(DatasetKind::Digits),
            Self::FashionMnist => Some(DatasetKind::FashionMnist),
        }
    }
}

/// A checked run.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) noise: LabelNoise,
    pub(super) trials: usize,
    pub(super) seeds: Vec<u64>,
    pub(super) score: Score,
    pub(super) arms: Vec<Arm>,
    pub(super) json: bool,
    pub(super) out: PathBuf,
    pub(super) quiet: bool,
}

/// Where objectives come from.
pub(super) enum Source {
    Synthetic,
    Images { dataset: Box<Dataset>, recipe: Box<Recipe> },
}

impl Plan {
    pub(super) fn resolve(args: Args) -> Result<Self> {
        let noise = LabelNoise::new(NoiseKind::Symmetric, args.noise).context("--noise")?;
        if args.seeds == 0 || args.seeds > 10_000 {
            bail!("--seeds {}: expected at least 1, and at most 10000", args.seeds);
        }
        if args.trials == 0 {
            bail!("--trials 0: expected at least 1");
        }
        if args.score == Score::Likelihood {
            bail!("--score likelihood: ranks backwards on noisy labels; expected accuracy or calibrated");
        }
        let source = match args.objective.dataset() {
            None if args.score != Score::Accuracy => {
                bail!("--score {}: the synthetic objective has accuracy only", args.score)
            }
            None => Source::Synthetic,
            Some(kind) => {
                // No rule is trained in full here.
                let recipe = Recipe {
                    trials: args.trials,
                    score: args.score,
                    finalists: 1,
                    ..Recipe::for_dataset(kind)
                };
                recipe.check()?;
                let dataset = ss_data::load(kind, args.data_dir.as_deref())?;
                Source::Images { dataset: Box::new(dataset), recipe: Box::new(recipe) }
            }
        };
        let mut arms: Vec<Arm> = Vec::new();
        let wanted = if args.methods.is_empty() { &Arm::BENCH[..] } else { &args.methods };
        for &arm in wanted {
            if !arms.contains(&arm) {
                arms.push(arm);
            }
        }
        let name = args.objective.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        let first = u64::from(args.first_seed);
        Ok(Self {
            name,
            source,
            noise,
            trials: args.trials,
            seeds: (first..first + args.seeds).collect(),
            score: args.score,
            arms,
            json: args.json,
            out: args.out,
            quiet: args.quiet,
        })
    }

    /// Everything that changes a result, apart from seed and arm.
    pub(super) fn fingerprint(&self) -> Result<Value> {
        let source = match &self.source {
            Source::Synthetic => synthetic::fingerprint(),
            Source::Images { dataset, recipe } => json!({
                "data_digest": format!("{:016x}", dataset.digest()),
                "recipe": serde_json::to_value(recipe)?,
            }),
        };
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "objective": self.name,
            "noise": self.noise.rate(),
            "trials": self.trials,
            "score": self.score.to_string(),
            "source": source,
        }))
    }
}
