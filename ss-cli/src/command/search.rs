//! `swift-sampler search`: learn a sampler for a dataset.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ss_approx::{Device, Score};
use ss_cli::method::{self, Event, MethodResult, Search};
use ss_cli::progress::{Progress, print};
use ss_cli::provenance::Provenance;
use ss_cli::report::{SearchPage, SearchRecord};
use ss_cli::{
    AnnotatedLabels, DeviceFlags, Experiment, ExperimentConfig, Method, NoiseSource, Recipe, SearchJournal,
    Setup, ValidationLabels, artifact,
};
use ss_data::{Dataset, DatasetKind, JournalFile, LabelNoise, NoiseKind};
use ss_models::NetworkSpec;
use ss_sampler::{SamplerSpec, Transform, describe};
use ss_seed::Seed;

/// Flags of `search`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// digits (embedded), fashion-mnist, cifar10 or cifar100
    #[arg(long)]
    dataset: DatasetKind,
    /// Folder that holds the dataset [default: the place where its package installs it]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where sampler.json, weights.parquet, features.parquet, rule.svg, summary.md and report.html go, and
    /// study.log, the trials as they are made: the same command continues a search that was cut short
    #[arg(long, default_value = "swift-sampler-out")]
    out: PathBuf,
    /// Make this share of the training labels wrong first, in [0, 1): to study the method
    #[arg(long, default_value_t = 0.0)]
    noise: f64,
    /// symmetric, symmetric-inclusive or pair-flip
    #[arg(long, default_value = "symmetric")]
    noise_kind: NoiseKind,
    /// Labels of annotators instead: a file with one class number a line, line i for published training image i
    #[arg(long, conflicts_with_all = ["noise", "noise_kind"])]
    noise_file: Option<PathBuf>,
    /// Whether validation labels carry the same noise
    #[arg(long, value_enum, default_value = "noisy")]
    val_labels: ValidationLabels,
    /// Training images; 0 takes all that validation leaves
    #[arg(long)]
    train_size: Option<usize>,
    /// Validation images
    #[arg(long)]
    val_size: Option<usize>,
    /// Network: resnet8, resnet8-W1-W2-W3, resnet20, resnet18 to resnet101, mobilenet-v2, seresnext50-32x4d,
    /// wrn-DEPTH-WIDTH, six-conv
    #[arg(long)]
    network: Option<NetworkSpec>,
    /// Epochs of a full training
    #[arg(long)]
    epochs: Option<usize>,
    /// E_o: candidates tried; a larger number continues a search that has ended
    #[arg(long)]
    trials: Option<usize>,
    /// E_f: epochs of a trial, fractions allowed
    #[arg(long)]
    trial_epochs: Option<f64>,
    /// Rules that are trained in full, of which the best on validation data counts
    #[arg(long)]
    finalists: Option<usize>,
    /// The score of a trial: accuracy, likelihood or calibrated
    #[arg(long)]
    score: Option<Score>,
    /// The coordinate that the rule is a function of: cgf (by gradient mass) or cdf (by rank)
    #[arg(long, default_value = "cgf")]
    transform: Transform,
    /// Root of all random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End the search when its model expects next to nothing of another trial (after 20 trials at the least)
    #[arg(long)]
    stop_when_converged: bool,
    /// What --stop-when-converged takes for next to nothing: an expected improvement below so many standard
    /// deviations of the scores seen
    #[arg(long, default_value_t = 0.05, requires = "stop_when_converged")]
    converged_below: f64,
    /// Stop a trial on its way when it is below the median of what the others scored there (after 8 trials)
    #[arg(long)]
    prune: bool,
    /// The share of a trial's steps after which --prune looks at it
    #[arg(long, default_value_t = 0.5, requires = "prune")]
    prune_after: f64,
    #[command(flatten)]
    device: DeviceFlags,
    /// No progress display
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let recipe = recipe(&args)?;
    let made = LabelNoise::new(args.noise_kind, args.noise).context("--noise")?;
    let spec = SamplerSpec::new(["loss", "renormed_entropy"], args.transform)?;
    let dataset = ss_data::load(args.dataset, args.data_dir.as_deref())?;
    let noise = match &args.noise_file {
        Some(path) => NoiseSource::Annotated(AnnotatedLabels::read(path, &dataset)?),
        None => made.into(),
    };
    let (noise_name, noise_digest) = (noise.to_string(), noise.digest());
    let seed = Seed::new(args.seed);
    let config = ExperimentConfig { sizes: recipe.sizes(), noise, validation_labels: args.val_labels };
    let experiment = Experiment::prepare(&dataset, &config, seed)?;
    let devices = args.device.open(args.quiet)?;
    if args.prune && devices.len() > 1 {
        bail!(
            "--prune with {} devices: expected one; which trials are stopped would depend on who is faster",
            devices.len()
        );
    }
    artifact::prepare_folder(&args.out)?;
    let _lock = artifact::lock_folder(&args.out)?;
    let journal = SearchJournal {
        file: JournalFile::new(args.out.join("study.log")),
        settings: settings(&args, &recipe, &spec, &dataset, noise_digest, &devices)?,
    };
    journal.check(&spec, &devices)?;

    let epoch = 1.0 / recipe.train.epochs as f64;
    let trial = recipe.trial_epochs * epoch;
    let progress = Progress::new(1.0 + recipe.finalists as f64 + recipe.trials as f64 * trial, args.quiet);
    let part = progress.part(dataset.name.clone());
    let methods = [Method::Baseline, Method::Ss];
    let setup = Setup {
        experiment: &experiment,
        recipe: &recipe,
        spec: &spec,
        devices: &devices,
        seed,
        journal: Some(&journal),
    };
    let outcome = method::run(setup, &methods, |event| match event {
        Event::Epoch { method, epoch: at, epochs, loss, .. } => {
            part.advance(epoch, &format!("{method}, epoch {at}/{epochs}, loss {loss:.3}"));
        }
        Event::Trial { trial: at, trials, record, best } => {
            part.advance(trial, &format!("trial {at}/{trials} ({}), best so far {best:.4}", record.name));
        }
        Event::Finished { .. } => {}
    })?;
    drop(part);
    progress.finish();
    let search = outcome.search.context("the search left no result")?;
    let summary = summary(&args, &recipe, &experiment, &search, &outcome.results)?;
    let provenance = BTreeMap::from([
        ("dataset".to_owned(), dataset.name.clone()),
        ("train_size".to_owned(), experiment.train.len().to_string()),
        ("network".to_owned(), recipe.network.to_string()),
        ("noise".to_owned(), noise_name),
        ("seed".to_owned(), args.seed.to_string()),
        ("reference_epoch".to_owned(), search.uniform.reference_epoch.to_string()),
        ("swift_sampler".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    let report = report(&setup, args.dataset, &search, &outcome.results, &journal.settings_on(&devices))?;
    artifact::write_search(&args.out, &experiment, &spec, &search, provenance, &summary, &report)?;
    print(&format!(
        "{summary}\nWritten to {}: sampler.json, weights.parquet, features.parquet, rule.svg, summary.md, report.html; the \
         trials are in study.log\n",
        args.out.display()
    ))?;
    Ok(())
}

/// The dataset's recipe with the flags in place, checked.
fn recipe(args: &Args) -> Result<Recipe> {
    let mut recipe = Recipe::for_dataset(args.dataset);
    if let Some(epochs) = args.epochs {
        recipe.set_epochs(epochs);
    }
    if let Some(size) = args.train_size {
        recipe.set_train_size(size);
    }
    recipe.validation_size = args.val_size.unwrap_or(recipe.validation_size);
    recipe.trials = args.trials.unwrap_or(recipe.trials);
    recipe.trial_epochs = args.trial_epochs.unwrap_or(recipe.trial_epochs);
    recipe.finalists = args.finalists.unwrap_or(recipe.finalists);
    recipe.score = args.score.unwrap_or(recipe.score);
    if let Some(network) = &args.network {
        recipe.network = network.clone();
    }
    recipe.converged_below = args.stop_when_converged.then_some(args.converged_below);
    recipe.prune_after = args.prune.then_some(args.prune_after);
    // Checked here and not only where they are used, which is after a full training.
    recipe.check()?;
    Ok(recipe)
}

/// Everything on which the trials of this search depend. Not how many there are: a search may be continued.
fn settings(
    args: &Args,
    recipe: &Recipe,
    spec: &SamplerSpec,
    dataset: &Dataset,
    labels: Option<u64>,
    devices: &[Device],
) -> Result<Value> {
    let mut recipe = serde_json::to_value(recipe)?;
    if let Value::Object(recipe) = &mut recipe {
        recipe.remove("trials");
        recipe.remove("finalists");
        recipe.remove("converged_below");
    }
    let mut settings = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "data_digest": format!("{:016x}", dataset.digest()),
        "dataset": args.dataset,
        "noise": args.noise,
        "noise_kind": args.noise_kind,
        "optimiser": "bo",
        "recipe": recipe,
        "seed": args.seed,
        "spec": spec,
        "validation_labels": args.val_labels,
    });
    if let (Some(digest), Value::Object(settings)) = (labels, &mut settings) {
        settings.insert("noise_file".into(), format!("{digest:016x}").into());
    }
    if let (Some(arithmetic), Value::Object(settings)) =
        (devices.first().and_then(Device::arithmetic), &mut settings)
    {
        settings.insert("device".into(), arithmetic.into());
    }
    Ok(settings)
}

