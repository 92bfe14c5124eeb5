//! Made-up columns and weights; `benches/peers/scale_peers.py` draws from the same distributions.

use anyhow::Result;
use rayon::prelude::*;
use ss_sampler::{SamplerParams, SamplerSpec, Weights};
use ss_seed::{Seed, Stream};

const SEED: Seed = Seed::new(20_241_010);

/// `[rows]` each: losses (exponential), renormalised entropies (uniform up to ln 9), gradient norms (exponential).
pub(super) fn columns(rows: usize) -> [Vec<f32>; 3] {
    let column = |name: &str, value: fn(f64) -> f64| -> Vec<f32> {
        let stream = SEED.stream(name);
        (0..rows).into_par_iter().map(|i| value(stream.index(i as u64).unit()) as f32).collect()
    };
    let exponential = |u: f64| -(-u).ln_1p();
    [column("loss", exponential), column("entropy", |u| u * 9_f64.ln()), column("gradient", exponential)]
}

/// The ten numbers of the sampler.
pub(super) fn params(spec: &SamplerSpec) -> Result<SamplerParams> {
    Ok(SamplerParams::new(spec, vec![1.0, -0.4], vec![0.2, 0.5, 0.8], vec![1.0, 1.0, 0.5, 0.1, 0.0])?)
}

/// Weights between 0.25 and 2, uniform, for draws.
pub(super) fn weights(examples: usize) -> Result<Weights> {
    let stream = SEED.stream("weights");
    let tau = (0..examples).into_par_iter().map(|i| 0.25 + 1.75 * stream.index(i as u64).unit()).collect();
    Ok(Weights::new(tau)?)
}

/// Where draws come from.
pub(super) fn order() -> Stream {
    SEED.stream("order")
}
