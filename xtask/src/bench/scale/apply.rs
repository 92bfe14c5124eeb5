//! `swift-sampler apply --refit` on a dataset of any size, beside reading and writing the same files alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ss_data::{Shards, TableInput, WeightsWriter};
use ss_sampler::{Sampler, SamplerParams, SamplerSpec};
use ss_seed::Seed;

use super::case::Case;
use super::generate::{COLUMNS, write_dataset};
use super::row::{Measured, Peer};
use crate::bench::peak_memory::peak_rss_mib;

/// How often the memory of the program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Makes a dataset of so many rows in `folder`, unless it is there, measures both on it `rounds` times in turn, and returns
/// the fastest of each.
pub(super) fn measure(folder: &Path, rows: u64, files: u64, rounds: usize) -> Result<(Measured, Peer)> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // Cargo puts both programs into one folder.
    let program = std::env::current_exe()?.with_file_name("swift-sampler");
    let data = folder.join(format!("rows-{rows}"));
    if !data.is_dir() {
        let partial = folder.join(format!("rows-{rows}.partial"));
        write_dataset(&partial, rows, files, Seed::new(0))?;
        std::fs::rename(&partial, &data)?;
    }
    let sampler = folder.join("sampler.json");
    std::fs::write(&sampler, example_sampler()?.to_json()?)?;
    let out = folder.join("weights.parquet");
    let (mut seconds, mut peer_seconds, mut peak) = (f64::INFINITY, f64::INFINITY, None);
    for _ in 0..rounds {
        let start = Instant::now();
        read_and_write(&data, &out)?;
        peer_seconds = peer_seconds.min(start.elapsed().as_secs_f64());
        std::fs::remove_file(&out)?;
        let start = Instant::now();
        peak = run(&program, &sampler, &data, &out)?;
        seconds = seconds.min(start.elapsed().as_secs_f64());
        std::fs::remove_file(&out)?;
    }
    let ours = Measured { case: Case::Apply.name(), rows, seconds, peak_rss_mib: peak, note: None };
    let peer = "reading the columns and writing as much, without scores".to_owned();
    Ok((ours, Peer { peer, rows, seconds: Some(peer_seconds), reason: None }))
}

/// The paper's spec with a rule that draws neither the easiest nor the hardest examples often.
fn example_sampler() -> Result<Sampler> {
    let spec = SamplerSpec::paper();
    let params =
        SamplerParams::new(&spec, vec![1.0, -0.5], vec![0.2, 0.5, 0.7], vec![0.4, 1.0, 0.9, 0.2, 0.0])?;
    let (low, high) = (&[0.0, 1.0, 2.0][..], &[0.0, 0.5, 1.0][..]);
    Ok(Sampler::fit(spec, &params, &[low, high], high, BTreeMap::new())?)
}

/// Reads every column through the reader of `apply` and writes a file of the same size through its writer.
fn read_and_write(data: &Path, out: &Path) -> Result<()> {
    let files = Shards::files(&[data.to_owned()])?;
    let inputs =
        files.into_iter().map(|file| TableInput::open(&[file], None)).collect::<ss_data::Result<_>>()?;
    let shards = Shards::new(inputs)?;
    let rows = shards.rows().context("the files do not say how many rows they have")?;
    let (mut writer, encoder) = WeightsWriter::create(out, rows)?;
    let threads = rayon::current_num_threads();
    let encode = |block: ss_data::RowBlock| {
        let ids = (block.first_row..block.first_row + block.rows() as u64).collect();
        encoder.encode(ids, block.columns[0].iter().map(|&loss| f64::from(loss)).collect())
    };
    shards.for_each_block(&COLUMNS, None, threads, encode, |block| writer.append(block))?;
    Ok(writer.finish()?)
}

/// Runs `apply --refit` by sketches and returns its peak resident memory in MiB, where the system says it.
fn run(program: &Path, sampler: &Path, data: &Path, out: &Path) -> Result<Option<f64>> {
    let mut child = Command::new(program)
        .arg("apply")
        .arg(sampler)
        .args(["--refit", "--exact-rows", "0", "--row-ids", "--shards"])
        .arg(data)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| {
            format!("running {}; build it by `cargo build --release -p ss-cli`", program.display())
        })?;
    let mut peak = None;
    loop {
        // The high-water mark only rises: the last look that finds it is the one that counts.
        peak = peak_rss_mib(child.id()).or(peak);
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("{} apply: {status}", program.display());
            }
            return Ok(peak);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
