//! What every optimiser behind the trait promises.
// Helper functions of a test fail by panicking, too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;
use ss_bo::rivals::ReinforceConfig;
use ss_bo::{
    BayesOpt, BoConfig, Error, EvolutionStrategy, Optimizer, Outcome, RandomSearch, Reinforce, SobolSearch,
    TrialId, TrialState, optimize,
};

/// Every optimiser of the crate over `[0, 1]^dim`.
fn all(dim: usize, seed: u64) -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(BayesOpt::new(dim, BoConfig { startup_trials: 4, seed, ..BoConfig::default() }).unwrap()),
        Box::new(RandomSearch::new(dim, seed).unwrap()),
        Box::new(SobolSearch::new(dim, seed).unwrap()),
        Box::new(Reinforce::new(dim, ReinforceConfig { seed, ..ReinforceConfig::default() }).unwrap()),
        Box::new(EvolutionStrategy::new(dim, seed).unwrap()),
    ]
}

/// Distance to a point off the centre, negated: the largest value is 0 at (0.3, 0.3, ...).
fn cone(x: &[f64]) -> f64 {
    -x.iter().map(|v| (v - 0.3).powi(2)).sum::<f64>().sqrt()
}

fn points(optimizer: &dyn Optimizer) -> Vec<Vec<f64>> {
    optimizer.trials().iter().map(|t| t.x.clone()).collect()
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<_> = all(2, 0).iter().map(|o| o.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 5);
}

#[test]
fn zero_dimensions_are_refused() {
    for error in [
        BayesOpt::new(0, BoConfig::default()).err(),
        RandomSearch::new(0, 0).err(),
        SobolSearch::new(0, 0).err(),
        Reinforce::new(0, ReinforceConfig::default()).err(),
        EvolutionStrategy::new(0, 0).err(),
    ] {
        assert!(matches!(error, Some(Error::InvalidConfig { field: "dim", .. })), "{error:?}");
    }
}

