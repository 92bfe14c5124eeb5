//! Plausible hyper-parameters beside the most probable ones.

use nalgebra::DVector;
use rand_distr::{Distribution, StandardNormal};
use ss_seed::Stream;

/// Step of the finite differences, in units of the logarithm of a hyper-parameter.
const STEP: f64 = 0.1;
/// Smallest curvature: no draw goes further than about one unit of the logarithm along a coordinate that the
/// data say nothing about, about the default priors' own deviation.
const MIN_CURVATURE: f64 = 1.0;

/// Draws from the Laplace approximation of a density around its mode, with a diagonal covariance: independent
/// normals whose variances are one over the curvatures of the negative log density.
///
/// `gradient` is that of the negative log density, `None` where it cannot be computed; the curvatures are its
/// differences. With few observations many hyper-parameters explain them equally well, and the most probable
/// ones alone are too sure of themselves (Snoek, Larochelle, Adams 2012, "Practical Bayesian Optimization of
/// Machine Learning Algorithms", section 3.2, average over slice samples for that reason).
pub(super) fn draws(
    gradient: impl Fn(&DVector<f64>) -> Option<DVector<f64>>,
    mode: &DVector<f64>,
    count: usize,
    stream: Stream,
) -> Vec<DVector<f64>> {
    let Some(at_mode) = gradient(mode) else { return Vec::new() };
    let deviation = |i: usize| {
        let mut moved = mode.clone();
        moved[i] += STEP;
        let curvature = gradient(&moved).map_or(f64::INFINITY, |g| (g[i] - at_mode[i]) / STEP);
        1.0 / curvature.max(MIN_CURVATURE).sqrt()
    };
    let deviations = DVector::from_iterator(mode.len(), (0..mode.len()).map(deviation));
    let mut rng = stream.rng();
    (0..count)
        .map(|_| mode + deviations.map(|d| d * Distribution::<f64>::sample(&StandardNormal, &mut rng)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ss_seed::Seed;

    #[test]
    fn draws_of_a_normal_density_have_its_moments() {
        // Precisions 4 and 25; the third coordinate is flat and takes the largest deviation, 1.
        let precision = DVector::from_vec(vec![4.0, 25.0, 0.0]);
        let mode = DVector::from_vec(vec![1.0, -2.0, 0.5]);
        let gradient = |x: &DVector<f64>| Some((x - &mode).component_mul(&precision));
        let n = 4000;
        let draws = draws(gradient, &mode, n, Seed::new(5).stream("laplace"));
        for (i, deviation) in [0.5, 0.2, 1.0].into_iter().enumerate() {
            let mean = draws.iter().map(|d| d[i]).sum::<f64>() / n as f64;
            let variance = draws.iter().map(|d| (d[i] - mode[i]).powi(2)).sum::<f64>() / n as f64;
            assert!((mean - mode[i]).abs() < 4.0 * deviation / (n as f64).sqrt(), "{i}: {mean}");
            assert!((variance.sqrt() / deviation - 1.0).abs() < 0.05, "{i}: {variance}");
        }
    }

    #[test]
    fn coordinates_that_cannot_be_moved_stay() {
        let mode = DVector::from_vec(vec![0.0, 0.0]);
        let gradient = |x: &DVector<f64>| (x[1] <= 0.0).then(|| x.clone());
        for draw in draws(gradient, &mode, 20, Seed::new(5).stream("laplace")) {
            assert_eq!(draw[1], 0.0);
        }
    }
}
