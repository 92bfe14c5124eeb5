//! Weights and draws of very many rows in memory, beside NumPy and PyTorch, and `apply` on files.

mod apply;
mod case;
mod data;
mod frequencies;
mod generate;
mod measure;
mod peers;
mod row;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use ss_seed::Seed;

use case::Case;
use row::{Measured, Peer, Row};

/// Flags of `bench scale`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Only these cases
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',')]
    case: Vec<Case>,
    /// Rows, or draws, of a case
    #[arg(long, default_value = "1e8", value_parser = count)]
    rows: usize,
    /// Python with NumPy and PyTorch, for the peers [without it, no peer is measured]
    #[arg(long)]
    python: Option<String>,
    /// Repetitions on both sides; the fastest counts
    #[arg(long, default_value_t = 1)]
    reps: usize,
    /// Only make a dataset of so many rows, in --out
    #[arg(long, value_name = "ROWS", value_parser = count, conflicts_with = "case")]
    make: Option<usize>,
    /// The folder for the dataset and the results of `apply`: about 28 bytes a row; the dataset stays there
    #[arg(long, default_value = "runs/scale")]
    out: PathBuf,
    /// Files of a dataset
    #[arg(long, default_value_t = 16)]
    files: u64,
    /// Measures one case in this process and prints our side alone
    #[arg(long, hide = true)]
    in_process: bool,
}

/// A count such as `1000000` or `1e8`.
fn count(text: &str) -> Result<usize, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number such as 1e8".to_owned())?;
    if value.fract() != 0.0 || !(1000.0..=1e10).contains(&value) {
        return Err("expected a whole number from 1e3 to 1e10".to_owned());
    }
    Ok(value as usize)
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.reps == 0 || args.files == 0 {
        bail!("--reps and --files: expected at least 1");
    }
    if let Some(rows) = args.make {
        generate::write_dataset(&args.out, rows as u64, args.files, Seed::new(0))?;
        return Ok(());
    }
    let cases = if args.case.is_empty() { Case::value_variants() } else { &args.case };
    if args.in_process {
        for &case in cases {
            println!("{}", serde_json::to_string(&measure::measure(case, args.rows, args.reps)?)?);
        }
        return Ok(());
    }
    if args.python.is_none() {
        eprintln!("peers are not measured: name a Python that has NumPy and PyTorch with --python");
    }
    if !args.json {
        println!("{}", row::HEADER);
    }
    let mut stream = None;
    for &case in cases {
        if case == Case::Apply {
            let (ours, peer) = apply::measure(&args.out, args.rows as u64, args.files, args.reps)?;
            println!("{}", row::line(&Row::new(&ours, Some(&peer)), args.json)?);
            continue;
        }
        let ours = measure_in_child(case, args)?;
        let mut beside = Vec::new();
        if let Some(python) = &args.python {
            beside = peers::measure(python, case, args.rows, args.reps)?;
        }
        if case == Case::Stream {
            stream = Some(Peer {
                peer: "reading the columns".into(),
                rows: ours.rows,
                seconds: Some(ours.seconds),
                reason: None,
            });
        }
        if matches!(case, Case::Weights | Case::Candidate | Case::Score) {
            beside.extend(stream.clone());
        }
        let rows = match beside.as_slice() {
            [] => vec![Row::new(&ours, None)],
            peers => peers.iter().map(|peer| Row::new(&ours, Some(peer))).collect(),
        };
        for row in rows {
            println!("{}", row::line(&row, args.json)?);
        }
    }
    Ok(())
}

/// Measures in a process of its own, so that peak memory is this case's.
fn measure_in_child(case: Case, args: &Args) -> Result<Measured> {
    let exe = std::env::current_exe().context("finding this program")?;
    let output = Command::new(exe)
        .args(["bench", "scale", "--in-process", "--case", &case.name()])
        .args(["--rows", &args.rows.to_string(), "--reps", &args.reps.to_string()])
        .output()?;
    if !output.status.success() {
        bail!("{}: {}", case.name(), String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("reading the measurement of another process")
}
