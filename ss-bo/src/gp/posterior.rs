//! The process conditioned on data.

use super::evidence::solve_mean;
use super::kernel::{matern52, matern52_with_slope, scaled_distance2};
use super::{Dataset, Hyperparameters};
use crate::cholesky::{Cholesky, dot};
use crate::error::Result;

/// A Gaussian process with fixed hyper-parameters, conditioned on data.
#[derive(Clone, Debug)]
pub struct GaussianProcess {
    data: Dataset,
    hyper: Hyperparameters,
    pub(super) inverse_l2: Vec<f64>,
    pub(super) chol: Cholesky,
    pub(super) mean: f64,
    alpha: Vec<f64>,
}

/// Belief about the noise-free objective at one point, on the standardised scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// Mean.
    pub mean: f64,
    /// Variance, not negative.
    pub variance: f64,
}

/// A [`Posterior`] and its derivatives by the coordinates of the point.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorGradient {
    /// The belief itself.
    pub value: Posterior,
    /// Derivative of the mean, length `d`.
    pub mean: Vec<f64>,
    /// Derivative of the variance, length `d`.
    pub variance: Vec<f64>,
}

impl GaussianProcess {
    /// Conditions the process on `data`.
    ///
    /// # Errors
    /// Hyper-parameters out of range, or a covariance that is not positive definite.
    pub fn new(data: Dataset, hyper: Hyperparameters) -> Result<Self> {
        hyper.check(data.dim())?;
        let n = data.len();
        let inverse_l2 = hyper.inverse_l2();
        let mut k = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let r2 = scaled_distance2(data.point(i), data.point(j), &inverse_l2);
                k[i * n + j] = hyper.signal_variance * matern52(r2);
            }
            k[i * n + i] = hyper.signal_variance + hyper.noise_variance + data.variances[i];
        }
        let chol = Cholesky::new(&k, n)?;
        let (mean, alpha) = solve_mean(&chol, &data.y, hyper.mean_variance);
        Ok(Self { data, hyper, inverse_l2, chol, mean, alpha })
    }

    /// The data.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// The hyper-parameters.
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.hyper
    }

    /// What had to be added to the diagonal of the covariance; 0 when nothing was.
    pub fn jitter(&self) -> f64 {
        self.chol.jitter()
    }

    /// Covariances of `x` with the data, length `n`.
    pub(super) fn cross(&self, x: &[f64]) -> Vec<f64> {
        (0..self.data.len())
            .map(|i| {
                let r2 = scaled_distance2(x, self.data.point(i), &self.inverse_l2);
                self.hyper.signal_variance * matern52(r2)
            })
            .collect()
    }

    /// The posterior at `x`, of length `d`.
    pub fn posterior(&self, x: &[f64]) -> Posterior {
        let mut k = self.cross(x);
        let mean = self.mean + dot(&k, &self.alpha);
        self.chol.solve_lower(&mut k);
        Posterior { mean, variance: (self.hyper.signal_variance - dot(&k, &k)).max(0.0) }
    }

    /// The posterior mean at `x`: `O(n d)`.
    pub fn mean(&self, x: &[f64]) -> f64 {
        self.mean + dot(&self.cross(x), &self.alpha)
    }

    /// The posterior at `x` and its gradient.
    pub fn posterior_gradient(&self, x: &[f64]) -> PosteriorGradient {
        let (n, d) = (self.data.len(), self.data.dim());
        let mut k = vec![0.0; n];
        let mut slopes = vec![0.0; n];
        for i in 0..n {
            let r2 = scaled_distance2(x, self.data.point(i), &self.inverse_l2);
            let (corr, slope) = matern52_with_slope(r2);
            k[i] = self.hyper.signal_variance * corr;
            slopes[i] = self.hyper.signal_variance * slope;
        }
        let mean = self.mean + dot(&k, &self.alpha);
        self.chol.solve_lower(&mut k);
        let variance = (self.hyper.signal_variance - dot(&k, &k)).max(0.0);
        self.chol.solve_upper(&mut k);
        // dk_i/dx_c = -slope_i (x_c - x_ic) / l_c^2; mean' = dk^T a; variance' = -2 dk^T K^-1 k.
        let (mut dmean, mut dvariance) = (vec![0.0; d], vec![0.0; d]);
        for i in 0..n {
            let (for_mean, for_variance) = (slopes[i] * self.alpha[i], slopes[i] * k[i]);
            let point = self.data.point(i);
            for c in 0..d {
                let delta = x[c] - point[c];
                dmean[c] -= for_mean * delta;
                dvariance[c] += 2.0 * for_variance * delta;
            }
        }
        for c in 0..d {
            dmean[c] *= self.inverse_l2[c];
            dvariance[c] *= self.inverse_l2[c];
        }
        PosteriorGradient { value: Posterior { mean, variance }, mean: dmean, variance: dvariance }
    }

    /// The process with one more observation and the same hyper-parameters, by appending a row to the
    /// Cholesky factor (`O(n^2)`); refactors when that fails numerically.
    ///
    /// # Errors
    /// A covariance that is not positive definite even then.
    pub fn condition(&self, x: &[f64], y: f64, variance: f64) -> Result<Self> {
        let mut data = self.data.clone();
        data.x.extend_from_slice(x);
        data.y.push(y);
        data.variances.push(variance);
        let diagonal = self.hyper.signal_variance + self.hyper.noise_variance + variance;
        let Ok(chol) = self.chol.append(&self.cross(x), diagonal) else {
            return Self::new(data, self.hyper.clone());
        };
        let (mean, alpha) = solve_mean(&chol, &data.y, self.hyper.mean_variance);
        let (hyper, inverse_l2) = (self.hyper.clone(), self.inverse_l2.clone());
        Ok(Self { data, hyper, inverse_l2, chol, mean, alpha })
    }
}
