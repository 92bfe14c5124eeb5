//! Properties of the process, the acquisition and the optimiser.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use ss_bo::acquisition::{Acquisition, log_ei, log_h};
use ss_bo::gp::{
    Dataset, GaussianProcess, Hyperparameters, InverseGamma, Priors, TargetTransform, fit, log_evidence,
};
use ss_bo::sobol::Sobol;
use ss_bo::testfunctions::PROBLEMS;
use ss_bo::{BayesOpt, BoConfig, Cholesky, Error, Optimizer, Outcome, optimize};
use ss_seed::Seed;

/// `n` points of dimension `d` with scores, and hyper-parameters.
fn problems() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<f64>, Hyperparameters)> {
    (1_usize..4, 2_usize..9).prop_flat_map(|(d, n)| {
        let points = prop::collection::vec(prop::collection::vec(0.0..1.0, d), n);
        let scores = prop::collection::vec(-2.0..2.0, n);
        let hyper =
            (prop::collection::vec(0.1..2.0, d), 0.2..3.0, 1e-4..0.5, prop::sample::select(vec![0.0, 1.0]))
                .prop_map(|(length_scales, signal_variance, noise_variance, mean_variance)| {
                    Hyperparameters { length_scales, signal_variance, noise_variance, mean_variance }
                });
        (points, scores, hyper)
    })
}

fn dataset(points: &[Vec<f64>], scores: &[f64]) -> Dataset {
    Dataset::new(points, scores, &vec![0.0; points.len()], points[0].len()).unwrap()
}

