//! What each validation example contributes to the score of a trial, where the trainer tells it.
//!
//! One file a trial in the study's folder, beside the journal. They decide nothing in the search; at its end they
//! let two trials be compared example by example. The journal says of each trial how many scores there are and which
//! (their digest), in one step with the outcome: a file that is not the one that was told counts as none, such as
//! that of a study that was in the folder before.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use ss_bo::{BayesOpt, Optimizer, TrialId};
use ss_data::NumericTable;

use crate::study::Loaded;
use crate::{Error, Result};

const COLUMN: &str = "score";
/// The trial attribute that says which example scores were told.
const ATTRIBUTE: &str = "example_scores";

/// The scores of the validation examples in one trial, one or more and all finite.
#[derive(Clone, Debug)]
pub(super) struct Scores(NumericTable);

impl Scores {
    /// # Errors
    /// No scores; one that is not a finite number within the range of float32, in which they are kept.
    pub(super) fn new(scores: &[f64]) -> Result<Self> {
        if scores.is_empty() {
            return Err(ss_data::Error::Empty { what: "the list of example scores".into() }.into());
        }
        if let Some(row) = scores.iter().position(|&score| !(score as f32).is_finite()) {
            return Err(ss_data::Error::Value {
                column: COLUMN.to_owned(),
                row,
                value: format!("{:e}", scores[row]),
                expected: "a number within the range of float32 (3.4e38)",
            }
            .into());
        }
        let ids = (0..scores.len() as u64).collect();
        let columns = vec![(COLUMN.to_owned(), scores.iter().map(|&score| score as f32).collect())];
        Ok(Self(NumericTable { ids, columns }))
    }

    fn count(&self) -> usize {
        self.0.ids.len()
    }

    fn attribute(&self) -> Value {
        json!({"count": self.count(), "digest": format!("{:016x}", self.0.digest())})
    }

    /// What the journal is to say about them.
    ///
    /// # Errors
    /// As many as the trials that told theirs before do not have.
    pub(super) fn note(&self, loaded: &Loaded<BayesOpt>) -> Result<(&'static str, Value)> {
        let ended = loaded.optimizer().trials().iter().filter(|trial| !trial.is_running());
        let known = ended.filter_map(|trial| {
            let count = loaded.trial_attribute(trial.id, ATTRIBUTE)?["count"].as_u64()?;
            Some((trial.id, count as usize))
        });
        match known.into_iter().next() {
            Some((id, expected)) if expected != self.count() => Err(ss_data::Error::LengthMismatch {
                what: format!("example scores beside those of trial {id}"),
                expected,
                found: self.count(),
            }
            .into()),
            _ => Ok((ATTRIBUTE, self.attribute())),
        }
    }

    /// Whether these are the ones that were told of a trial.
    pub(super) fn are_those_of(&self, loaded: &Loaded<BayesOpt>, id: TrialId) -> bool {
        loaded.trial_attribute(id, ATTRIBUTE) == Some(&self.attribute())
    }
}

/// The example scores of a study.
#[derive(Clone, Debug)]
pub(super) struct ExampleScores {
    folder: PathBuf,
}

impl ExampleScores {
    pub(super) fn of(study: &Path) -> Self {
        Self { folder: study.join("example-scores") }
    }

    fn path(&self, id: TrialId) -> PathBuf {
        self.folder.join(format!("{id}.parquet"))
    }

    /// The scores of a trial, where they were told and are still there.
    pub(super) fn read(&self, loaded: &Loaded<BayesOpt>, id: TrialId) -> Result<Option<Vec<f64>>> {
        let path = self.path(id);
        if loaded.trial_attribute(id, ATTRIBUTE).is_none() || !path.exists() {
            return Ok(None);
        }
        let scores = Scores(NumericTable::read_parquet_columns(&path, ss_data::ID_COLUMN, &[COLUMN])?);
        if !scores.are_those_of(loaded, id) {
            return Ok(None);
        }
        Ok(scores.0.column(COLUMN).map(|scores| scores.iter().map(|&score| f64::from(score)).collect()))
    }

    pub(super) fn write(&self, id: TrialId, scores: &Scores) -> Result<()> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|reason| Error::Folder { path: self.folder.clone(), reason })?;
        Ok(scores.0.write_parquet(&self.path(id))?)
    }
}
