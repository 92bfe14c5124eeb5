//! What the journal keeps: one line for each finished search, and one for the reference weightings of a seed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use ss_bo::Origin;

use super::arm::Arm;
use super::objective::{Reading, Tried};
use crate::journal::{self, Place};

/// Finished parts of the bench.
pub(super) type Journal = journal::Journal<Record>;

/// Where the journal of an objective lies.
pub(super) fn place<'a>(folder: &'a Path, file: &'a str) -> Place<'a> {
    Place { folder, file, task: "search_journal" }
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(super) enum Record {
    References(ReferenceRun),
    Search(SearchRun),
}

/// Weightings that no search chose, on one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReferenceRun {
    pub(super) seed: u64,
    pub(super) weightings: Vec<ReferenceReading>,
    /// The largest truth that any weighting has, where it is known.
    pub(super) optimum: Option<f64>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReferenceReading {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) reading: Reading,
    /// Accuracy on test data, in `[0, 1]`, where it was taken.
    pub(super) test: Option<f64>,
}

/// One arm's search on one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SearchRun {
    pub(super) seed: u64,
    pub(super) arm: Arm,
    pub(super) trials: Vec<SearchTrial>,
    /// Number of the trial that the optimiser recommends; absent when none succeeded.
    pub(super) recommended: Option<usize>,
    /// Test accuracy of the recommended rule, in `[0, 1]`, where there are test data.
    pub(super) recommended_test: Option<f64>,
}

/// One trial of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SearchTrial {
    /// Why the point was suggested.
    pub(super) origin: Origin,
    /// As suggested, in the unit cube.
    pub(super) point: Vec<f64>,
    /// Absent when the trial failed.
    pub(super) reading: Option<Reading>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
}

impl SearchTrial {
    pub(super) fn tried(&self) -> Tried {
        self.reading.ok_or_else(|| self.failure.clone().unwrap_or_default())
    }
}

impl SearchRun {
    /// The reading of the recommended trial.
    pub(super) fn recommended_reading(&self) -> Option<Reading> {
        self.trials.get(self.recommended?)?.reading
    }

    /// The best score of the first `trials` trials.
    pub(super) fn best_score(&self, trials: usize) -> Option<f64> {
        let scores = self.trials.iter().take(trials).filter_map(|trial| Some(trial.reading?.score));
        scores.max_by(f64::total_cmp)
    }

    /// How many trials it took to score at least `bar`.
    pub(super) fn trials_to(&self, bar: f64) -> Option<usize> {
        let reaches = |trial: &SearchTrial| trial.reading.is_some_and(|reading| reading.score >= bar);
        self.trials.iter().position(reaches).map(|at| at + 1)
    }
}

impl ReferenceRun {
    pub(super) fn named(&self, name: &str) -> Option<&ReferenceReading> {
        self.weightings.iter().find(|weighting| weighting.name == name)
    }
}
