//! Gaussian process regression with a Matern 5/2 kernel.
//!
//! | symbol | meaning | shape |
//! |---|---|---|
//! | `X` | training points in `[0, 1]^d` | `n x d` |
//! | `y` | standardised scores (see [`TargetTransform`]) | `n` |
//! | `l`, `s2`, `noise` | length scales, signal variance, noise variance ([`Hyperparameters`]) | `d`, 1, 1 |
//! | `v` | known variances of single observations, standardised | `n` |
//! | `K` | `s2 R + diag(noise + v)`, `R_ij` the Matern 5/2 correlation of `x_i` and `x_j` | `n x n` |
//! | `L` | Cholesky factor, `K = L L^T` | `n x n` |
//! | `m` | constant mean | 1 |
//! | `a` | `K^-1 (y - m)` | `n` |
//!
//! Posterior of the noise-free objective at `x`: mean `m + k(x)^T a`, variance `s2 - |L^-1 k(x)|^2`
//! (Rasmussen and Williams 2006, algorithm 2.1).

mod evidence;
mod fit;
mod hyper;
mod kernel;
mod laplace;
mod path;
mod posterior;
mod transform;

pub use evidence::{Evidence, log_evidence};
pub use fit::{FitReport, fit};
pub(crate) use fit::{Fitted, fit_best};
pub use hyper::{Gamma, Hyperparameters, InverseGamma, LogNormal, Priors};
pub use kernel::matern52;
pub use path::SamplePath;
pub use posterior::{GaussianProcess, Posterior, PosteriorGradient};
pub(crate) use transform::moments;
pub use transform::{TargetScale, TargetTransform, Targets};

use crate::error::{Error, Result};

/// Observations on the standardised scale: what a Gaussian process is conditioned on.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Points, row-major `n x dim`.
    x: Vec<f64>,
    /// Standardised scores, length `n`.
    y: Vec<f64>,
    /// Known variances of the scores on the standardised scale, length `n`.
    variances: Vec<f64>,
    dim: usize,
}

impl Dataset {
    /// A data set of `points.len()` points of dimension `dim` with scores `y` (larger is better) and known
    /// variances (zero where unknown), all on the scale that the process models.
    ///
    /// # Errors
    /// Lengths that differ, values that are not finite, negative variances.
    pub fn new(points: &[Vec<f64>], y: &[f64], variances: &[f64], dim: usize) -> Result<Self> {
        for (what, found) in [("scores", y.len()), ("variances", variances.len())] {
            if found != points.len() {
                return Err(Error::LengthMismatch { what, expected: points.len(), found });
            }
        }
        let mut x = Vec::with_capacity(points.len() * dim);
        for (i, point) in points.iter().enumerate() {
            if point.len() != dim {
                let what = format!("point {i}");
                return Err(Error::WrongDimension { what, expected: dim, found: point.len() });
            }
            if let Some(j) = point.iter().position(|v| !v.is_finite()) {
                let found = point[j];
                return Err(Error::OutsideCube { what: format!("point {i}"), coordinate: j, found });
            }
            x.extend_from_slice(point);
        }
        if let Some(index) = y.iter().position(|v| !v.is_finite()) {
            let (found, expected) = (y[index], "a finite number");
            return Err(Error::InvalidValue { what: "score", index, found, expected });
        }
        if let Some(index) = variances.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
            let (found, expected) = (variances[index], "a finite number that is not negative");
            return Err(Error::InvalidValue { what: "variance", index, found, expected });
        }
        Ok(Self { x, y: y.to_vec(), variances: variances.to_vec(), dim })
    }

    /// Number of observations `n`.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there are no observations.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Dimension `d` of the points.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Point `i`.
    pub fn point(&self, i: usize) -> &[f64] {
        &self.x[i * self.dim..(i + 1) * self.dim]
    }

    /// Standardised scores.
    pub fn scores(&self) -> &[f64] {
        &self.y
    }

    /// The observations with these indices, in this order.
    fn subset(&self, indices: &[usize]) -> Self {
        Self {
            x: indices.iter().flat_map(|&i| self.point(i)).copied().collect(),
            y: indices.iter().map(|&i| self.y[i]).collect(),
            variances: indices.iter().map(|&i| self.variances[i]).collect(),
            dim: self.dim,
        }
    }
}
