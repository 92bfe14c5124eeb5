//! Images, or windows of text, per second of one training step: forward, backward, update.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use ss_kernels::{Backend, Sgd, SgdConfig};
use ss_models::Mode;

use super::peak_memory::peak_rss_mib;
use super::workload::{Prepared, WORKLOADS, Workload};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Pass {
    /// Forward, backward and update.
    Train,
    /// Forward with running statistics.
    Eval,
}

/// Flags of `bench train`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Only this network [all: six-conv, resnet-8, resnet-20, resnet-18, mobilenet-v2, wrn-16-4, digits, digits-small, gpt]
    #[arg(long)]
    only: Option<String>,
    /// Images, or windows of 64 tokens, a step [default: 128, 16 for gpt]
    #[arg(long)]
    batch: Option<usize>,
    /// Repetitions; the fastest counts
    #[arg(long, default_value_t = 5)]
    reps: usize,
    /// train or eval
    #[arg(long, value_enum, default_value = "train")]
    pass: Pass,
}

/// One measurement.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Speed {
    pub(super) network: String,
    pub(super) pass: Pass,
    pub(super) batch: usize,
    pub(super) threads: usize,
    /// Of windows of 64 tokens where the network reads text.
    pub(super) images_per_second: f64,
    /// Convolutions, linear layers and attention, forward and backward, counted as if done directly.
    pub(super) gflops: f64,
    /// The same over the speed of a 1024x1024x1024 f32 matrix product on the same threads. Algorithms that
    /// save multiplications can exceed 1.
    pub(super) gemm_peak_share: f64,
    /// Absent where the system does not tell.
    pub(super) peak_rss_mib: Option<f64>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.batch == Some(0) || args.reps == 0 {
        bail!("--batch and --reps: expected at least 1");
    }
    let Some(name) = &args.only else {
        if !args.json {
            println!("{HEADER}");
        }
        for workload in WORKLOADS {
            let batch = args.batch.unwrap_or(workload.default_batch());
            let speed = measure_in_process(workload.name, batch, args.reps, args.pass)?;
            print(&speed, args.json)?;
        }
        return Ok(());
    };
    let workload = Workload::named(name)?;
    let batch = args.batch.unwrap_or(workload.default_batch());
    let speed = measure(workload, batch, args.reps, args.pass)?;
    if !args.json {
        println!("{HEADER}");
    }
    print(&speed, args.json)
}

const HEADER: &str = "network        pass   batch  threads   images/s   GFLOP/s  of GEMM peak   peak RSS MiB";

fn print(speed: &Speed, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(speed)?);
    } else {
        let Speed { network, pass, batch, threads, images_per_second, gflops, gemm_peak_share, peak_rss_mib } =
            speed;
        let pass = format!("{pass:?}").to_lowercase();
        let peak_rss_mib = peak_rss_mib.unwrap_or(f64::NAN);
        println!(
            "{network:<14} {pass:<5} {batch:>6} {threads:>8} {images_per_second:>10.0} {gflops:>9.1} \
             {:>12.0}% {peak_rss_mib:>14.0}",
            100.0 * gemm_peak_share
        );
    }
    Ok(())
}

/// Measures in a process of its own, so that peak memory is this network's.
pub(super) fn measure_in_process(name: &str, batch: usize, reps: usize, pass: Pass) -> Result<Speed> {
    let exe = std::env::current_exe().context("finding this program")?;
    let pass = match pass {
        Pass::Train => "train",
        Pass::Eval => "eval",
    };
    let (batch, reps) = (batch.to_string(), reps.to_string());
    let flags =
        ["bench", "train", "--json", "--only", name, "--batch", &batch, "--reps", &reps, "--pass", pass];
    let output = Command::new(exe).args(flags).output()?;
    if !output.status.success() {
        bail!("measuring {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn measure(workload: Workload, batch: usize, reps: usize, pass: Pass) -> Result<Speed> {
    let Prepared { network, parameters, x, labels, multiply_adds } = workload.prepare(batch)?;
    let config = SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 5e-4 };
    let mut sgd = Sgd::new(parameters.trainable(), config)?;
    let mut step = || -> Result<()> {
        match pass {
            Pass::Train => {
                let loss = network.cross_entropy(&x, &labels, Mode::Train, Backend::Kernels)?.loss;
                sgd.step(&loss.backward()?, 0.01)?;
            }
            Pass::Eval => drop(network.forward(&x, Mode::Eval)?),
        }
        Ok(())
    };
    step()?;
    let mut best = f64::INFINITY;
    for _ in 0..reps {
        // Enough steps for a fifth of a second: short steps are not timed one by one.
        let (clock, mut steps) = (Instant::now(), 0);
        while steps == 0 || clock.elapsed().as_secs_f64() < 0.2 {
            step()?;
            steps += 1;
        }
        best = best.min(clock.elapsed().as_secs_f64() / f64::from(steps));
    }
    let passes = if pass == Pass::Train { 3.0 } else { 1.0 };
    let flops = 2.0 * passes * multiply_adds as f64 * batch as f64;
    Ok(Speed {
        network: workload.name.to_owned(),
        pass,
        batch,
        threads: rayon::current_num_threads(),
        images_per_second: batch as f64 / best,
        gflops: flops / best / 1e9,
        peak_rss_mib: peak_rss_mib("self"),
        gemm_peak_share: flops / best / gemm_peak()?,
    })
}

/// Floating-point operations a second of a square matrix product.
fn gemm_peak() -> Result<f64> {
    const N: usize = 1024;
    let a = Tensor::ones((N, N), candle_core::DType::F32, &Device::Cpu)?;
    a.matmul(&a)?;
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let clock = Instant::now();
        a.matmul(&a)?;
        best = best.min(clock.elapsed().as_secs_f64());
    }
    Ok(2.0 * (N * N * N) as f64 / best)
}
