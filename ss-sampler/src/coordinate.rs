//! The combined score `z` in exact integer arithmetic.
//!
//! Ranks are integers (`2 n r`, see [`mid_ranks`](crate::mid_ranks)); with coefficients rounded to multiples
//! of a power of two, `z` is an integer as well. Ties of `z` are then exact rather than an accident of
//! rounding, and a sampler orders the examples the same way after scaling, mirroring, saving and loading.

use crate::{Error, Result};

/// The largest number of examples for which `z` has useful resolution.
pub(crate) const MAX_EXAMPLES: u64 = 1 << 40;

/// The integers `c_k 2^B`, with the largest `B <= 30` for which every `z` over `n` examples stays below
/// `2^53` (and so is exact in an f64, and in any reader of JSON): 30 bits up to a million examples, 23 at
/// 10^8.
pub(crate) fn integer_coefficients(canonical: &[f64], examples: u64) -> Result<Vec<i64>> {
    if examples > MAX_EXAMPLES {
        return Err(Error::TooMany {
            what: "examples",
            found: examples,
            limit: MAX_EXAMPLES,
            remedy: "fit the sampler on a random part of them",
        });
    }
    let bits = 53 - ceil_log2(2 * examples) - ceil_log2(canonical.len() as u64);
    let scale = (1_u64 << bits.min(30)) as f64;
    Ok(canonical.iter().map(|c| (c * scale).round() as i64).collect())
}

/// The smallest and the largest `z` that doubled ranks in `[0, doubled_total]` can have.
pub(crate) fn score_range(coefficients: &[i64], doubled_total: i64) -> (i64, i64) {
    let ends = coefficients.iter().map(|c| c * doubled_total);
    ends.fold((0, 0), |(least, most), end| (least + end.min(0), most + end.max(0)))
}

/// The smallest `b` with `x <= 2^b`.
pub(crate) const fn ceil_log2(x: u64) -> u32 {
    if x <= 1 { 0 } else { (x - 1).ilog2() + 1 }
}

/// The tie-aware position of a group of `tied` mass above `below` mass, of `total`, in `[0, 1]`.
pub(crate) fn mid_mass(below: u64, upto: u64, total: u64) -> f64 {
    // Masses sum to at most 2^62, so doubling does not overflow.
    (below + upto) as f64 / (2 * total) as f64
}
