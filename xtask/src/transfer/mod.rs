//! `reproduce-transfer`: a sampler searched on one network and used on others, the small form of Table 2.
//!
//! What is transferred is what the method ends with on the source: its rule where the model trained under it was kept there,
//! uniform sampling where it was not.

mod render;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use ss_approx::Device;
use ss_cli::progress::{Part, Progress, print};
use ss_cli::{MethodResult, Recipe, Setup};
use ss_data::{Dataset, DatasetKind, LabelNoise, NoiseKind};
use ss_models::NetworkSpec;
use ss_seed::Seed;

use crate::journal::{self, Place};
use crate::network_runs::{Found, NetworkRuns};
use crate::settings::{self, Settings};
use crate::workers;

/// Flags of `reproduce-transfer`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Share of wrong training labels, in [0, 1)
    #[arg(long, default_value_t = 0.4)]
    noise: f64,
    /// Networks that use the sampler besides the one it is searched on, which is --network [default: for digits
    /// resnet8-16-32-64,wrn-10-1,six-conv; for the others resnet20,wrn-16-1,six-conv or resnet8]
    #[arg(long, value_delimiter = ',')]
    targets: Vec<NetworkSpec>,
}

/// How the model of a cell was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Column {
    Baseline,
    Oracle,
    /// A sampler searched on this network.
    SsSelf,
    /// The sampler searched on the source network.
    SsSource,
}

/// One (network, column, seed).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    network: NetworkSpec,
    column: Column,
    seed: u64,
    realized_noise: f64,
    /// Whether a rule was used; absent where there is none to use.
    kept: Option<bool>,
    #[serde(flatten)]
    result: MethodResult,
}

type Journal = journal::Journal<Cell>;

/// A resolved run.
struct Plan {
    settings: Settings,
    noise: LabelNoise,
    /// The source first.
    networks: Vec<NetworkSpec>,
}

/// Computes the seeds that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let dataset = plan.settings.load()?;
    let fingerprint = plan.fingerprint(&dataset)?;
    let place = Place { folder: &plan.settings.run.out, file: "cells.jsonl", task: "transfer_journal" };
    let journal = Journal::open(place, &fingerprint)?;
    let done: BTreeSet<(String, Column, u64)> =
        journal.cells().iter().map(|cell| (cell.network.to_string(), cell.column, cell.seed)).collect();
    let whole = |seed: u64| {
        plan.networks.iter().enumerate().all(|(place, network)| {
            columns(place).iter().all(|&column| done.contains(&(network.to_string(), column, seed)))
        })
    };
    let missing: Vec<u64> = plan.settings.run.seeds().filter(|&seed| !whole(seed)).collect();
    let progress =
        Progress::new(missing.len() as f64 * plan.work(), plan.settings.run.quiet || missing.is_empty());
    let computed = workers::run(plan.settings.run.workers(), missing, |seed, device| {
        let keep = |cell: Cell| -> Result<()> {
            if done.contains(&(cell.network.to_string(), cell.column, cell.seed)) {
                return Ok(());
            }
            progress.keep(&format!(
                "{} {:?} seed {}: top-1 {:.2}",
                cell.network, cell.column, cell.seed, cell.result.top1_last
            ));
            journal.append(cell)
        };
        let part = progress.part(format!("seed {seed}"));
        plan.compute(&dataset, device, seed, &part, keep).with_context(|| format!("seed {seed}"))
    });
    progress.finish();
    computed?;
    let mut cells = journal.cells();
    // The journal may hold seeds and networks of other runs.
    cells.retain(|cell| {
        plan.settings.run.seeds().contains(&cell.seed) && plan.networks.contains(&cell.network)
    });
    let place = |cell: &Cell| plan.networks.iter().position(|network| *network == cell.network);
    cells.sort_by_key(|cell| (place(cell), cell.column, cell.seed));
    print(&render::write(&plan, fingerprint, &cells)?)?;
    Ok(())
}

/// The columns of the network at `place`; the source network has no sampler but its own.
fn columns(place: usize) -> &'static [Column] {
    let all = &[Column::Baseline, Column::Oracle, Column::SsSelf, Column::SsSource];
    if place == 0 { &all[..3] } else { all }
}

impl Plan {
    fn resolve(args: Args) -> Result<Self> {
        let noise = LabelNoise::new(NoiseKind::Symmetric, args.noise).context("--noise")?;
        let settings = Settings::resolve(args.settings, "transfer")?;
        let mut targets = args.targets;
        if targets.is_empty() {
            let names = match settings.dataset {
                DatasetKind::Digits => ["resnet8-16-32-64", "wrn-10-1", "six-conv"],
                DatasetKind::FashionMnist => ["resnet20", "wrn-16-1", "six-conv"],
                DatasetKind::Cifar10 | DatasetKind::Cifar100 => ["resnet8", "wrn-16-1", "six-conv"],
            };
            targets = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        }
        let mut networks = vec![settings.recipe.network.clone()];
        for target in targets {
            if !networks.contains(&target) {
                networks.push(target);
            }
        }
        Ok(Self { settings, noise, networks })
    }

    /// Everything that changes a cell, apart from its network, column and seed. The source is part of it.
    fn fingerprint(&self, dataset: &Dataset) -> Result<serde_json::Value> {
        let mut config = self.settings.fingerprint(dataset)?;
        config["noise"] = self.noise.rate().into();
        // Of the cells: 3 since a rule whose model was not kept on the source is not transferred.
        config["format"] = 3.into();
        Ok(config)
    }

    /// Work of one seed in full trainings.
    fn work(&self) -> f64 {
        self.networks.len() as f64 * (3.0 + self.settings.search_work()) + self.networks.len() as f64 - 1.0
    }

    fn compute(
        &self,
        dataset: &Dataset,
        device: &Device,
        seed: u64,
        part: &Part,
        keep: impl Fn(Cell) -> Result<()>,
    ) -> Result<()> {
        let root = Seed::new(seed);
        let experiment = self.settings.experiment(dataset, self.noise.into(), root)?;
        let mut source: Option<Found> = None;
        for network in &self.networks {
            let recipe = Recipe { network: network.clone(), ..self.settings.recipe.clone() };
            let setup = Setup {
                experiment: &experiment,
                recipe: &recipe,
                spec: &self.settings.spec,
                devices: std::slice::from_ref(device),
                seed: root,
                journal: None,
            };
            let cell = |column, kept, result| Cell {
                network: network.clone(),
                column,
                seed,
                realized_noise: experiment.realized_noise,
                kept,
                result,
            };
            let runs = NetworkRuns { experiment: &experiment, setup, part };
            let uniform = runs.uniform()?;
            keep(cell(Column::Baseline, None, runs.baseline(&uniform)?))?;
            keep(cell(Column::Oracle, None, runs.oracle()?))?;
            let mut outcome = runs.search(&uniform)?;
            let own = runs.train_found(&uniform, &mut outcome)?;
            let kept = own.search.as_ref().map(|search| search.kept);
            keep(cell(Column::SsSelf, kept, own.clone()))?;
            match &source {
                None => source = Some(Found::of(outcome, &own)),
                Some(found) => {
                    let (kept, result) = runs.train_under(&uniform, found)?;
                    keep(cell(Column::SsSource, Some(kept), result))?;
                }
            }
        }
        Ok(())
    }
}
