//! `reproduce-fidelity`: does a short trial from a shared start rank samplers as full trainings do?
//!
//! A fixed panel of samplers is trained in full, and tried under every setting of the approximation; one trial is scored
//! in every way. What counts is the rank correlation of the two, over the whole panel and over its better half,
//! against the cost of a trial (`docs/method.md` 4).

mod measure;
mod panel;
mod plan;
mod plot;
mod rank_correlation;
mod record;
mod render;
mod summary;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use ss_cli::progress::{Progress, print};

use crate::journal;
pub(crate) use plan::Args;
use plan::Plan;
use record::{FullTraining, Journal, Key, Record, Trial};
use summary::{Frame, Summary};

/// Computes what the journal of `--out` lacks, then writes and prints the result.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let config = plan.fingerprint()?;
    let journal: Journal = journal::Journal::open(record::place(&plan.settings.run.out), &config)?;
    compute(&plan, &journal)?;
    let summary = summarise(&plan, &journal);
    let written = render::write(&plan, config, &summary)
        .with_context(|| format!("writing {}", plan.settings.run.out.display()))?;
    print(&format!("{}\nWritten: {written}\n", render::markdown(&plan, &summary)))?;
    Ok(())
}

fn compute(plan: &Plan, journal: &Journal) -> Result<()> {
    let done: BTreeSet<Key> = journal.cells().iter().map(Record::key).collect();
    let lacking = |seed: u64| {
        let complete = |name: &String| {
            let all = plan.grid.iter().map(|&setting| Some(setting)).chain([None]);
            all.map(|setting| Key::new(seed, name, setting)).all(|key| done.contains(&key))
        };
        !plan.samplers.iter().all(complete)
    };
    let open: Vec<u64> = plan.settings.run.seeds().filter(|&seed| lacking(seed)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let work = open.iter().map(|&seed| measure::work(plan, seed, &done)).sum();
    let progress = Progress::new(work, plan.settings.run.quiet);
    for seed in open {
        let part = progress.part(format!("seed {seed}"));
        measure::compute(plan, seed, &done, journal, &part).with_context(|| format!("seed {seed}"))?;
        progress.keep(&format!("seed {seed}: the panel is measured"));
    }
    progress.finish();
    Ok(())
}

/// What the journal has of the seeds and samplers asked for, summed up; records of other settings are left out.
fn summarise(plan: &Plan, journal: &Journal) -> Summary {
    let seeds: Vec<u64> = plan.settings.run.seeds().collect();
    let wanted = |seed: u64, sampler: &String| seeds.contains(&seed) && plan.samplers.contains(sampler);
    let (mut full, mut trials): (Vec<FullTraining>, Vec<Trial>) = (Vec::new(), Vec::new());
    for record in journal.cells() {
        match record {
            Record::Full(run) if wanted(run.seed, &run.sampler) => full.push(run),
            Record::Trial(trial) if wanted(trial.seed, &trial.sampler) => trials.push(trial),
            Record::Full(_) | Record::Trial(_) => {}
        }
    }
    // A journal that was continued, or written by several workers, has them in another order.
    full.sort_by(|a, b| (a.seed, &a.sampler).cmp(&(b.seed, &b.sampler)));
    let frame = Frame {
        seeds: &seeds,
        settings: &plan.grid,
        epochs: plan.settings.recipe.train.epochs,
        trials: plan.settings.recipe.trials,
        default: plan.default_row(),
    };
    summary::summarise(&frame, &full, &trials)
}
