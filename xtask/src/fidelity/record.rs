//! What is measured, and what the journal keeps of it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use ss_approx::{ClassPredictions, Score};
use ss_cli::ValidationLabels;

use crate::journal::{self, Place};

/// Finished trainings and trials.
pub(super) type Journal = journal::Journal<Record>;

/// Where the journal lies.
pub(super) fn place(folder: &Path) -> Place<'_> {
    Place { folder, file: "cells.jsonl", task: "fidelity_journal" }
}

/// How a trial approximates a full training. Scores and labels are not part of it: one trial is scored in every way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setting {
    /// Epochs of the uniform run behind the shared start.
    pub(super) start_epoch: usize,
    /// First learning rate of the trial in units of the training's.
    pub(super) rate: f64,
    /// `E_f`: epochs of the trial.
    pub(super) epochs: f64,
}

/// How a finished trial is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Yardstick {
    pub(super) score: Score,
    pub(super) labels: ValidationLabels,
}

impl Yardstick {
    /// All of them.
    pub(super) const ALL: [Self; 6] = {
        use Score::{Accuracy, Calibrated, Likelihood};
        use ValidationLabels::{Clean, Noisy};
        [
            Self { score: Accuracy, labels: Noisy },
            Self { score: Calibrated, labels: Noisy },
            Self { score: Likelihood, labels: Noisy },
            Self { score: Accuracy, labels: Clean },
            Self { score: Calibrated, labels: Clean },
            Self { score: Likelihood, labels: Clean },
        ]
    };
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(super) enum Record {
    Full(FullTraining),
    Trial(Trial),
}

/// A full training from scratch under a sampler of the panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FullTraining {
    pub(super) seed: u64,
    pub(super) sampler: String,
    /// Test accuracy after the last epoch, in `[0, 1]`; absent when training diverged.
    pub(super) test: Option<f64>,
}

/// A short training from a shared start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trial {
    pub(super) seed: u64,
    pub(super) sampler: String,
    #[serde(flatten)]
    pub(super) setting: Setting,
    /// Absent when training diverged.
    pub(super) readings: Option<Readings>,
}

/// A trial's scores on the validation images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Readings {
    pub(super) noisy: Scores,
    pub(super) clean: Scores,
}

/// Every score against one set of labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scores {
    accuracy: f64,
    calibrated: f64,
    likelihood: f64,
}

impl Scores {
    pub(super) fn of(predictions: &ClassPredictions, labels: &[u32]) -> ss_approx::Result<Self> {
        Ok(Self {
            accuracy: predictions.score(Score::Accuracy, labels)?,
            calibrated: predictions.score(Score::Calibrated, labels)?,
            likelihood: predictions.score(Score::Likelihood, labels)?,
        })
    }
}

impl Readings {
    pub(super) fn at(&self, yardstick: Yardstick) -> f64 {
        let scores = match yardstick.labels {
            ValidationLabels::Noisy => &self.noisy,
            ValidationLabels::Clean => &self.clean,
        };
        match yardstick.score {
            Score::Accuracy => scores.accuracy,
            Score::Calibrated => scores.calibrated,
            Score::Likelihood => scores.likelihood,
            // No record holds them: the yardsticks are those of `Yardstick::ALL`.
            Score::Verification | Score::NearestCentroid => f64::NAN,
        }
    }
}

/// What identifies a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    seed: u64,
    sampler: String,
    /// Absent for full trainings.
    setting: Option<(usize, u64, u64)>,
}

impl Key {
    pub(super) fn new(seed: u64, sampler: &str, setting: Option<Setting>) -> Self {
        let bits = |s: Setting| (s.start_epoch, s.rate.to_bits(), s.epochs.to_bits());
        Self { seed, sampler: sampler.into(), setting: setting.map(bits) }
    }
}

impl Record {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Full(run) => Key::new(run.seed, &run.sampler, None),
            Self::Trial(trial) => Key::new(trial.seed, &trial.sampler, Some(trial.setting)),
        }
    }
}
