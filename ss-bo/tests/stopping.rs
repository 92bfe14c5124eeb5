//! Stopping a search that has converged.
#![allow(clippy::unwrap_used)]

use ss_bo::{BayesOpt, BoConfig, Convergence, Optimizer, Outcome, optimize};

fn after(trials: usize, objective: impl Fn(&[f64]) -> f64) -> BayesOpt {
    let mut bo = BayesOpt::new(2, BoConfig { seed: 2, ..BoConfig::default() }).unwrap();
    optimize(&mut bo, trials, |x| Outcome::Score(objective(x))).unwrap();
    bo
}

#[test]
fn a_parabola_converges_and_a_short_search_does_not() {
    let parabola = |x: &[f64]| -(x[0] - 0.3).powi(2) - (x[1] - 0.6).powi(2);
    let rule = Convergence::default();
    assert!(!rule.reached(&after(15, parabola)).unwrap(), "before min_trials");
    assert!(rule.reached(&after(40, parabola)).unwrap());
    let strict = Convergence { tolerance: 1e-30, ..rule };
    assert!(!strict.reached(&after(40, parabola)).unwrap());
}

#[test]
fn a_rugged_objective_does_not_converge_early() {
    let rugged = |x: &[f64]| (23.0 * x[0]).sin() * (19.0 * x[1]).cos() + x[0];
    assert!(!Convergence::default().reached(&after(21, rugged)).unwrap());
}

#[test]
fn the_expected_improvement_is_in_units_of_the_score() {
    let small = after(15, |x| x[0] * (5.0 * x[1]).sin());
    let large = after(15, |x| 1024.0 * x[0] * (5.0 * x[1]).sin());
    assert_eq!(
        small.trials().iter().map(|t| &t.x).collect::<Vec<_>>(),
        large.trials().iter().map(|t| &t.x).collect::<Vec<_>>()
    );
    let (small, large) =
        (small.expected_improvement().unwrap().unwrap(), large.expected_improvement().unwrap().unwrap());
    assert!((small.relative - large.relative).abs() < 1e-9 * small.relative, "{small:?} {large:?}");
    assert!((large.score / small.score - 1024.0).abs() < 1e-3, "{small:?} {large:?}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let bo = after(2, |x| x[0]);
    assert!(Convergence { min_trials: 1, ..Convergence::default() }.reached(&bo).is_err());
    assert!(Convergence { tolerance: 0.0, ..Convergence::default() }.reached(&bo).is_err());
}
