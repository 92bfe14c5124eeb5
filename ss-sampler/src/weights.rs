//! Sampling weights of a set of examples.

use rayon::prelude::*;

use crate::mid_ranks::first_row_where;
use crate::{Error, Result};

/// Examples summed by one thread at a time; fixed, so that sums do not depend on the thread count.
const CHUNK: usize = 1 << 14;

/// Finite weights `tau_i >= 0` with a positive sum; example `i` has probability `tau_i / Σ tau`.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    tau: Vec<f64>,
    total: f64,
}

impl Weights {
    /// Checked weights, `[n]`.
    ///
    /// # Errors
    /// No weight; NaN, infinite or negative weights (the first row is named); all zero; a sum that overflows.
    pub fn new(tau: Vec<f64>) -> Result<Self> {
        if tau.is_empty() {
            return Err(Error::Empty { what: "weights".into() });
        }
        let bad = |t: f64| !(t.is_finite() && t >= 0.0);
        // The sum shows whether there is a bad weight to look for: one pass over memory.
        let total = chunked_sum(&tau, |t| if bad(t) { f64::NAN } else { t });
        if total.is_nan()
            && let Some(row) = first_row_where(&tau, bad)
        {
            let (what, value) = ("weight".to_owned(), tau[row]);
            return Err(if value < 0.0 && value.is_finite() {
                Error::Negative { what, row, value }
            } else {
                Error::NotFinite { what, row, value }
            });
        }
        if total == 0.0 {
            return Err(Error::NoMass { examples: tau.len() });
        }
        if total.is_infinite() {
            return Err(Error::invalid("sum of the weights", total, "a finite sum: scale the weights down"));
        }
        Ok(Self { tau, total })
    }

    /// The same weight for `n` examples.
    ///
    /// # Errors
    /// `n` is zero.
    pub fn uniform(n: usize) -> Result<Self> {
        Self::new(vec![1.0; n])
    }

    /// The weights as given, `[n]`.
    pub fn tau(&self) -> &[f64] {
        &self.tau
    }

    /// Number of examples, at least one.
    #[allow(clippy::len_without_is_empty, reason = "weights are never empty")]
    pub fn len(&self) -> usize {
        self.tau.len()
    }

    /// Sum of the weights.
    pub const fn total(&self) -> f64 {
        self.total
    }

    /// Probability of example `i`.
    ///
    /// # Panics
    /// If `i >= len()`, as slice indexing does.
    pub fn probability(&self, i: usize) -> f64 {
        self.tau[i] / self.total
    }

    /// Probabilities, `[n]`, summing to 1.
    pub fn probabilities(&self) -> Vec<f64> {
        self.tau.par_iter().map(|t| t / self.total).collect()
    }

    /// Kish's effective sample size `1 / Σ p²`, in `[1, n]`; `n` when all weights are equal.
    pub fn effective_sample_size(&self) -> f64 {
        1.0 / chunked_sum(&self.tau, |t| (t / self.total).powi(2))
    }

    /// Number of examples with positive weight, at least one.
    pub fn positive(&self) -> usize {
        self.tau.par_iter().with_min_len(CHUNK).filter(|&&t| t > 0.0).count()
    }
}

/// Sum of `f(value)` over fixed chunks, then over their sums in order.
pub(crate) fn chunked_sum(values: &[f64], f: impl Fn(f64) -> f64 + Sync) -> f64 {
    let partial: Vec<f64> =
        values.par_chunks(CHUNK).map(|chunk| chunk.iter().map(|&v| f(v)).sum::<f64>()).collect();
    partial.iter().sum()
}
