//! Datasets of features of any size, from a seed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rayon::prelude::*;
use ss_data::NumericTableWriter;
use ss_seed::Seed;

/// The columns that are made: the paper's two features and what its cgf needs.
pub(crate) const COLUMNS: [&str; 3] = ["loss", "renormed_entropy", "grad_norm"];

/// Rows made at a time.
const BATCH: u64 = 1 << 16;

/// Writes `rows` rows of three f32 columns to `files` Parquet files in `folder`, in memory for some rows a thread, and
/// returns the files in order. A row depends on the seed and its number alone.
pub(crate) fn write_dataset(folder: &Path, rows: u64, files: u64, seed: Seed) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let of_file = |file: u64| {
        let path = folder.join(format!("part-{file:04}.parquet"));
        write_file(&path, rows * file / files..rows * (file + 1) / files, seed)?;
        Ok(path)
    };
    (0..files).into_par_iter().map(of_file).collect()
}

fn write_file(path: &Path, rows: std::ops::Range<u64>, seed: Seed) -> Result<()> {
    let mut writer = NumericTableWriter::create_without_ids(path, &COLUMNS)?;
    let streams = ["loss", "entropy", "gradient"].map(|name| seed.stream(name));
    let mut columns = [const { Vec::new() }; 3];
    for start in rows.clone().step_by(BATCH as usize) {
        columns.iter_mut().for_each(Vec::clear);
        for row in start..rows.end.min(start + BATCH) {
            let [loss, entropy, gradient] = streams.map(|stream| stream.index(row).unit());
            // A skewed loss; an entropy of which a tenth is tied, as of examples that the network is sure of; a gradient
            // norm that grows with the loss.
            let loss = -(1.0 - loss).ln();
            columns[0].push(loss as f32);
            columns[1].push((2.2 * (entropy - 0.1).max(0.0)) as f32);
            columns[2].push((loss * (0.5 + gradient)) as f32);
        }
        writer.push(&[], &columns.each_ref().map(Vec::as_slice))?;
    }
    writer.finish()?;
    Ok(())
}
