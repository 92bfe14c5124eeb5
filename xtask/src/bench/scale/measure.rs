//! Our side of a case, measured in this process.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, bail};
use rayon::prelude::*;
use ss_sampler::{EpochPlan, RankedFeatures, Sampler, SamplerSpec};

use super::case::Case;
use super::row::Measured;
use super::{data, frequencies};
use crate::bench::peak_memory::peak_rss_mib;

/// Rows that the sampler of [`Case::Score`] is fitted on.
const FITTED_ROWS: usize = 1_000_000;

/// The fastest of `reps` runs of the case on `rows` rows; input is made before the clock starts.
pub(super) fn measure(case: Case, rows: usize, reps: usize) -> Result<Measured> {
    let (seconds, note) = match case {
        Case::Stream | Case::Weights | Case::Candidate | Case::Score => {
            (from_columns(case, rows, reps)?, None)
        }
        Case::Apply => bail!("`apply` is measured on the program that users run, not in this process"),
        Case::Shuffled => (fastest(reps, || Ok(EpochPlan::shuffled(rows, data::order(), 0)?))?.0, None),
        Case::Multinomial | Case::Systematic | Case::WithoutReplacement | Case::Frequencies => {
            draws(case, rows, reps)?
        }
    };
    let rows = case.draws(rows) as u64;
    Ok(Measured { case: case.name(), rows, seconds, peak_rss_mib: peak_rss_mib("self"), note })
}

fn from_columns(case: Case, rows: usize, reps: usize) -> Result<f64> {
    let [loss, entropy, gradient] = data::columns(rows);
    let spec = SamplerSpec::paper();
    let params = data::params(&spec)?;
    let columns: [&[f32]; 2] = [&loss, &entropy];
    let rank = || RankedFeatures::new(spec.clone(), &columns, &gradient);
    Ok(match case {
        Case::Weights => fastest(reps, || Ok(rank()?.weights(&params)?))?.0,
        Case::Candidate => {
            let ranked = rank()?;
            fastest(reps, || Ok(ranked.weights(&params)?))?.0
        }
        Case::Score => {
            let first = rows.min(FITTED_ROWS);
            let head = [&loss[..first], &entropy[..first]];
            let sampler = Sampler::fit(spec.clone(), &params, &head, &gradient[..first], BTreeMap::new())?;
            fastest(reps, || Ok(sampler.score(&columns)?))?.0
        }
        _ => fastest(reps, || Ok(sum(&loss) + sum(&entropy) + sum(&gradient)))?.0,
    })
}

/// The sum of a column, in lanes that the compiler can turn into vector instructions.
fn sum(column: &[f32]) -> f64 {
    let block = |block: &[f32]| -> f64 {
        let mut lanes = [0.0_f32; 32];
        for values in block.chunks_exact(32) {
            for (lane, value) in lanes.iter_mut().zip(values) {
                *lane += value;
            }
        }
        lanes.iter().map(|&lane| f64::from(lane)).sum()
    };
    column.par_chunks(1 << 16).map(block).sum()
}

fn draws(case: Case, rows: usize, reps: usize) -> Result<(f64, Option<String>)> {
    let (examples, m) = (case.examples(rows), case.draws(rows));
    let weights = data::weights(examples)?;
    let draw = || {
        let stream = data::order();
        Ok(match case {
            Case::Systematic => EpochPlan::systematic(&weights, m, stream, 0)?,
            Case::WithoutReplacement => EpochPlan::without_replacement(&weights, m, stream, 0)?,
            _ => EpochPlan::multinomial(&weights, m, stream, 0)?,
        })
    };
    let (seconds, plan) = fastest(reps, draw)?;
    if case != Case::Frequencies {
        return Ok((seconds, None));
    }
    let outcome = frequencies::test(&weights, &plan)?;
    if !outcome.passed() {
        bail!("{}: draws do not follow the weights: {outcome}", case.name());
    }
    Ok((seconds, Some(outcome.to_string())))
}

/// The least time of `reps` runs, and the last result.
fn fastest<T>(reps: usize, mut run: impl FnMut() -> Result<T>) -> Result<(f64, T)> {
    let (mut least, mut last) = (f64::INFINITY, None);
    for _ in 0..reps.max(1) {
        // Freed before the clock starts: a repetition needs the memory of one.
        drop(last.take());
        let clock = Instant::now();
        let result = black_box(run()?);
        least = least.min(clock.elapsed().as_secs_f64());
        last = Some(result);
    }
    match last {
        Some(result) => Ok((least, result)),
        None => bail!("no repetition"),
    }
}
