//! What each validation example contributes to the score of a trial, where the trainer tells it.
//!
//! One file a trial in the study's folder, beside the journal. They decide nothing in the search; at its end they
//! let two trials be compared example by example.

use std::path::{Path, PathBuf};

use ss_bo::TrialId;
use ss_data::NumericTable;

use crate::{Error, Result};

const COLUMN: &str = "score";

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

    /// The scores of a trial, where they were told.
    pub(super) fn read(&self, id: TrialId) -> Result<Option<Vec<f64>>> {
        let path = self.path(id);
        if !path.exists() {
            return Ok(None);
        }
        let table = NumericTable::read_parquet_columns(&path, ss_data::ID_COLUMN, &[COLUMN])?;
        Ok(table.column(COLUMN).map(|scores| scores.iter().map(|&score| f64::from(score)).collect()))
    }

    /// Checks that these are of as many examples as those of another trial.
    pub(super) fn check(&self, like: TrialId, scores: &[f64]) -> Result<()> {
        let expected = self.read(like)?.map_or(scores.len(), |known| known.len());
        if scores.len() == expected {
            return Ok(());
        }
        Err(ss_data::Error::LengthMismatch {
            what: format!("example scores beside those of trial {like}"),
            expected,
            found: scores.len(),
        }
        .into())
    }

    pub(super) fn write(&self, id: TrialId, scores: &[f64]) -> Result<()> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|reason| Error::Folder { path: self.folder.clone(), reason })?;
        let ids = (0..scores.len() as u64).collect();
        let columns = vec![(COLUMN.to_owned(), scores.iter().map(|&score| score as f32).collect())];
        Ok(NumericTable { ids, columns }.write_parquet(&self.path(id))?)
    }
}
