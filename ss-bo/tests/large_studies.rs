//! Studies of more trials than each suggestion is worth a new fit for.
#![allow(clippy::unwrap_used)]

use ss_bo::sobol::Sobol;
use ss_bo::{BayesOpt, BoConfig, Event, Optimizer, Origin, Outcome, Suggestion, TrialId};
use ss_seed::Seed;

fn wave(x: &[f64]) -> f64 {
    (7.0 * x[0]).sin() * (5.0 * x[1]).cos()
}

/// `n` trials at Sobol points, told in the order of `order`.
fn history(n: u64, order: impl Iterator<Item = u64>) -> Vec<Event> {
    let points = Sobol::new(2, Seed::new(3).stream("history"));
    let asked = (0..n)
        .map(|i| Event::Asked(Suggestion { id: TrialId(i), x: points.point(i), origin: Origin::Startup }));
    let told = order.map(|i| Event::Told(TrialId(i), Outcome::Score(wave(&points.point(i)))));
    asked.chain(told).collect()
}

fn replayed(history: &[Event]) -> BayesOpt {
    let mut bo = BayesOpt::new(2, BoConfig::default()).unwrap();
    bo.replay(history).unwrap();
    bo
}

#[test]
fn appended_observations_give_the_model_of_a_study_that_is_replayed() {
    // Told from the last to the first: what counts is the order of the outcomes.
    let mut history = history(126, (0..126).rev());
    let mut straight = replayed(&history);
    let mut lagged = 0;
    for _ in 0..12 {
        let suggestion = straight.ask().unwrap();
        let told = Event::Told(suggestion.id, Outcome::Score(wave(&suggestion.x)));
        history.extend([Event::Asked(suggestion), told.clone()]);
        straight.replay(&[told]).unwrap();

        let resumed = replayed(&history);
        let (a, b) = (straight.surrogate().unwrap().unwrap(), resumed.surrogate().unwrap().unwrap());
        assert_eq!(a.process().hyperparameters(), b.process().hyperparameters());
        assert_eq!(a.process().data(), b.process().data());
        assert_eq!(straight.best(), resumed.best());
        lagged += usize::from(a.fitted() < a.process().data().len());
    }
    assert_eq!(replayed(&history).ask().unwrap(), straight.ask().unwrap());
    assert!(lagged > 5, "observations are appended between fits: {lagged}");
}

#[test]
fn two_thousand_observations_are_survived() {
    let config = BoConfig { startup_trials: 2000, ..BoConfig::default() };
    let mut bo = BayesOpt::new(2, config).unwrap();
    for _ in 0..2000 {
        let s = bo.ask().unwrap();
        bo.tell(s.id, Outcome::Score(wave(&s.x))).unwrap();
    }
    let s = bo.ask().unwrap();
    assert!(wave(&s.x) > 0.95, "{s:?}");
}
