//! `reproduce-table11`: text. A language model is trained on windows of which some have lost the order of their tokens.

mod plan;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ss_approx::Device;
use ss_cli::method::{self, Event};
use ss_cli::progress::{Progress, print};
use ss_cli::{Experiment, Method, MethodResult, SearchJournal, Setup};
use ss_data::JournalFile;
use ss_seed::Seed;

use crate::journal::{self, Place};
use crate::{training_events, workers};
pub(crate) use plan::Args;
use plan::{Parts, Plan};

/// One (method, noise, seed).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    /// Nominal share of shuffled training windows.
    noise: f64,
    /// Share that is really shuffled.
    realized_noise: f64,
    seed: u64,
    /// How well each feature at the reference detects the shuffled windows: area under the ROC curve. For Swift Sampler alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    auroc: BTreeMap<String, f64>,
    #[serde(flatten)]
    result: MethodResult,
}

impl Cell {
    fn is(&self, method: Method, noise: f64, seed: u64) -> bool {
        self.result.method == method && self.noise == noise && self.seed == seed
    }

    /// Test perplexity of the finished model; NaN without one.
    fn test(&self) -> f64 {
        self.result.perplexity().map_or(f64::NAN, |perplexity| perplexity.last)
    }

    fn validation(&self) -> f64 {
        self.result.perplexity().map_or(f64::NAN, |perplexity| perplexity.validation)
    }
}

type Journal = journal::Journal<Cell>;

/// Computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let parts = plan.load()?;
    let fingerprint = plan.fingerprint(&parts)?;
    let place = Place { folder: &plan.run.out, file: "cells.jsonl", task: "table11_journal" };
    let journal = Journal::open(place, &fingerprint)?;
    let units = missing_units(&plan, &journal.cells());
    let progress =
        Progress::new(units.iter().map(|unit| unit.work(&plan)).sum(), plan.run.quiet || units.is_empty());
    let computed = workers::run(plan.run.workers(), units, |unit, device| {
        unit.compute(&plan, &parts, device, &fingerprint, &journal, &progress)
            .with_context(|| format!("noise {}, seed {}", unit.noise, unit.seed))
    });
    progress.finish();
    computed?;
    let mut cells = journal.cells();
    // The journal may hold rates and seeds of other runs.
    cells.retain(|cell| plan.noise.contains(&cell.noise) && plan.run.seeds().contains(&cell.seed));
    cells.sort_by(|a, b| {
        let key = |cell: &Cell| (cell.result.method, cell.seed);
        a.noise.total_cmp(&b.noise).then(key(a).cmp(&key(b)))
    });
    print(&render::write(&plan, &parts, fingerprint, &cells)?);
    Ok(())
}

/// One (noise, seed) with the methods that are still to be run on it; they share the uniform run.
struct Unit {
    noise: f64,
    seed: u64,
    methods: BTreeSet<Method>,
}

fn missing_units(plan: &Plan, done: &[Cell]) -> Vec<Unit> {
    let all = plan.noise.iter().flat_map(|&noise| plan.run.seeds().map(move |seed| (noise, seed)));
    all.filter_map(|(noise, seed)| {
        let lacks = |method: &Method| !done.iter().any(|cell| cell.is(*method, noise, seed));
        let methods: BTreeSet<Method> = Method::OWN.into_iter().filter(lacks).collect();
        (!methods.is_empty()).then_some(Unit { noise, seed, methods })
    })
    .collect()
}

impl Unit {
    /// Work in full trainings. The uniform run is the baseline, and Swift Sampler needs it too.
    fn work(&self, plan: &Plan) -> f64 {
        let of = |method| f64::from(u8::from(self.methods.contains(&method)));
        let uniform = of(Method::Baseline).max(of(Method::Ss));
        uniform + of(Method::Oracle) + of(Method::Ss) * (1.0 + plan.search_work())
    }

    fn compute(
        &self,
        plan: &Plan,
        parts: &Parts,
        device: &Device,
        fingerprint: &Value,
        journal: &Journal,
        progress: &Progress,
    ) -> Result<()> {
        let (seed, recipe) = (Seed::new(self.seed), plan.recipe(parts));
        let experiment = Experiment::on_text(&plan.experiment(parts, self.noise)?, seed)?;
        ss_cli::artifact::prepare_folder(&plan.run.out.join("studies"))?;
        let file = format!("noise-{}-seed-{}.log", self.noise, self.seed);
        let study = SearchJournal {
            file: JournalFile::new(plan.run.out.join("studies").join(file)),
            settings: serde_json::json!({ "task": fingerprint, "noise": self.noise, "seed": self.seed }),
        };
        let setup = Setup {
            experiment: &experiment,
            recipe: &recipe,
            spec: &plan.spec,
            devices: std::slice::from_ref(device),
            seed,
            journal: Some(&study),
        };
        let part = progress.part(format!("noise {:.0}%, seed {}", 100.0 * self.noise, self.seed));
        let keep = |result: &MethodResult, auroc| -> Result<()> {
            let cell = Cell {
                noise: self.noise,
                realized_noise: experiment.realized_noise,
                seed: self.seed,
                auroc,
                result: result.clone(),
            };
            progress.keep(&format!(
                "{:<8} noise {:>3.0}% seed {}: perplexity {:.2} (validation {:.2})",
                result.method,
                100.0 * self.noise,
                self.seed,
                cell.test(),
                cell.validation()
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
            event => training_events::show(&part, event, &recipe),
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
