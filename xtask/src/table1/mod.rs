//! `reproduce-table1`: methods against label noise, with seeds, intervals and realised noise.

mod cells;
mod profile;
mod render;
mod statistics;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use candle_core::Device;
use ss_cli::method::Event;
use ss_cli::progress::{Part, Progress, print};
use ss_cli::{Experiment, ExperimentConfig, Method, MethodResult, Setup};
use ss_data::{Dataset, LabelNoise, NoiseKind};
use ss_seed::Seed;

use crate::journal::{self, Place};
use cells::Cell;
pub(crate) use profile::Args;
use profile::Plan;

/// Finished cells of the table.
type Journal = journal::Journal<Cell>;

/// Runs the task: computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let dataset = ss_data::load(plan.dataset, plan.data_dir.as_deref())?;
    let fingerprint = plan.fingerprint(&dataset)?;
    let place = Place { folder: &plan.out, file: "cells.jsonl", task: "table1_journal" };
    let journal = Journal::open(place, &fingerprint)?;
    let units = missing_units(&plan, &journal);
    if !units.is_empty() {
        compute(&plan, &dataset, &journal, units)?;
    }
    let cells = journal.cells();
    let wanted: Vec<Cell> =
        plan.wanted().filter_map(|key| cells.iter().find(|c| c.key() == key).cloned()).collect();
    let summary = statistics::summarise(&wanted);
    render::write(&plan, fingerprint, &wanted, &summary)
        .with_context(|| format!("writing {}", plan.out.display()))?;
    let written = [plan.out.join("table1.json"), plan.out.join("table1.md")].map(display).join(", ");
    print(&format!("{}\nWritten: {written}\n", render::markdown(&plan, &summary)));
    Ok(())
}

fn display(path: PathBuf) -> String {
    path.display().to_string()
}

/// One (noise, seed) with the methods that are still to be run on it; they share the uniform run.
struct Unit {
    noise: f64,
    seed: u64,
    methods: Vec<Method>,
}

impl Unit {
    /// Work in full trainings.
    fn work(&self, plan: &Plan) -> f64 {
        let has = |method| f64::from(u8::from(self.methods.contains(&method)));
        let search = plan.recipe.trials as f64 * plan.recipe.trial_epochs / plan.recipe.train.epochs as f64;
        let uniform = has(Method::Baseline).max(has(Method::Ss));
        uniform + has(Method::Oracle) + has(Method::Ss) * (1.0 + search)
    }
}

fn missing_units(plan: &Plan, journal: &Journal) -> Vec<Unit> {
    let done: BTreeSet<_> = journal.cells().iter().map(Cell::key).collect();
    let mut units: Vec<Unit> = Vec::new();
    for key in plan.wanted().filter(|key| !done.contains(key)) {
        match units.iter_mut().find(|unit| unit.noise == key.noise() && unit.seed == key.seed) {
            Some(unit) => unit.methods.push(key.method),
            None => units.push(Unit { noise: key.noise(), seed: key.seed, methods: vec![key.method] }),
        }
    }
    units
}

fn compute(plan: &Plan, dataset: &Dataset, journal: &Journal, units: Vec<Unit>) -> Result<()> {
    let progress = Progress::new(units.iter().map(|unit| unit.work(plan)).sum(), plan.quiet);
    let jobs = plan.jobs.min(units.len());
    let threads = (plan.threads / jobs).max(1);
    let queue = Mutex::new(units.into_iter());
    let failure: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let worker = || -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        loop {
            let stop = failure.lock().map_or(true, |failure| failure.is_some());
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            match next {
                Some(unit) if !stop => {
                    pool.install(|| compute_unit(plan, dataset, journal, &unit, &progress))?
                }
                _ => return Ok(()),
            }
        }
    };
    let whole = std::thread::scope(|scope| {
        let run = || {
            if let Err(error) = worker()
                && let Ok(mut failure) = failure.lock()
            {
                failure.get_or_insert(error);
            }
        };
        let handles: Vec<_> = (0..jobs).map(|_| scope.spawn(run)).collect();
        // Joined one by one: a scope that finds a panic panics itself.
        handles.into_iter().filter_map(|handle| handle.join().err()).count() == 0
    });
    progress.finish();
    match failure.into_inner() {
        Ok(None) if whole => Ok(()),
        Ok(Some(error)) => Err(error),
        _ => bail!("a worker panicked; finished cells are kept in {}", plan.out.display()),
    }
}

fn compute_unit(
    plan: &Plan,
    dataset: &Dataset,
    journal: &Journal,
    unit: &Unit,
    progress: &Progress,
) -> Result<()> {
    let seed = Seed::new(unit.seed);
    let config = ExperimentConfig {
        sizes: plan.recipe.sizes(),
        noise: LabelNoise::new(NoiseKind::Symmetric, unit.noise)?,
        validation_labels: plan.validation_labels,
    };
    let experiment = Experiment::prepare(dataset, &config, seed)?;
    let part = progress.part(format!("noise {:.0}%, seed {}", 100.0 * unit.noise, unit.seed));
    let epoch_work = 1.0 / plan.recipe.train.epochs as f64;
    let trial_work = plan.recipe.trial_epochs * epoch_work;
    let mut journaled: Result<()> = Ok(());
    // Each cell as soon as it is finished: a kill loses one training, not three.
    let mut keep = |result: &MethodResult| {
        // The uniform run may have been made for Swift Sampler alone.
        if unit.methods.contains(&result.method) && journaled.is_ok() {
            let cell = Cell {
                noise: unit.noise,
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
        recipe: &plan.recipe,
        spec: &plan.spec,
        device: &Device::Cpu,
        seed,
        journal: None,
    };
    ss_cli::method::run(setup, &unit.methods, |event| match event {
        Event::Finished { result } => keep(result),
        event => report(&part, event, epoch_work, trial_work),
    })
    .with_context(|| format!("noise {}, seed {}", unit.noise, unit.seed))?;
    journaled
}

fn report(part: &Part, event: Event, epoch_work: f64, trial_work: f64) {
    match event {
        Event::Epoch { method, epoch, epochs, loss } => {
            part.advance(epoch_work, &format!("{method}, epoch {epoch}/{epochs}, loss {loss:.3}"));
        }
        Event::Trial { trial, trials, record, best } => {
            let score = match (record.score, record.pruned) {
                (Some(score), _) => format!("{score:.4}"),
                (None, Some(score)) => format!("stopped at {score:.4}"),
                (None, None) => "failed".to_owned(),
            };
            let line =
                format!("ss, trial {trial}/{trials} ({}): {score}, best so far {best:.4}", record.name);
            part.advance(trial_work, &line);
        }
        Event::Finished { .. } => {}
    }
}
