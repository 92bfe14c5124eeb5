//! `swift-sampler sketch`: passes over a dataset by several processes, each over some of its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ss_cli::artifact::{read_sampler, write_text};
use ss_cli::progress::print;
use ss_cli::scoring::passes;
use ss_sampler::{Sketch, SketchPlan};

use super::input::{ShardArgs, check_not_read};

/// The steps of a sketch.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Count some files of a dataset: one pass over their rows
    Pass(PassArgs),
    /// Put the sketches of one pass together, and say which pass is next
    Merge(MergeArgs),
}

/// Flags of `sketch pass`.
#[derive(clap::Args)]
pub(crate) struct PassArgs {
    /// The learned rule, as `search` wrote it
    sampler: PathBuf,
    #[command(flatten)]
    shards: ShardArgs,
    /// The first pass of ranking the rows among themselves; without it rows are scored by the distributions that the rule
    /// was learned on
    #[arg(long, conflicts_with = "after")]
    refit: bool,
    /// The pass after this sketch of the whole dataset
    #[arg(long, value_name = "SKETCH")]
    after: Option<PathBuf>,
    /// Where the sketch goes
    #[arg(long)]
    out: PathBuf,
}

/// Flags of `sketch merge`.
#[derive(clap::Args)]
pub(crate) struct MergeArgs {
    /// Sketches of one pass over different files
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    /// Where their sum goes
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Pass(args) => pass(&args),
        Command::Merge(args) => merge(&args),
    }
}

fn pass(args: &PassArgs) -> Result<()> {
    let others: Vec<&Path> = std::iter::once(args.sampler.as_path()).chain(args.after.as_deref()).collect();
    args.shards.check_output("--out", &args.out, &others)?;
    let sampler = read_sampler(&args.sampler)?;
    let plan = match &args.after {
        None if args.refit => SketchPlan::refit(sampler),
        None => SketchPlan::stored(sampler),
        Some(path) => {
            let before = read_sketch(path)?;
            before.plan().check_sampler(&sampler).with_context(|| path.display().to_string())?;
            before.plan().after(&before).with_context(|| path.display().to_string())?
        }
    };
    let plan = Arc::new(plan);
    let shards = args.shards.open()?;
    let Some(sketch) = passes::count_recorded(&plan, &shards)? else {
        bail!("no pass is left: score the rows by `swift-sampler apply --sketch`");
    };
    report(&sketch, &args.out)
}

fn merge(args: &MergeArgs) -> Result<()> {
    check_not_read("--out", &args.out, args.parts.iter().map(PathBuf::as_path))?;
    let mut merged: Option<Sketch> = None;
    for path in &args.parts {
        let part = read_sketch(path)?;
        match &mut merged {
            None => merged = Some(part),
            Some(merged) => merged.merge(part).with_context(|| path.display().to_string())?,
        }
    }
    let Some(merged) = merged else { bail!("no sketch to merge") };
    report(&merged, &args.out)
}

/// Writes a sketch and says what it holds, and what comes next if it holds all.
fn report(sketch: &Sketch, out: &Path) -> Result<()> {
    write_text(out, &(sketch.to_json()? + "\n"))?;
    let pass = sketch.plan().pass().map_or("none", |pass| pass.name());
    let next = match sketch.plan().after(sketch) {
        Err(reason) => format!("not the whole dataset: {reason}"),
        Ok(next) => match next.pass() {
            Some(next) => format!("if that is the whole dataset, the next pass is `{next}`"),
            None => "if that is the whole dataset, the sketch is complete".to_owned(),
        },
    };
    let (rows, files) = (sketch.rows(), sketch.inputs().len());
    print(&format!("pass `{pass}`: {rows} rows of {files} files; written to {}; {next}\n", out.display()))?;
    Ok(())
}

/// Reads a sketch.
pub(super) fn read_sketch(path: &Path) -> Result<Sketch> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read {}; check that the path is right and may be read", path.display())
    })?;
    Sketch::from_json(&text).with_context(|| path.display().to_string())
}
