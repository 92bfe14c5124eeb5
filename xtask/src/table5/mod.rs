//! `reproduce-table5`: all of a dataset: accuracies of the baseline and of Swift Sampler, and how soon each reaches what the
//! baseline ends with.
//!
//! Test accuracy is read after every epoch, for the curves alone: nothing is chosen by it.

mod curve;
mod plot;
mod render;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use ss_approx::Device;
use ss_cli::method::{self, Event, Timed};
use ss_cli::progress::{Progress, print};
use ss_cli::{Method, MethodResult, Setup};
use ss_data::{Dataset, LabelNoise, NoiseKind};
use ss_seed::Seed;

use crate::journal::{self, Place};
use crate::settings::{self, Settings};
use crate::{training_events, workers};
use curve::{Curve, Recorder};

/// Flags of `reproduce-table5`. The profiles `cpu` and `paper` take all training images that validation leaves.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Shares of wrong training labels, in [0, 1)
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 0.2])]
    noise: Vec<f64>,
}

/// A resolved run.
struct Plan {
    settings: Settings,
    /// Each once, in the order given.
    noise: Vec<LabelNoise>,
}

/// One (noise, method, seed).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    noise: f64,
    seed: u64,
    realized_noise: f64,
    /// Of the training that made the model.
    curve: Curve,
    /// Seconds before that training: none for the baseline; the uniform run, its features and all trials otherwise.
    seconds_before: f64,
    #[serde(flatten)]
    result: MethodResult,
}

type Journal = journal::Journal<Cell>;

/// Computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let dataset = plan.settings.load()?;
    let fingerprint = plan.settings.fingerprint(&dataset)?;
    let place = Place { folder: &plan.settings.run.out, file: "cells.jsonl", task: "table5_journal" };
    let journal = Journal::open(place, &fingerprint)?;
    let key = |noise: f64, seed: u64| (noise.to_bits(), seed);
    // Both cells of a unit are appended together, Swift Sampler's last.
    let cells = journal.cells();
    let done: BTreeSet<(u64, u64)> = cells
        .iter()
        .filter(|cell| cell.result.method == Method::Ss)
        .map(|cell| key(cell.noise, cell.seed))
        .collect();
    let units = plan.noise.iter().flat_map(|&noise| plan.settings.run.seeds().map(move |seed| (noise, seed)));
    let missing: Vec<(LabelNoise, u64)> =
        units.filter(|&(noise, seed)| !done.contains(&key(noise.rate(), seed))).collect();
    let work = missing.len() as f64 * (2.0 + plan.settings.search_work());
    let progress = Progress::new(work, plan.settings.run.quiet || missing.is_empty());
    let computed = workers::run(plan.settings.run.workers(), missing, |(noise, seed), device| {
        let cells = plan.compute(&dataset, device, noise, seed, &progress)?;
        for cell in cells {
            let (method, top1) = (cell.result.method, cell.result.top1_last);
            progress.keep(&format!("{method:<9} noise {:.1} seed {seed}: top-1 {top1:.2}", cell.noise));
            journal.append(cell)?;
        }
        Ok(())
    });
    progress.finish();
    computed?;
    let mut cells = journal.cells();
    let rates: Vec<f64> = plan.noise.iter().map(LabelNoise::rate).collect();
    let place = |cell: &Cell| rates.iter().position(|&rate| rate == cell.noise);
    cells.retain(|cell| place(cell).is_some() && plan.settings.run.seeds().contains(&cell.seed));
    cells.sort_by_key(|cell| (place(cell), cell.result.method, cell.seed));
    // A run that was stopped between the two cells of a unit has computed the first of them twice.
    cells.dedup_by_key(|cell| (cell.noise.to_bits(), cell.result.method, cell.seed));
    print(&render::write(&plan, fingerprint, &cells)?)?;
    Ok(())
}

impl Plan {
    fn resolve(args: Args) -> Result<Self> {
        let mut noise: Vec<LabelNoise> = Vec::new();
        for rate in args.noise {
            let next = LabelNoise::new(NoiseKind::Symmetric, rate).context("--noise")?;
            if !noise.iter().any(|seen| seen.rate() == next.rate()) {
                noise.push(next);
            }
        }
        if noise.is_empty() {
            bail!("--noise: expected at least one rate");
        }
        let whole = args.settings.whole_dataset();
        let args_finalists = args.settings.run.finalists;
        let mut settings = Settings::resolve(args.settings, "table5")?;
        if args_finalists.is_some_and(|finalists| finalists != 1) {
            bail!("--finalists: expected 1: the table follows one training from epoch to epoch");
        }
        settings.recipe.finalists = 1;
        if whole {
            settings.recipe.train_size = None;
        }
        Ok(Self { settings, noise })
    }

    fn compute(
        &self,
        dataset: &Dataset,
        device: &Device,
        noise: LabelNoise,
        seed: u64,
        progress: &Progress,
    ) -> Result<[Cell; 2]> {
        let settings = &self.settings;
        let root = Seed::new(seed);
        let experiment = settings.experiment(dataset, noise.into(), root)?;
        let setup = Setup {
            experiment: &experiment,
            recipe: &settings.recipe,
            spec: &settings.spec,
            devices: std::slice::from_ref(device),
            seed: root,
            journal: None,
        };
        let trainer = setup.trainer()?;
        let part = progress.part(format!("noise {:.1} seed {seed}", noise.rate()));
        let cell = |curve, seconds_before, result| Cell {
            noise: noise.rate(),
            seed,
            realized_noise: experiment.realized_noise,
            curve,
            seconds_before,
            result,
        };

        let mut recorder = Recorder::new(experiment.test.as_ref());
        let uniform = method::uniform_run(&trainer, setup, &mut |event: Event| {
            recorder.see(&event);
            training_events::show(&part, event, setup.recipe);
        })?;
        let looking = recorder.reading_seconds();
        let seconds = uniform.seconds - looking;
        let mut baseline = method::judge(&trainer, &experiment, Method::Baseline, &uniform.run.run, seconds)?;
        baseline.search_seconds = 0.0;
        let baseline = cell(recorder.finish(seconds)?, 0.0, baseline);

        let show = &mut |event: Event| training_events::show(&part, event, setup.recipe);
        let Timed { run: mut outcome, seconds: searching } =
            method::find(&trainer, setup, &uniform.run, show)?;
        let mut recorder = Recorder::new(experiment.test.as_ref());
        let mut result =
            method::train_found(&trainer, setup, &uniform, &mut outcome, &mut |event: Event| {
                recorder.see(&event);
                training_events::show(&part, event, setup.recipe);
            })?;
        result.search_seconds += searching;
        result.train_seconds -= looking + recorder.reading_seconds();
        let before = seconds + result.search_seconds;
        let kept = result.search.as_ref().is_some_and(|search| search.kept);
        let curve =
            if kept { recorder.finish(result.train_seconds - seconds)? } else { baseline.curve.clone() };
        Ok([baseline, cell(curve, before, result)])
    }
}
