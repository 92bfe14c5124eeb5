//! `swift-sampler apply`: probabilities for examples that the search never saw.

use std::path::PathBuf;

use anyhow::{Context, Result};
use ss_cli::progress::print;
use ss_cli::{Error, artifact};
use ss_data::NumericTable;

/// Flags of `apply`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The learned rule, as `search` wrote it
    sampler: PathBuf,
    /// Parquet file with an id column and one column for each feature of the sampler
    #[arg(long)]
    features: PathBuf,
    /// Name of the id column
    #[arg(long, default_value = ss_data::ID_COLUMN)]
    id_column: String,
    /// Where the probabilities go (Parquet: id, probability)
    #[arg(long, default_value = "weights.parquet")]
    out: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let sampler = artifact::read_sampler(&args.sampler)?;
    let names: Vec<&str> = sampler.spec().features().iter().map(String::as_str).collect();
    let table = NumericTable::read_parquet_columns(&args.features, &args.id_column, &names)?;
    let columns = names
        .iter()
        .map(|name| {
            table.column(name).ok_or_else(|| Error::MissingColumn {
                path: args.features.clone(),
                column: (*name).to_owned(),
                found: table.columns.iter().map(|(name, _)| name.clone()).collect(),
            })
        })
        .collect::<ss_cli::Result<Vec<_>>>()?;
    let weights = sampler.score(&columns).with_context(|| args.features.display().to_string())?;
    let (n, effective) = (weights.len(), weights.effective_sample_size());
    let never = n - weights.positive();
    artifact::write_weights(&args.out, table.ids, &weights)?;
    print(&format!(
        "{n} examples: effective sample size {effective:.0} ({:.0}%), {never} never drawn; written to {}\n",
        100.0 * effective / n as f64,
        args.out.display()
    ));
    Ok(())
}
