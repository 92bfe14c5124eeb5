//! `reproduce-table2`: images on disk; a sampler searched on the network itself, and samplers searched on two others.
//!
//! What is used of a search is what the method ends with: its rule where the model trained under it was kept, uniform sampling
//! where it was not.

mod render;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ss_approx::Device;
use ss_cli::progress::{Progress, print};
use ss_cli::{Experiment, MethodResult, Recipe, SearchJournal, Setup};
use ss_data::{FileDataset, JournalFile};
use ss_models::NetworkSpec;
use ss_sampler::SamplerParams;
use ss_seed::Seed;

use crate::folder_settings::{self, FolderSettings, Profile};
use crate::journal::{self, Place};
use crate::network_runs::{Found, NetworkRuns};
use crate::run_flags::rates;
use crate::workers;

/// Flags of `reproduce-table2`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: folder_settings::Args,
    /// Shares of wrong training labels, in [0, 1); a table each [default: 0,0.4; 0 for paper]
    #[arg(long, value_delimiter = ',')]
    noise: Vec<f64>,
    /// The networks among --networks whose samplers the others use [default: those that begin with resnet18 and resnet50]
    #[arg(long, value_delimiter = ',')]
    sources: Vec<NetworkSpec>,
}

/// How the model of a cell was trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Column {
    Baseline,
    /// A sampler searched on this network.
    SsSelf,
    /// The sampler searched on another network.
    SsFrom(NetworkSpec),
}

/// One (noise, network, column, seed).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    noise: f64,
    network: NetworkSpec,
    column: Column,
    seed: u64,
    realized_noise: f64,
    /// Whether a rule was used; absent where there is none to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<bool>,
    /// The rule that was searched on this network, where it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<SamplerParams>,
    #[serde(flatten)]
    result: MethodResult,
}

impl Cell {
    fn is(&self, noise: f64, network: &NetworkSpec, column: &Column) -> bool {
        self.noise == noise && self.network == *network && self.column == *column
    }
}

type Journal = journal::Journal<Cell>;

/// A resolved run.
struct Plan {
    settings: FolderSettings,
    /// Ascending, each once.
    noise: Vec<f64>,
    sources: Vec<NetworkSpec>,
}

/// Computes the cells that the journal of `--out` lacks, then writes and prints the tables.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let run = &plan.settings.run;
    let dataset = plan.settings.load()?;
    let fingerprint = plan.settings.fingerprint(&dataset)?;
    let place = Place { folder: &run.out, file: "cells.jsonl", task: "table2_journal" };
    let journal = Journal::open(place, &fingerprint)?;
    let mut units: Vec<Unit> = Vec::new();
    for seed in run.seeds() {
        units.extend(plan.noise.iter().map(|&noise| Unit { noise, seed }));
    }
    units.retain(|unit| {
        plan.settings.networks.iter().any(|network| !unit.lacks(&plan, network, &journal).is_empty())
    });
    let work = units.iter().map(|unit| unit.work(&plan, &journal)).sum();
    let progress = Progress::new(work, run.quiet || units.is_empty());
    let computed = workers::run(run.workers(), units, |unit, device| {
        unit.compute(&plan, &dataset, device, &fingerprint, &journal, &progress)
            .with_context(|| format!("noise {}, seed {}", unit.noise, unit.seed))
    });
    progress.finish();
    computed?;
    let cells = journal.cells();
    print(&render::write(&plan, &dataset, fingerprint, &cells)?)?;
    Ok(())
}

impl Plan {
    fn resolve(args: Args) -> Result<Self> {
        let profile = args.settings.profile;
        let settings = FolderSettings::resolve(args.settings, "table2")?;
        let mut noise = args.noise;
        if noise.is_empty() {
            noise = if profile == Profile::Paper { vec![0.0] } else { vec![0.0, 0.4] };
        }
        let noise = rates(&noise, |rate| {
            settings.experiment(rate)?;
            Ok(())
        })?;
        let sources = if args.sources.is_empty() {
            let named = |network: &&NetworkSpec| {
                ["resnet18", "resnet50"].iter().any(|name| network.to_string().starts_with(name))
            };
            settings.networks.iter().filter(named).cloned().collect()
        } else {
            let mut sources: Vec<NetworkSpec> = Vec::new();
            for source in args.sources {
                if !settings.networks.contains(&source) {
                    bail!(
                        "--sources {source}: expected some of the networks of the table, which --networks names"
                    );
                }
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
            sources
        };
        Ok(Self { settings, noise, sources })
    }

    /// The columns of a network; a source has no sampler of its own twice.
    fn columns(&self, network: &NetworkSpec) -> Vec<Column> {
        let others = self.sources.iter().filter(|source| *source != network).cloned().map(Column::SsFrom);
        [Column::Baseline, Column::SsSelf].into_iter().chain(others).collect()
    }
}

/// One (noise, seed).
struct Unit {
    noise: f64,
    seed: u64,
}

impl Unit {
    /// The columns of `network` that are still to be computed.
    fn lacks(&self, plan: &Plan, network: &NetworkSpec, journal: &Journal) -> Vec<Column> {
        let cells = journal.cells();
        let done =
            |column: &Column| cells.iter().any(|c| c.seed == self.seed && c.is(self.noise, network, column));
        plan.columns(network).into_iter().filter(|column| !done(column)).collect()
    }