/// Central difference of `f` at `t`.
fn difference(f: impl Fn(f64) -> f64, t: f64) -> f64 {
    let h = 1e-5;
    (f(t + h) - f(t - h)) / (2.0 * h)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn posterior_interpolates_without_noise((points, scores, mut hyper) in problems()) {
        hyper.noise_variance = 0.0;
        // Nearly equal points with different scores cannot be interpolated in floating point.
        let far = |a: &[f64], b: &[f64]| a.iter().zip(b).any(|(x, y)| (x - y).abs() > 0.02);
        prop_assume!((0..points.len()).all(|i| (0..i).all(|j| far(&points[i], &points[j]))));
        let gp = GaussianProcess::new(dataset(&points, &scores), hyper).unwrap();
        prop_assume!(gp.jitter() == 0.0);
        for (x, y) in points.iter().zip(&scores) {
            let posterior = gp.posterior(x);
            prop_assert!((posterior.mean - y).abs() < 1e-5, "{} {y}", posterior.mean);
            prop_assert!(posterior.variance < 1e-6, "{}", posterior.variance);
        }
    }

    #[test]
    fn evidence_gradient_is_its_derivative((points, scores, hyper) in problems()) {
        let data = dataset(&points, &scores);
        let value = |h: &Hyperparameters| log_evidence(&data, h).unwrap().value;
        let evidence = log_evidence(&data, &hyper).unwrap();
        let check = |found: f64, numeric: f64| {
            prop_assert!((found - numeric).abs() < 1e-4 * (1.0 + numeric.abs()), "{found} {numeric}");
            Ok(())
        };
        for i in 0..hyper.length_scales.len() {
            let by_length = |t: f64| {
                let mut h = hyper.clone();
                h.length_scales[i] = t.exp();
                value(&h)
            };
            check(evidence.length_scales[i], difference(by_length, hyper.length_scales[i].ln()))?;
        }
        let by_signal = |t: f64| value(&Hyperparameters { signal_variance: t.exp(), ..hyper.clone() });
        check(evidence.signal, difference(by_signal, hyper.signal_variance.ln()))?;
        let by_noise = |t: f64| value(&Hyperparameters { noise_variance: t.exp(), ..hyper.clone() });
        check(evidence.noise * hyper.noise_variance, difference(by_noise, hyper.noise_variance.ln()))?;
    }

    #[test]
    fn acquisition_gradients_are_derivatives((points, scores, hyper) in problems(), at in prop::collection::vec(0.05..0.95, 3), which in 0..3) {
        let gp = GaussianProcess::new(dataset(&points, &scores), hyper).unwrap();
        let d = points[0].len();
        let x = &at[..d];
        let acquisition = [Acquisition::LogEi, Acquisition::LogNoisyEi, Acquisition::Ucb { beta: 2.0 }][which as usize];
        let value = |x: &[f64]| {
            let p = gp.posterior(x);
            acquisition.value(p.mean, p.variance.sqrt(), 1.0).0
        };
        let g = gp.posterior_gradient(x);
        prop_assert_eq!(g.value, gp.posterior(x));
        prop_assume!(g.value.variance > 1e-3);
        let std = g.value.variance.sqrt();
        let (_, by_mean, by_std) = acquisition.value(g.value.mean, std, 1.0);
        for i in 0..d {
            let found = by_mean * g.mean[i] + by_std * g.variance[i] / (2.0 * std);
            let along = |t: f64| {
                let mut moved = x.to_vec();
                moved[i] = t;
                value(&moved)
            };
            let numeric = difference(along, x[i]);
            prop_assert!((found - numeric).abs() < 1e-3 * (1.0 + numeric.abs()), "{found} {numeric}");
        }
    }

    #[test]
    fn log_ei_partials_are_derivatives(mean in -30.0..5.0_f64, std in 0.1..3.0_f64) {
        let (_, by_mean, by_std) = log_ei(mean, std, 0.5);
        let numeric_mean = difference(|m| log_ei(m, std, 0.5).0, mean);
        let numeric_std = difference(|s| log_ei(mean, s, 0.5).0, std);
        prop_assert!((by_mean - numeric_mean).abs() < 1e-5 * (1.0 + numeric_mean.abs()));
        prop_assert!((by_std - numeric_std).abs() < 1e-4 * (1.0 + numeric_std.abs()));
    }

    #[test]
    fn log_h_increases_and_is_convex_in_slope(z in -60.0..10.0_f64, step in 1e-3..1.0_f64) {
        let ((a, slope_a), (b, slope_b)) = (log_h(z), log_h(z + step));
        // ln h is increasing and concave.
        prop_assert!(a < b && slope_b < slope_a);
    }

    #[test]
    fn duplicated_points_keep_the_covariance_positive_definite((points, scores, hyper) in problems(), copies in 2_usize..6) {
        let points: Vec<Vec<f64>> = points.iter().cycle().take(points.len() * copies).cloned().collect();
        let scores: Vec<f64> = scores.iter().cycle().take(points.len()).enumerate().map(|(i, s)| s + 0.01 * i as f64).collect();
        for noise_variance in [0.0, 1e-9, hyper.noise_variance] {
            let hyper = Hyperparameters { noise_variance, ..hyper.clone() };
            let gp = GaussianProcess::new(dataset(&points, &scores), hyper).unwrap();
            prop_assert!(noise_variance > 0.0 || gp.jitter() > 0.0, "jitter is reported");
            let p = gp.posterior(&points[0]);
            prop_assert!(p.mean.is_finite() && p.variance >= 0.0);
        }
    }

    #[test]
    fn appending_equals_refactoring((points, scores, hyper) in problems()) {
        let n = points.len() - 1;
        let whole = GaussianProcess::new(dataset(&points, &scores), hyper.clone()).unwrap();
        let part = GaussianProcess::new(dataset(&points[..n], &scores[..n]), hyper).unwrap();
        let grown = part.condition(&points[n], scores[n], 0.0).unwrap();
        let x = vec![0.4; points[0].len()];
        let (a, b) = (whole.posterior(&x), grown.posterior(&x));
        prop_assert!((a.mean - b.mean).abs() < 1e-9 && (a.variance - b.variance).abs() < 1e-9, "{a:?} {b:?}");
    }

    #[test]
    fn cholesky_solves(n in 1_usize..23, values in prop::collection::vec(-1.0..1.0, 22 * 22), b in prop::collection::vec(-1.0..1.0, 22)) {
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = (0..n).map(|k| values[i * n + k] * values[j * n + k]).sum::<f64>();
            }
            a[i * n + i] += 0.1;
        }
        let factor = Cholesky::new(&a, n).unwrap();
        let mut x: Vec<f64> = b[..n].to_vec();
        factor.solve(&mut x);
        let inverse = factor.inverse_lower();
        for i in 0..n {
            let back: f64 = (0..n).map(|j| a[i * n + j] * x[j]).sum();
            prop_assert!((back - b[i]).abs() < 1e-9);
            let product = |j: usize| -> f64 { factor.row(i).iter().zip(factor.row(j)).map(|(a, b)| a * b).sum() };
            prop_assert!((0..=i).all(|j| (product(j) - a[i * n + j]).abs() < 1e-12));
            let solved: f64 = (0..n).map(|j| inverse[i.max(j) * n + i.min(j)] * b[j]).sum();
            prop_assert!((solved - x[i]).abs() < 1e-9);
        }
    }
}

#[test]
fn a_bad_pivot_is_named() {
    let a = [1.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 1.0];
    match Cholesky::new(&a, 3) {
        Err(Error::NotPositiveDefinite { pivot: 1, size: 3, value, .. }) => assert!(value < 0.0),
        other => panic!("{other:?}"),
    }
    // The same in a later block of columns, where a row is too small by the rows above it.
    let n = 11;
    let mut a: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.0 }).collect();
    a[9 * n + 2] = 1.5;
    match Cholesky::new(&a, n) {
        Err(Error::NotPositiveDefinite { pivot: 9, value, .. }) => assert!((value + 1.25).abs() < 1e-3),
        other => panic!("{other:?}"),
    }
    let nan = [f64::NAN];
    assert!(matches!(Cholesky::new(&nan, 1), Err(Error::NotPositiveDefinite { pivot: 0, .. })));
}

