//! Acquisition functions: how much a trial at a point is worth.

mod log_ei;
mod maximise;

pub use log_ei::{log_ei, log_h};
pub(crate) use maximise::{Search, max_distance, maximise};

use serde::{Deserialize, Serialize};

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
}

impl Acquisition {
    /// The value at posterior `mean` and deviation `std` (positive) against `incumbent`, all on the standardised scale,
    /// and its derivatives by mean and deviation.
    pub fn value(self, mean: f64, std: f64, incumbent: f64) -> (f64, f64, f64) {
        match self {
            Self::LogEi | Self::LogNoisyEi => log_ei(mean, std, incumbent),
            Self::Ucb { beta } => (mean + beta * std, 1.0, beta),
        }
    }
}
