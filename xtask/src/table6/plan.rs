//! What is computed: flags, characters, and everything that a cell depends on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_approx::Episodes;
use ss_cli::experiment::{EmbeddingExperiment, TestImages};
use ss_cli::{EmbeddingProtocol, Experiment, Recipe};
use ss_data::{
    Characters, ClassSplit, ClassSplitSizes, LabelNoise, NoiseKind, generated_faces, load_omniglot,
};
use ss_seed::Seed;

use crate::own_methods::Settings;
use crate::unseen_classes::{Flags, NamedClasses, digest, shrink};

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Seconds: generated patterns and a tiny network; shows that every part works.
    Smoke,
    /// A minute or so a training on one core: Omniglot.
    Cpu,
}

/// Flags of `reproduce-table6`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much is computed: smoke (seconds, generated patterns), cpu (Omniglot, a minute or so a training on one core)
    #[arg(long, value_enum, default_value = "cpu")]
    profile: Profile,
    /// Characters to train on and to validate with: images_background_small1.zip of Omniglot, or a folder alphabet/character/*.png
    #[arg(long)]
    base: Option<PathBuf>,
    /// Characters to test on: images_background_small2.zip, or such a folder; alphabets that --base has too are left out
    #[arg(long)]
    novel: Option<PathBuf>,
    /// Rows and columns of pixels that drawings are scaled to
    #[arg(long, default_value_t = 28)]
    side: usize,
    /// Characters of --base to validate with [default: 30; 6 for smoke]
    #[arg(long)]
    val_characters: Option<usize>,
    /// Drawings of each character to learn from [default: 1,5,10; 1,5 for smoke]
    #[arg(long, value_delimiter = ',')]
    shots: Vec<usize>,
    /// Characters an episode
    #[arg(long, default_value_t = 5)]
    way: usize,
    /// Drawings of each character to recognise, or as many as a character has beside the shots
    #[arg(long, default_value_t = 15)]
    queries: usize,
    /// Episodes [default: 600; 50 for smoke]
    #[arg(long)]
    episodes: Option<usize>,
    #[command(flatten)]
    flags: Flags,
}

/// Settings resolved and checked.
pub(super) struct Plan {
    pub(super) profile: &'static str,
    /// Base and novel characters; absent where they are generated.
    source: Option<(PathBuf, PathBuf)>,
    side: usize,
    pub(super) split: ClassSplitSizes,
    shots: Vec<usize>,
    /// Of any number of shots.
    episodes: Episodes,
    pub(super) settings: Settings,
}

/// All drawings, and what is asked of a network.
pub(super) struct Drawings {
    pub(super) base: NamedClasses,
    pub(super) novel: NamedClasses,
    /// Of novel characters, for a reader.
    pub(super) alphabets: String,
    /// One entry a number of shots, ascending.
    pub(super) episodes: Vec<Episodes>,
}

impl Plan {
    pub(super) fn resolve(args: Args) -> Result<Self> {
        let smoke = args.profile == Profile::Smoke;
        let recipe = recipe(&args)?;
        let mut shots = args.shots.clone();
        if shots.is_empty() {
            shots = if smoke { vec![1, 5] } else { vec![1, 5, 10] };
        }
        shots.sort_unstable();
        shots.dedup();
        let source = match (args.base, args.novel) {
            (Some(path), _) | (_, Some(path)) if smoke => bail!(
                "{}: the smoke profile generates its patterns; leave the files out or use --profile cpu",
                path.display()
            ),
            (Some(base), Some(novel)) => Some((base, novel)),
            _ if smoke => None,
            _ => bail!(
                "--base and --novel: expected parts of Omniglot, such as images_background_small1.zip and \
                 images_background_small2.zip"
            ),
        };
        let profile = if smoke { "smoke" } else { "cpu" };
        let validation = args.val_characters.unwrap_or(if smoke { 6 } else { 30 });
        let episodes = args.episodes.unwrap_or(if smoke { 50 } else { 600 });
        Ok(Self {
            profile,
            source,
            side: args.side,
            split: ClassSplitSizes { validation, test: 0 },
            shots,
            episodes: Episodes { way: args.way, queries: args.queries, episodes, ..Episodes::default() },
            settings: args.flags.resolve(recipe, smoke, &format!("table6-{profile}"))?,
        })
    }

    /// Reads or makes the drawings.
    pub(super) fn load(&self) -> Result<Drawings> {
        let (base, novel, alphabets) = match &self.source {
            None => {
                let generated = |classes, each, seed| -> Result<NamedClasses> {
                    let images = generated_faces::generate(classes, each, Seed::new(seed))?;
                    Ok(NamedClasses::new(images, |class| format!("generated class {class}")))
                };
                (generated(24, 8, 0)?, generated(10, 12, 1)?, "generated".to_owned())
            }
            Some((base, novel)) => {
                let (of_base, all) = (load_omniglot(base, self.side)?, load_omniglot(novel, self.side)?);
                let left = all
                    .without_alphabets(&of_base.alphabets())
                    .context("--novel: alphabets that --base has too are left out")?;
                let alphabets = left.alphabets().into_iter().collect::<Vec<_>>().join(", ");
                let named = |Characters { images, names }: Characters, root: &Path| {
                    NamedClasses::new(images, |class| root.join(&names[class]).display().to_string())
                };
                (named(of_base, base), named(left, novel), alphabets)
            }
        };
        let asked = |&shots: &usize| Episodes { shots, ..self.episodes }.within(novel.images.labels());
        let episodes: Vec<Episodes> = self.shots.iter().map(asked).collect();
        let needed = episodes.iter().map(|of| of.shots.saturating_add(of.queries)).max().unwrap_or(0);
        let all: Vec<u32> = (0..novel.images.classes() as u32).collect();
        novel.check(&all, needed, "the shots and queries of an episode")?;
        Ok(Drawings { base, novel, alphabets, episodes })
    }

    /// The data of one noise and seed: each seed validates with other characters and draws other episodes.
    pub(super) fn experiment(&self, drawings: &Drawings, noise: f64, seed: Seed) -> Result<Experiment> {
        let split =
            ClassSplit::draw(drawings.base.images.classes(), self.split, seed).context("--val-characters")?;
        let data = EmbeddingExperiment {
            train: drawings.base.part(&split.train, 1, "training")?,
            noise: LabelNoise::new(NoiseKind::Symmetric, noise)?,
            validation: drawings.base.part(&split.validation, 2, "a centroid of the others")?,
            test: TestImages::OfClasses(drawings.novel.images.clone()),
            goal: ss_approx::Score::NearestCentroid,
            protocol: EmbeddingProtocol::FewShot { episodes: drawings.episodes.clone(), seed },
        };
        Ok(Experiment::on_embeddings(&data, seed)?)
    }

    /// Everything that changes a cell, apart from its method, noise and seed.
    pub(super) fn fingerprint(&self, drawings: &Drawings) -> Result<Value> {
        self.settings.fingerprint(json!({
            "base": digest(&drawings.base.images),
            "novel": digest(&drawings.novel.images),
            "split": serde_json::to_value(self.split)?,
            "episodes": serde_json::to_value(&drawings.episodes)?,
        }))
    }
}

fn recipe(args: &Args) -> Result<Recipe> {
    let mut recipe = Recipe::for_few_shot();
    if args.profile == Profile::Smoke {
        shrink(&mut recipe)?;
    }
    args.flags.adjust(&mut recipe)?;
    Ok(recipe)
}
