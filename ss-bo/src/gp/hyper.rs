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

/// An inverse gamma prior of a length `l`: `ln p(ln l) = -shape ln l - scale / l` up to a constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InverseGamma {
    /// Shape, positive: how fast the density falls beyond the mode of `ln l`, a power of `l`.
    pub shape: f64,
    /// Scale, positive: that mode is at `ln(scale / shape)`, and the density falls exponentially in `1 / l` below it.
    pub scale: f64,
}

impl InverseGamma {
    /// Log density of the logarithm `t` (up to a constant) and its derivative.
    pub(super) fn log_density(&self, t: f64) -> (f64, f64) {
        let rate = self.scale * (-t).exp();
        (-self.shape * t - rate, rate - self.shape)
    }

    /// The most likely logarithm.
    pub(super) fn log_mode(&self) -> f64 {
        (self.scale / self.shape).ln()
    }
}

/// Priors of the hyper-parameters: of the logarithms of length scales and signal variance, of the noise
/// variance itself.
///
/// The length scales' prior moves with the square root of the dimension, because distances in the cube do
/// (Hvarfner, Hellsten, Nardi 2024, "Vanilla Bayesian Optimization Performs Great in High Dimensions"). It falls steeply
/// towards zero: with a short length scale in one coordinate or two, a process explains the noise of a few dozen
/// observations as well as a noise variance does, and then searches near a lucky observation. An objective that
/// changes over a hundredth of the cube's side could not be found in so many trials anyway.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Priors {
    /// Length scales, for one dimension; the scale is multiplied by `sqrt(d)`.
    pub length_scale: InverseGamma,
    /// Signal variance.
    pub signal: LogNormal,
    /// Noise variance. A fit that explains nearly everything as noise stops searching; the rate keeps it from
    /// that until the data insist.
    pub noise: Gamma,
    /// Smallest noise variance, keeps the covariance well conditioned.
    pub noise_floor: f64,
    /// Variance of the constant mean.
    pub mean_variance: f64,
}

impl Default for Priors {
    fn default() -> Self {
        Self {
            length_scale: InverseGamma { shape: 2.0, scale: 0.75 },
            signal: LogNormal { mu: 0.0, sigma: 1.0 },
            noise: Gamma { shape: 1.1, rate: 30.0 },
            noise_floor: 1e-8,
            mean_variance: 1.0,
        }
    }
}

impl Priors {
    /// The length scales' prior in `dim` dimensions.
    pub(super) fn length_scale_in(&self, dim: usize) -> InverseGamma {
        let InverseGamma { shape, scale } = self.length_scale;
        InverseGamma { shape, scale: scale * (dim as f64).sqrt() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let InverseGamma { shape, scale } = self.length_scale;
        if !(positive(shape) && positive(scale)) {
            let (field, found) = ("priors.length_scale", format!("{:?}", self.length_scale));
            return Err(Error::InvalidConfig { field, found, expected: "finite positive shape and scale" });
        }
        let LogNormal { mu, sigma } = self.signal;
        if !(mu.is_finite() && positive(sigma)) {
            let (field, found) = ("priors.signal", format!("{:?}", self.signal));
            return Err(Error::InvalidConfig { field, found, expected: "finite mu, finite positive sigma" });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_gamma_density_is_scipys() {
        // scipy 1.17.1: `invgamma.logpdf(l, 2.0, scale=0.75) + log(l)` less the same at the mode, 0.375.
        let prior = InverseGamma { shape: 2.0, scale: 0.75 };
        let at = |l: f64| prior.log_density(f64::ln(l)).0 - prior.log_density(prior.log_mode()).0;
        for (l, expected) in [(0.1, -2.856_488_320_035_361_5), (0.375, 0.0), (4.0, -2.921_747_228_263_233_5)]
        {
            assert!((at(l) - expected).abs() < 1e-12, "{l}: {} {expected}", at(l));
        }
        for t in [-3.0, -0.9, 2.0] {
            let numeric = (prior.log_density(t + 1e-5).0 - prior.log_density(t - 1e-5).0) / 2e-5;
            assert!((prior.log_density(t).1 - numeric).abs() < 1e-6);
        }
        assert!(prior.log_density(prior.log_mode()).1.abs() < 1e-14);
    }
}
