//! Sums of weights that do not depend on the order of the rows.

use serde::{Deserialize, Serialize};

use crate::rounding::{floor_f64, integer_of};
use crate::{Error, Result};

/// Bits of the fraction of a sum, in two steps: `2^40` rows of weight one fill 127 bits.
const HIGH: u32 = 40;
const LOW: u32 = 47;
/// The most rows that are counted.
pub(super) const MOST_ROWS: u64 = 1 << 40;
/// Rows summed in 64 bits before they are added to the whole.
const CHUNK: usize = 1 << 14;

/// A sum of numbers in `[0, 1]` in fixed point: each is cut after 87 binary digits, and the sum is exact. So a weight of
/// at least `2^-34` counts exactly as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 2]", into = "[u64; 2]")]
struct FixedSum(u128);

impl FixedSum {
    fn add(&mut self, values: &[f64], of: impl Fn(f64) -> f64) {
        for chunk in values.chunks(CHUNK) {
            let (mut high, mut low) = (0_u64, 0_u64);
            for &value in chunk {
                // Products with powers of two and the difference are exact.
                let scaled = of(value) * (1_u64 << HIGH) as f64;
                let whole = floor_f64(scaled);
                high += integer_of(whole);
                low += integer_of(floor_f64((scaled - whole) * (1_u64 << LOW) as f64));
            }
            self.0 += (u128::from(high) << LOW) + u128::from(low);
        }
    }

    fn value(self) -> f64 {
        self.0 as f64 / (1_u128 << (HIGH + LOW)) as f64
    }
}

impl From<[u64; 2]> for FixedSum {
    fn from([high, low]: [u64; 2]) -> Self {
        Self(u128::from(high) << 64 | u128::from(low))
    }
}

impl From<FixedSum> for [u64; 2] {
    fn from(FixedSum(sum): FixedSum) -> Self {
        [(sum >> 64) as u64, sum as u64]
    }
}

/// What the weights of a dataset sum to, to the bit, in whatever order and parts they are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    rows: u64,
    positive: u64,
    sum: FixedSum,
    squares: FixedSum,
}

impl Totals {
    /// Adds the weights of rows, in `[0, 1]`.
    pub fn add(&mut self, taus: &[f64]) {
        self.rows += taus.len() as u64;
        self.positive += taus.iter().map(|&tau| u64::from(tau > 0.0)).sum::<u64>();
        self.sum.add(taus, |tau| tau);
        self.squares.add(taus, |tau| tau * tau);
    }

    /// Adds what was counted of other rows.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.positive += other.positive;
        self.sum.0 += other.sum.0;
        self.squares.0 += other.squares.0;
    }

    pub(crate) fn check(&self) -> Result<()> {
        match (self.rows, self.sum.value()) {
            (0, _) => Err(Error::Empty { what: "the dataset".into() }),
            (rows, 0.0) => Err(Error::NoMass { examples: rows as usize }),
            _ => Ok(()),
        }
    }

    /// Whether so many weights in `[0, 1]` can have these sums.
    pub(super) fn is_possible(&self) -> bool {
        let ones = |rows: u64| u128::from(rows) << (HIGH + LOW);
        self.rows <= MOST_ROWS
            && self.positive <= self.rows
            && self.squares.0 <= self.sum.0
            && self.sum.0 <= ones(self.positive)
    }

    /// Number of rows, at least one.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of rows with positive weight.
    pub const fn positive(&self) -> u64 {
        self.positive
    }

    /// Sum of the weights, positive: a row of weight `tau` has probability `tau / sum`.
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// Kish's effective sample size `(Σ tau)² / Σ tau²`, in `[1, n]`.
    pub fn effective_sample_size(&self) -> f64 {
        self.sum().powi(2) / self.squares.value()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_right_and_the_same_in_any_order(
            values in prop::collection::vec(prop_oneof![0.0..=1.0, Just(1.0), Just(0.0), 0.0..1e-9], 1..500),
            cut in 0_usize..500,
        ) {
            let mut whole = Totals::default();
            whole.add(&values);
            let (left, right) = values.split_at(cut.min(values.len()));
            let (mut a, mut b) = (Totals::default(), Totals::default());
            b.add(right);
            a.add(left);
            b.merge(a);
            prop_assert_eq!(b, whole);
            let plain: f64 = values.iter().sum();
            prop_assert!((whole.sum() - plain).abs() <= 1e-13 * plain);
            prop_assert_eq!(whole.positive(), values.iter().filter(|&&v| v > 0.0).count() as u64);
            let json = serde_json::to_string(&whole).unwrap();
            prop_assert_eq!(serde_json::from_str::<Totals>(&json).unwrap(), whole);
        }
    }

    #[test]
    fn one_and_small_powers_of_two_count_exactly() {
        let mut totals = Totals::default();
        totals.add(&[1.0, 0.5_f64.powi(30), 0.5_f64.powi(87), 0.5_f64.powi(88)]);
        assert_eq!(totals.sum.0, (1 << 87) + (1 << 57) + 1);
    }
}
