//! When to stop: a search that has converged, a trial that will not win.

use serde::{Deserialize, Serialize};

use crate::bayes::BayesOpt;
use crate::error::{Error, Result};
use crate::optimizer::Optimizer;

/// Stops a search when the model expects next to nothing from its best next trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Convergence {
    /// Completed trials before the rule may apply, at least 2. Defaults to 20.
    pub min_trials: usize,
    /// The search has converged when the largest expected improvement is below this many standard deviations
    /// of the scores seen. Positive; defaults to 0.0005.
    pub tolerance: f64,
}

impl Default for Convergence {
    fn default() -> Self {
        Self { min_trials: 20, tolerance: 0.0005 }
    }
}

impl Convergence {
    /// Whether the search has converged. Costs as much as a suggestion.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for settings out of range, and those of the model's fit.
    pub fn reached(&self, bo: &BayesOpt) -> Result<bool> {
        if self.min_trials < 2 {
            let (found, expected) = (self.min_trials.to_string(), "at least 2");
            return Err(Error::InvalidConfig { field: "min_trials", found, expected });
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            let (found, expected) = (self.tolerance.to_string(), "a finite positive number");
            return Err(Error::InvalidConfig { field: "tolerance", found, expected });
        }
        let completed = bo.trials().iter().filter(|t| t.score().is_some()).count();
        if completed < self.min_trials || completed < bo.config().startup_trials {
            return Ok(false);
        }
        Ok(bo.expected_improvement()?.is_some_and(|e| e.relative < self.tolerance))
    }
}

/// Stops a trial whose intermediate score is worse than a quantile of what earlier trials had at the same
/// stage (the median rule: Golovin et al. 2017, "Google Vizier", section 3.2).
///
/// Nothing applies this rule by itself: pruning is off unless the caller asks, and then tells
/// [`Outcome::Pruned`](crate::Outcome::Pruned).
///
/// ```
/// let rule = ss_bo::QuantileRule { min_trials: 3, ..ss_bo::QuantileRule::default() };
/// let earlier = [0.50, 0.55, 0.60, 0.52];
/// assert!(rule.prunes(0.40, &earlier));
/// assert!(!rule.prunes(0.54, &earlier));
/// assert!(!rule.prunes(0.40, &earlier[..2]), "too little to compare with");
/// assert!(rule.prunes(f64::NAN, &earlier));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuantileRule {
    /// Earlier trials needed before any is stopped. Defaults to 8.
    pub min_trials: usize,
    /// A trial is stopped when it is below this quantile of the earlier ones, in `[0, 1]`. Defaults to 0.5.
    pub quantile: f64,
    /// ... by more than this, in units of the score; not negative. Set it to the noise of an
    /// intermediate score. Defaults to 0.
    pub margin: f64,
}

impl Default for QuantileRule {
    fn default() -> Self {
        Self { min_trials: 8, quantile: 0.5, margin: 0.0 }
    }
}

impl QuantileRule {
    /// Whether to stop a trial with this intermediate `score` (larger is better), given the
    /// intermediate scores that
    /// `earlier` trials had at the same stage, pruned ones included. A score that is not a number is stopped.
    pub fn prunes(&self, score: f64, earlier: &[f64]) -> bool {
        if score.is_nan() {
            return true;
        }
        let mut sorted: Vec<f64> = earlier.iter().copied().filter(|v| !v.is_nan()).collect();
        if sorted.is_empty() || sorted.len() < self.min_trials {
            return false;
        }
        sorted.sort_by(f64::total_cmp);
        let at = self.quantile.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
        let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        score < low + (high - low) * at.fract() - self.margin.max(0.0)
    }
}
