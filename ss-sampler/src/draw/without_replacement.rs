//! Different examples, by exponential keys.

use rayon::prelude::*;
use ss_seed::Stream;

use super::{EXPONENTIAL, TASK};
use crate::{Draw, Error, Result, Weights};

/// The `m` examples with the smallest of independent exponential variables of rate `p_i`, in no useful order.
///
/// The key of an example depends on its own weight only: common random numbers across samplers.
pub(crate) fn without_replacement(weights: &Weights, m: usize, stream: Stream) -> Result<Vec<Draw>> {
    let stream = stream.index(EXPONENTIAL);
    let mut keyed: Vec<(u64, u64)> = (0..weights.len())
        .into_par_iter()
        .with_min_len(TASK)
        .filter(|&i| weights.tau()[i] > 0.0)
        .map(|i| {
            let bits = stream.index(i as u64).hash() >> 12;
            // 52 bits and a half are exact, and strictly between 0 and 1: keys are positive, and positive
            // floats order as their bits.
            let unit = (bits as f64 + 0.5) / (1_u64 << 52) as f64;
            ((-unit.ln() / weights.probability(i)).to_bits(), i as u64)
        })
        .collect();
    if m > keyed.len() {
        return Err(Error::NotEnough { draws: m, positive: keyed.len() });
    }
    if m < keyed.len() {
        keyed.select_nth_unstable(m);
        keyed.truncate(m);
    }
    // In the order of the examples, so that nothing depends on how the selection partitions.
    let mut draws: Vec<Draw> = keyed.into_iter().map(|(_, i)| Draw::new(i as usize, 0)).collect();
    draws.par_sort_unstable();
    Ok(draws)
}
