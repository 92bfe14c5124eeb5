//! Finished searches beside the reference weightings, over seeds.

use serde::Serialize;

use super::arm::Arm;
use super::effect::{Effect, effects};
use super::record::{ReferenceRun, SearchRun};
use super::reference::BAR;
use crate::bench::bo::quantile;

/// Median and quartiles over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Quartiles {
    pub(super) median: f64,
    pub(super) q25: f64,
    pub(super) q75: f64,
}

impl Quartiles {
    /// `None` without values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let at = |q| quantile(values, q);
        (!values.is_empty()).then(|| Self { median: at(0.5), q25: at(0.25), q75: at(0.75) })
    }
}

/// One row of the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(super) enum Row {
    /// A weighting that no search chose.
    Reference(ReferenceRow),
    /// An arm.
    Search(Box<SearchRow>),
    /// The difference between two arms.
    Effect(Effect),
}

/// A reference weighting over seeds. Truth and test are shares of right answers, in `[0, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ReferenceRow {
    pub(super) objective: String,
    pub(super) name: String,
    pub(super) seeds: Vec<u64>,
    /// The score, as a search would be told it.
    pub(super) score: Option<Quartiles>,
    /// Accuracy on true labels of the validation images, or the score without noise.
    pub(super) truth: Option<Quartiles>,
    /// Mean of the truth minus that of the rule that drops the 35% largest losses, paired by seed.
    pub(super) truth_minus_bar: Option<f64>,
    pub(super) test: Option<Quartiles>,
}

/// An arm over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct SearchRow {
    pub(super) objective: String,
    pub(super) arm: Arm,
    pub(super) seeds: Vec<u64>,
    /// Best score that a trial has had, after so many trials. Chosen among noisy scores, so too high.
    pub(super) best: Vec<BestAfter>,
    /// Number of the first trial, counted from 1, whose score was at least that of the rule that drops the 35%
    /// largest losses; one entry a seed.
    pub(super) trials_to_bar: Vec<Option<usize>>,
    /// Score of the recommended rule in its trial: chosen among noisy scores, too.
    pub(super) recommended_score: Option<Quartiles>,
    /// Truth of the recommended rule.
    pub(super) recommended_truth: Option<Quartiles>,
    /// Test accuracy of the recommended rule.
    pub(super) recommended_test: Option<Quartiles>,
    /// Mean of that truth minus the truth of the rule that drops the 35% largest losses, paired by seed.
    pub(super) truth_minus_bar: Option<f64>,
    /// The same of the test accuracies.
    pub(super) test_minus_bar: Option<f64>,
    /// Seeds on which the recommended rule's truth is at least that of the bar.
    pub(super) truths_at_bar: usize,
    /// How far the recommended rule's truth lies below the best of all weightings.
    pub(super) regret: Option<Quartiles>,
}

/// The best score after a number of trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct BestAfter {
    pub(super) trials: usize,
    #[serde(flatten)]
    pub(super) score: Option<Quartiles>,
}

/// The rows of the references, then of the arms in the given order, then of their differences.
pub(super) fn rows(
    objective: &str,
    references: &[ReferenceRun],
    runs: &[SearchRun],
    arms: &[Arm],
    trials: usize,
) -> Vec<Row> {
    let names = ReferenceRun::names(references).into_iter();
    let mut rows: Vec<Row> =
        names.map(|name| Row::Reference(reference_row(objective, name, references))).collect();
    let optima: Vec<f64> = references.iter().filter_map(|run| run.optimum).collect();
    if let Some(truth) = Quartiles::of(&optima) {
        let gains = references.iter().filter_map(|run| Some(run.optimum? - run.named(BAR)?.reading.truth));
        rows.push(Row::Reference(ReferenceRow {
            objective: objective.into(),
            name: "optimum".into(),
            seeds: references.iter().map(|run| run.seed).collect(),
            score: None,
            truth: Some(truth),
            truth_minus_bar: mean(gains),
            test: None,
        }));
    }
    for &arm in arms {
        let found: Vec<(&SearchRun, &ReferenceRun)> = runs
            .iter()
            .filter(|run| run.arm == arm)
            .filter_map(|run| Some((run, references.iter().find(|r| r.seed == run.seed)?)))
            .collect();
        if !found.is_empty() {
            rows.push(Row::Search(Box::new(search_row(objective, arm, &found, trials))));
        }
    }
    rows.extend(effects(objective, runs, arms).into_iter().map(Row::Effect));
    rows
}

fn reference_row(objective: &str, name: &str, references: &[ReferenceRun]) -> ReferenceRow {
    let found = || references.iter().filter_map(|run| run.named(name));
    let gains = references
        .iter()
        .filter_map(|run| Some(run.named(name)?.reading.truth - run.named(BAR)?.reading.truth));
    ReferenceRow {
        objective: objective.into(),
        name: name.into(),
        seeds: references.iter().filter(|run| run.named(name).is_some()).map(|run| run.seed).collect(),
        score: quartiles(found().map(|w| w.reading.score)),
        truth: quartiles(found().map(|w| w.reading.truth)),
        truth_minus_bar: mean(gains),
        test: quartiles(found().filter_map(|w| w.test)),
    }
}

fn search_row(objective: &str, arm: Arm, runs: &[(&SearchRun, &ReferenceRun)], trials: usize) -> SearchRow {
    let mut marks: Vec<usize> = [10, 20, 30].into_iter().filter(|&mark| mark < trials).collect();
    marks.push(trials);
    let best = |mark: &usize| BestAfter {
        trials: *mark,
        score: quartiles(runs.iter().filter_map(|(run, _)| run.best_score(*mark))),
    };
    let truth = |run: &SearchRun| Some(run.recommended_reading()?.truth);
    let gains: Vec<f64> = runs
        .iter()
        .filter_map(|(run, reference)| Some(truth(run)? - reference.named(BAR)?.reading.truth))
        .collect();
    SearchRow {
        objective: objective.into(),
        arm,
        seeds: runs.iter().map(|(run, _)| run.seed).collect(),
        best: marks.iter().map(best).collect(),
        trials_to_bar: runs
            .iter()
            .map(|(run, reference)| run.trials_to(reference.named(BAR)?.reading.score))
            .collect(),
        recommended_score: quartiles(
            runs.iter().filter_map(|(run, _)| Some(run.recommended_reading()?.score)),
        ),
        recommended_truth: quartiles(runs.iter().filter_map(|(run, _)| truth(run))),
        recommended_test: quartiles(runs.iter().filter_map(|(run, _)| run.recommended_test)),
        truths_at_bar: gains.iter().filter(|gain| **gain >= 0.0).count(),
        truth_minus_bar: mean(gains.into_iter()),
        test_minus_bar: mean(
            runs.iter()
                .filter_map(|(run, reference)| Some(run.recommended_test? - reference.named(BAR)?.test?)),
        ),
        regret: quartiles(runs.iter().filter_map(|(run, reference)| Some(reference.optimum? - truth(run)?))),
    }
}

fn quartiles(values: impl Iterator<Item = f64>) -> Option<Quartiles> {
    Quartiles::of(&values.collect::<Vec<_>>())
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
