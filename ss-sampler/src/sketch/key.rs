//! Order-preserving integer keys of feature values and of combined scores.

use crate::combination::Combination;
use crate::coordinate::ceil_log2;
use crate::ordered_bits::{ordered_bits, value_of_bits};

/// Keys of features are the bits of an f32, put in order.
pub(crate) const FEATURE_BITS: u32 = 32;

/// The key of a finite value of a feature.
#[inline]
pub(crate) const fn of_value(value: f32) -> u64 {
    ordered_bits(value) as u64
}

/// The key that negative zero would have, if it were not equal to zero.
const NEGATIVE_ZERO: u32 = (1 << 31) - 1;

/// The value that has this key; for a key that no value has, one next to it on its side of zero.
pub(crate) fn value_of(key: u64) -> f64 {
    let bits = key as u32;
    let bits = if bits == NEGATIVE_ZERO { NEGATIVE_ZERO - 1 } else { bits };
    value_of_bits(bits).into()
}

/// The keys of the combined scores of a dataset: their distance from the smallest score there can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScoreKeys {
    lowest: i64,
    bits: u32,
}

impl ScoreKeys {
    /// For the scores of this combination; keys have at least `least_bits` bits.
    pub(crate) fn new(combination: &Combination, least_bits: u32) -> Self {
        let (lowest, highest) = combination.range();
        // Scores are below 2^53 in magnitude: the distance is below 2^54.
        Self { lowest, bits: ceil_log2((highest - lowest) as u64 + 1).max(least_bits) }
    }

    /// Bits of a key, at most 54.
    pub(crate) const fn bits(self) -> u32 {
        self.bits
    }

    /// The key of a score.
    #[inline]
    pub(crate) const fn of_score(self, z: i64) -> u64 {
        (z - self.lowest) as u64
    }

    /// The score that has this key; exact in f64.
    pub(crate) fn score_of(self, key: u64) -> f64 {
        (self.lowest + key as i64) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_on_both_sides_of_zero_have_different_values() {
        let zero = of_value(0.0);
        assert_eq!(of_value(-0.0), zero);
        assert_eq!(
            [zero - 1, zero, zero + 1].map(value_of),
            [-1, 0, 1].map(|i| f64::from(i) * 2_f64.powi(-149))
        );
    }

    proptest! {
        #[test]
        fn keys_keep_the_order_and_can_be_turned_back(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(of_value(a).cmp(&of_value(b)), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(value_of(of_value(a)), f64::from(a));
            prop_assert!(of_value(a) < 1 << FEATURE_BITS);
        }
    }
}
