//! `reproduce-figure2`: (a) the images, or crops of them, that a searched sampler draws least; (b) the probability of sampling
//! against the cdf of the loss, for several networks.

mod least;
mod probability;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ss_approx::UniformRun;
use ss_approx::sampling::rank;
use ss_cli::progress::{Progress, print};
use ss_cli::{Experiment, FolderParts, SearchJournal, SearchOutcome, Setup, artifact, method};
use ss_data::JournalFile;
use ss_seed::Seed;

use crate::folder_settings::{self, FolderSettings};
use crate::run_flags::trial_work;
use crate::{outputs, training_events};
use probability::Curve;

/// Flags of `reproduce-figure2`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: folder_settings::Args,
    /// Share of wrong training labels, in [0, 1)
    #[arg(long, default_value_t = 0.4)]
    noise: f64,
    /// Images of (a), which is drawn for the first of --networks
    #[arg(long, default_value_t = 24)]
    shown: usize,
    /// Parts of equal size that the instances are put in by their loss in (b)
    #[arg(long, default_value_t = 40)]
    bins: usize,
}

/// Searches a sampler on each network, on the first seed (or goes on where that was cut short), then draws.
pub(crate) fn run(args: Args) -> Result<()> {
    if !(1..=400).contains(&args.shown) {
        bail!("--shown {}: expected 1 to 400", args.shown);
    }
    if !(2..=1000).contains(&args.bins) {
        bail!("--bins {}: expected 2 to 1000", args.bins);
    }
    args.settings.run.refuse_finalists("figure 2")?;
    let settings = FolderSettings::resolve(args.settings, "figure2")?;
    let seed = Seed::new(settings.run.first_seed);
    let plan = settings.experiment(args.noise).context("--noise")?;
    let dataset = settings.load()?;
    let parts = plan.parts(&dataset, seed)?;
    let experiment: Experiment = parts.clone().into();
    artifact::prepare_folder(&settings.run.out)?;
    let _lock = artifact::lock_folder(&settings.run.out)?;
    let config = settings.fingerprint(&dataset)?;
    let searched = searched(&settings, &experiment, args.noise, &config)?;

    let (_, first) = &searched[0];
    let chosen = |outcome: &SearchOutcome| outcome.trials[outcome.choice.trial].name.clone();
    let relative = relative(first.weights.probabilities());
    let least = least::least(&relative, &parts.train_ids, args.shown, seed);
    let smallest = relative.iter().copied().fold(f64::INFINITY, f64::min);
    let title = format!(
        "The least sampled of {} {}; {} have the smallest probability",
        relative.len(),
        if parts.train.part(0).1.is_some() { "crops" } else { "images" },
        relative.iter().filter(|&&p| p == smallest).count(),
    );
    let origin = format!(
        "{}, {:.0}% wrong labels; {}, sampler {}",
        dataset.name,
        100.0 * args.noise,
        settings.networks[0],
        chosen(first)
    );
    let drawn = least::draw([&title, &origin], &parts, &least, &relative)?;
    let mut curves = Vec::new();
    for (network, (uniform, outcome)) in settings.networks.iter().zip(&searched) {
        let loss = uniform.features.column("loss")?;
        let own = outcome.weights.probabilities();
        let others = rank(&settings.spec, &uniform.features)?.weights(&first.params)?;
        let label = format!("{network} ({})", chosen(outcome));
        curves.push(Curve::of(label, loss, &own, &others.probabilities(), args.bins)?);
    }
    let subtitle = format!(
        "{:.0}% wrong labels, seed {}; shaded: 10th to 90th percentile",
        100.0 * args.noise,
        settings.run.first_seed
    );
    let curve = probability::draw(&curves, &settings.networks[0].to_string(), subtitle)?;
    let json = json!({
        "format_version": 1,
        "profile": settings.profile.name(),
        "config": config,
        "noise": args.noise,
        "realized_noise": parts.realized_noise,
        "seed": settings.run.first_seed,
        "smallest": smallest,
        "networks": settings.networks,
        "chosen": searched.iter().map(|(_, outcome)| chosen(outcome)).collect::<Vec<_>>(),
        "least": described(&parts, &least, &relative)?,
        "curves": curves,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let files = [("figure2a.svg", drawn), ("figure2b.svg", curve), ("figure2.json", json)];
    let written = outputs::write(&settings.run.out, files)?;
    let wrong = least.iter().filter(|&&i| is_wrong(&parts, i)).count();
    print(&format!(
        "{title}: {origin}.\n{wrong} of the {} shown have a wrong label; {:.1}% of all have.\nWritten: {written}\n",
        least.len(),
        100.0 * parts.realized_noise
    ))?;
    Ok(())
}

/// The uniform run and the search of each network, in the order of `--networks`.
fn searched(
    settings: &FolderSettings,
    experiment: &Experiment,
    noise: f64,
    config: &Value,
) -> Result<Vec<(UniformRun, SearchOutcome)>> {
    let of_each = 1.0 + trial_work(&settings.recipe);
    let progress = Progress::new(settings.networks.len() as f64 * of_each, settings.run.quiet);
    let mut searched = Vec::new();
    for network in &settings.networks {
        let recipe = settings.recipe_of(network);
        let journal = SearchJournal {
            file: JournalFile::new(settings.run.out.join(format!("study-{network}.log"))),
            settings: json!({
                "task": config, "network": network, "noise": noise, "seed": settings.run.first_seed,
            }),
        };
        journal.check(&settings.spec, &settings.run.devices)?;
        let setup = Setup {
            experiment,
            recipe: &recipe,
            spec: &settings.spec,
            devices: &settings.run.devices,
            seed: Seed::new(settings.run.first_seed),
            journal: Some(&journal),
        };
        let part = progress.part(network.to_string());
        let show = &mut |event: method::Event| training_events::show(&part, event, &recipe);
        let trainer = setup.trainer()?;
        let uniform = method::uniform_run(&trainer, setup, show)?.run;
        let outcome = method::find(&trainer, setup, &uniform, show)?.run;
        searched.push((uniform, outcome));
    }
    progress.finish();
    Ok(searched)
}

/// Draws an epoch, where uniform sampling has 1.
fn relative(probabilities: Vec<f64>) -> Vec<f64> {
    let n = probabilities.len() as f64;
    probabilities.into_iter().map(|p| p * n).collect()
}

fn is_wrong(parts: &FolderParts, i: usize) -> bool {
    parts.train.labels()[i] != parts.true_labels[i]
}

fn described(parts: &FolderParts, which: &[usize], relative: &[f64]) -> Result<Vec<Value>> {
    let names = parts.train.images().class_names();
    which
        .iter()
        .map(|&i| {
            let (image, area) = parts.train.part(i);
            let name = |label: u32| names.get(label as usize).context("a label without a name");
            Ok(json!({
                "id": parts.train_ids[i],
                "file": parts.train.images().path(image),
                "box": area.map(|area| [area.left, area.top, area.width, area.height]),
                "label": name(parts.train.labels()[i])?,
                "truth": name(parts.true_labels[i])?,
                "relative_probability": relative[i],
            }))
        })
        .collect()
}
