//! `swift-sampler features`: the features of examples from the logits of any network.

use std::path::PathBuf;

use anyhow::{Result, bail};
use ss_cli::from_logits::{LogitColumns, write_features};
use ss_cli::progress::print;
use ss_data::TableFormat;
use ss_features::FeatureKind;

use super::input::{InputArgs, check_not_read};

/// Flags of `features`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Parquet, NPY, NPZ or CSV files with the logits and labels of the same examples, row by row; `-` is standard
    /// input. The column of an NPY file has the name of the file
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The logits: a column of vectors (a two-dimensional array, a list column), or what the names of the columns
    /// of the classes begin with
    #[arg(long, default_value = "logits")]
    logits: String,
    /// The labels: class numbers from 0
    #[arg(long, default_value = "labels")]
    labels: String,
    /// The norm of the input of the last linear layer; without it `grad_norm` is the gradient in the logits
    #[arg(long)]
    hidden_norm: Option<String>,
    /// The identifiers of the examples [default: row numbers from 0]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    /// Where the features go (Parquet: id and one column a feature)
    #[arg(long, default_value = "features.parquet")]
    out: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<()> {
    if TableFormat::of_name(&args.out) != Some(TableFormat::Parquet) {
        bail!(
            "--out {}: features are written as Parquet; expected a name that ends in .parquet",
            args.out.display()
        );
    }
    check_not_read("--out", &args.out, args.inputs.iter().map(PathBuf::as_path))?;
    let input = args.input.open(&args.inputs)?;
    let (hidden_norm, id) = (args.hidden_norm.as_deref(), args.id.as_deref());
    let columns = LogitColumns::find(&input, &args.logits, &args.labels, hidden_norm, id)?;
    let rows = write_features(&input, &columns, &args.out)?;
    let names = FeatureKind::ALL.map(FeatureKind::name).join(", ");
    print(&format!("{rows} examples: {names}; written to {}\n", args.out.display()))?;
    Ok(())
}
