//! Acquisition functions: how much a trial at a point is worth.

mod log_ei;
mod maximise;

pub use log_ei::{log_ei, log_h};
pub(crate) use maximise::{Search, max_distance, maximise};

use serde::{Deserialize, Serialize};

use crate::gp::{GaussianProcess, Posterior, SamplePath};

/// What the next trial maximises.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acquisition {
    /// The logarithm of expected improvement over the best *observed* score: for objectives without noise
    /// (Ament et al. 2023, "Unexpected Improvements to Expected Improvement").
    LogEi,
    /// The same over the best *posterior mean* at an evaluated point: a lucky noisy observation does not
    /// raise the bar. Without noise the two agree.
    #[default]
    LogNoisyEi,
    /// Posterior mean plus `beta` posterior deviations.
    Ucb {
        /// Weight of the deviation, positive.
        beta: f64,
    },
    /// Thompson sampling: maximise one function drawn from the posterior. Each trial draws another,
    /// which spreads
    /// trials in flight by itself.
    Thompson,
}

/// An acquisition function ready to be evaluated.
pub(crate) enum Criterion<'a> {
    /// A function of posterior mean and deviation.
    Belief { gp: &'a GaussianProcess, acquisition: Acquisition, incumbent: f64 },
    /// A function drawn from the posterior.
    Draw(SamplePath<'a>),
}

/// Smallest posterior deviation: expected improvement is taken at the limit of precision below it.
const MIN_STD: f64 = 1e-9;

impl Criterion<'_> {
    /// The value at `x`.
    pub(crate) fn value(&self, x: &[f64]) -> f64 {
        match self {
            Self::Belief { gp, acquisition, incumbent } => {
                let Posterior { mean, variance } = gp.posterior(x);
                acquisition.value(mean, variance.sqrt().max(MIN_STD), *incumbent).0
            }
            Self::Draw(path) => path.value(x),
        }
    }

    /// The value at `x` and its gradient.
    pub(crate) fn gradient(&self, x: &[f64]) -> (f64, Vec<f64>) {
        match self {
            Self::Belief { gp, acquisition, incumbent } => {
                let at = gp.posterior_gradient(x);
                let std = at.value.variance.sqrt().max(MIN_STD);
                let (value, by_mean, by_std) = acquisition.value(at.value.mean, std, *incumbent);
                let chain = |(m, v): (&f64, &f64)| by_mean * m + by_std * v / (2.0 * std);
                (value, at.mean.iter().zip(&at.variance).map(chain).collect())
            }
            Self::Draw(path) => path.gradient(x),
        }
    }
}

impl Acquisition {
    /// The value at posterior `mean` and deviation `std` (positive) against `incumbent`, all on the
    /// standardised scale,
    /// and its derivatives by mean and deviation. Thompson sampling is not a function of these two; its value
    /// here is the mean, what a draw is on average.
    pub fn value(self, mean: f64, std: f64, incumbent: f64) -> (f64, f64, f64) {
        match self {
            Self::LogEi | Self::LogNoisyEi => log_ei(mean, std, incumbent),
            Self::Ucb { beta } => (mean + beta * std, 1.0, beta),
            Self::Thompson => (mean, 1.0, 0.0),
        }
    }
}