    /// Work in full trainings.
    fn work(&self, plan: &Plan, journal: &Journal) -> f64 {
        let of_network = |network: &NetworkSpec| {
            let lacking = self.lacks(plan, network, journal);
            let trainings = lacking.iter().filter(|column| **column != Column::Baseline).count();
            let search = if lacking.contains(&Column::SsSelf) { plan.settings.search_work() } else { 0.0 };
            if lacking.is_empty() { 0.0 } else { 1.0 + trainings as f64 + search }
        };
        plan.settings.networks.iter().map(of_network).sum()
    }

    fn compute(
        &self,
        plan: &Plan,
        dataset: &FileDataset,
        device: &Device,
        fingerprint: &Value,
        journal: &Journal,
        progress: &Progress,
    ) -> Result<()> {
        let seed = Seed::new(self.seed);
        let experiment: Experiment = plan.settings.experiment(self.noise)?.parts(dataset, seed)?.into();
        let studies = plan.settings.run.out.join("studies");
        ss_cli::artifact::prepare_folder(&studies)?;
        let part = progress.part(format!("noise {:.0}%, seed {}", 100.0 * self.noise, self.seed));
        let task =
            |network| (network, plan.settings.recipe_of(network), self.study(network, &studies, fingerprint));
        let tasks: Vec<(&NetworkSpec, Recipe, SearchJournal)> =
            plan.settings.networks.iter().map(task).collect();
        let keep = |network: &NetworkSpec, column: Column, kept, rule, result| {
            let (network, realized_noise) = (network.clone(), experiment.realized_noise);
            let Self { noise, seed } = *self;
            let cell = Cell { noise, network, column, seed, realized_noise, kept, rule, result };
            self.keep(cell, journal, progress)
        };
        // What each network finds, before any of it is used elsewhere.
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        let mut begun = Vec::new();
        for (network, recipe, study) in &tasks {
            let cells = journal.cells();
            let own = |cell: &Cell| cell.seed == self.seed && cell.is(self.noise, network, &Column::SsSelf);
            if let Some(own) = cells.into_iter().find(own) {
                found.insert(network.to_string(), own.rule.into());
            }
            let lacking = self.lacks(plan, network, journal);
            if lacking.is_empty() {
                continue;
            }
            let setup = Setup {
                experiment: &experiment,
                recipe,
                spec: &plan.settings.spec,
                devices: std::slice::from_ref(device),
                seed,
                journal: Some(study),
            };
            let runs = NetworkRuns { experiment: &experiment, setup, part: &part };
            let uniform = runs.uniform()?;
            for column in &lacking {
                match column {
                    Column::Baseline => {
                        keep(network, column.clone(), None, None, runs.baseline(&uniform)?)?;
                    }
                    Column::SsSelf => {
                        let mut outcome = runs.search(&uniform)?;
                        let result = runs.train_found(&uniform, &mut outcome)?;
                        let own = Found::of(outcome, &result);
                        let (kept, rule) = (own.rule().is_some(), own.rule().cloned());
                        keep(network, column.clone(), Some(kept), rule, result)?;
                        found.insert(network.to_string(), own);
                    }
                    Column::SsFrom(_) => {}
                }
            }
            begun.push((*network, runs, uniform, lacking));
        }
        for (network, runs, uniform, lacking) in begun {
            for column in lacking {
                let Column::SsFrom(source) = &column else { continue };
                let rule = found.get(&source.to_string()).context("a source without a search")?;
                let (kept, result) = runs.train_under(&uniform, rule)?;
                keep(network, column, Some(kept), None, result)?;
            }
        }
        Ok(())
    }

    /// The journal of the search on `network`, in the folder `studies`.
    fn study(&self, network: &NetworkSpec, studies: &Path, fingerprint: &Value) -> SearchJournal {
        let file = format!("{network}-noise-{}-seed-{}.log", self.noise, self.seed);
        let settings = serde_json::json!({
            "task": fingerprint, "network": network, "noise": self.noise, "seed": self.seed,
        });
        SearchJournal { file: JournalFile::new(studies.join(file)), settings }
    }

    fn keep(&self, cell: Cell, journal: &Journal, progress: &Progress) -> Result<()> {
        progress.keep(&format!(
            "{} noise {:.0}% seed {} {}: top-1 {:.2}, top-5 {:.2}",
            cell.network,
            100.0 * self.noise,
            self.seed,
            render::label(&cell.column),
            cell.result.top1_last,
            cell.result.top5_last
        ));
        journal.append(cell)
    }
}