/// Smallest length scales fitted to 20 samples of 25 observations, in six dimensions, of hardly more than noise.
fn smallest_length_scales(priors: &Priors) -> Vec<f64> {
    let problem = PROBLEMS.iter().find(|p| p.name == "hartmann6-noisy").unwrap();
    let smallest = |seed: u64| {
        let sobol = Sobol::new(6, Seed::new(seed).stream("points"));
        // A twentieth of the objective, as far from its optimum, under its noise.
        let points: Vec<Vec<f64>> = (0..25).map(|i| sobol.point(i)).collect();
        let observe =
            |(i, x): (usize, &Vec<f64>)| problem.observe(x, seed, i as u64) - 0.95 * problem.score(x);
        let scores: Vec<f64> = points.iter().enumerate().map(observe).collect();
        let targets = TargetTransform::Standardize.candidates(&scores).swap_remove(0);
        let (gp, _) = fit(dataset(&points, &targets.y), priors).unwrap();
        gp.hyperparameters().length_scales.iter().copied().fold(f64::INFINITY, f64::min)
    };
    (0..20).map(smallest).collect()
}

#[test]
fn noise_is_not_explained_by_short_length_scales() {
    let short = |lengths: Vec<f64>| lengths.into_iter().filter(|&l| l < 0.2).count();
    let default = Priors::default();
    assert!(short(smallest_length_scales(&default)) <= 2);
    // The data invite it: a prior that falls slowly towards zero gives in.
    let slow = Priors { length_scale: InverseGamma { shape: 0.5, scale: 0.05 }, ..default };
    assert!(short(smallest_length_scales(&slow)) >= 10);
}

#[test]
fn bad_data_is_refused_by_name() {
    let x = vec![vec![0.1], vec![0.2]];
    for (points, y, v, message) in [
        (vec![vec![0.1], vec![f64::NAN]], vec![1.0, 2.0], vec![0.0; 2], "point 1"),
        (vec![vec![0.1], vec![0.1, 0.2]], vec![1.0, 2.0], vec![0.0; 2], "point 1"),
        (x.clone(), vec![1.0], vec![0.0; 2], "scores"),
        (x.clone(), vec![1.0, f64::INFINITY], vec![0.0; 2], "score number 1"),
        (x.clone(), vec![1.0, 2.0], vec![-1.0, 0.0], "variance number 0"),
    ] {
        let error = Dataset::new(&points, &y, &v, 1).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn the_fit_finds_the_relevant_dimension_and_the_noise() {
    // y depends on the first of three coordinates, with noise of standard deviation 0.2 in a signal of about 1.
    let noise = |i: usize| 0.2 * ((i * 7919 % 101) as f64 / 101.0 - 0.5) * 12.0_f64.sqrt();
    let points: Vec<Vec<f64>> = (0..80)
        .map(|i| (0..3).map(|c| ((i + 1) as f64 * [0.618_034, 0.754_878, 0.569_840][c]).fract()).collect())
        .collect();
    let y: Vec<f64> = points.iter().enumerate().map(|(i, p)| (6.0 * p[0]).sin() * 1.4 + noise(i)).collect();
    let (gp, report) = fit(dataset(&points, &y), &Priors::default()).unwrap();
    let hyper = gp.hyperparameters();
    let l = &hyper.length_scales;
    assert!(l[1] > 3.0 * l[0] && l[2] > 3.0 * l[0], "{hyper:?}");
    assert!((0.5..2.0).contains(&(hyper.noise_variance / 0.04)), "{hyper:?}");
    assert!(report.evaluations > 5 && report.jitter == 0.0, "{report:?}");
}

#[test]
fn known_variances_discount_an_observation() {
    let run = |variance: f64| {
        let config = BoConfig { startup_trials: 20, ..BoConfig::default() };
        let mut bo = BayesOpt::new(1, config).unwrap();
        for i in 0..12 {
            let s = bo.ask().unwrap();
            // One lucky outcome, far above the smooth rest.
            let lucky = if i == 5 { 3.0 } else { 0.0 };
            let score = -(s.x[0] - 0.5).powi(2) + lucky;
            let variance = if i == 5 { variance } else { 0.0 };
            bo.tell(s.id, Outcome::ScoreWithVariance { score, variance }).unwrap();
        }
        let surrogate = bo.surrogate().unwrap().unwrap();
        surrogate.scale().to_score(surrogate.process().mean(&bo.trials()[5].x))
    };
    let (trusted, discounted) = (run(0.0), run(100.0));
    assert!(trusted > 0.2 && discounted < 0.01, "{trusted} {discounted}");
}

#[test]
fn suggestions_do_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut bo =
                BayesOpt::new(4, BoConfig { startup_trials: 5, seed: 9, ..BoConfig::default() }).unwrap();
            optimize(&mut bo, 16, |x| Outcome::Score(-x.iter().map(|v| (v - 0.3).powi(2)).sum::<f64>()))
                .unwrap();
            bo.trials().to_vec()
        })
    };
    assert_eq!(run(1), run(2));
}
