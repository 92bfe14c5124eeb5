//! `swift-sampler study`: ask and tell, for trials that other programs run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::json;
use ss_bo::{Outcome, TrialId};
use ss_cli::external_study::{ExternalStudy, Observed, StudyConfig, SuggestedTrial};
use ss_cli::progress::{hand_over, print};
use ss_cli::study::LeaseHistory;
use ss_cli::{artifact, picture};
use ss_data::{IndexFormat, TableInput, Weights};
use ss_sampler::{Transform, describe};

use super::draw::{Part, PlanArgs, is_stdout};
use super::input::{FeatureArgs, check_not_read, same_place};

/// What `suggest` ends with when the study has no trial left to give.
const NOTHING_LEFT: u8 = 3;

/// Subcommands of `study`.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a study in a folder, from the features of the training examples
    New(NewArgs),
    /// Ask for a trial: prints its number, and writes the weights to train with; exit code 3 when none is left
    Suggest(SuggestArgs),
    /// Tell the score of a trial, or that it failed
    Observe(ObserveArgs),
    /// Show where the study stands
    Status(ShowArgs),
    /// Show the rule to use, beside uniform sampling
    Best(BestArgs),
    /// Write the rule to use: sampler.json, weights.parquet, rule.svg and summary.md
    Export(ExportArgs),
}

