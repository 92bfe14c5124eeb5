//! What is computed: flags, faces, and everything that a cell depends on.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use ss_cli::experiment::{EmbeddingExperiment, TestImages};
use ss_cli::{EmbeddingProtocol, Experiment, Recipe};
use ss_data::{
    BadImages, ClassFolders, ClassSplit, ClassSplitSizes, ImagePairs, ImageShape, LabelNoise, NoiseKind,
    SkippedImage, check_other_people, generated_faces, load_class_folders, load_image_pairs,
};
use ss_seed::Seed;

use crate::own_methods::Settings;
use crate::unseen_classes::{Flags, NamedClasses, digest, shrink};

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Seconds: generated faces and a tiny network; shows that every part works.
    Smoke,
    /// Half a minute or so a training on one core: the 40 people of AT&T, grey images of 28x23 pixels.
    Cpu,
    /// The paper's networks: colour images of 112x112 pixels, ResNet-50, a list of pairs. Needs a GPU; not run yet.
    Paper,
}

/// Flags of `reproduce-table3`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much is computed: smoke (seconds, generated faces), cpu (AT&T faces, half a minute or so a training on one core), paper
    /// (MS1M and YTF on a GPU; not run yet)
    #[arg(long, value_enum, default_value = "cpu")]
    profile: Profile,
    /// Folder with a folder of images (PGM, JPEG, PNG) for each person, as AT&T / ORL, or MS1M once unpacked. All images are held
    /// in memory: MS1M as a whole takes 200 GB, so give a part of it
    #[arg(long)]
    data: Option<PathBuf>,
    /// A list of pairs to test on instead of people of --data, of other people than those: lines `PATH PATH SAME FOLD`, SAME 1 for one
    /// person and 0 for two, FOLD the number of the fold; LFW's and YTF's lists are easily brought into this form. The first folder
    /// of a PATH is a person, and no folder of --data may have that name
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// The folder that the paths of --pairs are below [default: that of the list]
    #[arg(long)]
    pairs_root: Option<PathBuf>,
    /// Leave out images that cannot be decoded, and name them, instead of stopping at the first
    #[arg(long)]
    skip_bad: bool,
    /// Rows of pixels that images are scaled to [default: 28; 112 for paper]
    #[arg(long)]
    height: Option<usize>,
    /// Columns of pixels [default: 23; 112 for paper]
    #[arg(long)]
    width: Option<usize>,
    /// People to validate with; of few, all are soon told apart, and rules then not [default: 8; 5 for smoke, 100 for paper]
    #[arg(long)]
    val_people: Option<usize>,
    /// People to test on, where there are no --pairs [default: 10]
    #[arg(long)]
    test_people: Option<usize>,
    /// Rates of false acceptance at which true acceptance is told, in (0, 1]
    #[arg(long, value_delimiter = ',', default_value = "0.01,0.001")]
    far: Vec<f64>,
    #[command(flatten)]
    flags: Flags,
}

/// Where the faces come from.
enum Source {
    Generated,
    Files { data: PathBuf, pairs: Option<(PathBuf, PathBuf)>, shape: ImageShape, bad: BadImages },
}

/// Settings resolved and checked.
pub(super) struct Plan {
    pub(super) profile: &'static str,
    source: Source,
    pub(super) split: ClassSplitSizes,
    /// Descending, each once.
    pub(super) fars: Vec<f64>,
    pub(super) settings: Settings,
}

/// All images, before they are split by person.
pub(super) struct Faces {
    pub(super) people: NamedClasses,
    pub(super) pairs: Option<ImagePairs>,
    pub(super) skipped: Vec<SkippedImage>,
}

/// Folds that pairs are dealt to where they are not those of a list.
pub(super) const FOLDS: usize = 10;

impl Plan {
    pub(super) fn resolve(args: Args) -> Result<Self> {
        let smoke = args.profile == Profile::Smoke;
        let recipe = recipe(&args)?;
        let (profile, val_people) = match args.profile {
            Profile::Smoke => ("smoke", 5),
            Profile::Cpu => ("cpu", 8),
            Profile::Paper => ("paper", 100),
        };
        let mut fars = args.far.clone();
        if let Some(far) = fars.iter().find(|far| !(**far > 0.0 && **far <= 1.0)) {
            bail!("--far {far}: expected a share above 0 and at most 1, such as 0.01");
        }
        fars.sort_by(|a, b| b.total_cmp(a));
        fars.dedup();
        let split = ClassSplitSizes {
            validation: args.val_people.unwrap_or(val_people),
            test: if args.pairs.is_some() { 0 } else { args.test_people.unwrap_or(10) },
        };
        if args.pairs.is_some() && args.test_people.is_some() {
            bail!("--test-people: --pairs says what is tested on; leave one of the two out");
        }
        if args.pairs_root.is_some() && args.pairs.is_none() {
            bail!("--pairs-root: there is no --pairs; give it too, or leave the folder out");
        }
        Ok(Self {
            profile,
            split,
            fars,
            source: source(&args)?,
            settings: args.flags.resolve(recipe, smoke, &format!("table3-{profile}"))?,
        })
    }

