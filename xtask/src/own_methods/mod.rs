//! Baseline, oracle and Swift Sampler over shares of spoilt training data and seeds: the cells of a table, and who computes them.

mod comparison;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ss_approx::Device;
use ss_cli::method::{self, Event};
use ss_cli::progress::{Part, Progress};
use ss_cli::{Experiment, Method, MethodResult, SearchJournal, Setup};
use ss_data::JournalFile;
use ss_seed::Seed;

use crate::journal::{Journal, Place};
use crate::run_flags::search_work;
use crate::{training_events, workers};
pub(crate) use comparison::{Comparison, SearchColumns};
pub(crate) use settings::Settings;

/// One (method, noise, seed).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Nominal share of the training data that is spoilt: wrong labels, shuffled windows.
    pub(crate) noise: f64,
    /// Share that is really wrong.
    pub(crate) realized_noise: f64,
    pub(crate) seed: u64,
    /// How well each feature at the reference detects what is spoilt: area under the ROC curve. For Swift Sampler alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) auroc: BTreeMap<String, f64>,
    #[serde(flatten)]
    pub(crate) result: MethodResult,
}

impl Cell {
    pub(crate) fn is(&self, method: Method, noise: f64, seed: u64) -> bool {
        self.result.method == method && self.noise == noise && self.seed == seed
    }
}

/// What is computed, but for the data.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// The key of the journal.
    pub(crate) task: &'a str,
    pub(crate) settings: &'a Settings,
    /// Everything that changes a cell, apart from its method, noise and seed.
    pub(crate) fingerprint: &'a Value,
    /// What a finished cell shows, for a line of progress.
    pub(crate) said: fn(&MethodResult) -> String,
}

/// Computes the cells that the journal of `--out` lacks; returns those that were asked for, by noise, method and seed. `experiment` makes
/// the data of a noise and a seed.
pub(crate) fn compute(
    plan: Plan,
    experiment: impl Fn(f64, Seed) -> Result<Experiment> + Sync,
) -> Result<Vec<Cell>> {
    let Settings { noise, run, .. } = plan.settings;
    let place = Place { folder: &run.out, file: "cells.jsonl", task: plan.task };
    let journal = Journal::open(place, plan.fingerprint)?;
    let units = missing_units(plan, &journal.cells());
    // Whether every split can be judged shows before hours of training.
    for unit in &units {
        experiment(unit.noise, Seed::new(unit.seed))
            .with_context(|| format!("noise {}, seed {}", unit.noise, unit.seed))?;
    }
    let progress =
        Progress::new(units.iter().map(|unit| unit.work(plan)).sum(), run.quiet || units.is_empty());
    let computed = workers::run(run.workers(), units, |unit, device| {
        let compute = || {
            let experiment = experiment(unit.noise, Seed::new(unit.seed))?;
            let title = format!("noise {:.0}%, seed {}", 100.0 * unit.noise, unit.seed);
            let part = progress.part(title);
            unit.compute(plan, &experiment, device, &journal, (&progress, &part))
        };
        compute().with_context(|| format!("noise {}, seed {}", unit.noise, unit.seed))
    });
    progress.finish();
    computed?;
    let mut cells: Vec<Cell> = journal.cells();
    // The journal may hold rates and seeds of other runs.
    cells.retain(|cell| noise.contains(&cell.noise) && run.seeds().contains(&cell.seed));
    cells.sort_by(|a, b| {
        let key = |cell: &Cell| (cell.result.method, cell.seed);
        a.noise.total_cmp(&b.noise).then(key(a).cmp(&key(b)))
    });
    Ok(cells)
}

/// One (noise, seed) with the methods that are still to be run on it; they share the uniform run.
struct Unit {
    noise: f64,
    seed: u64,
    methods: BTreeSet<Method>,
}

fn missing_units(plan: Plan, done: &[Cell]) -> Vec<Unit> {
    let Settings { noise, run, .. } = plan.settings;
    let all = noise.iter().flat_map(|&noise| run.seeds().map(move |seed| (noise, seed)));
    all.filter_map(|(noise, seed)| {
        let lacks = |method: &Method| !done.iter().any(|cell| cell.is(*method, noise, seed));
        let methods: BTreeSet<Method> = Method::OWN.into_iter().filter(lacks).collect();
        (!methods.is_empty()).then_some(Unit { noise, seed, methods })
    })
    .collect()
}

impl Unit {
    /// Work in full trainings. The uniform run is the baseline, and Swift Sampler needs it too.
    fn work(&self, plan: Plan) -> f64 {
        let of = |method| f64::from(u8::from(self.methods.contains(&method)));
        let uniform = of(Method::Baseline).max(of(Method::Ss));
        uniform + of(Method::Oracle) + of(Method::Ss) * (1.0 + search_work(&plan.settings.recipe))
    }

    fn compute(
        &self,
        plan: Plan,
        experiment: &Experiment,
        device: &Device,
        journal: &Journal<Cell>,
        (progress, part): (&Progress, &Part),
    ) -> Result<()> {
        let Settings { recipe, spec, run, .. } = plan.settings;
        ss_cli::artifact::prepare_folder(&run.out.join("studies"))?;
        let file = format!("noise-{}-seed-{}.log", self.noise, self.seed);
        let study = SearchJournal {
            file: JournalFile::new(run.out.join("studies").join(file)),
            settings: serde_json::json!({ "task": plan.fingerprint, "noise": self.noise, "seed": self.seed }),
        };
        let setup = Setup {
            experiment,
            recipe,
            spec,
            devices: std::slice::from_ref(device),
            seed: Seed::new(self.seed),
            journal: Some(&study),
        };
        let keep = |result: &MethodResult, auroc| -> Result<()> {
            let cell = Cell {
                noise: self.noise,
                realized_noise: experiment.realized_noise,
                seed: self.seed,
                auroc,
                result: result.clone(),
            };
            progress.keep(&format!(
                "{:<8} noise {:>3.0}% seed {}: {}",
                result.method,
                100.0 * self.noise,
                self.seed,
                (plan.said)(result)
            ));
            journal.append(cell)
        };
        let mut journaled = Ok(());
        let methods: Vec<Method> = self.methods.iter().copied().collect();
        let outcome = method::run(setup, &methods, |event| match event {
            // As soon as it is finished; Swift Sampler's with its features, below.
            Event::Finished { result } if result.method != Method::Ss && journaled.is_ok() => {
                journaled = keep(result, BTreeMap::new());
            }
            event => training_events::show(part, event, recipe),
        })?;
        journaled?;
        let ss = outcome.results.iter().find(|result| result.method == Method::Ss);
        let (Some(result), Some(search)) = (ss, &outcome.search) else { return Ok(()) };
        let mut auroc = BTreeMap::new();
        for name in search.uniform.features.names() {
            let column = search.uniform.features.column(name)?;
            auroc.extend(method::auroc(column, &experiment.wrong).map(|area| (name.to_owned(), area)));
        }
        keep(result, auroc)
    }
}
