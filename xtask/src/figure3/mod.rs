//! `reproduce-figure3`: what a search has found after each trial: Bayesian optimisation over the cgf and over the cdf,
//! and rivals.
//!
//! Every arm searches on the real objective, trials from the shared start of one uniform run a seed, and is told scores
//! on noisy validation labels alone. Arms, objective and loop are those of `bench search`.

mod arms;
mod curve;
mod plan;
mod plot;
mod render;
mod summary;

use anyhow::{Context, Result};
use ss_approx::Device;
use ss_cli::progress::{Progress, print};
use ss_seed::Seed;

use crate::bench::search::arm::Arm;
use crate::bench::search::fine_tuning::FineTuning;
use crate::bench::search::record::{Journal, Record, ReferenceRun, SearchRun};
use crate::bench::search::{reference, study};
use crate::journal::{self, Place};
use crate::workers;
pub(crate) use plan::Args;
use plan::Plan;

/// Computes what the journal of `--out` lacks, then writes and prints the result.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let config = plan.fingerprint()?;
    let place = Place { folder: &plan.settings.run.out, file: "cells.jsonl", task: "figure3_journal" };
    let journal: Journal = journal::Journal::open(place, &config)?;
    compute(&plan, &journal)?;
    let (references, runs) = finished(&plan, &journal);
    let summary = summary::summarise(&plan.arms, &references, &runs)?;
    let written = render::write(&plan, config, &summary)
        .with_context(|| format!("writing {}", plan.settings.run.out.display()))?;
    print(&format!("{}\nWritten: {written}\n", render::markdown(&plan, &summary)))?;
    Ok(())
}

/// What the journal has of the seeds and arms asked for, in the order of seeds and of the plan's arms: a journal that
/// several workers wrote has them in another.
fn finished(plan: &Plan, journal: &Journal) -> (Vec<ReferenceRun>, Vec<SearchRun>) {
    let seeds = plan.settings.run.seeds();
    let (mut references, mut runs) = (Vec::new(), Vec::new());
    for record in journal.cells() {
        match record {
            Record::References(run) if seeds.contains(&run.seed) => references.push(run),
            Record::Search(run) if seeds.contains(&run.seed) => runs.push(run),
            Record::References(_) | Record::Search(_) => {}
        }
    }
    references.sort_by_key(|run| run.seed);
    runs.sort_by_key(|run| (run.seed, run.arm));
    (references, runs)
}

/// One seed: what is still to be done on its uniform run.
struct Unit {
    seed: u64,
    arms: Vec<Arm>,
    unreferenced: bool,
    /// Searches of this seed that are there: arms share trials of the same rule.
    known: Vec<SearchRun>,
}

fn compute(plan: &Plan, journal: &Journal) -> Result<()> {
    let (references, runs) = finished(plan, journal);
    let unit = |seed: u64| {
        let known: Vec<SearchRun> = runs.iter().filter(|run| run.seed == seed).cloned().collect();
        let arms = plan.arms.iter().copied().filter(|&arm| !known.iter().any(|run| run.arm == arm)).collect();
        let unreferenced = !references.iter().any(|run| run.seed == seed);
        Unit { seed, arms, unreferenced, known }
    };
    let units: Vec<Unit> = plan
        .settings
        .run
        .seeds()
        .map(unit)
        .filter(|unit| unit.unreferenced || !unit.arms.is_empty())
        .collect();
    let recipe = &plan.settings.recipe;
    let trial_work = recipe.trial_epochs / recipe.train.epochs as f64;
    let work = |unit: &Unit| {
        let trials = unit.arms.len() * recipe.trials + if unit.unreferenced { reference::COUNT } else { 0 };
        1.0 + trials as f64 * trial_work
    };
    let progress = Progress::new(units.iter().map(work).sum(), plan.settings.run.quiet);
    workers::run(plan.settings.run.workers(), units, |unit, device| {
        let seed = unit.seed;
        search(plan, device, journal, unit, trial_work, &progress).with_context(|| format!("seed {seed}"))
    })?;
    progress.finish();
    Ok(())
}

fn search(
    plan: &Plan,
    device: &Device,
    journal: &Journal,
    unit: Unit,
    trial_work: f64,
    progress: &Progress,
) -> Result<()> {
    let (seed, recipe) = (unit.seed, &plan.settings.recipe);
    let part = progress.part(format!("seed {seed}"));
    let epoch_work = 1.0 / recipe.train.epochs as f64;
    let mut objective =
        FineTuning::prepare(&plan.dataset, recipe, device, plan.noise, Seed::new(seed), |epoch| {
            part.advance(epoch_work, &format!("uniform run, epoch {epoch}/{}", recipe.train.epochs));
        })?;
    for run in &unit.known {
        study::recall(&mut objective, run)?;
    }
    if unit.unreferenced {
        let run = reference::measure(&mut objective, seed, |name| part.advance(trial_work, name))?;
        journal.append(Record::References(run))?;
    }
    for arm in unit.arms {
        let mut best = f64::NEG_INFINITY;
        let run = study::search(&mut objective, arm, recipe.trials, seed, |trial| {
            best = trial.reading.map_or(best, |reading| best.max(reading.score));
            part.advance(trial_work, &format!("{arm}, best so far {best:.4}"));
        })
        .with_context(|| arm.to_string())?;
        progress.keep(&format!("seed {seed} {arm}: best {best:.4}"));
        journal.append(Record::Search(run))?;
    }
    Ok(())
}