/// `report.html`.
fn report(
    setup: &Setup,
    dataset: DatasetKind,
    search: &Search,
    results: &[MethodResult],
    settings: &Value,
) -> Result<String> {
    let record = SearchRecord::new(setup, dataset, search, results)?;
    let mut settings = settings.clone();
    settings["recipe"]["trials"] = json!(setup.recipe.trials);
    let provenance = Provenance::collect("swift-sampler");
    Ok(SearchPage { record: &record, settings: &settings, provenance: &provenance }.html()?)
}

fn summary(
    args: &Args,
    recipe: &Recipe,
    experiment: &Experiment,
    search: &Search,
    results: &[MethodResult],
) -> Result<String> {
    let Search { uniform, outcome } = search;
    let chosen = &outcome.trials[outcome.choice.trial];
    let stopped = match outcome.trials.iter().filter(|trial| trial.pruned.is_some()).count() {
        0 => String::new(),
        count => format!(" ({count} of them stopped on the way)"),
    };
    let mut out = format!(
        "# Sampler for {}\n\n{} training images, {} validation images, {} of {} epochs; features read after \
         epoch {}, trials start after epoch {}.\n{} trials{stopped}, {:.2} full trainings beyond the uniform run.\n\n",
        args.dataset,
        experiment.train.len(),
        experiment.validation.len(),
        recipe.network,
        recipe.train.epochs,
        uniform.reference_epoch,
        uniform.start.epoch(),
        outcome.trials.len(),
        outcome.cost,
    );
    if outcome.choice.trial == 0 {
        out += &uniform_in_words(recipe, results);
    } else {
        out += &format!(
            "Chosen: {} (trial {}), {} {:+.4} +- {:.4} over uniform sampling on the validation set.\n\n",
            chosen.name,
            outcome.choice.trial + 1,
            recipe.score,
            outcome.choice.gain,
            outcome.choice.standard_error,
        );
    }
    out += &format!("{}\n\n", describe(&outcome.ranked, &outcome.params)?);
    out += "| method | test top-1 | epoch of best validation |\n| ---: | ---: | ---: |\n";
    for result in results {
        out += &format!("| {} | {:.2} | {:.2} |\n", result.method, result.top1_last, result.top1_best);
    }
    Ok(out)
}

/// Why uniform sampling was chosen.
fn uniform_in_words(recipe: &Recipe, results: &[MethodResult]) -> String {
    let Some(found) = results.iter().find_map(|result| result.search.as_ref()) else { return String::new() };
    let best = format!(
        "Chosen: uniform sampling. The best rule ({}) gained {:+.4} +- {:.4} ({}) in its trial, but",
        found.chosen, found.gain, found.standard_error, recipe.score
    );
    match found.final_gain {
        Some(gain) => format!(
            "{best} the model trained under it was not clearly more accurate than the baseline on the validation set \
             ({:+.2} points).\n\n",
            100.0 * gain
        ),
        None if found.diverged() => format!("{best} the training under it diverged.\n\n"),
        None => format!(
            "Chosen: uniform sampling. The rule that the search recommends did not gain more than {} standard errors \
             over it on the validation set.\n\n",
            recipe.caution
        ),
    }
}