    /// Reads or makes the images; says which were left out.
    pub(super) fn load(&self) -> Result<Faces> {
        let Source::Files { data, pairs, shape, bad } = &self.source else {
            let people = generated_faces::generate(30, 6, Seed::new(0))?;
            let people = NamedClasses::new(people, |person| format!("generated person {person}"));
            return Ok(Faces { people, pairs: None, skipped: Vec::new() });
        };
        if let Some((list, root)) = pairs {
            check_other_people(list, root, data).context("--pairs")?;
        }
        let ClassFolders { images, classes, skipped } = load_class_folders(data, *shape, *bad)?;
        let people = NamedClasses::new(images, |person| data.join(&classes[person]).display().to_string());
        let mut faces = Faces { people, pairs: None, skipped };
        if let Some((list, root)) = pairs {
            let listed = load_image_pairs(list, root, *shape, *bad)?;
            faces.skipped.extend(listed.skipped.iter().cloned());
            faces.pairs = Some(listed);
        }
        for SkippedImage { path, reason } in &faces.skipped {
            eprintln!("left out: {}: {reason}", path.display());
        }
        Ok(faces)
    }

    /// The data of one noise and seed: each seed trains, validates and tests on other people.
    pub(super) fn experiment(&self, faces: &Faces, noise: f64, seed: Seed) -> Result<Experiment> {
        let split = ClassSplit::draw(faces.people.images.classes(), self.split, seed)
            .context("--val-people and --test-people")?;
        let compared = |people: &[u32]| faces.people.part(people, 2, "pairs of one person");
        let test = match &faces.pairs {
            Some(ImagePairs { images, pairs, .. }) => {
                TestImages::InPairs { images: images.clone(), pairs: pairs.clone() }
            }
            None => TestImages::OfClasses(compared(&split.test)?),
        };
        let data = EmbeddingExperiment {
            train: faces.people.part(&split.train, 1, "training")?,
            noise: LabelNoise::new(NoiseKind::Symmetric, noise)?,
            validation: compared(&split.validation)?,
            test,
            goal: ss_approx::Score::Verification,
            protocol: EmbeddingProtocol::Verification { folds: FOLDS, fars: self.fars.clone(), seed },
        };
        Ok(Experiment::on_embeddings(&data, seed)?)
    }

    /// Everything that changes a cell, apart from its method, noise and seed.
    pub(super) fn fingerprint(&self, faces: &Faces) -> Result<Value> {
        let pairs = faces.pairs.as_ref().map(|listed| {
            json!([digest(&listed.images), listed.pairs.len(), format!("{:016x}", listed.digest())])
        });
        self.settings.fingerprint(json!({
            "people": digest(&faces.people.images),
            "pairs": pairs,
            "split": serde_json::to_value(self.split)?,
            "far": self.fars,
        }))
    }
}

fn source(args: &Args) -> Result<Source> {
    if args.profile == Profile::Smoke {
        if let Some(path) = args.data.as_ref().or(args.pairs.as_ref()) {
            bail!(
                "{}: the smoke profile generates its faces; leave the files out or use --profile cpu",
                path.display()
            );
        }
        return Ok(Source::Generated);
    }
    let paper = args.profile == Profile::Paper;
    let Some(data) = args.data.clone() else {
        bail!("--data: expected a folder with a folder of images for each person, such as AT&T's s1 to s40");
    };
    if paper && args.pairs.is_none() {
        bail!(
            "--pairs: the paper profile tests on a list of pairs, such as YTF's; use --profile cpu to test on people of --data"
        );
    }
    let pairs = args.pairs.as_ref().map(|list| {
        let folder = list.parent().map(PathBuf::from).unwrap_or_default();
        (list.clone(), args.pairs_root.clone().unwrap_or(folder))
    });
    let (channels, height, width) = if paper { (3, 112, 112) } else { (1, 28, 23) };
    let shape = ImageShape::new(channels, args.height.unwrap_or(height), args.width.unwrap_or(width));
    let bad = if args.skip_bad { BadImages::Skip } else { BadImages::Refuse };
    Ok(Source::Files { data, pairs, shape, bad })
}

fn recipe(args: &Args) -> Result<Recipe> {
    let mut recipe = Recipe::for_faces();
    match args.profile {
        Profile::Smoke => shrink(&mut recipe)?,
        Profile::Cpu => {}
        Profile::Paper => {
            recipe.network = "resnet50-imagenet+embedding-512-pixels-s64".parse()?;
            recipe.train.batch_size = 512;
            recipe.train.augmentation.crop_padding = 4;
            recipe.trial_epochs = 0.5;
            recipe.set_epochs(20);
        }
    }
    args.flags.adjust(&mut recipe)?;
    Ok(recipe)
}
