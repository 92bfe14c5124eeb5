//! Curves over seeds, the area under them, and paired differences.

use anyhow::{Context, Result};
use serde::Serialize;

use super::arms;
use super::curve::{Curve, area};
use crate::bench::bo::quantile;
use crate::bench::search::arm::Arm;
use crate::bench::search::objective::Reading;
use crate::bench::search::record::{ReferenceRun, SearchRun};
use crate::statistics::{mean_and_std, paired_interval};

/// The figure's numbers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) arms: Vec<ArmRow>,
    pub(super) differences: Vec<Difference>,
    /// Weightings that no search chose.
    pub(super) references: Vec<Reference>,
    /// Seeds that are left out everywhere: training under uniform sampling, which scores are compared with, diverged.
    pub(super) left_out: Vec<u64>,
}

/// An arm over seeds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ArmRow {
    pub(super) arm: Arm,
    /// Seeds on which it found a rule.
    pub(super) seeds: Vec<u64>,
    /// Best score so far, minus that of uniform sampling.
    pub(super) score: Measure,
    /// Accuracy of the best rule so far on true labels, in `[0, 1]`.
    pub(super) truth: Measure,
    /// Test accuracy, after a trial, of the rule that the optimiser recommends at the end; mean over seeds.
    pub(super) recommended_test: Option<f64>,
}

/// A curve over seeds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measure {
    /// Means over seeds of the area under the curve over its length, and of its last point.
    pub(super) area: Mean,
    pub(super) last: Mean,
    /// Median and quartiles over seeds after each trial.
    pub(super) after: Vec<Quartiles>,
}

/// A mean over seeds with Student's 95% interval, which needs two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Mean {
    pub(super) mean: f64,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl Mean {
    fn of(values: &[f64]) -> Self {
        let interval = paired_interval(values);
        Self { mean: mean_and_std(values).0, low: interval.map(|i| i.0), high: interval.map(|i| i.1) }
    }

    /// Whether the interval leaves out zero.
    pub(super) fn is_clear(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0) || self.high.is_some_and(|high| high < 0.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Quartiles {
    pub(super) q25: f64,
    pub(super) median: f64,
    pub(super) q75: f64,
}

/// `arm` minus `from`, paired by seed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    pub(super) arm: Arm,
    pub(super) from: Arm,
    pub(super) seeds: usize,
    pub(super) score_area: Mean,
    pub(super) score_last: Mean,
    pub(super) truth_area: Mean,
    pub(super) truth_last: Mean,
}

/// A weighting over seeds: means.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reference {
    pub(super) name: String,
    /// Its score, minus that of uniform sampling.
    pub(super) score: f64,
    /// Its accuracy on true labels.
    pub(super) truth: f64,
}

/// Sums up the searches of `arms` on the seeds of `references`.
pub(super) fn summarise(arms: &[Arm], references: &[ReferenceRun], runs: &[SearchRun]) -> Result<Summary> {
    let (references, without): (Vec<&ReferenceRun>, Vec<&ReferenceRun>) =
        references.iter().partition(|reference| reference.named("uniform").is_some());
    let left_out: Vec<u64> = without.iter().map(|reference| reference.seed).collect();
    let uniform = |seed: u64| -> Result<Reading> {
        let reference = references.iter().find(|reference| reference.seed == seed);
        let uniform = reference.and_then(|reference| reference.named("uniform"));
        Ok(uniform.with_context(|| format!("seed {seed}: uniform sampling was not measured"))?.reading)
    };
    let mut found: Vec<(&SearchRun, Curve)> = Vec::new();
    for run in runs.iter().filter(|run| !left_out.contains(&run.seed)) {
        if let Some(curve) = Curve::of(run, uniform(run.seed)?) {
            found.push((run, curve));
        }
    }
    let of =
        |arm: Arm| -> Vec<&(&SearchRun, Curve)> { found.iter().filter(|(run, _)| run.arm == arm).collect() };
    let rows = arms.iter().filter(|&&arm| !of(arm).is_empty()).map(|&arm| row(arm, &of(arm))).collect();
    let pairs = arms.iter().flat_map(|&arm| {
        arms::compared_with(arm).iter().filter(|from| arms.contains(from)).map(move |&from| (arm, from))
    });
    let differences = pairs.filter_map(|(arm, from)| difference(arm, from, &of(arm), &of(from))).collect();
    let references = ReferenceRun::names(references.iter().copied())
        .into_iter()
        .map(|name| {
            let mut readings: Vec<(f64, f64)> = Vec::new();
            for reference in &references {
                if let Some(named) = reference.named(name) {
                    let gain = named.reading.score - uniform(reference.seed)?.score;
                    readings.push((gain, named.reading.truth));
                }
            }
            let (scores, truths): (Vec<f64>, Vec<f64>) = readings.into_iter().unzip();
            let (score, truth) = (mean_and_std(&scores).0, mean_and_std(&truths).0);
            Ok(Reference { name: name.into(), score, truth })
        })
        .collect::<Result<_>>()?;
    Ok(Summary { arms: rows, differences, references, left_out })
}

fn row(arm: Arm, found: &[&(&SearchRun, Curve)]) -> ArmRow {
    let tests: Vec<f64> = found.iter().filter_map(|(run, _)| run.recommended_test).collect();
    ArmRow {
        arm,
        seeds: found.iter().map(|(run, _)| run.seed).collect(),
        score: measure(found.iter().map(|(_, curve)| &curve.score)),
        truth: measure(found.iter().map(|(_, curve)| &curve.truth)),
        recommended_test: (!tests.is_empty()).then(|| mean_and_std(&tests).0),
    }
}

