//! What a study is, and where its folder keeps it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ss_data::{JournalFile, NumericTable};
use ss_sampler::{RankedFeatures, SamplerSpec, Transform};
use ss_seed::Seed;

use crate::rule_space::{RuleSpace, parameter_names};
use crate::study::StudySpec;
use crate::{Error, Result};

/// The name of the study in the journal.
pub(super) const STUDY: &str = "swift-sampler";

/// What all trials of a study have in common, as its journal has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) version: String,
    pub(super) spec: SamplerSpec,
    pub(super) seed: u64,
    pub(super) features_digest: String,
}

impl Settings {
    /// The study in the journal, as `worker` sees it.
    pub(super) fn study_spec(&self, worker: &str) -> Result<StudySpec> {
        let settings = serde_json::to_value(self)
            .map_err(|error| Error::NoStudy { path: PathBuf::new(), reason: error.to_string() })?;
        Ok(StudySpec {
            name: STUDY.to_owned(),
            parameters: parameter_names(&self.spec),
            settings,
            worker: worker.to_owned(),
        })
    }

    /// The columns of the spec, and the gradient norms where it needs them.
    pub(super) fn columns<'a>(&self, table: &'a NumericTable) -> Result<(Vec<&'a [f32]>, &'a [f32])> {
        let column = |name: &str| {
            table.column(name).ok_or_else(|| {
                let available = table.columns.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
                let (column, available) = (name.to_owned(), available.join(", "));
                Error::Data(ss_data::Error::MissingColumn { column, available })
            })
        };
        let columns = self.spec.features().iter().map(|name| column(name)).collect::<Result<Vec<_>>>()?;
        let grad_norm = match self.spec.transform() {
            Transform::Cgf => column("grad_norm")?,
            Transform::Cdf => &[],
        };
        Ok((columns, grad_norm))
    }

    /// The rules over the features of this table.
    pub(super) fn rules(&self, table: &NumericTable) -> Result<RuleSpace> {
        let (columns, grad_norm) = self.columns(table)?;
        let ranked = RankedFeatures::new(self.spec.clone(), &columns, grad_norm)?;
        RuleSpace::new(ranked, Seed::new(self.seed).derive("outer-loop", 0))
    }
}

/// The record of the trials.
pub(super) fn journal(folder: &Path) -> JournalFile {
    JournalFile::new(folder.join("study.log"))
}

/// The features that rules are functions of.
pub(super) fn features_path(folder: &Path) -> PathBuf {
    // Not `features.parquet`, which may be the file that the features come from, with more columns.
    folder.join("study-features.parquet")
}
