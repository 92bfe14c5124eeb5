//! The error of this crate.
//!
//! Every message is complete in itself: a cause from below is part of it and not its
//! [`source`](std::error::Error::source), so a chain of causes says nothing twice.

/// What can go wrong in the pipeline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range.
    #[error("{setting} = {found}: expected {expected}")]
    InvalidSetting {
        /// The setting's name.
        setting: &'static str,
        /// The value found.
        found: String,
        /// The values allowed.
        expected: &'static str,
    },
    /// Images in memory were needed and the task has none.
    #[error("the data of this task are no images in memory; use methods and reports that need none")]
    NotImages,
    /// No trial of a search gave a score.
    #[error("all {trials} trials of the search failed; the last: {reason}")]
    NoTrialSucceeded {
        /// How many were tried.
        trials: usize,
        /// Why the last one failed.
        reason: String,
    },
    /// A file could not be read.
    #[error("cannot read {}: {reason}; check that the path is right and may be read", path.display())]
    File {
        /// Which one.
        path: std::path::PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file of labels is not one for this dataset.
    #[error(
        "{}: {found} labels, but {dataset} has {expected} published training images; write one class number a line, line i \
         for image i",
        path.display()
    )]
    LabelFile {
        /// Which file.
        path: std::path::PathBuf,
        /// The dataset.
        dataset: String,
        /// Published training images.
        expected: usize,
        /// Labels in the file.
        found: usize,
    },
    /// A path holds nothing that can be inspected.
    #[error(
        "{}: {found}; expected a sampler.json, a study (its folder or its study.log) or weights (Parquet, NPY, NPZ, CSV)",
        path.display()
    )]
    Unrecognised {
        /// The path.
        path: std::path::PathBuf,
        /// What there is.
        found: &'static str,
    },
    /// An example has no row in a table of features.
    #[error(
        "{place}: no row with the identifier {id}, which the weights have; give the features of all examples"
    )]
    NoFeaturesOf {
        /// The table.
        place: String,
        /// The example.
        id: u64,
    },
    /// A folder for results cannot be made or written to.
    #[error("cannot write to the folder {}: {reason}; choose another folder", path.display())]
    Folder {
        /// Which one.
        path: std::path::PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A sampler file does not hold a sampler that this version reads.
    #[error("{}: {reason}; `swift-sampler search` writes such files", path.display())]
    SamplerFile {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: ss_sampler::Error,
    },
    /// No column holds the logits, or not every class has one.
    #[error("{place}: no column {missing}; the columns are {found}; name the logits by --logits")]
    NoLogits {
        /// The files.
        place: String,
        /// What was looked for.
        missing: String,
        /// The columns there are.
        found: String,
    },
    /// Logits or labels that give no features.
    #[error("{place}: {reason}")]
    FeaturesOf {
        /// The files.
        place: String,
        /// What is wrong, with the row.
        reason: ss_features::Error,
    },
    /// Rows that cannot be ranked or scored.
    #[error("{place}: {reason}")]
    RowsOf {
        /// The files.
        place: String,
        /// What is wrong, with the row.
        reason: ss_sampler::Error,
    },
    /// A study was made with other settings than those asked for.
    #[error(
        "{place}: the study `{study}` was made with other settings ({difference}); \
         repeat its settings, choose another folder or remove that file"
    )]
    OtherSettings {
        /// The journal.
        place: String,
        /// The study.
        study: String,
        /// Which settings differ, and how.
        difference: String,
    },
    /// A journal does not hold a study that can be continued.
    #[error("{place}: {reason}")]
    Journal {
        /// The journal.
        place: String,
        /// What is wrong with it.
        reason: ss_bo::journal::JournalError,
    },
    /// The first trial of a search is not uniform sampling, to which all others are compared.
    #[error(
        "{place}: the first trial of the study is not uniform sampling, another program added it before the search \
         began; choose another folder or remove that file"
    )]
    ForeignFirstTrial {
        /// The journal.
        place: String,
    },
    /// A folder holds no study.
    #[error("{}: {reason}; `swift-sampler study new` makes one", path.display())]
    NoStudy {
        /// The folder.
        path: std::path::PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The features of a study are not those that it was made with.
    #[error(
        "{}: features with the digest {found}, but the study was made with {expected}; restore that file or make a \
         new study",
        path.display()
    )]
    OtherFeatures {
        /// The file.
        path: std::path::PathBuf,
        /// The digest recorded in the study.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// A trial has an outcome already, another one.
    #[error("trial {id} has an outcome already ({recorded}), and the first one counts: nothing was recorded")]
    AlreadyObserved {
        /// The trial.
        id: u64,
        /// What is recorded.
        recorded: String,
    },
    /// Another process is at work in a folder.
    #[error("{}: another run is using this folder; wait for it or choose another folder", path.display())]
    FolderInUse {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// A learned sampler could not be drawn.
    #[error("cannot draw the sampler: {reason}")]
    Picture {
        /// What the drawing library said.
        reason: String,
    },
    /// What a report says about a search is missing or cannot be read back.
    #[error("not the record of a search: {reason}; run the search again to make one")]
    Record {
        /// What is wrong with it.
        reason: String,
    },
    /// An error of the datasets and tables.
    #[error(transparent)]
    Data(#[from] ss_data::Error),
    /// An error of training and trials.
    #[error(transparent)]
    Approx(#[from] ss_approx::Error),
    /// An error of a rival method.
    #[error(transparent)]
    Rival(#[from] ss_baselines::Error),
    /// An error of the networks.
    #[error(transparent)]
    Model(#[from] ss_models::Error),
    /// An error of the features.
    #[error(transparent)]
    Features(#[from] ss_features::Error),
    /// An error of the sampler.
    #[error(transparent)]
    Sampler(#[from] ss_sampler::Error),
    /// An error of the optimiser.
    #[error(transparent)]
    Optimiser(#[from] ss_bo::Error),
}

impl Error {
    /// Whether a model has diverged: a result of its method, and no failure of the program.
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::Approx(error) => ss_baselines::is_divergence(error),
            Self::Rival(error) => error.is_divergence(),
            _ => false,
        }
    }
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_is_told_from_other_errors_however_deep_it_lies() {
        let has_diverged = |error: &Error| error.is_divergence();
        let lost = || ss_baselines::Error::NonFinite { what: "loss", index: 3, value: f32::NAN };
        let diverged = ss_approx::Error::Diverged { epoch: 2, loss: f64::NAN };
        assert!(has_diverged(&lost().into()));
        assert!(has_diverged(&ss_approx::Error::from(lost()).into()));
        assert!(has_diverged(&ss_baselines::Error::from(ss_approx::Error::from(lost())).into()));
        assert!(has_diverged(&ss_baselines::Error::from(diverged).into()));
        let foreign = ss_baselines::Error::NotTold { method: "l2rw", what: "a clean subset" };
        assert!(!has_diverged(&ss_approx::Error::from(foreign).into()));
    }
}
