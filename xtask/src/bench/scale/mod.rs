//! `cargo xtask bench scale`: datasets that do not fit into memory.

mod apply;
mod generate;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use ss_seed::Seed;

/// Flags of `bench scale`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is measured
    #[arg(long, value_enum, required_unless_present = "make")]
    case: Option<Case>,
    /// Rows of the dataset
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Only make a dataset of so many rows, in --out
    #[arg(long, value_name = "ROWS", conflicts_with = "case")]
    make: Option<u64>,
    /// The folder for datasets and results: about 28 bytes a row
    #[arg(long, default_value = "runs/scale")]
    out: PathBuf,
    /// Files of a dataset
    #[arg(long, default_value_t = 16)]
    files: u64,
    /// Measurements of each in turn; the fastest counts
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Case {
    /// `swift-sampler apply --refit` by sketches
    Apply,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.files == 0 || args.rounds == 0 || args.make.unwrap_or(args.rows) < args.files {
        bail!("--files and --rounds: expected at least 1, and as many rows as files");
    }
    if let Some(rows) = args.make {
        generate::write_dataset(&args.out, rows, args.files, Seed::new(0))?;
        return Ok(());
    }
    std::fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    // Cargo puts both programs into one folder.
    let program = std::env::current_exe()?.with_file_name("swift-sampler");
    match args.case {
        Some(Case::Apply) | None => {
            let row = apply::measure(&program, &args.out, args.rows, args.files, args.rounds)?;
            println!("{}", serde_json::to_string(&row)?);
        }
    }
    Ok(())
}
