//! `swift-sampler apply`: probabilities for examples that the search never saw.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ss_cli::artifact::{read_sampler, write_text};
use ss_cli::progress::print;
use ss_cli::scoring::{Ids, in_memory, passes, summary, weights};
use ss_data::{Shards, Weights};
use ss_sampler::{Sampler, SketchPlan};

use super::input::RowArgs;
use super::sketch::read_sketch;

/// Flags of `apply`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The learned rule, as `search` wrote it
    sampler: PathBuf,
    #[command(flatten)]
    rows: RowArgs,
    /// Rank the rows among themselves, and not by the distributions that the rule was learned on: needs the column
    /// `grad_norm` too, unless the sampler's transform is cdf
    #[arg(long)]
    refit: bool,
    /// Rank this many rows exactly, in memory; more by sketches, whose error is stated
    #[arg(long, value_name = "ROWS", default_value_t = 1 << 22, requires = "refit")]
    exact_rows: u64,
    /// Take distributions and sum of the weights from this complete sketch of the whole dataset, of which these rows are a
    /// part
    #[arg(long, conflicts_with = "refit")]
    sketch: Option<PathBuf>,
    /// Write the rule with the distributions of these rows
    #[arg(long, value_name = "FILE")]
    save_sampler: Option<PathBuf>,
    /// Where the probabilities go: Parquet (id, probability), or NPY (float64, in the order of the rows)
    #[arg(long, default_value = "weights.parquet")]
    out: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<()> {
    Weights::check_name(&args.out).context("--out")?;
    if args.save_sampler.is_some() && !args.refit && args.sketch.is_none() {
        bail!(
            "--save-sampler: the distributions are those of the sampler already; expected --refit or --sketch"
        );
    }
    let others: Vec<&Path> = std::iter::once(args.sampler.as_path()).chain(args.sketch.as_deref()).collect();
    args.rows.check_output("--out", &args.out, &others)?;
    if let Some(path) = &args.save_sampler {
        // The rule may replace itself.
        args.rows.check_output("--save-sampler", path, &[args.out.as_path()])?;
    }
    let sampler = read_sampler(&args.sampler)?;
    let (shards, ids) = (args.rows.open()?, args.rows.ids());
    if args.refit
        && let Some(table) = in_memory::read(&sampler, &shards, &ids, args.exact_rows)?
    {
        return exact(&args, &sampler, table);
    }
    let plan = match &args.sketch {
        Some(path) => complete(path, sampler, &shards)?,
        None if args.refit => {
            let tell = |plan: &SketchPlan| {
                let next = plan.pass().map_or("weights", |pass| pass.name());
                eprintln!("pass done; rank error {:.1e}; next: {next}", plan.rank_error());
            };
            passes::make_all(SketchPlan::refit(sampler), &shards, tell)?
        }
        None => passes::make_all(SketchPlan::stored(sampler), &shards, |_| ())?,
    };
    let Some((sampler, totals)) = plan.scoring() else { bail!("the passes are not complete") };
    let rows = match args.sketch {
        None => totals.rows(),
        Some(_) => weights::count_rows(&shards, sampler)?,
    };
    let unique = weights::write(&args.out, &shards, &ids, sampler, totals, rows)?;
    if let Some(path) = &args.save_sampler {
        save(path, sampler)?;
    }
    let mut text = summary(totals.rows(), totals.effective_sample_size(), totals.positive());
    if args.sketch.is_some() {
        text += &format!("; {rows} of them");
    }
    text += &format!("; written to {}", args.out.display());
    if args.refit || plan.rank_error() > 0.0 {
        text += &format!(
            "; ranks by sketches, off by at most {:.1e}, and by at most {:.1e} more between the points of their tables",
            plan.rank_error(),
            SketchPlan::TABLE_ERROR
        );
    }
    if !unique {
        text += "; identifiers are neither in order nor few: not checked to be unique";
    }
    print(&(text + "\n"))?;
    Ok(())
}

/// Ranks exactly.
fn exact(args: &Args, sampler: &Sampler, table: in_memory::Table) -> Result<()> {
    let weights = table.weights(sampler)?;
    let refitted =
        args.save_sampler.as_deref().map(|path| Ok::<_, anyhow::Error>((path, table.refit(sampler)?)));
    let refitted = refitted.transpose()?;
    table.into_weights(&weights)?.write(&args.out)?;
    if let Some((path, refitted)) = refitted {
        save(path, &refitted)?;
    }
    let text = summary(weights.len() as u64, weights.effective_sample_size(), weights.positive() as u64);
    print(&format!("{text}; written to {}; ranks are exact\n", args.out.display()))?;
    Ok(())
}

fn save(path: &Path, sampler: &Sampler) -> Result<()> {
    Ok(write_text(path, &(sampler.to_json()? + "\n"))?)
}

/// What a complete sketch knows, when it is one for this sampler and these shards.
fn complete(path: &Path, sampler: Sampler, shards: &Shards) -> Result<SketchPlan> {
    let sketch = read_sketch(path)?;
    sketch.plan().check_sampler(&sampler).with_context(|| path.display().to_string())?;
    for input in passes::inputs(shards)? {
        if !sketch.inputs().contains(&input) {
            bail!(
                "{}: {} has not been counted; give a part of the dataset that was sketched, unchanged",
                path.display(),
                input.name
            );
        }
    }
    let plan: Arc<SketchPlan> = Arc::clone(sketch.plan());
    let plan = plan.after(&sketch).with_context(|| path.display().to_string())?;
    if let Some(pass) = plan.pass() {
        bail!(
            "{}: not complete: the pass `{pass}` is next; make it by `swift-sampler sketch pass --after {}`",
            path.display(),
            path.display()
        );
    }
    Ok(plan)
}

impl RowArgs {
    fn ids(&self) -> Ids {
        self.id_column().map_or(Ids::RowNumbers(self.first_row()), |name| Ids::Column(name.to_owned()))
    }
}
