//! What each of the two ideas buys: differences between arms that differ in it alone, paired by seed.

use serde::Serialize;

use super::arm::Arm;
use super::record::SearchRun;

/// Two arms that differ in one thing, or in both.
struct Contrast {
    buys: &'static str,
    given: &'static str,
    with: Arm,
    without: Arm,
}

const CONTRASTS: [Contrast; 5] = [
    Contrast {
        buys: "canonical coordinates",
        given: "Sobol start",
        with: Arm::CanonicalSobol,
        without: Arm::RawSobol,
    },
    Contrast {
        buys: "canonical coordinates",
        given: "simple rules",
        with: Arm::CanonicalRules,
        without: Arm::RawRules,
    },
    Contrast { buys: "simple rules", given: "raw cube", with: Arm::RawRules, without: Arm::RawSobol },
    Contrast {
        buys: "simple rules",
        given: "canonical coordinates",
        with: Arm::CanonicalRules,
        without: Arm::CanonicalSobol,
    },
    Contrast { buys: "both", given: "", with: Arm::CanonicalRules, without: Arm::RawSobol },
];

/// What one of them buys, given the other's state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Effect {
    pub(super) objective: String,
    pub(super) buys: &'static str,
    pub(super) given: &'static str,
    /// Seeds that both arms have.
    pub(super) seeds: usize,
    /// Gain in the best score of a trial.
    pub(super) best: Option<Mean>,
    /// Gain in the truth of the recommended rule.
    pub(super) truth: Option<Mean>,
    /// Gain in the test accuracy of the recommended rule.
    pub(super) test: Option<Mean>,
}

/// A mean over seeds and its standard error, which one seed does not have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Mean {
    pub(super) mean: f64,
    pub(super) standard_error: Option<f64>,
}

impl Mean {
    fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let standard_error = (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt());
        (!values.is_empty()).then_some(Self { mean, standard_error })
    }
}

/// The effects whose two arms were both asked for and have a seed in common.
pub(super) fn effects(objective: &str, runs: &[SearchRun], arms: &[Arm]) -> Vec<Effect> {
    let effect = |contrast: &Contrast| {
        let of = |arm: Arm| runs.iter().filter(move |run| run.arm == arm && arms.contains(&arm));
        let pairs: Vec<(&SearchRun, &SearchRun)> = of(contrast.with)
            .filter_map(|with| Some((with, of(contrast.without).find(|run| run.seed == with.seed)?)))
            .collect();
        let gain = |value: fn(&SearchRun) -> Option<f64>| {
            let gains = pairs.iter().filter_map(|(a, b)| Some(value(a)? - value(b)?));
            Mean::of(&gains.collect::<Vec<_>>())
        };
        (!pairs.is_empty()).then(|| Effect {
            objective: objective.into(),
            buys: contrast.buys,
            given: contrast.given,
            seeds: pairs.len(),
            best: gain(|run| run.best_score(run.trials.len())),
            truth: gain(|run| Some(run.recommended_reading()?.truth)),
            test: gain(|run| run.recommended_test),
        })
    };
    CONTRASTS.iter().filter_map(effect).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(arm: &str, seed: u64, truth: f64) -> SearchRun {
        serde_json::from_value(json!({
            "seed": seed, "arm": arm, "recommended": 0, "recommended_test": null,
            "trials": [{"origin": "model", "point": [0.5], "reading": {"score": 2.0 * truth, "truth": truth}}],
        }))
        .unwrap()
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let runs = [
            run("raw-sobol", 0, 1.0),
            run("raw-sobol", 1, 5.0),
            run("raw-sobol", 2, 9.0),
            run("canonical-rules", 1, 8.0),
            run("canonical-rules", 0, 2.0),
        ];
        let arms = [Arm::RawSobol, Arm::CanonicalRules];
        let found = effects("o", &runs, &arms);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].buys, found[0].seeds, found[0].test), ("both", 2, None));
        // Gains 1 and 3: mean 2, deviation sqrt(2), standard error 1.
        assert_eq!(found[0].truth.unwrap().mean, 2.0);
        assert!((found[0].truth.unwrap().standard_error.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(found[0].best.unwrap().mean, 4.0);
        assert!(effects("o", &runs, &arms[..1]).is_empty());
    }
}
