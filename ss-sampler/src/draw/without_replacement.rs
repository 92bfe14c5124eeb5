//! Different examples, by exponential keys.

use rayon::prelude::*;
use ss_seed::Stream;

use super::{EXPONENTIAL, TASK};
use crate::{Draw, Error, Result, Weights};

/// The `m` examples with the smallest of independent exponential variables of rate `p_i`, increasing.
///
/// The key of an example depends on its own weight only: common random numbers across samplers. Keys that a sample
/// shows to be too large are not even computed, so memory is that of `m` candidates, about 32 bytes each (of all examples, where the sample misleads).
pub(crate) fn without_replacement(weights: &Weights, m: usize, stream: Stream) -> Result<Vec<Draw>> {
    let keys = Keys { weights, stream: stream.index(EXPONENTIAL) };
    let mut candidates = keys.up_to(keys.likely_limit(m));
    if candidates.len() < m {
        candidates = keys.up_to(f64::INFINITY);
    }
    if m > candidates.len() {
        return Err(Error::NotEnough { draws: m, positive: candidates.len() });
    }
    // The m smallest by (key, example); positive floats order as their bits.
    let mut bits: Vec<u64> =
        candidates.par_iter().with_min_len(TASK).map(|&(key, _)| key.to_bits()).collect();
    let (smaller, &mut last, _) = bits.select_nth_unstable(m - 1);
    let mut ties = m - smaller.par_iter().with_min_len(TASK).filter(|&&key| key < last).count();
    let chosen = candidates.into_iter().filter(|(key, _)| {
        let tied = key.to_bits() == last && ties > 0;
        ties -= usize::from(tied);
        key.to_bits() < last || tied
    });
    Ok(chosen.map(|(_, i)| Draw::new(i, 0)).collect())
}

/// Exponential variables, one an example of positive weight.
struct Keys<'a> {
    weights: &'a Weights,
    stream: Stream,
}

impl Keys<'_> {
    /// The uniform number behind the key of example `i`: 52 bits and a half are exact, and strictly between 0 and 1, so keys
    /// are positive.
    fn unit(&self, i: usize) -> f64 {
        ((self.stream.index(i as u64).hash() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    fn key(&self, i: usize, unit: f64) -> f64 {
        -unit.ln() / self.weights.probability(i)
    }

    /// All `(key, example)` with a key of at most `limit`, in the order of the examples.
    fn up_to(&self, limit: f64) -> Vec<(f64, usize)> {
        let tau = self.weights.tau();
        // -ln u >= 1 - u tells most large keys without a logarithm; the slack covers rounding.
        let steepness = limit / self.weights.total() * (1.0 + 1e-12);
        (0..tau.len())
            .into_par_iter()
            .with_min_len(TASK)
            .filter_map(|i| {
                let unit = self.unit(i);
                if tau[i] == 0.0 || 1.0 - unit > steepness * tau[i] {
                    return None;
                }
                let key = self.key(i, unit);
                (key <= limit).then_some((key, i))
            })
            .collect()
    }

    /// A number that more than `m` keys, but hardly more, probably do not exceed: a quantile of every 64th key. It decides
    /// what is computed, not what is drawn.
    fn likely_limit(&self, m: usize) -> f64 {
        const STRIDE: usize = 64;
        let (n, tau) = (self.weights.len(), self.weights.tau());
        let mut sample: Vec<u64> = (0..n / STRIDE)
            .into_par_iter()
            .with_min_len(TASK)
            .map(|k| k * STRIDE + k % STRIDE)
            .filter(|&i| tau[i] > 0.0)
            .map(|i| self.key(i, self.unit(i)).to_bits())
            .collect();
        let expected = m as f64 / STRIDE as f64;
        let rank = (expected + 6.0 * expected.sqrt() + 6.0) as usize;
        if rank < sample.len() { f64::from_bits(*sample.select_nth_unstable(rank).1) } else { f64::INFINITY }
    }
}
