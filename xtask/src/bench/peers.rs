//! Training speed beside PyTorch, in turn A B A B.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::train::{Pass, measure_in_process};
use super::workload::Workload;

/// Flags of `bench peers`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Python with torch installed
    #[arg(long, default_value = "python3")]
    python: String,
    /// Networks [default: those that training here must not be slower on]
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "six-conv,resnet-8,resnet-20,resnet-18,mobilenet-v2,gpt"
    )]
    only: Vec<String>,
    /// Images, or windows of 64 tokens, a step [default: 128, 16 for gpt]
    #[arg(long)]
    batch: Option<usize>,
    /// Rounds of A B
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Repetitions within a round; the fastest counts
    #[arg(long, default_value_t = 5)]
    reps: usize,
}

/// A line of the peer script.
#[derive(Deserialize)]
struct PeerSpeed {
    images_per_second: f64,
    peak_rss_mib: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.rounds == 0 || args.batch == Some(0) || args.reps == 0 {
        bail!("--rounds, --batch and --reps: expected at least 1");
    }
    let probe = Command::new(&args.python)
        .args(["-c", "import torch, platform; print(torch.__version__, 'Python', platform.python_version())"])
        .output();
    let version = match probe {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(_) => return skip(&format!("{} cannot import torch", args.python)),
        Err(error) => return skip(&format!("{} does not run: {error}", args.python)),
    };
    let threads = rayon::current_num_threads();
    println!("A: this project {}; B: PyTorch {version}; {threads} threads", env!("CARGO_PKG_VERSION"));
    println!("network        pass   batch   A images/s   B images/s     ratio   A MiB   B MiB");
    for network in &args.only {
        let batch = args.batch.unwrap_or(Workload::named(network)?.default_batch());
        for pass in [Pass::Train, Pass::Eval] {
            let (mut ours, mut theirs) = (Best::default(), Best::default());
            for _ in 0..args.rounds {
                let a = measure_in_process(network, batch, args.reps, pass)?;
                ours.add(a.images_per_second, a.peak_rss_mib.unwrap_or(f64::NAN));
                for channels_last in [false, true] {
                    let b = peer(args, network, batch, pass, threads, channels_last)?;
                    theirs.add(b.images_per_second, b.peak_rss_mib);
                }
            }
            println!(
                "{network:<14} {:<5} {:>6} {:>12.0} {:>12.0} {:>9.2} {:>7.0} {:>7.0}",
                format!("{pass:?}").to_lowercase(),
                batch,
                ours.speed,
                theirs.speed,
                ours.speed / theirs.speed,
                ours.memory,
                theirs.memory
            );
        }
    }
    Ok(())
}

fn skip(reason: &str) -> Result<()> {
    println!("skipped: {reason}; install it with `pip install torch` and name it with --python");
    Ok(())
}

/// The fastest of several runs, and that run's memory.
#[derive(Default)]
struct Best {
    speed: f64,
    memory: f64,
}

impl Best {
    fn add(&mut self, speed: f64, memory: f64) {
        if speed > self.speed {
            (self.speed, self.memory) = (speed, memory);
        }
    }
}

/// One run of the peer, in its better memory layout of two.
fn peer(
    args: &Args,
    network: &str,
    batch: usize,
    pass: Pass,
    threads: usize,
    channels_last: bool,
) -> Result<PeerSpeed> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers/train_torch.py");
    let mode = if pass == Pass::Train { "train" } else { "eval" };
    let mut command = Command::new(&args.python);
    command.arg(&script).args(["--only", network, "--mode", mode]);
    for (flag, value) in [("--batch", batch), ("--threads", threads), ("--reps", args.reps)] {
        command.arg(flag).arg(value.to_string());
    }
    if channels_last {
        command.arg("--channels-last");
    }
    let output = command.output().context("running the peer script")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(line) = text.lines().find(|line| line.starts_with('{')) else {
        bail!("{}: no measurement: {}", script.display(), String::from_utf8_lossy(&output.stderr).trim());
    };
    Ok(serde_json::from_str(line)?)
}
