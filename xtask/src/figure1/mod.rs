//! `reproduce-figure1`: where the wrong labels lie in the plane of loss and renormalised entropy, and what the learned
//! sampler makes of it.

mod draw;
mod grid;

use anyhow::{Context, Result, bail};
use serde_json::json;
use ss_cli::progress::{Progress, print};
use ss_cli::{SearchJournal, Setup, artifact, method};
use ss_data::{JournalFile, LabelNoise, NoiseKind};
use ss_seed::Seed;

use crate::run_flags::trial_work;
use crate::settings::{self, Settings};
use crate::{outputs, training_events};
use grid::{Axis, Grid};

/// Flags of `reproduce-figure1`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Share of wrong training labels, in (0, 1)
    #[arg(long, default_value_t = 0.4)]
    noise: f64,
    /// Cells of the plane along each axis
    #[arg(long, default_value_t = 24)]
    bins: usize,
}

/// Searches a sampler on the first seed (or goes on where that was cut short), then draws.
pub(crate) fn run(args: Args) -> Result<()> {
    let noise = LabelNoise::new(NoiseKind::Symmetric, args.noise).context("--noise")?;
    if args.noise == 0.0 {
        bail!("--noise 0: expected a positive share, the figure shows where wrong labels lie");
    }
    if !(2..=200).contains(&args.bins) {
        bail!("--bins {}: expected 2 to 200", args.bins);
    }
    args.settings.run.refuse_finalists("figure 1")?;
    let settings = Settings::resolve(args.settings, "figure1")?;
    let dataset = settings.load()?;
    let seed = Seed::new(settings.run.first_seed);
    let experiment = settings.experiment(&dataset, noise.into(), seed)?;
    let wrong = experiment.wrong.iter().filter(|&&wrong| wrong).count();
    if wrong == 0 || wrong == experiment.wrong.len() {
        bail!(
            "--noise {}: {wrong} of the {} training labels are wrong, expected some of both kinds to draw; choose a rate \
             further from {}",
            args.noise,
            experiment.wrong.len(),
            if wrong == 0 { 0 } else { 1 }
        );
    }
    artifact::prepare_folder(&settings.run.out)?;
    let _lock = artifact::lock_folder(&settings.run.out)?;
    let mut config = settings.fingerprint(&dataset)?;
    (config["noise"], config["seed"]) = (noise.rate().into(), settings.run.first_seed.into());
    let journal =
        SearchJournal { file: JournalFile::new(settings.run.out.join("study.log")), settings: config };
    journal.check(&settings.spec, &settings.run.devices)?;
    let setup = Setup {
        experiment: &experiment,
        recipe: &settings.recipe,
        spec: &settings.spec,
        devices: &settings.run.devices,
        seed,
        journal: Some(&journal),
    };
    let progress = Progress::new(1.0 + trial_work(&settings.recipe), settings.run.quiet);
    let part = progress.part(dataset.name.clone());
    let show = &mut |event: method::Event| training_events::show(&part, event, &settings.recipe);
    let trainer = setup.trainer()?;
    let uniform = method::uniform_run(&trainer, setup, show)?;
    let outcome = method::find(&trainer, setup, &uniform.run, show)?.run;
    drop(part);
    progress.finish();

    let features = &uniform.run.features;
    let (loss, entropy) = (features.column("loss")?, features.column("renormed_entropy")?);
    let relative: Vec<f64> =
        outcome.weights.probabilities().iter().map(|p| p * experiment.train.len() as f64).collect();
    let axes = [Axis::of(loss, args.bins), Axis::of(entropy, args.bins)];
    let grid = Grid::of(axes, loss, entropy, &experiment.wrong, &relative);
    let chosen = &outcome.trials[outcome.choice.trial].name;
    let title = format!("{}, {:.0}% wrong labels, sampler: {chosen}", settings.dataset, 100.0 * noise.rate());
    let mean = |wrong: bool| {
        let of: Vec<f64> =
            relative.iter().zip(&experiment.wrong).filter(|(_, w)| **w == wrong).map(|(p, _)| *p).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    let (right, wrong) = (mean(false), mean(true));
    let json = json!({
        "format_version": 1, "config": journal.settings_on(&settings.run.devices), "chosen": chosen, "realized_noise": experiment.realized_noise,
        "mean_relative_probability": { "right": right, "wrong": wrong }, "grid": grid,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let files = [("figure1.svg", draw::draw(&grid, &title)?), ("figure1.json", json)];
    let written = outputs::write(&settings.run.out, files)?;
    print(&format!(
        "{title}\nAn example with a right label is drawn {right:.3} times an epoch, one with a wrong label {wrong:.3} times \
         (uniform: 1).\nWritten: {written}\n"
    ))?;
    Ok(())
}