fn measure<'a>(curves: impl Iterator<Item = &'a Vec<f64>>) -> Measure {
    let curves: Vec<&Vec<f64>> = curves.collect();
    let over = |value: fn(&[f64]) -> f64| Mean::of(&curves.iter().map(|c| value(c)).collect::<Vec<_>>());
    let trials = curves.first().map_or(0, |curve| curve.len());
    let after = |t: usize| {
        let values: Vec<f64> = curves.iter().map(|curve| curve[t]).collect();
        let at = |q| quantile(&values, q);
        Quartiles { q25: at(0.25), median: at(0.5), q75: at(0.75) }
    };
    Measure { area: over(area), last: over(last), after: (0..trials).map(after).collect() }
}

fn last(curve: &[f64]) -> f64 {
    curve.last().copied().unwrap_or(f64::NAN)
}

/// `None` without a seed that both have.
fn difference(
    arm: Arm,
    from: Arm,
    of_arm: &[&(&SearchRun, Curve)],
    of_from: &[&(&SearchRun, Curve)],
) -> Option<Difference> {
    let pairs: Vec<(&Curve, &Curve)> = of_arm
        .iter()
        .filter_map(|(run, curve)| {
            let partner = of_from.iter().find(|(other, _)| other.seed == run.seed)?;
            Some((curve, &partner.1))
        })
        .collect();
    let over = |value: fn(&Curve) -> f64| {
        Mean::of(&pairs.iter().map(|(a, b)| value(a) - value(b)).collect::<Vec<_>>())
    };
    (!pairs.is_empty()).then(|| Difference {
        arm,
        from,
        seeds: pairs.len(),
        score_area: over(|curve| area(&curve.score)),
        score_last: over(|curve| last(&curve.score)),
        truth_area: over(|curve| area(&curve.truth)),
        truth_last: over(|curve| last(&curve.truth)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(arm: &str, seed: u64, scores: [f64; 2]) -> SearchRun {
        let trial = |score: f64| json!({"origin": "model", "point": [0.5], "reading": {"score": score, "truth": score / 2.0}});
        serde_json::from_value(json!({
            "seed": seed, "arm": arm, "trials": scores.map(trial), "recommended": 0, "recommended_test": 0.75,
        }))
        .unwrap()
    }

    fn references(seed: u64, uniform: f64) -> ReferenceRun {
        serde_json::from_value(json!({
            "seed": seed, "optimum": null,
            "weightings": [{"name": "uniform", "score": uniform, "truth": 0.25, "test": null}],
        }))
        .unwrap()
    }

    #[test]
    fn differences_are_paired_by_seed_and_scores_are_gains() {
        let references = [references(0, 1.0), references(1, 2.0), references(2, 0.0)];
        let runs = [
            run("canonical-rules", 0, [1.0, 2.0]),
            run("canonical-rules", 1, [2.0, 3.0]),
            run("random", 1, [1.0, 1.0]),
            run("random", 0, [0.5, 1.0]),
            run("random", 2, [9.0, 9.0]),
        ];
        let arms = [Arm::CanonicalRules, Arm::Random];
        let summary = summarise(&arms, &references, &runs).unwrap();
        assert_eq!(summary.arms[0].score.area.mean, 0.5);
        assert_eq!(summary.arms[0].score.last, Mean { mean: 1.0, low: Some(1.0), high: Some(1.0) });
        assert_eq!(summary.arms[0].score.after[1], Quartiles { q25: 1.0, median: 1.0, q75: 1.0 });
        assert_eq!((summary.arms[1].seeds.len(), summary.arms[1].recommended_test), (3, Some(0.75)));
        // Against bo-cgf with simple rules alone: the other partner was not asked for.
        let [difference] = &summary.differences[..] else { panic!("{:?}", summary.differences) };
        assert_eq!(
            (difference.arm, difference.from, difference.seeds),
            (Arm::Random, Arm::CanonicalRules, 2)
        );
        // Areas 1.5 and 0.75 on seed 0, 2.5 and 1 on seed 1: differences -0.75 and -1.5.
        assert_eq!(difference.score_area.mean, -1.125);
        assert_eq!(difference.truth_last.mean, -0.75);
        // SciPy 1.17.1: stats.t.interval(0.95, 1, loc=-1.125, scale=stats.sem([-0.75, -1.5]))
        assert!((difference.score_area.low.unwrap() - -5.889_826_776_065_51).abs() < 1e-6);
        assert!(!difference.score_area.is_clear());
        assert_eq!(summary.references[0].score, 0.0);
        assert!(summarise(&arms, &references[..1], &runs).is_err());
    }

    #[test]
    fn a_seed_without_uniform_sampling_is_left_out_and_said_so() {
        let diverged = serde_json::from_value(json!({
            "seed": 1, "optimum": null,
            "weightings": [{"name": "oracle", "score": 9.0, "truth": 0.9, "test": null}],
            "failures": [{"name": "uniform", "reason": "training diverged"}],
        }));
        let references = [references(0, 1.0), diverged.unwrap()];
        let runs = [run("random", 0, [1.0, 2.0]), run("random", 1, [9.0, 9.0])];
        let summary = summarise(&[Arm::Random], &references, &runs).unwrap();
        assert_eq!((summary.left_out, &summary.arms[0].seeds), (vec![1], &vec![0]));
        assert_eq!(summary.references.len(), 1);
    }
}
