//! What the search of a sampler gains from canonical coordinates and from simple rules to start with:
//! Bayesian optimisation with and without either, and rivals, on one objective.

pub(crate) mod arm;
mod effect;
pub(crate) mod fine_tuning;
pub(crate) mod objective;
pub(crate) mod record;
pub(crate) mod reference;
mod render;
mod settings;
pub(crate) mod study;
mod summary;
mod synthetic;

use anyhow::{Context, Result};
use ss_cli::progress::{Part, Progress, print};
use ss_seed::Seed;

use crate::journal;
use arm::Arm;
use fine_tuning::FineTuning;
use objective::Objective;
use record::{Journal, Record, ReferenceRun, SearchRun};
pub(crate) use settings::Args;
use settings::{Plan, Source};
use synthetic::Synthetic;

/// Computes what the journal lacks, then prints the result.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let file = format!("{}.jsonl", plan.name);
    let journal: Journal = journal::Journal::open(record::place(&plan.out, &file), &plan.fingerprint()?)?;
    compute(&plan, &journal)?;
    let (references, runs) = finished(&plan, &journal);
    let rows = summary::rows(&plan.name, &references, &runs, &plan.arms, plan.trials);
    if plan.json {
        let lines: Result<Vec<String>, _> = rows.iter().map(serde_json::to_string).collect();
        print(&(lines?.join("\n") + "\n"))?;
    } else {
        print(&render::tables(&rows, plan.score, matches!(plan.source, Source::Images { .. })))?;
    }
    Ok(())
}

/// What the journal has of the seeds and arms asked for.
fn finished(plan: &Plan, journal: &Journal) -> (Vec<ReferenceRun>, Vec<SearchRun>) {
    let (mut references, mut runs) = (Vec::new(), Vec::new());
    for record in journal.cells() {
        match record {
            Record::References(run) if plan.seeds.contains(&run.seed) => references.push(run),
            Record::Search(run) if plan.seeds.contains(&run.seed) => runs.push(run),
            Record::References(_) | Record::Search(_) => {}
        }
    }
    // A journal that was continued has them in another order than one that was not.
    references.sort_by_key(|run| run.seed);
    runs.sort_by_key(|run| run.seed);
    (references, runs)
}

/// Arm after arm, each on all seeds: a run that is stopped early has whole arms to compare. The objectives are
/// kept, for their uniform runs and trials are shared by the arms.
fn compute(plan: &Plan, journal: &Journal) -> Result<()> {
    let (references, runs) = finished(plan, journal);
    let missing = |arm: Arm, seed: u64| !runs.iter().any(|run| run.arm == arm && run.seed == seed);
    let unreferenced = |seed: u64| !references.iter().any(|run| run.seed == seed);
    let searches: Vec<(Arm, u64)> = plan
        .arms
        .iter()
        .flat_map(|&arm| plan.seeds.iter().map(move |&seed| (arm, seed)))
        .filter(|&(arm, seed)| missing(arm, seed))
        .collect();
    let open: Vec<u64> = plan
        .seeds
        .iter()
        .copied()
        .filter(|&seed| unreferenced(seed) || searches.iter().any(|s| s.1 == seed))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let bare = open.iter().filter(|&&seed| unreferenced(seed)).count();
    let work = searches.len() * plan.trials + bare * reference::COUNT + open.len() * preparation(plan);
    let progress = Progress::new(work as f64, plan.quiet);
    let mut objectives: Vec<(u64, Box<dyn Objective>)> = Vec::new();
    // First what the first arm needs; seeds whose searches are all there still lack their references.
    let rest = open.iter().filter(|&&seed| unreferenced(seed)).map(|&seed| (None, seed));
    for (arm, seed) in searches.iter().map(|&(arm, seed)| (Some(arm), seed)).chain(rest) {
        let part = progress.part(format!("{}, seed {seed}", plan.name));
        let index = match objectives.iter().position(|(of, _)| *of == seed) {
            Some(index) => index,
            None => {
                let mut objective = prepare(plan, seed, &part)?;
                for run in runs.iter().filter(|run| run.seed == seed) {
                    study::recall(objective.as_mut(), run)?;
                }
                if unreferenced(seed) {
                    let run = reference::measure(objective.as_mut(), seed, |name| part.advance(1.0, name))?;
                    journal.append(Record::References(run))?;
                }
                objectives.push((seed, objective));
                objectives.len() - 1
            }
        };
        let Some(arm) = arm else { continue };
        let objective = objectives[index].1.as_mut();
        let mut best = f64::NEG_INFINITY;
        let run = study::search(objective, arm, plan.trials, seed, |trial| {
            best = trial.reading.map_or(best, |reading| best.max(reading.score));
            part.advance(1.0, &format!("{arm}, best so far {best:.4}"));
        })
        .with_context(|| format!("{arm}, seed {seed}"))?;
        progress.keep(&format!("{} seed {seed} {arm}: best {best:.4}", plan.name));
        journal.append(Record::Search(run))?;
    }
    progress.finish();
    Ok(())
}

/// Progress of [`prepare`], in trials.
fn preparation(plan: &Plan) -> usize {
    match &plan.source {
        Source::Synthetic => 0,
        Source::Images { recipe, .. } => recipe.train.epochs,
    }
}

fn prepare(plan: &Plan, seed: u64, part: &Part) -> Result<Box<dyn Objective>> {
    Ok(match &plan.source {
        Source::Synthetic => Box::new(Synthetic::new(plan.noise.rate(), Seed::new(seed))?),
        Source::Images { dataset, recipe } => {
            let observe =
                |epoch| part.advance(1.0, &format!("uniform run, epoch {epoch}/{}", recipe.train.epochs));
            Box::new(FineTuning::prepare(
                dataset,
                recipe,
                &ss_approx::Device::Cpu,
                plan.noise,
                Seed::new(seed),
                observe,
            )?)
        }
    })
}
