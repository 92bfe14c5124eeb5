//! What a run of the table computes: flags as parsed, then resolved.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::Value;
use ss_cli::{AnnotatedLabels, Method, NoiseSource};
use ss_data::{Dataset, LabelNoise, NoiseKind};

use super::cells::Key;
use crate::settings::{self, Profile, Settings};

/// Flags of `reproduce-table1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Shares of wrong training labels, in [0, 1) [default: 0,0.1,0.2,0.3,0.4]
    #[arg(long, value_delimiter = ',')]
    noise: Vec<f64>,
    /// How labels are made wrong: symmetric, symmetric-inclusive or pair-flip
    #[arg(long, default_value = "symmetric")]
    noise_kind: NoiseKind,
    /// Labels of annotators instead: a file with one class number a line, line i for published training image i
    #[arg(long, conflicts_with_all = ["noise", "noise_kind"])]
    noise_file: Option<PathBuf>,
    /// Methods [default: all; baseline, oracle and ss for smoke]
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<Method>,
}

/// A resolved run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) noise: Noise,
    pub(crate) methods: Vec<Method>,
}

/// The noise of a table.
#[derive(Clone, Debug)]
pub(crate) enum Noise {
    /// Rows of the table: one kind at several rates.
    Made(Vec<LabelNoise>),
    /// One row: the labels in a file.
    File(PathBuf),
}

impl Noise {
    fn made(kind: NoiseKind, mut rates: Vec<f64>, profile: Profile) -> Result<Self> {
        if rates.is_empty() {
            rates = match profile {
                Profile::Smoke => vec![0.0, 0.4],
                Profile::Quick | Profile::Cpu | Profile::Paper => vec![0.0, 0.1, 0.2, 0.3, 0.4],
            };
        }
        // A rate given twice is one row of the table, not one with twice the seeds.
        let mut seen = BTreeSet::new();
        rates.retain(|rate| seen.insert(rate.abs().to_bits()));
        let made = rates.into_iter().map(|rate| LabelNoise::new(kind, rate).context("--noise"));
        Ok(Self::Made(made.collect::<Result<_>>()?))
    }

    /// What [`NoiseKind`] or `from-file` is called.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Made(rates) => rates.first().map_or("symmetric", |noise| noise.kind().name()),
            Self::File(_) => "from-file",
        }
    }

    /// The sources of the table's rows, their files read.
    pub(crate) fn sources(&self, dataset: &Dataset) -> Result<Vec<NoiseSource>> {
        Ok(match self {
            Self::Made(rates) => rates.iter().map(|&noise| noise.into()).collect(),
            Self::File(path) => vec![NoiseSource::Annotated(AnnotatedLabels::read(path, dataset)?)],
        })
    }
}

impl Plan {
    /// Fills in what the flags leave open and checks every value.
    pub(crate) fn resolve(args: Args) -> Result<Self> {
        let noise = match args.noise_file {
            Some(file) => Noise::File(file),
            None => Noise::made(args.noise_kind, args.noise, args.settings.profile)?,
        };
        // A rate or method given twice is one row of the table, not one with twice the seeds.
        let mut methods = args.methods;
        if methods.is_empty() {
            methods = match args.settings.profile {
                Profile::Smoke => Method::OWN.to_vec(),
                Profile::Quick | Profile::Cpu | Profile::Paper => Method::value_variants().to_vec(),
            };
        }
        let mut seen = BTreeSet::new();
        methods.retain(|method| seen.insert(*method));
        Ok(Self { settings: Settings::resolve(args.settings, "table1")?, noise, methods })
    }

    /// The keys of the cells that the table shows, in the order of its rows.
    pub(crate) fn wanted(&self, sources: &[NoiseSource]) -> Vec<Key> {
        let mut keys = Vec::new();
        for source in sources {
            for seed in self.settings.run.seeds() {
                keys.extend(self.methods.iter().map(|&method| Key::new(method, source.rate(), seed)));
            }
        }
        keys
    }

    /// What the cells of a journal have in common: everything that changes a result, apart from the keys.
    pub(crate) fn fingerprint(&self, dataset: &Dataset, sources: &[NoiseSource]) -> Result<Value> {
        let mut config = self.settings.fingerprint(dataset)?;
        if let Value::Object(config) = &mut config {
            config.insert("noise_kind".into(), self.noise.kind().into());
            if let Some(digest) = sources.iter().find_map(NoiseSource::digest) {
                config.insert("noise_file".into(), format!("{digest:016x}").into());
            }
        }
        Ok(config)
    }
}
