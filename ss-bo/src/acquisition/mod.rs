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
    /// Thompson sampling: maximise one function drawn from the posterior. Each trial draws another, which
    /// spreads trials in flight by itself.
    Thompson,
}

/// An acquisition function ready to be evaluated.
pub(crate) enum Criterion<'a> {
    /// A function of posterior mean and deviation, averaged over models; with the incumbent of each.
    Belief { acquisition: Acquisition, models: Vec<(&'a GaussianProcess, f64)> },
    /// A function drawn from the posterior.
    Draw(SamplePath<'a>),
}

/// Smallest posterior deviation: expected improvement is taken at the limit of precision below it.
const MIN_STD: f64 = 1e-9;

impl Criterion<'_> {
    /// The value at `x`.
    pub(crate) fn value(&self, x: &[f64]) -> f64 {
        self.value_of_first(usize::MAX, x)
    }

    /// A cheap stand-in for the value at `x`, to tell which candidates are worth it: the first model's alone.
    pub(crate) fn screen(&self, x: &[f64]) -> f64 {
        self.value_of_first(1, x)
    }

    /// The value at `x`, averaged over the first `count` models at most.
    fn value_of_first(&self, count: usize, x: &[f64]) -> f64 {
        match self {
            Self::Belief { acquisition, models } => {
                let value = |(gp, incumbent): &(&GaussianProcess, f64)| {
                    let Posterior { mean, variance } = gp.posterior(x);
                    acquisition.value(mean, variance.sqrt().max(MIN_STD), *incumbent).0
                };
                acquisition.average(&models.iter().take(count).map(value).collect::<Vec<f64>>()).0
            }
            Self::Draw(path) => path.value(x),
        }
    }

    /// The value at `x` and its gradient.
    pub(crate) fn gradient(&self, x: &[f64]) -> (f64, Vec<f64>) {
        match self {
            Self::Belief { acquisition, models } => {
                let value = |(gp, incumbent): &(&GaussianProcess, f64)| {
                    let at = gp.posterior_gradient(x);
                    let std = at.value.variance.sqrt().max(MIN_STD);
                    let (value, by_mean, by_std) = acquisition.value(at.value.mean, std, *incumbent);
                    let chain = |(m, v): (&f64, &f64)| by_mean * m + by_std * v / (2.0 * std);
                    (value, at.mean.iter().zip(&at.variance).map(chain).collect())
                };
                let (values, gradients): (Vec<f64>, Vec<Vec<f64>>) = models.iter().map(value).unzip();
                let (value, shares) = acquisition.average(&values);
                let mut gradient = vec![0.0; x.len()];
                for (share, part) in shares.iter().zip(&gradients) {
                    gradient.iter_mut().zip(part).for_each(|(g, p)| *g += share * p);
                }
                (value, gradient)
            }
            Self::Draw(path) => path.gradient(x),
        }
    }
}

impl Acquisition {
    /// The value at posterior `mean` and deviation `std` (positive) against `incumbent`, all on the
    /// standardised scale, and its derivatives by mean and deviation. Thompson sampling is not a function of
    /// these two; its value here is the mean, what a draw is on average.
    pub fn value(self, mean: f64, std: f64, incumbent: f64) -> (f64, f64, f64) {
        match self {
            Self::LogEi | Self::LogNoisyEi => log_ei(mean, std, incumbent),
            Self::Ucb { beta } => (mean + beta * std, 1.0, beta),
            Self::Thompson => (mean, 1.0, 0.0),
        }
    }
    /// The average of the values that several models give, and the derivative of the average by each of them.
    /// For expected improvement it is the improvement that is averaged, not its logarithm.
    fn average(self, values: &[f64]) -> (f64, Vec<f64>) {
        let n = values.len() as f64;
        if !matches!(self, Self::LogEi | Self::LogNoisyEi) {
            return (values.iter().sum::<f64>() / n, vec![1.0 / n; values.len()]);
        }
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !largest.is_finite() {
            return (largest, vec![1.0 / n; values.len()]);
        }
        let parts: Vec<f64> = values.iter().map(|v| (v - largest).exp()).collect();
        let total: f64 = parts.iter().sum();
        (largest + (total / n).ln(), parts.iter().map(|p| p / total).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gp::{Dataset, Hyperparameters};

    #[test]
    fn improvements_are_averaged_and_not_their_logarithms() {
        let values: [f64; 3] = [-700.0, -1.0, 0.5];
        let (average, shares) = Acquisition::LogNoisyEi.average(&values);
        let expected = (values.iter().map(|v| v.exp()).sum::<f64>() / 3.0).ln();
        assert!((average - expected).abs() < 1e-14);
        for i in 0..3 {
            let at = |h: f64| {
                let mut moved = values;
                moved[i] += h;
                Acquisition::LogNoisyEi.average(&moved).0
            };
            assert!((shares[i] - (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-8);
        }
        // Far below what an exponential can hold.
        assert!((Acquisition::LogEi.average(&[-5000.0, -5000.0]).0 + 5000.0).abs() < 1e-9);
        assert_eq!(Acquisition::Ucb { beta: 1.0 }.average(&[1.0, 3.0]), (2.0, vec![0.5, 0.5]));
    }

    #[test]
    fn the_gradient_over_several_models_is_a_derivative() {
        let points = [[0.1, 0.2], [0.4, 0.9], [0.75, 0.3]].map(|p| p.to_vec());
        let model = |length: f64| {
            let data = Dataset::new(&points, &[0.3, -1.2, 0.8], &[0.0; 3], 2).unwrap();
            let hyper = Hyperparameters {
                length_scales: vec![length, 0.5],
                signal_variance: 1.2,
                noise_variance: 0.01,
                mean_variance: 1.0,
            };
            GaussianProcess::new(data, hyper).unwrap()
        };
        let (a, b) = (model(0.3), model(1.1));
        for acquisition in [Acquisition::LogNoisyEi, Acquisition::Ucb { beta: 2.0 }] {
            let criterion = Criterion::Belief { acquisition, models: vec![(&a, 0.7), (&b, 0.9)] };
            let x = [0.35, 0.6];
            let (value, gradient) = criterion.gradient(&x);
            let alone = Criterion::Belief { acquisition, models: vec![(&a, 0.7)] };
            assert_eq!(criterion.screen(&x), alone.value(&x));
            assert_ne!(criterion.screen(&x), criterion.value(&x));
            assert!((value - criterion.value(&x)).abs() < 1e-12);
            for c in 0..2 {
                let at = |h: f64| {
                    let mut moved = x;
                    moved[c] += h;
                    criterion.value(&moved)
                };
                let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((gradient[c] - numeric).abs() < 1e-5, "{acquisition:?}: {} {numeric}", gradient[c]);
            }
        }
    }
}