#[test]
fn suggestions_are_numbered_points_of_the_cube() {
    for dim in [1, 3, 10] {
        for mut optimizer in all(dim, 1) {
            for i in 0..14 {
                let suggestion = optimizer.ask().unwrap();
                assert_eq!(suggestion.id, TrialId(i), "{}", optimizer.name());
                assert_eq!(suggestion.x.len(), dim);
                assert!(suggestion.x.iter().all(|v| (0.0..=1.0).contains(v)), "{:?}", suggestion.x);
                let trial = optimizer.trials().last().unwrap();
                assert_eq!((&trial.x, trial.is_running()), (&suggestion.x, true));
                optimizer.tell(suggestion.id, Outcome::Score(cone(&suggestion.x))).unwrap();
            }
            assert_eq!(optimizer.dim(), dim);
            assert!(optimizer.trials().iter().all(|t| t.score() == Some(cone(&t.x))));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_points_and_another_seed_others() {
    let run = |mut optimizer: Box<dyn Optimizer>| {
        optimize(&mut *optimizer, 14, |x| Outcome::Score(cone(x))).unwrap();
        points(&*optimizer)
    };
    for ((a, b), c) in all(3, 5).into_iter().zip(all(3, 5)).zip(all(3, 6)) {
        let name = a.name();
        let (a, b, c) = (run(a), run(b), run(c));
        assert_eq!(a, b, "{name}");
        assert_ne!(a, c, "{name}");
    }
}

#[test]
fn unknown_and_repeated_outcomes_are_refused_and_change_nothing() {
    for mut optimizer in all(2, 0) {
        let id = optimizer.ask().unwrap().id;
        let unknown = optimizer.tell(TrialId(9), Outcome::Score(0.0));
        assert_eq!(unknown, Err(Error::UnknownTrial { id: TrialId(9), known: 1 }));
        optimizer.tell(id, Outcome::Score(1.0)).unwrap();
        assert_eq!(optimizer.tell(id, Outcome::Score(2.0)), Err(Error::AlreadyTold { id }));
        assert_eq!(optimizer.trials()[0].score(), Some(1.0));
    }
}

#[test]
fn best_is_none_until_a_trial_completes() {
    for mut optimizer in all(2, 0) {
        assert_eq!(optimizer.best(), None);
        let first = optimizer.ask().unwrap().id;
        let second = optimizer.ask().unwrap();
        optimizer.tell(first, Outcome::Failed { reason: "crashed".into() }).unwrap();
        assert_eq!(optimizer.best(), None);
        optimizer.tell(second.id, Outcome::Score(0.25)).unwrap();
        let best = optimizer.best().unwrap();
        assert_eq!((best.id, best.x, best.observed), (second.id, second.x, 0.25), "{}", optimizer.name());
    }
}

#[test]
fn failures_are_recorded_and_survived() {
    let outcomes = [
        Outcome::Score(f64::NAN),
        Outcome::Score(f64::INFINITY),
        Outcome::ScoreWithVariance { score: 1.0, variance: -1.0 },
        Outcome::ScoreWithVariance { score: 1.0, variance: f64::NAN },
        Outcome::Failed { reason: "out of memory".into() },
        Outcome::Pruned { score: f64::NAN },
        Outcome::Pruned { score: -3.0 },
    ];
    for mut optimizer in all(2, 3) {
        for outcome in &outcomes {
            let id = optimizer.ask().unwrap().id;
            optimizer.tell(id, outcome.clone()).unwrap();
        }
        assert_eq!(optimizer.best(), None);
        let failed = |s: &TrialState| matches!(s, TrialState::Failed { .. });
        assert_eq!(optimizer.trials().iter().filter(|t| failed(&t.state)).count(), 6);
        let best = optimize(&mut *optimizer, 12, |x| Outcome::Score(cone(x))).unwrap();
        assert!(best.unwrap().observed > -1.0);
    }
}

#[test]
fn hostile_objectives_do_not_panic() {
    let objectives: [fn(&[f64]) -> f64; 6] = [
        |_| 0.0,
        |_| 1e300,
        |x| if x[0] > 0.5 { 1e300 } else { -1e300 },
        |x| 1e-300 * x[0],
        |x| if x[0] > 0.5 { -1e12 } else { x[1] },
        |x| if x[0] > 0.5 { f64::NAN } else { 1.0 },
    ];
    for objective in objectives {
        for mut optimizer in all(2, 0) {
            let best = optimize(&mut *optimizer, 14, |x| Outcome::Score(objective(x))).unwrap().unwrap();
            assert!(best.mean.is_finite() && best.std.is_finite(), "{} {best:?}", optimizer.name());
        }
    }
}

#[test]
fn trials_in_flight_differ() {
    for mut optimizer in all(2, 0) {
        for _ in 0..6 {
            let s = optimizer.ask().unwrap();
            optimizer.tell(s.id, Outcome::Score(cone(&s.x))).unwrap();
        }
        let batch: Vec<_> = (0..6).map(|_| optimizer.ask().unwrap()).collect();
        for (i, a) in batch.iter().enumerate() {
            for b in &batch[..i] {
                let distance = a.x.iter().zip(&b.x).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(distance > 1e-4, "{}: {:?} {:?}", optimizer.name(), a.x, b.x);
            }
        }
        // Outcomes may arrive in any order.
        for s in batch.iter().rev() {
            optimizer.tell(s.id, Outcome::Score(cone(&s.x))).unwrap();
        }
        optimizer.ask().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any interleaving of asks and tells (in any order, some failed) keeps the record straight.
    #[test]
    fn any_interleaving_is_recorded(steps in prop::collection::vec((0_u8..4, 0_usize..8), 1..25), seed in 0_u64..50) {
        for mut optimizer in all(2, seed) {
            let mut running: Vec<TrialId> = Vec::new();
            let mut told = 0;
            for (action, pick) in &steps {
                if *action < 2 || running.is_empty() {
                    running.push(optimizer.ask().unwrap().id);
                } else {
                    let id = running.remove(pick % running.len());
                    let outcome = if *action == 2 { Outcome::Score(*pick as f64) } else { Outcome::Score(f64::NAN) };
                    optimizer.tell(id, outcome).unwrap();
                    told += 1;
                }
            }
            prop_assert_eq!(optimizer.trials().iter().filter(|t| t.is_running()).count(), running.len());
            prop_assert_eq!(optimizer.trials().len(), running.len() + told);
        }
    }
}

#[test]
fn designs_come_first_and_in_order() {
    let startup = vec![vec![0.1, 0.2], vec![0.9, 0.8], vec![0.1, 0.2]];
    let config = BoConfig { startup_trials: 4, startup, ..BoConfig::default() };
    let mut bo = BayesOpt::new(2, config).unwrap();
    let origins: Vec<_> = (0..6)
        .map(|_| {
            let s = bo.ask().unwrap();
            bo.tell(s.id, Outcome::Score(cone(&s.x))).unwrap();
            format!("{:?}", s.origin)
        })
        .collect();
    // The repeated design is skipped.
    assert_eq!(origins, ["Enqueued", "Enqueued", "Startup", "Startup", "Model", "Model"]);
    assert_eq!(bo.trials()[1].x, [0.9, 0.8]);
}

#[test]
fn canonical_points_are_never_suggested_twice() {
    // Points that are permutations of each other are one design; so are those in one cell of a coarse grid.
    let projection = Arc::new(|x: &[f64]| {
        let mut y: Vec<f64> = x.iter().map(|v| (v * 3.0).round() / 3.0).collect();
        y.sort_by(f64::total_cmp);
        y
    });
    let config = BoConfig { startup_trials: 3, ..BoConfig::default() };
    let mut bo = BayesOpt::with_projection(2, config, projection.clone()).unwrap();
    // Ten sorted pairs over four values.
    let mut seen = Vec::new();
    for _ in 0..10 {
        let s = bo.ask().unwrap();
        assert_eq!(projection(&s.x), s.x);
        assert!(!seen.contains(&s.x), "{:?} twice", s.x);
        bo.tell(s.id, Outcome::Score(cone(&s.x))).unwrap();
        seen.push(s.x);
    }
    assert!(matches!(bo.ask(), Err(Error::Exhausted { known: 10, .. })));
}

#[test]
fn a_projection_that_is_not_idempotent_is_refused() {
    let halves = Arc::new(|x: &[f64]| x.iter().map(|v| v / 2.0).collect::<Vec<f64>>());
    let error = BayesOpt::with_projection(2, BoConfig::default(), halves).unwrap_err();
    assert!(error.to_string().contains("idempotent"), "{error}");
}
