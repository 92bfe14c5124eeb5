//! `reproduce-table1`: methods against label noise, with seeds, intervals and realised noise.

mod cells;
mod profile;
mod render;
mod report;
mod searches;
mod statistics;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;
use ss_approx::Device;
use ss_cli::method::Event;
use ss_cli::progress::{Progress, print};
use ss_cli::report::SearchRecord;
use ss_cli::{Method, MethodResult, NoiseSource, Setup};
use ss_data::Dataset;
use ss_seed::Seed;

use crate::journal::{self, Place};
use crate::{outputs, training_events, workers};
use cells::Cell;
pub(crate) use profile::Args;
use profile::Plan;

/// Finished cells of the table.
type Journal = journal::Journal<Cell>;

/// Runs the task: computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let dataset = plan.settings.load()?;
    let sources = plan.noise.sources(&dataset)?;
    let fingerprint = plan.fingerprint(&dataset, &sources)?;
    let place = Place { folder: &plan.settings.run.out, file: "cells.jsonl", task: "table1_journal" };
    let journal = Journal::open(place, &fingerprint)?;
    let units = missing_units(&plan, &sources, &journal);
    if !units.is_empty() {
        compute(&plan, &dataset, &journal, &fingerprint, units)?;
    }
    let cells = journal.cells();
    let wanted = plan.wanted(&sources);
    let wanted: Vec<Cell> =
        wanted.into_iter().filter_map(|key| cells.iter().find(|c| c.key() == key).cloned()).collect();
    let summary = statistics::summarise(&wanted);
    let out = &plan.settings.run.out;
    let markdown = render::markdown(&plan, &summary);
    let page = report::html(&plan, fingerprint.clone(), &wanted, &summary)?;
    let json = render::json(&plan, fingerprint, &wanted, &summary)?;
    let files = [("table1.json", json), ("table1.md", markdown.clone()), ("report.html", page)];
    let written = outputs::write(out, files).with_context(|| format!("writing {}", out.display()))?;
    print(&format!("{markdown}\nWritten: {written}\n"))?;
    Ok(())
}

/// One (noise, seed) with the methods that are still to be run on it; they share the uniform run.
struct Unit {
    noise: NoiseSource,
    seed: u64,
    methods: Vec<Method>,
}

impl Unit {
    /// Work in full trainings.
    fn work(&self, plan: &Plan) -> f64 {
        let search = plan.settings.search_work();
        // The uniform run is the baseline; whoever reads it needs it too.
        let reads = [Method::Baseline, Method::LossThreshold, Method::Ss];
        let uniform = f64::from(u8::from(self.methods.iter().any(|method| reads.contains(method))));
        let own = self.methods.iter().map(|method| match method {
            Method::Baseline => 0.0,
            Method::Ss => 1.0 + search,
            _ => 1.0,
        });
        uniform + own.sum::<f64>()
    }
}

fn missing_units(plan: &Plan, sources: &[NoiseSource], journal: &Journal) -> Vec<Unit> {
    let done: BTreeSet<_> = journal.cells().iter().map(Cell::key).collect();
    let mut units: Vec<Unit> = Vec::new();
    for source in sources {
        for key in plan.wanted(std::slice::from_ref(source)).into_iter().filter(|key| !done.contains(key)) {
            match units.last_mut().filter(|unit| unit.noise.rate() == key.noise() && unit.seed == key.seed) {
                Some(unit) => unit.methods.push(key.method),
                None => {
                    units.push(Unit { noise: source.clone(), seed: key.seed, methods: vec![key.method] });
                }
            }
        }
    }
    units
}

fn compute(
    plan: &Plan,
    dataset: &Dataset,
    journal: &Journal,
    config: &Value,
    units: Vec<Unit>,
) -> Result<()> {
    let progress = Progress::new(units.iter().map(|unit| unit.work(plan)).sum(), plan.settings.run.quiet);
    let finished = workers::run(plan.settings.run.workers(), units, |unit, device| {
        let search = compute_unit(plan, dataset, device, journal, &unit, &progress)?;
        // For the report alone: what the table says is in the journal already.
        let keep =
            |search| searches::write(&plan.settings.run.out, config, unit.noise.rate(), unit.seed, &search);
        search.map_or(Ok(()), keep)
    });
    progress.finish();
    finished
}

/// Computes the missing cells of a unit and puts them in the journal; returns what the report says of the search.
fn compute_unit(
    plan: &Plan,
    dataset: &Dataset,
    device: &Device,
    journal: &Journal,
    unit: &Unit,
    progress: &Progress,
) -> Result<Option<SearchRecord>> {
    let seed = Seed::new(unit.seed);
    let experiment = plan.settings.experiment(dataset, unit.noise.clone(), seed)?;
    let part = progress.part(format!("noise {:.0}%, seed {}", 100.0 * unit.noise.rate(), unit.seed));
    let mut journaled: Result<()> = Ok(());
    // Each cell as soon as it is finished: a kill loses one training, not three.
    let mut keep = |result: &MethodResult| {
        // The uniform run may have been made for Swift Sampler alone.
        if unit.methods.contains(&result.method) && journaled.is_ok() {
            let cell = Cell {
                noise: unit.noise.rate(),
                realized_noise: experiment.realized_noise,
                seed: unit.seed,
                result: result.clone(),
            };
            progress.keep(&cell.to_string());
            journaled = journal.append(cell);
        }
    };
    let setup = Setup {
        experiment: &experiment,
        recipe: &plan.settings.recipe,
        spec: &plan.settings.spec,
        devices: std::slice::from_ref(device),
        seed,
        journal: None,
    };
    let outcome = ss_cli::method::run(setup, &unit.methods, |event| match event {
        Event::Finished { result } => keep(result),
        event => training_events::show(&part, event, &plan.settings.recipe),
    })
    .with_context(|| format!("noise {}, seed {}", unit.noise.rate(), unit.seed))?;
    journaled?;
    let record = |search| SearchRecord::new(&setup, plan.settings.dataset, search, &outcome.results);
    Ok(outcome.search.as_ref().map(record).transpose()?)
}
