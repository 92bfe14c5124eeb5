//! What the journal keeps: one line for each finished search, and one for the reference weightings of a seed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use ss_bo::Origin;

use super::arm::Arm;
use super::objective::{Reading, Tried};
use crate::journal::{self, Place};

/// Finished parts of the bench.
pub(crate) type Journal = journal::Journal<Record>;

/// Where the journal of an objective lies.
pub(super) fn place<'a>(folder: &'a Path, file: &'a str) -> Place<'a> {
    Place { folder, file, task: "search_journal" }
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(crate) enum Record {
    References(ReferenceRun),
    Search(SearchRun),
}

/// Weightings that no search chose, on one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReferenceRun {
    pub(crate) seed: u64,
    pub(crate) weightings: Vec<ReferenceReading>,
    /// Those under which training diverged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<ReferenceFailure>,
    /// The largest truth that any weighting has, where it is known.
    pub(crate) optimum: Option<f64>,
}

/// A weighting without a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReferenceFailure {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReferenceReading {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) reading: Reading,
    /// Accuracy on test data, in `[0, 1]`, where it was taken.
    pub(crate) test: Option<f64>,
}

/// One arm's search on one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SearchRun {
    pub(crate) seed: u64,
    pub(crate) arm: Arm,
    pub(crate) trials: Vec<SearchTrial>,
    /// Number of the trial that the optimiser recommends; absent when none succeeded.
    pub(crate) recommended: Option<usize>,
    /// Test accuracy of the recommended rule, in `[0, 1]`, where there are test data.
    pub(crate) recommended_test: Option<f64>,
}

/// One trial of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SearchTrial {
    /// Why the point was suggested.
    pub(crate) origin: Origin,
    /// As suggested, in the unit cube.
    pub(crate) point: Vec<f64>,
    /// Absent when the trial failed.
    pub(crate) reading: Option<Reading>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

impl SearchTrial {
    pub(crate) fn tried(&self) -> Tried {
        self.reading.ok_or_else(|| self.failure.clone().unwrap_or_default())
    }
}

impl SearchRun {
    /// The reading of the recommended trial.
    pub(crate) fn recommended_reading(&self) -> Option<Reading> {
        self.trials.get(self.recommended?)?.reading
    }

    /// The best score of the first `trials` trials.
    pub(crate) fn best_score(&self, trials: usize) -> Option<f64> {
        let scores = self.trials.iter().take(trials).filter_map(|trial| Some(trial.reading?.score));
        scores.max_by(f64::total_cmp)
    }

    /// How many trials it took to score at least `bar`.
    pub(crate) fn trials_to(&self, bar: f64) -> Option<usize> {
        let reaches = |trial: &SearchTrial| trial.reading.is_some_and(|reading| reading.score >= bar);
        self.trials.iter().position(reaches).map(|at| at + 1)
    }
}

impl ReferenceRun {
    /// Every weighting that was measured on some seed, in the order of first appearance.
    pub(crate) fn names<'a>(references: impl IntoIterator<Item = &'a Self>) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for weighting in references.into_iter().flat_map(|run| &run.weightings) {
            if !names.contains(&weighting.name.as_str()) {
                names.push(&weighting.name);
            }
        }
        names
    }

    pub(crate) fn named(&self, name: &str) -> Option<&ReferenceReading> {
        self.weightings.iter().find(|weighting| weighting.name == name)
    }
}
