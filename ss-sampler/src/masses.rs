//! Real weights as integer masses, whose sums are exact in any order.

use rayon::prelude::*;

use crate::coordinate::ceil_log2;
use crate::rounding::rounded;

/// Sums of masses stay at or below `2^62`.
const TOTAL_BITS: u32 = 62;

/// Non-negative integers proportional to a set of weights, with an exact total of at most `2^62`.
#[derive(Clone, Debug)]
pub(crate) struct Masses {
    pub(crate) each: Vec<u64>,
    pub(crate) total: u64,
}

impl Masses {
    /// Rounds weights `>= 0` (finite, at least one positive) to integers, the largest becoming `2^B` with `B
    /// = 62 - ceil(log2 n)`, at most 52. Weights below `2^-(B+1)` of the largest become zero: `2^-43` for a
    /// million.
    pub(crate) fn of_weights(weights: &[f64]) -> Self {
        let top = weights.par_iter().with_min_len(1 << 14).copied().reduce(|| 0.0, f64::max);
        let scale = (1_u64 << (TOTAL_BITS - ceil_log2(weights.len() as u64)).min(52)) as f64;
        // Dividing first makes equal weights exactly `scale`.
        let each: Vec<u64> = weights
            .par_iter()
            .with_min_len(1 << 14)
            .map(|w| rounded(w / top * scale).cast_unsigned())
            .collect();
        let total = each.par_iter().with_min_len(1 << 14).sum();
        Self { each, total }
    }
}

/// The factor that makes integer masses of gradient norms, of which the largest is `top > 0`, over so many rows.
pub(crate) fn gradient_scale(rows: u64, top: f32) -> f64 {
    // 40 bits: the product with the largest norm rounds to exactly 2^40, so that equal norms give equal masses, a power of
    // two, and the cgf is the cdf to the bit. At 10^10 rows the largest becomes 2^28.
    let bits = (TOTAL_BITS - ceil_log2(rows)).min(40);
    (1_u64 << bits) as f64 / f64::from(top)
}

/// The mass of a norm, with the [`gradient_scale`] of its dataset.
#[inline]
pub(crate) fn gradient_mass(norm: f32, scale: f64) -> u64 {
    rounded(f64::from(norm) * scale).cast_unsigned()
}

/// Gradient norms as integer masses, computed on the fly to save memory.
#[derive(Clone, Debug)]
pub(crate) struct GradientMass {
    /// Bits of the norms, so that memory that ranks were counted in can hold them.
    norms: Vec<u32>,
    scale: f64,
}

impl GradientMass {
    /// `None` when all norms are zero. The norms are finite and not negative. Their bits are kept in `memory`, whatever it
    /// holds.
    pub(crate) fn new(norms: &[f32], mut memory: Vec<u32>) -> Option<Self> {
        let top = norms.par_iter().with_min_len(1 << 14).copied().reduce(|| 0.0, f32::max);
        if top == 0.0 {
            return None;
        }
        norms.par_iter().with_min_len(1 << 14).map(|norm| norm.to_bits()).collect_into_vec(&mut memory);
        Some(Self { norms: memory, scale: gradient_scale(norms.len() as u64, top) })
    }

    pub(crate) fn of(&self, row: usize) -> u64 {
        gradient_mass(f32::from_bits(self.norms[row]), self.scale)
    }
}
