//! `reproduce-table9`: what the number of optimisation steps E_o buys.
//!
//! One search a seed is continued from one number of trials to the next; at each the rule that it would have chosen
//! trains a model from scratch.

mod render;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use ss_approx::Device;
use ss_cli::method::{self, Timed};
use ss_cli::progress::{Progress, print};
use ss_cli::{Experiment, Method, MethodResult, Recipe, SearchJournal, Setup};
use ss_data::{Dataset, JournalFile, LabelNoise, NoiseKind};
use ss_seed::Seed;

use crate::journal::{self, Place};
use crate::settings::{self, Profile, Settings};
use crate::{training_events, workers};

/// The published steps.
const STEPS: [usize; 6] = [0, 10, 20, 30, 40, 60];

/// Flags of `reproduce-table9`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Share of wrong training labels, in [0, 1)
    #[arg(long, default_value_t = 0.2)]
    noise: f64,
    /// Numbers of trials E_o; 0 is the baseline [default: 0,10,20,30,40,60; 0,2,4 for smoke]
    #[arg(long, value_delimiter = ',')]
    steps: Vec<usize>,
}

/// A resolved run.
struct Plan {
    settings: Settings,
    noise: LabelNoise,
    /// Ascending, each once.
    steps: Vec<usize>,
}

/// One (number of trials, seed).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    /// `E_o`.
    steps: usize,
    seed: u64,
    realized_noise: f64,
    #[serde(flatten)]
    result: MethodResult,
}

type Journal = journal::Journal<Cell>;

/// Computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let dataset = plan.settings.load()?;
    let fingerprint = plan.fingerprint(&dataset)?;
    let place = Place { folder: &plan.settings.run.out, file: "cells.jsonl", task: "table9_journal" };
    let journal = Journal::open(place, &fingerprint)?;
    let done: BTreeSet<(usize, u64)> = journal.cells().iter().map(|cell| (cell.steps, cell.seed)).collect();
    let units: Vec<Unit> = plan
        .settings
        .run
        .seeds()
        .filter_map(|seed| {
            let missing = plan.steps.iter().copied().filter(|&steps| !done.contains(&(steps, seed)));
            let steps: Vec<usize> = missing.collect();
            (!steps.is_empty()).then_some(Unit { seed, steps })
        })
        .collect();
    let progress = Progress::new(
        units.iter().map(|unit| unit.work(&plan)).sum(),
        plan.settings.run.quiet || units.is_empty(),
    );
    let computed = workers::run(plan.settings.run.workers(), units, |unit, device| {
        unit.compute(&plan, &dataset, device, &fingerprint, &journal, &progress)
    });
    progress.finish();
    computed?;
    let mut cells = journal.cells();
    cells.retain(|cell| plan.steps.contains(&cell.steps) && plan.settings.run.seeds().contains(&cell.seed));
    cells.sort_by_key(|cell| (cell.steps, cell.seed));
    let text = render::write(&plan, fingerprint, &cells)?;
    print(&text)?;
    Ok(())
}

impl Plan {
    fn resolve(args: Args) -> Result<Self> {
        let noise = LabelNoise::new(NoiseKind::Symmetric, args.noise).context("--noise")?;
        let mut steps = args.steps;
        if steps.is_empty() {
            steps = if args.settings.profile == Profile::Smoke { vec![0, 2, 4] } else { STEPS.to_vec() };
        }
        steps.sort_unstable();
        steps.dedup();
        let mut settings = Settings::resolve(args.settings, "table9")?;
        // Whatever --trials says: the table is about their number.
        let Some(&most) = steps.last() else { bail!("--steps: expected at least one number") };
        settings.recipe.trials = most.max(1);
        settings.recipe.check()?;
        Ok(Self { settings, noise, steps })
    }

    /// Everything that changes a cell, apart from its number of trials and seed.
    fn fingerprint(&self, dataset: &Dataset) -> Result<serde_json::Value> {
        let mut config = self.settings.fingerprint(dataset)?;
        config["noise"] = self.noise.rate().into();
        if let Some(recipe) = config["recipe"].as_object_mut() {
            recipe.remove("trials");
        }
        Ok(config)
    }
}

