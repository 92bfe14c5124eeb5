//! Hyper-parameters of the process and their priors.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Scales of the process, in units of the (standardised) data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hyperparameters {
    /// Distance over which the objective changes, for each of the `d` coordinates; positive.
    pub length_scales: Vec<f64>,
    /// Variance of the objective; positive.
    pub signal_variance: f64,
    /// Variance of the noise common to all observations; zero or positive.
    pub noise_variance: f64,
    /// Variance of the prior of the constant mean around zero; 0 fixes the mean at zero.
    pub mean_variance: f64,
}

impl Hyperparameters {
    /// Checks the ranges above for points of dimension `dim`.
    pub(super) fn check(&self, dim: usize) -> Result<()> {
        if self.length_scales.len() != dim {
            let found = self.length_scales.len();
            return Err(Error::LengthMismatch { what: "length scales", expected: dim, found });
        }
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if let Some(index) = self.length_scales.iter().position(|&l| !positive(l)) {
            let (found, expected) = (self.length_scales[index], "a finite positive number");
            return Err(Error::InvalidValue { what: "length scale", index, found, expected });
        }
        if !positive(self.signal_variance) {
            let (found, expected) = (self.signal_variance, "a finite positive number");
            return Err(Error::InvalidValue { what: "signal variance", index: 0, found, expected });
        }
        for (what, found) in [("noise variance", self.noise_variance), ("mean variance", self.mean_variance)]
        {
            if !(found.is_finite() && found >= 0.0) {
                let expected = "a finite number that is not negative";
                return Err(Error::InvalidValue { what, index: 0, found, expected });
            }
        }
        Ok(())
    }

    /// `1 / l_i^2`.
    pub(super) fn inverse_l2(&self) -> Vec<f64> {
        self.length_scales.iter().map(|l| 1.0 / (l * l)).collect()
    }
}

/// A log-normal prior: the logarithm is normal with this mean and deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogNormal {
    /// Mean of the logarithm.
    pub mu: f64,
    /// Standard deviation of the logarithm; positive.
    pub sigma: f64,
}

impl LogNormal {
    /// Log density of the logarithm `t` (up to a constant) and its derivative.
    pub(super) fn log_density(&self, t: f64) -> (f64, f64) {
        let z = (t - self.mu) / self.sigma;
        (-0.5 * z * z, -z / self.sigma)
    }
}

/// A gamma prior of a variance `v`: `ln p(v) = (shape - 1) ln v - rate v` up to a constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gamma {
    /// Shape, larger than 1; the mode is at `(shape - 1) / rate`.
    pub shape: f64,
    /// Rate, positive: one over the scale beyond which variances become unlikely.
    pub rate: f64,
}

impl Gamma {
    /// Log density of the variance `e^t` (up to a constant) and its derivative by `t`.
    pub(super) fn log_density(&self, t: f64) -> (f64, f64) {
        let (shape, v) = (self.shape - 1.0, t.exp());
        (shape * t - self.rate * v, shape - self.rate * v)
    }

    /// The most likely variance.
    pub(super) fn mode(&self) -> f64 {
        (self.shape - 1.0) / self.rate
    }
}

/// Priors of the hyper-parameters: of the logarithms of length scales and signal variance, of the noise
/// variance itself.
///
/// The length scales' prior moves with the square root of the dimension, because distances in the cube do
/// (Hvarfner, Hellsten, Nardi 2024, "Vanilla Bayesian Optimization Performs Great in High Dimensions").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Priors {
    /// Length scales, for one dimension; `ln(d) / 2` is added to `mu`.
    pub length_scale: LogNormal,
    /// Signal variance.
    pub signal: LogNormal,
    /// Noise variance. A fit that explains nearly everything as noise stops searching; the rate keeps
    /// it from that until
    /// the data insist.
    pub noise: Gamma,
    /// Smallest noise variance, keeps the covariance well conditioned.
    pub noise_floor: f64,
    /// Variance of the constant mean.
    pub mean_variance: f64,
}

impl Default for Priors {
    fn default() -> Self {
        Self {
            length_scale: LogNormal { mu: -1.0, sigma: 1.0 },
            signal: LogNormal { mu: 0.0, sigma: 1.0 },
            noise: Gamma { shape: 1.1, rate: 30.0 },
            noise_floor: 1e-8,
            mean_variance: 1.0,
        }
    }
}

impl Priors {
    /// The length scales' prior in `dim` dimensions.
    pub(super) fn length_scale_in(&self, dim: usize) -> LogNormal {
        let mu = self.length_scale.mu + 0.5 * (dim as f64).ln();
        LogNormal { mu, sigma: self.length_scale.sigma }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let expected = "finite mu, finite positive sigma";
        for (field, p) in [("priors.length_scale", self.length_scale), ("priors.signal", self.signal)] {
            if !(p.mu.is_finite() && p.sigma.is_finite() && p.sigma > 0.0) {
                return Err(Error::InvalidConfig { field, found: format!("{p:?}"), expected });
            }
        }
        let Gamma { shape, rate } = self.noise;
        if !(shape.is_finite() && shape > 1.0 && rate.is_finite() && rate > 0.0) {
            let (field, found) = ("priors.noise", format!("{:?}", self.noise));
            return Err(Error::InvalidConfig {
                field,
                found,
                expected: "finite shape above 1, finite positive rate",
            });
        }
        for (field, v) in
            [("priors.noise_floor", self.noise_floor), ("priors.mean_variance", self.mean_variance)]
        {
            if !(v.is_finite() && v >= 0.0) {
                let expected = "a finite number that is not negative";
                return Err(Error::InvalidConfig { field, found: v.to_string(), expected });
            }
        }
        Ok(())
    }
}