/// Flags of `study new`.
#[derive(clap::Args)]
pub(crate) struct NewArgs {
    /// The study's folder; where it has the same study already, only --trials is changed
    dir: PathBuf,
    #[command(flatten)]
    features: FeatureArgs,
    /// Number of trials [default: 30; of an existing study what it was]
    #[arg(long)]
    trials: Option<usize>,
    /// The coordinate that the rule is a function of: cgf (by gradient mass, needs the column `grad_norm`) or cdf (by
    /// rank)
    #[arg(long, default_value = "cgf")]
    transform: Transform,
    /// Root of all random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Flags of `study suggest`.
#[derive(clap::Args)]
#[command(mut_group("PlanArgs", |group| group.requires("draw")))]
pub(crate) struct SuggestArgs {
    /// The study's folder
    dir: PathBuf,
    /// This worker's name, no other's: one that died and asks again gets its trial back [default: a new name]
    #[arg(long)]
    worker: Option<String>,
    /// Seconds after which the trial is given to another worker when there is no score
    #[arg(long, default_value_t = 86_400.0)]
    lease: f64,
    /// Write the trial's weights: Parquet (id, probability) or NPY (float64, in the order of the features' rows)
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Write the order of an epoch under them, as `draw` does
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Write identifiers in --draw and not row numbers
    #[arg(long, requires = "draw")]
    ids: bool,
    /// Print a JSON object in place of the number
    #[arg(long)]
    json: bool,
}

/// Flags of `study observe`.
#[derive(clap::Args)]
pub(crate) struct ObserveArgs {
    /// The study's folder
    dir: PathBuf,
    /// The trial's number
    id: u64,
    /// Its score: larger is better
    #[arg(allow_hyphen_values = true, required_unless_present_any = ["failed", "example_scores"])]
    score: Option<f64>,
    /// The standard error of the score, where it differs between trials: the model trusts the score less
    #[arg(long, requires = "score", conflicts_with_all = ["example_scores", "failed"], allow_hyphen_values = true)]
    standard_error: Option<f64>,
    /// The score of each validation example, in the same order for all trials: an array or a table of one column. The
    /// trial's score is their mean, and `best` compares trials example by example
    #[arg(long, value_name = "FILE", conflicts_with = "score")]
    example_scores: Option<PathBuf>,
    /// The trial gave no score, for this reason
    #[arg(long, value_name = "REASON", conflicts_with_all = ["score", "example_scores"])]
    failed: Option<String>,
}

/// Flags of `study status`.
#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    /// The study's folder
    dir: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Flags of `study best`.
#[derive(clap::Args)]
pub(crate) struct BestArgs {
    #[command(flatten)]
    show: ShowArgs,
    /// Standard errors that the best rule must gain over uniform sampling to be preferred to it
    #[arg(long, default_value_t = 1.0)]
    caution: f64,
}

/// Flags of `study export`.
#[derive(clap::Args)]
pub(crate) struct ExportArgs {
    /// The study's folder
    dir: PathBuf,
    /// Where the files go
    #[arg(long)]
    out: PathBuf,
    /// Standard errors that the best rule must gain over uniform sampling to be preferred to it
    #[arg(long, default_value_t = 1.0)]
    caution: f64,
    /// Export the rule of this trial, whatever `best` says
    #[arg(long)]
    trial: Option<u64>,
}

pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::New(args) => new(args),
        Command::Suggest(args) => return suggest(args),
        Command::Observe(args) => observe(args),
        Command::Status(args) => status(args),
        Command::Best(args) => best(args),
        Command::Export(args) => export(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn new(args: NewArgs) -> Result<()> {
    let input = args.features.open()?;
    let config = StudyConfig { trials: args.trials, transform: args.transform, seed: args.seed };
    let study = ExternalStudy::create(&args.dir, &input, args.features.id_column(), &config)?;
    let status = study.status(now())?;
    print(&format!(
        "{}: a study of {} trials over {} examples, {} trials made\n",
        args.dir.display(),
        status.budget,
        study.ids().len(),
        status.trials.len()
    ))?;
    Ok(())
}

fn suggest(args: SuggestArgs) -> Result<ExitCode> {
    if !(args.lease.is_finite() && args.lease > 0.0 && args.lease < 1e10) {
        anyhow::bail!("--lease {}: expected a positive number of seconds", args.lease);
    }
    // All that can be wrong with the flags, before a trial is taken.
    if let Some(path) = &args.weights {
        Weights::check_name(path).context("--weights")?;
    }
    if args.draw.as_deref().is_some_and(is_stdout) {
        anyhow::bail!("--draw -: standard output holds the number of the trial, give a file");
    }
    let kept = ExternalStudy::files(&args.dir);
    for (flag, out) in [("--weights", &args.weights), ("--draw", &args.draw)] {
        if let Some(out) = out {
            check_not_read(flag, out, kept.iter().map(PathBuf::as_path))?;
        }
    }
    if let (Some(weights), Some(draw)) = (&args.weights, &args.draw)
        && same_place(weights, draw)
    {
        anyhow::bail!("--weights and --draw name one file, {}: choose two", draw.display());
    }
    let format = args.draw.as_deref().map(|path| args.plan.format(path)).transpose()?;
    let now = now();
    let worker =
        args.worker.clone().unwrap_or_else(|| format!("worker-{}-{:x}", std::process::id(), now.as_nanos()));
    let study = ExternalStudy::open(&args.dir, &worker)?;
    if format.is_some() {
        // What cannot be drawn of uniform sampling, the first trial, is the fault of the flags.
        args.plan.draw(&ss_sampler::Weights::uniform(study.ids().len())?, study.seed())?;
    }
    let (trial, part) = loop {
        let Some(trial) = study.suggest(now, Duration::from_secs_f64(args.lease))? else {
            let status = study.status(now)?;
            eprintln!(
                "no trial left: {} of {} are made, {} of them still running; `study new` with a larger --trials adds \
                 more",
                status.trials.len(),
                status.budget,
                status.running
            );
            return Ok(ExitCode::from(NOTHING_LEFT));
        };
        match format.map(|_| args.plan.draw(&trial.weights, study.seed())).transpose() {
            Ok(part) => break (trial, part),
            // Nobody can train under such a rule: given back, it would come again for ever.
            Err(error) => {
                let reason = format!("cannot be drawn: {error:#}");
                eprintln!("trial {} {reason}", trial.id);
                study.observe(trial.id, Outcome::Failed { reason })?;
            }
        }
    };
    let draw = part.as_ref().zip(format);
    let handed_over = write_trial(&args, &study, &trial, draw).and_then(|()| {
        if let LeaseHistory::TakenOver(other) = &trial.history {
            eprintln!("trial {} was abandoned by {other}", trial.id);
        }
        let answer = answer(&args, &worker, now, &trial, part.as_ref());
        hand_over(&answer).context("standard output, which is told the trial")
    });
    match handed_over {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Nobody knows that it was lent.
        Err(error) => Err(match study.give_back(trial.id) {
            Ok(()) => error,
            Err(reason) => error.context(format!("trial {} could not be given back ({reason})", trial.id)),
        }),
    }
}

/// What is printed of a trial that is lent: its number, or a JSON object.
fn answer(
    args: &SuggestArgs,
    worker: &str,
    now: Duration,
    trial: &SuggestedTrial,
    part: Option<&Part>,
) -> String {
    if !args.json {
        return format!("{}\n", trial.id);
    }
    let (taken_from, renewed) = match &trial.history {
        LeaseHistory::TakenOver(other) => (Some(other), false),
        history => (None, *history == LeaseHistory::Renewed),
    };
    let mut line = json!({
        "trial": trial.id,
        "name": trial.name,
        "worker": worker,
        "lease_until": now.as_secs_f64() + args.lease,
        "renewed": renewed,
        "taken_over_from": taken_from,
        "effective_sample_size": trial.weights.effective_sample_size(),
        "weights": args.weights,
        "draw": args.draw,
    });
    if let Some(part) = part {
        line["fingerprint"] = part.fingerprint.as_str().into();
    }
    format!("{line}\n")
}

/// Writes the files of a trial that were asked for.
fn write_trial(
    args: &SuggestArgs,
    study: &ExternalStudy,
    trial: &SuggestedTrial,
    draw: Option<(&Part, IndexFormat)>,
) -> Result<()> {
    if let Some(path) = &args.weights {
        Weights::new(study.ids().to_vec(), trial.weights.probabilities())?.write(path)?;
    }
    let (Some(path), Some((part, format))) = (&args.draw, draw) else { return Ok(()) };
    let ids = args.ids.then(|| study.ids());
    args.plan.write(part, ids, path, format)
}

fn observe(args: ObserveArgs) -> Result<()> {
    let study = ExternalStudy::open(&args.dir, "swift-sampler-study-observe")?;
    let id = TrialId(args.id);
    let observed = match (&args.example_scores, args.score, args.standard_error) {
        (Some(path), ..) => {
            let scores = only_column(path)?;
            study.observe_examples(id, &scores).with_context(|| path.display().to_string())?
        }
        (None, Some(_), Some(error)) if !(error.is_finite() && error >= 0.0) => {
            anyhow::bail!("--standard-error {error}: expected a finite number that is not negative");
        }
        (None, Some(score), Some(error)) => {
            study.observe(id, Outcome::ScoreWithVariance { score, variance: error * error })?
        }
        (None, Some(score), None) => study.observe(id, Outcome::Score(score))?,
        (None, None, _) => {
            study.observe(id, Outcome::Failed { reason: args.failed.clone().unwrap_or_default() })?
        }
    };
    if observed == Observed::Repeated {
        eprintln!("trial {id}: this outcome was recorded before");
    } else if args.score.is_some_and(|score| !score.is_finite()) {
        eprintln!("trial {id}: a score that is not finite is recorded as a failure");
    }
    Ok(())
}

/// The numbers of a file that has one column.
fn only_column(path: &Path) -> Result<Vec<f64>> {
    let input = TableInput::open(&[path.to_owned()], None)?;
    match input.column_names().as_slice() {
        [name] => Ok(input.numbers(name)?),
        names => {
            anyhow::bail!("{}: expected one column of scores, found {}", path.display(), names.join(", "))
        }
    }
}

fn status(args: ShowArgs) -> Result<()> {
    let status = open(&args.dir)?.status(now())?;
    if args.json {
        print(&format!("{}\n", serde_json::to_string(&status)?))?;
    } else {
        print(&status.in_words())?;
    }
    Ok(())
}

fn best(args: BestArgs) -> Result<()> {
    let best = open(&args.show.dir)?.best(args.caution)?;
    if args.show.json {
        print(&format!("{}\n", serde_json::to_string(&best)?))?;
    } else {
        print(&best.in_words())?;
    }
    Ok(())
}

fn export(args: ExportArgs) -> Result<()> {
    let study = open(&args.dir)?;
    let (id, why) = match args.trial {
        Some(id) => (TrialId(id), format!("The rule of trial {id}, as asked for.\n")),
        None => {
            let best = study.best(args.caution)?;
            (best.chosen, best.in_words())
        }
    };
    let (params, weights) = study.rule(id)?;
    let sampler = study.sampler(&params, id)?;
    let svg = picture::draw(study.ranked(), &params, &weights, None)?;
    let summary = format!(
        "# Sampler of the study {}\n\n{why}\n{}\n",
        args.dir.display(),
        describe(study.ranked(), &params)?
    );
    artifact::prepare_folder(&args.out)?;
    artifact::write_weights(&args.out.join("weights.parquet"), study.ids().to_vec(), &weights)?;
    artifact::write_text(&args.out.join("rule.svg"), &svg)?;
    artifact::write_text(&args.out.join("summary.md"), &summary)?;
    artifact::write_text(&args.out.join("sampler.json"), &(sampler.to_json()? + "\n"))?;
    print(&format!(
        "{summary}\nWritten to {}: sampler.json, weights.parquet, rule.svg, summary.md\n",
        args.out.display()
    ))?;
    Ok(())
}

fn open(dir: &Path) -> Result<ExternalStudy> {
    Ok(ExternalStudy::open(dir, "swift-sampler-study")?)
}

/// The time since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