/// The numbers of trials that are still to be computed for one seed, ascending.
struct Unit {
    seed: u64,
    steps: Vec<usize>,
}

impl Unit {
    /// Work in full trainings: the uniform run, all trials, and at most one training a number of trials.
    fn work(&self, plan: &Plan) -> f64 {
        1.0 + plan.settings.search_work() + self.steps.iter().filter(|&&steps| steps > 0).count() as f64
    }

    /// The journal of the seed's search; that of a search which ends after `only` trials is another one.
    fn study(&self, plan: &Plan, fingerprint: &serde_json::Value, only: Option<usize>) -> SearchJournal {
        let name = match only {
            None => format!("seed-{}.log", self.seed),
            Some(steps) => format!("seed-{}-of-{steps}.log", self.seed),
        };
        SearchJournal {
            file: JournalFile::new(plan.settings.run.out.join("studies").join(name)),
            settings: serde_json::json!({ "task": fingerprint, "seed": self.seed }),
        }
    }

    fn compute(
        &self,
        plan: &Plan,
        dataset: &Dataset,
        device: &Device,
        fingerprint: &serde_json::Value,
        journal: &Journal,
        progress: &Progress,
    ) -> Result<()> {
        let settings = &plan.settings;
        let seed = Seed::new(self.seed);
        let experiment = settings.experiment(dataset, plan.noise.into(), seed)?;
        let part = progress.part(format!("seed {}", self.seed));
        ss_cli::artifact::prepare_folder(&settings.run.out.join("studies"))?;
        let study = self.study(plan, fingerprint, None);
        let keep = |steps: usize, experiment: &Experiment, result: MethodResult| -> Result<()> {
            let cell = Cell { steps, seed: self.seed, realized_noise: experiment.realized_noise, result };
            progress.keep(&format!("E_o {steps:>3} seed {}: top-1 {:.2}", cell.seed, cell.result.top1_last));
            journal.append(cell)
        };
        let first = Setup {
            experiment: &experiment,
            recipe: &settings.recipe,
            spec: &settings.spec,
            devices: std::slice::from_ref(device),
            seed,
            journal: Some(&study),
        };
        let trainer = first.trainer()?;
        let show = &mut |event: method::Event| training_events::show(&part, event, &settings.recipe);
        let uniform = method::uniform_run(&trainer, first, show)?;
        let mut searched = 0.0;
        let mut last: Option<(Vec<usize>, usize, MethodResult)> = None;
        for &steps in &self.steps {
            if steps == 0 {
                let run = &uniform.run.run;
                keep(
                    0,
                    &experiment,
                    method::judge(&trainer, &experiment, Method::Baseline, run, uniform.seconds)?,
                )?;
                continue;
            }
            let recipe = Recipe { trials: steps, ..settings.recipe.clone() };
            let setup = Setup { recipe: &recipe, ..first };
            let Timed { run: mut outcome, mut seconds } = method::find(&trainer, setup, &uniform.run, show)?;
            if outcome.trials.len() > steps {
                // The record is that of a longer search, whose choice comes from all its trials: make this one again.
                let again = Setup { journal: Some(&self.study(plan, fingerprint, Some(steps))), ..setup };
                Timed { run: outcome, seconds } = method::find(&trainer, again, &uniform.run, show)?;
            }
            // Often more trials do not change which rules are trained, and then not the model.
            let finalists = outcome.finalists();
            let mut result = match last.take().filter(|(before, ..)| *before == finalists) {
                Some((_, winner, same)) => {
                    // With the gain that it has among these trials.
                    if let Some(&choice) = outcome.runner_ups.iter().find(|choice| choice.trial == winner) {
                        outcome.settle_on(choice)?;
                    }
                    same.after_more_trials(&outcome)
                }
                None => method::train_found(&trainer, setup, &uniform, &mut outcome, show)?,
            };
            searched += seconds;
            result.search_seconds = searched;
            keep(steps, &experiment, result.clone())?;
            last = Some((finalists, outcome.choice.trial, result));
        }
        Ok(())
    }
}
