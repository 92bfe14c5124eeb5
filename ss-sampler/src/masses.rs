//! Real weights as integer masses, whose sums are exact in any order.

use rayon::prelude::*;

use crate::coordinate::ceil_log2;

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
        let each: Vec<u64> =
            weights.par_iter().with_min_len(1 << 14).map(|w| rounded(w / top * scale)).collect();
        let total = each.par_iter().with_min_len(1 << 14).sum();
        Self { each, total }
    }
}

/// The nearest integer, halves upwards, of a number in `[0, 2^52]`.
///
/// `f64::round` is a function call where the instruction set is not known to have it.
fn rounded(x: f64) -> u64 {
    let whole = x as i64;
    // Exact: below 2^52 a number and its whole part share the grid of its last bit.
    (whole + i64::from(x - whole as f64 >= 0.5)).cast_unsigned()
}

/// Gradient norms as integer masses, computed on the fly to save memory.
#[derive(Clone, Debug)]
pub(crate) struct GradientMass {
    norms: Vec<f32>,
    scale: f64,
}

impl GradientMass {
    /// `None` when all norms are zero. The norms are finite and not negative.
    pub(crate) fn new(norms: &[f32]) -> Option<Self> {
        let top = norms.par_iter().with_min_len(1 << 14).copied().reduce(|| 0.0, f32::max);
        // 40 bits: the product below rounds to exactly 2^40 for the largest norm, so that equal norms give
        // equal masses, a power of two, and the cgf is the cdf to the bit.
        let bits = (TOTAL_BITS - ceil_log2(norms.len() as u64)).min(40);
        (top > 0.0).then(|| Self { norms: norms.to_vec(), scale: (1_u64 << bits) as f64 / f64::from(top) })
    }

    pub(crate) fn of(&self, row: usize) -> u64 {
        self.mass(self.norm(row))
    }

    pub(crate) fn norm(&self, row: usize) -> f32 {
        self.norms[row]
    }

    /// The mass of a row with this gradient norm, one of those given to [`new`](Self::new).
    pub(crate) fn mass(&self, norm: f32) -> u64 {
        rounded(f64::from(norm) * self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounding_is_that_of_f64(
            x in prop_oneof![0.0_f64..4.0, 0.0_f64..((1_u64 << 52) as f64), (0_u64..1 << 51).prop_map(|k| k as f64 + 0.5)],
            nudge in -1_i64..=1,
        ) {
            let neighbour: f64 = f64::from_bits(x.to_bits().saturating_add_signed(nudge));
            for x in [x, neighbour.min((1_u64 << 52) as f64)] {
                if x >= 0.0 {
                    prop_assert_eq!(rounded(x), x.round() as u64, "{}", x);
                }
            }
        }
    }
}
