//! The choice of the scale on which scores are modelled.
#![allow(clippy::unwrap_used)]

use ss_bo::gp::TargetTransform;
use ss_bo::{BayesOpt, BoConfig, Event, Optimizer, Origin, Outcome, Suggestion, TrialId, sobol::Sobol};
use ss_seed::Seed;

/// A study of `n` trials at Sobol points of the square with these scores.
fn study(config: BoConfig, n: u64, score: impl Fn(u64, &[f64]) -> f64) -> BayesOpt {
    let points = Sobol::new(2, Seed::new(8).stream("warp"));
    let mut bo = BayesOpt::new(2, config).unwrap();
    for i in 0..n {
        let (id, x) = (TrialId(i), points.point(i));
        let outcome = Outcome::Score(score(i, &x));
        bo.replay(&[Event::Asked(Suggestion { id, x, origin: Origin::Enqueued }), Event::Told(id, outcome)])
            .unwrap();
    }
    bo
}

/// Stationary: the same all over the square.
fn waves(x: &[f64]) -> f64 {
    (9.0 * x[0]).sin() + (8.0 * x[1]).cos()
}

#[test]
fn the_evidence_chooses_the_compression() {
    let compression = |n, score: fn(f64) -> f64| {
        let bo = study(BoConfig::default(), n, |_, x| score(waves(x)));
        bo.surrogate().unwrap().unwrap().scale().compression()
    };
    // 300 observations are fitted on a subset.
    for n in [40, 300] {
        assert_eq!(compression(n, |w| w), 0.0, "stationary scores are taken as they are");
        assert!(compression(n, |w| 1.0 - (-2.5 * (w - 2.0)).exp()) > 0.0, "an exponential fall is undone");
        assert_eq!(
            compression(n, |w| (0.5 * w).exp()),
            0.0,
            "bad scores that lie close together are not compressed"
        );
    }
}

/// Median error of the model of waves among whose scores is one disaster.
fn error_beside_a_disaster(transform: TargetTransform) -> f64 {
    let config = BoConfig { transform, ..BoConfig::default() };
    let bo = study(config, 40, |i, x| if i == 2 { -1e4 } else { waves(x) });
    let surrogate = bo.surrogate().unwrap().unwrap();
    let points = Sobol::new(2, Seed::new(9).stream("check"));
    let mut errors: Vec<f64> = (0..51)
        .map(|i| points.point(i))
        .map(|x| (surrogate.scale().to_score(surrogate.process().mean(&x)) - waves(&x)).abs())
        .collect();
    errors.sort_by(f64::total_cmp);
    errors[25]
}

#[test]
fn one_disaster_does_not_blind_the_model() {
    let (plain, warped) = (
        error_beside_a_disaster(TargetTransform::Standardize),
        error_beside_a_disaster(TargetTransform::Warped),
    );
    assert!(warped < 0.7 && plain > 2.0 * warped, "plain {plain}, warped {warped}");
}

#[test]
fn scores_at_the_ends_of_the_numbers_are_survived() {
    let histories: [&[f64]; 5] = [
        &[1e308, 1e308, -1e308],
        &[0.6 * f64::MAX, 0.6 * f64::MAX, -0.6 * f64::MAX],
        &[5e-324, 0.0, 0.0],
        &[1e-309, 3e-309, 2e-309, 1e-309],
        &[1e308, -1e308, 1e307, 2e306, -3e307, 0.0, 5.0],
    ];
    for scores in histories {
        for transform in [TargetTransform::Standardize, TargetTransform::Warped, TargetTransform::Robust] {
            let mut bo =
                BayesOpt::new(2, BoConfig { startup_trials: 3, transform, ..BoConfig::default() }).unwrap();
            for &score in scores {
                let id = bo.ask().unwrap().id;
                bo.tell(id, Outcome::Score(score)).unwrap();
            }
            bo.ask().unwrap();
            let best = bo.best().unwrap();
            assert!(best.mean.is_finite(), "{scores:?}: {best:?}");
            let improvement = bo.expected_improvement().unwrap().unwrap();
            assert!(!improvement.relative.is_nan(), "{scores:?}: {improvement:?}");
        }
    }
}

#[test]
fn the_expected_improvement_is_relative_to_the_scores_themselves() {
    let steep = |_: u64, x: &[f64]| -((3.0 * waves(x)).exp());
    let bo = study(BoConfig::default(), 30, steep);
    let scores: Vec<f64> = bo.trials().iter().filter_map(|t| t.score()).collect();
    let mean = scores.iter().sum::<f64>() / 30.0;
    let deviation = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 30.0).sqrt();
    let improvement = bo.expected_improvement().unwrap().unwrap();
    assert!((improvement.score / improvement.relative / deviation - 1.0).abs() < 1e-9, "{improvement:?}");
}
