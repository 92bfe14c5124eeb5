//! Every setting of Bayesian optimisation, end to end on a simple objective.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use ss_bo::acquisition::Acquisition;
use ss_bo::gp::{InverseGamma, Priors, TargetTransform};
use ss_bo::{BayesOpt, BoConfig, Error, Optimizer, Outcome, optimize};

fn bowl(x: &[f64]) -> f64 {
    -(x[0] - 0.3).powi(2) - (x[1] - 0.7).powi(2)
}

#[test]
fn every_acquisition_and_transform_finds_the_optimum() {
    let acquisitions =
        [Acquisition::LogEi, Acquisition::LogNoisyEi, Acquisition::Ucb { beta: 2.0 }, Acquisition::Thompson];
    for acquisition in acquisitions {
        for transform in [TargetTransform::Standardize, TargetTransform::Warped, TargetTransform::Robust] {
            let config = BoConfig { acquisition, transform, seed: 4, ..BoConfig::default() };
            let mut bo = BayesOpt::new(2, config).unwrap();
            let best = optimize(&mut bo, 25, |x| Outcome::Score(bowl(x))).unwrap().unwrap();
            assert!(bowl(&best.x) > -1e-3, "{acquisition:?} {transform:?}: {best:?}");
        }
    }
}

#[test]
fn thompson_sampling_spreads_trials_in_flight() {
    let config = BoConfig { acquisition: Acquisition::Thompson, ..BoConfig::default() };
    let mut bo = BayesOpt::new(2, config).unwrap();
    optimize(&mut bo, 8, |x| Outcome::Score((9.0 * x[0]).sin() * x[1])).unwrap();
    let batch: Vec<_> = (0..5).map(|_| bo.ask().unwrap().x).collect();
    for (i, a) in batch.iter().enumerate() {
        assert!(batch[..i].iter().all(|b| a != b), "{batch:?}");
    }
}

#[test]
fn the_gradient_goes_through_a_smooth_projection() {
    // The order of the two coordinates does not matter: canonical points are sorted.
    let sorted = Arc::new(|x: &[f64]| vec![x[0].min(x[1]), x[0].max(x[1])]);
    let mut bo = BayesOpt::with_projection(2, BoConfig::default(), sorted.clone()).unwrap();
    let best = optimize(&mut bo, 25, |x| Outcome::Score(bowl(&sorted(x)))).unwrap().unwrap();
    assert!(bowl(&best.x) > -1e-3, "{best:?}");
    assert!(bo.trials().iter().all(|t| t.x[0] <= t.x[1]));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let default = BoConfig::default;
    let flat = Priors { length_scale: InverseGamma { shape: 0.0, scale: 1.0 }, ..Priors::default() };
    for (config, field) in [
        (BoConfig { hyper_draws: 65, ..default() }, "hyper_draws"),
        (BoConfig { startup_trials: 0, ..default() }, "startup_trials"),
        (BoConfig { priors: flat, ..default() }, "priors.length_scale"),
        (BoConfig { min_distance: 0.5, ..default() }, "min_distance"),
        (BoConfig { acquisition: Acquisition::Ucb { beta: -1.0 }, ..default() }, "acquisition.beta"),
    ] {
        let error = BayesOpt::new(2, config).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { field: f, .. } if f == field), "{error}");
    }
    let design = BoConfig { startup: vec![vec![0.5, 1.5]], ..default() };
    assert!(matches!(BayesOpt::new(2, design), Err(Error::OutsideCube { coordinate: 1, .. })));
    let short = BoConfig { startup: vec![vec![0.5]], ..default() };
    assert!(matches!(BayesOpt::new(2, short), Err(Error::WrongDimension { expected: 2, found: 1, .. })));
}
