//! `swift-sampler apply`: probabilities for examples that the search never saw.

use std::path::PathBuf;

use anyhow::{Context, Result};
use ss_cli::artifact;
use ss_cli::progress::print;
use ss_data::{NumericTable, Weights};

use super::input::FeatureArgs;

/// Flags of `apply`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The learned rule, as `search` wrote it
    sampler: PathBuf,
    #[command(flatten)]
    features: FeatureArgs,
    /// Where the probabilities go: Parquet (id, probability), or NPY (float64, in the order of the rows)
    #[arg(long, default_value = "weights.parquet")]
    out: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<()> {
    Weights::check_name(&args.out).context("--out")?;
    let sampler = artifact::read_sampler(&args.sampler)?;
    let names: Vec<&str> = sampler.spec().features().iter().map(String::as_str).collect();
    let input = args.features.open()?;
    let table = NumericTable::read_input(&input, args.features.id_column(), &names)?;
    let columns: Vec<&[f32]> = table.columns.iter().map(|(_, values)| values.as_slice()).collect();
    let weights = sampler.score(&columns).with_context(|| input.place_name())?;
    let (n, effective) = (weights.len(), weights.effective_sample_size());
    let never = n - weights.positive();
    Weights::new(table.ids, weights.probabilities())?.write(&args.out)?;
    print(&format!(
        "{n} examples: effective sample size {effective:.0} ({:.0}%), {never} never drawn; written to {}\n",
        100.0 * effective / n as f64,
        args.out.display()
    ));
    Ok(())
}
