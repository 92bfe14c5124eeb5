//! What a search has found after each of its trials.

use crate::bench::search::objective::Reading;
use crate::bench::search::record::SearchRun;

/// One search, trial by trial, beside uniform sampling's trial on the same seed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    /// The best score so far minus the score of uniform sampling. Never falls.
    pub(super) score: Vec<f64>,
    /// Accuracy, in `[0, 1]`, that the rule with the best score so far has on the true labels of the validation images;
    /// no search is told it, so it may fall.
    pub(super) truth: Vec<f64>,
}

impl Curve {
    /// Trials that failed change nothing; those before the first that did not are given its values. `None` where every
    /// trial failed.
    pub(super) fn of(run: &SearchRun, uniform: Reading) -> Option<Self> {
        let mut best: Option<Reading> = None;
        let mut found: Vec<Option<Reading>> = Vec::with_capacity(run.trials.len());
        for trial in &run.trials {
            if let Some(reading) = trial.reading
                && best.is_none_or(|best| reading.score > best.score)
            {
                best = Some(reading);
            }
            found.push(best);
        }
        let first = found.iter().flatten().next().copied()?;
        let found = || found.iter().map(|best| best.unwrap_or(first));
        Some(Self {
            score: found().map(|best| best.score - uniform.score).collect(),
            truth: found().map(|best| best.truth).collect(),
        })
    }
}

/// The area under a curve over its length: the mean over trials.
pub(super) fn area(curve: &[f64]) -> f64 {
    curve.iter().sum::<f64>() / curve.len() as f64
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(readings: Vec<Value>) -> SearchRun {
        let trials: Vec<Value> = readings
            .into_iter()
            .map(|reading| json!({"origin": "model", "point": [0.5], "reading": reading}))
            .collect();
        serde_json::from_value(json!({
            "seed": 0, "arm": "random", "trials": trials, "recommended": null, "recommended_test": null,
        }))
        .unwrap()
    }

    #[test]
    fn the_incumbent_is_chosen_by_score_alone() {
        let run = run(vec![
            Value::Null,
            json!({"score": 0.25, "truth": 0.9}),
            json!({"score": 0.125, "truth": 1.0}),
            Value::Null,
            json!({"score": 0.5, "truth": 0.8}),
            json!({"score": 0.5, "truth": 0.1}),
        ]);
        let curve = Curve::of(&run, Reading { score: 0.375, truth: 0.7 }).unwrap();
        assert_eq!(curve.score, [-0.125, -0.125, -0.125, -0.125, 0.125, 0.125]);
        assert_eq!(curve.truth, [0.9, 0.9, 0.9, 0.9, 0.8, 0.8], "the first of equals stays");
        assert!((area(&curve.score) - -0.25 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn a_search_without_a_score_has_no_curve() {
        assert_eq!(Curve::of(&run(vec![Value::Null; 3]), Reading { score: 0.0, truth: 0.0 }), None);
    }
}
