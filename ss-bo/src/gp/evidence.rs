//! The log marginal likelihood and its gradient.

use super::kernel::{matern52_with_slope, scaled_distance2};
use super::{Dataset, Hyperparameters};
use crate::cholesky::{Cholesky, dot};
use crate::error::Result;

/// The log marginal likelihood of standardised scores and its gradient in the logarithms of the
/// hyper-parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// `-1/2 (y-m)^T K^-1 (y-m) - 1/2 ln det K - n/2 ln(2 pi) - m^2 / (2 mean_variance)` at the maximising `m`
    /// (nats). The last term is the mean's prior; `m = 0` when `mean_variance` is 0.
    pub value: f64,
    /// Derivative by `ln l_i`, length `d`.
    pub length_scales: Vec<f64>,
    /// Derivative by the logarithm of the signal variance.
    pub signal: f64,
    /// Derivative by the noise variance itself (not its logarithm).
    pub noise: f64,
}

/// Computes the [`Evidence`] (Rasmussen and Williams 2006, eqs. 2.30 and 5.9). The mean is profiled out, so its
/// derivative does not appear (envelope theorem).
///
/// # Errors
/// Hyper-parameters out of range, or a covariance that is not positive definite.
pub fn log_evidence(data: &Dataset, hyper: &Hyperparameters) -> Result<Evidence> {
    hyper.check(data.dim())?;
    let (n, d) = (data.len(), data.dim());
    let inverse_l2 = hyper.inverse_l2();
    let mut k = vec![0.0; n * n];
    let mut slopes = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let r2 = scaled_distance2(data.point(i), data.point(j), &inverse_l2);
            let (corr, slope) = matern52_with_slope(r2);
            k[i * n + j] = hyper.signal_variance * corr;
            slopes[i * n + j] = hyper.signal_variance * slope;
        }
        k[i * n + i] = hyper.signal_variance + hyper.noise_variance + data.variances[i];
    }
    let chol = Cholesky::new(&k, n)?;
    let (mean, alpha) = solve_mean(&chol, &data.y, hyper.mean_variance);
    let fit: f64 = data.y.iter().zip(&alpha).map(|(y, a)| (y - mean) * a).sum();
    let mean_penalty = if hyper.mean_variance > 0.0 { 0.5 * mean * mean / hyper.mean_variance } else { 0.0 };
    let value =
        -0.5 * fit - 0.5 * chol.log_det() - 0.5 * n as f64 * (2.0 * std::f64::consts::PI).ln() - mean_penalty;

    // Gradient: 1/2 sum_ij w_ij dK_ij with w = a a^T - K^-1; both are symmetric, so off-diagonal pairs count
    // twice and the factor 1/2 goes.
    let mut w = chol.inverse_lower();
    let (mut signal, mut noise) = (0.0, 0.0);
    let mut length_scales = vec![0.0; d];
    for i in 0..n {
        for j in 0..i {
            let at = i * n + j;
            w[at] = alpha[i] * alpha[j] - w[at];
            signal += w[at] * k[at];
            let weight = w[at] * slopes[at];
            let (a, b) = (data.point(i), data.point(j));
            for c in 0..d {
                let delta = a[c] - b[c];
                length_scales[c] += weight * delta * delta;
            }
        }
        let diagonal = alpha[i] * alpha[i] - w[i * n + i];
        signal += 0.5 * diagonal * hyper.signal_variance;
        noise += 0.5 * diagonal;
    }
    for (g, il2) in length_scales.iter_mut().zip(&inverse_l2) {
        *g *= il2;
    }
    Ok(Evidence { value, length_scales, signal, noise })
}

/// The constant mean's posterior mode `m` and `a = K^-1 (y - m)`.
pub(super) fn solve_mean(chol: &Cholesky, y: &[f64], mean_variance: f64) -> (f64, Vec<f64>) {
    let mut alpha = y.to_vec();
    chol.solve(&mut alpha);
    if mean_variance == 0.0 || y.is_empty() {
        return (0.0, alpha);
    }
    let mut ones = vec![1.0; y.len()];
    chol.solve(&mut ones);
    let mean = dot(&ones, y) / (ones.iter().sum::<f64>() + 1.0 / mean_variance);
    for (a, o) in alpha.iter_mut().zip(&ones) {
        *a -= mean * o;
    }
    (mean, alpha)
}
