//! Functions drawn from a posterior.

use rand::Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use ss_seed::Stream;

use super::GaussianProcess;
use super::kernel::{matern52_with_slope, scaled_distance2};
use crate::cholesky::dot;

/// Random Fourier features of one draw.
const FEATURES: usize = 512;

/// One function drawn from a process's posterior, with its gradient: Thompson sampling maximises it.
///
/// The prior draw is a sum of random Fourier features (Rahimi and Recht 2007), corrected on the data by
/// Matheron's rule (Wilson et al. 2020, "Efficiently Sampling Functions from Gaussian Process Posteriors"),
/// so the draw is exact at the data and approximate in the prior's tails between them.
#[derive(Clone, Debug)]
pub struct SamplePath<'a> {
    gp: &'a GaussianProcess,
    /// Frequencies, row-major `FEATURES x d`, in units of the cube's side.
    frequencies: Vec<f64>,
    phases: Vec<f64>,
    weights: Vec<f64>,
    /// `K^-1 (y - prior draw - noise draw)`.
    update: Vec<f64>,
    mean: f64,
}

impl<'a> SamplePath<'a> {
    /// Draws a function; the stream decides which.
    pub fn new(gp: &'a GaussianProcess, stream: Stream) -> Self {
        let (data, hyper) = (gp.data(), gp.hyperparameters());
        let d = data.dim();
        let mut rng = stream.rng();
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let mut frequencies: Vec<f64> = (0..FEATURES * d).map(|_| normal()).collect();
        let weights: Vec<f64> = (0..FEATURES)
            .map(|_| normal() * (2.0 * hyper.signal_variance / FEATURES as f64).sqrt())
            .collect();
        let noise: Vec<f64> = (0..data.len())
            .map(|i| normal() * (hyper.noise_variance + data.variances[i] + gp.jitter()).sqrt())
            .collect();
        // The spectral density of Matern 5/2 is a multivariate t with 5 degrees of freedom.
        let five = ChiSquared::new(5.0).ok();
        for row in frequencies.chunks_exact_mut(d) {
            let chi: f64 = five.map_or(5.0, |c| c.sample(&mut rng));
            for (w, l) in row.iter_mut().zip(&hyper.length_scales) {
                *w *= (5.0 / chi).sqrt() / l;
            }
        }
        let phases = (0..FEATURES).map(|_| rng.random_range(0.0..std::f64::consts::TAU)).collect();
        let mut path = Self { gp, frequencies, phases, weights, update: Vec::new(), mean: gp.mean };
        let mut residual: Vec<f64> =
            (0..data.len()).map(|i| data.y[i] - gp.mean - path.prior(data.point(i)) - noise[i]).collect();
        gp.chol.solve(&mut residual);
        path.update = residual;
        path
    }

    fn prior(&self, x: &[f64]) -> f64 {
        (0..FEATURES).map(|k| self.weights[k] * (dot(self.frequency(k), x) + self.phases[k]).cos()).sum()
    }

    fn frequency(&self, k: usize) -> &[f64] {
        let d = self.gp.data().dim();
        &self.frequencies[k * d..(k + 1) * d]
    }

    /// The function at `x`, of length `d`.
    pub fn value(&self, x: &[f64]) -> f64 {
        self.mean + self.prior(x) + dot(&self.gp.cross(x), &self.update)
    }

    /// The function and its gradient at `x`.
    pub fn gradient(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let data = self.gp.data();
        let (mut value, mut gradient) = (self.mean, vec![0.0; x.len()]);
        for k in 0..FEATURES {
            let frequency = self.frequency(k);
            let (sin, cos) = (dot(frequency, x) + self.phases[k]).sin_cos();
            value += self.weights[k] * cos;
            gradient.iter_mut().zip(frequency).for_each(|(g, w)| *g -= self.weights[k] * sin * w);
        }
        let signal = self.gp.hyperparameters().signal_variance;
        for i in 0..data.len() {
            let point = data.point(i);
            let (corr, slope) = matern52_with_slope(scaled_distance2(x, point, &self.gp.inverse_l2));
            value += signal * corr * self.update[i];
            for c in 0..x.len() {
                gradient[c] -= signal * slope * self.update[i] * (x[c] - point[c]) * self.gp.inverse_l2[c];
            }
        }
        (value, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, Hyperparameters};
    use super::*;
    use ss_seed::Seed;

    fn process() -> GaussianProcess {
        let x = [[0.1, 0.2], [0.4, 0.9], [0.75, 0.3]].map(|p| p.to_vec());
        let data = Dataset::new(&x, &[0.3, -1.2, 0.8], &[0.0, 0.2, 0.0], 2).unwrap();
        let hyper = Hyperparameters {
            length_scales: vec![0.3, 0.7],
            signal_variance: 1.7,
            noise_variance: 0.1,
            mean_variance: 0.0,
        };
        GaussianProcess::new(data, hyper).unwrap()
    }

    #[test]
    fn draws_have_the_posteriors_moments() {
        let gp = process();
        let n = 3000;
        for x in [[0.1, 0.2], [0.5, 0.5], [0.95, 0.95]] {
            let draws: Vec<f64> = (0..n)
                .map(|i| SamplePath::new(&gp, Seed::new(1).stream("draw").index(i)).value(&x))
                .collect();
            let mean = draws.iter().sum::<f64>() / n as f64;
            let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n as f64;
            let posterior = gp.posterior(&x);
            let error = 4.0 * (posterior.variance / n as f64).sqrt();
            assert!((mean - posterior.mean).abs() < error, "{mean} {posterior:?}");
            assert!((variance / posterior.variance - 1.0).abs() < 0.12, "{variance} {posterior:?}");
        }
    }

    #[test]
    fn the_gradient_is_the_derivative() {
        let gp = process();
        let path = SamplePath::new(&gp, Seed::new(2).stream("draw"));
        let x = [0.35, 0.6];
        let (value, gradient) = path.gradient(&x);
        assert!((value - path.value(&x)).abs() < 1e-12);
        for c in 0..2 {
            let at = |h: f64| {
                let mut moved = x;
                moved[c] += h;
                path.value(&moved)
            };
            let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((gradient[c] - numeric).abs() < 1e-6, "{} {numeric}", gradient[c]);
        }
    }
}
