//! `swift-sampler draw`: the order of an epoch as a file, for any training program.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use ss_cli::progress::print;
use ss_data::{ID_COLUMN, IndexFormat, PROBABILITY_COLUMN, TableInput, write_indices, write_indices_to};
use ss_sampler::{Draw, DrawMode, EpochPlan, Remainder, Weights};
use ss_seed::Seed;

use super::input::{InputArgs, check_not_read};

/// Flags of `draw`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Weights, one a row: a NumPy array of one dimension, or Parquet or CSV with a column `probability` or `weight`.
    /// They need not sum to 1. Other weights may be given for other epochs
    #[arg(long, required = true, num_args = 1..)]
    weights: Vec<PathBuf>,
    /// The column of the weights [default: `probability`, `weight`, or the only one there is]
    #[arg(long)]
    column: Option<String>,
    /// Write the identifiers of the examples and not their row numbers
    #[arg(long)]
    ids: bool,
    /// The column of the identifiers
    #[arg(long, default_value = ID_COLUMN, requires = "ids")]
    id_column: String,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    plan: PlanArgs,
    /// Root of all random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the indices go; `-` is standard output, with --format
    #[arg(long)]
    out: PathBuf,
}

/// Which plan is drawn, which part of it is written, and how.
#[derive(clap::Args)]
pub(crate) struct PlanArgs {
    /// How examples are drawn
    #[arg(long, value_enum, default_value = "systematic")]
    mode: Mode,
    /// Draws of an epoch, of all ranks together [default: as many as there are examples]
    #[arg(long)]
    count: Option<usize>,
    /// The epoch: each has an order of its own
    #[arg(long, default_value_t = 0)]
    epoch: u64,
    /// Write the part of this process alone, of --world that train together: draws RANK, RANK + WORLD, ...
    #[arg(long, requires = "world")]
    rank: Option<usize>,
    /// How many processes train together
    #[arg(long, requires = "rank")]
    world: Option<usize>,
    /// When the draws do not divide evenly over the processes: drop the last ones, so that no draw occurs twice, or
    /// pad with the first ones, so that none is missing. All parts have the same length
    #[arg(long, value_enum, default_value = "drop")]
    remainder: RemainderArg,
    /// Skip the first draws of this part: those that were used before training stopped
    #[arg(long, default_value_t = 0)]
    resume_from: usize,
    /// Refuse to write when the plan is not the one that had this fingerprint
    #[arg(long)]
    fingerprint: Option<String>,
    /// npy (int64), parquet or raw (little-endian uint64) [default: by the name of the file]
    #[arg(long)]
    format: Option<IndexFormat>,
}

/// How examples are drawn.
#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Each example as often as expected, up to less than one
    Systematic,
    /// Independent draws
    Multinomial,
    /// Each example at most once, in the shuffled order of the epoch
    WithoutReplacement,
}

#[derive(Clone, Copy, ValueEnum)]
enum RemainderArg {
    Drop,
    Pad,
}

/// The part of a plan that is to be written.
pub(crate) struct Part {
    draws: Vec<Draw>,
    /// Draws of the whole plan.
    planned: usize,
    /// Stands for the whole plan.
    pub(crate) fingerprint: String,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let format = args.plan.format(&args.out)?;
    if !is_stdout(&args.out) {
        check_not_read("--out", &args.out, args.weights.iter().map(PathBuf::as_path))?;
    }
    let input = args.input.open(&args.weights)?;
    let column = args.column.clone().unwrap_or_else(|| weight_column(&input));
    let weights = Weights::new(input.numbers(&column)?).with_context(|| input.place_name())?;
    let ids = if args.ids { Some(input.identifiers(&args.id_column)?) } else { None };
    let examples = weights.len();
    let part = args.plan.draw(&weights, args.seed)?;
    args.plan.write(&part, ids.as_deref(), &args.out, format)?;
    let report = format!(
        "{} of {} draws of epoch {} from {examples} examples; plan {}\n",
        part.draws.len(),
        part.planned,
        args.plan.epoch,
        part.fingerprint
    );
    if is_stdout(&args.out) {
        eprint!("{report}");
    } else {
        print(&report)?;
    }
    Ok(())
}

/// The column that holds the weights of a table that another program wrote.
pub(super) fn weight_column(input: &TableInput) -> String {
    let names = input.column_names();
    let known = [PROBABILITY_COLUMN, "weight"].into_iter().find(|known| names.iter().any(|n| n == known));
    match (known, names.as_slice()) {
        (Some(known), _) => known.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => PROBABILITY_COLUMN.to_owned(),
    }
}

impl PlanArgs {
    /// The format of the file `out`: to be asked before the work.
    pub(crate) fn format(&self, out: &Path) -> Result<IndexFormat> {
        match self.format {
            Some(format) => Ok(format),
            None => Ok(IndexFormat::of_name(out).context("--format")?),
        }
    }

    /// The part that is asked for of the plan under these weights; what fails here fails for the flags or the
    /// weights.
    pub(crate) fn draw(&self, weights: &Weights, seed: u64) -> Result<Part> {
        let mode = match self.mode {
            Mode::Systematic => DrawMode::Systematic,
            Mode::Multinomial => DrawMode::Multinomial,
            Mode::WithoutReplacement => DrawMode::WithoutReplacement,
        };
        let count = match (self.count, mode) {
            (Some(count), _) => count,
            (None, DrawMode::WithoutReplacement) => weights.positive(),
            (None, _) => weights.len(),
        };
        // The stream that orders the epochs of our own training.
        let stream = Seed::new(seed).stream("epoch-order");
        let plan = EpochPlan::draw(mode, weights, count, stream, self.epoch)?;
        let fingerprint = format!("{:016x}", plan.fingerprint());
        let planned = plan.len();
        let plan = match (self.rank, self.world) {
            (Some(rank), Some(world)) => {
                let remainder = match self.remainder {
                    RemainderArg::Drop => Remainder::Drop,
                    RemainderArg::Pad => Remainder::Pad,
                };
                plan.shard(rank, world, remainder)?
            }
            _ => plan,
        };
        let Some(rest) = plan.draws().get(self.resume_from..) else {
            anyhow::bail!(
                "--resume-from {}: expected at most the {} draws of this part",
                self.resume_from,
                plan.len()
            );
        };
        Ok(Part { draws: rest.to_vec(), planned, fingerprint })
    }

    /// Writes a part: row numbers, or `ids` in their place.
    pub(crate) fn write(
        &self,
        part: &Part,
        ids: Option<&[u64]>,
        out: &Path,
        format: IndexFormat,
    ) -> Result<()> {
        let fingerprint = &part.fingerprint;
        if let Some(expected) = &self.fingerprint
            && expected != fingerprint
        {
            anyhow::bail!(
                "this plan has the fingerprint {fingerprint}, not {expected}: repeat the weights, --mode, --count, \
                 --seed and --epoch that it was made with"
            );
        }
        let column = if ids.is_some() { ID_COLUMN } else { "index" };
        let index = |draw: &Draw| match ids {
            Some(ids) => ids[draw.example()],
            None => draw.example() as u64,
        };
        let indices = part.draws.iter().map(index);
        if is_stdout(out) {
            let mut stdout = std::io::BufWriter::new(std::io::stdout());
            write_indices_to(&mut stdout, format, column, indices)
                .and_then(|()| stdout.flush())
                .context("cannot write to standard output")?;
        } else {
            write_indices(out, format, column, indices)?;
        }
        Ok(())
    }
}

pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}
