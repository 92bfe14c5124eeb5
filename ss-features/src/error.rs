//! What can be wrong with logits, labels and feature columns.

/// Everything this crate can refuse, with the place and the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No example was given.
    #[error("{what} has no rows: give at least one example")]
    Empty {
        /// What was empty.
        what: String,
    },
    /// A classifier needs two classes to have an opinion.
    #[error("{found} class(es) in the logits: features need at least 2")]
    TooFewClasses {
        /// Number of classes that was given.
        found: usize,
    },
    /// Two inputs that describe the same examples differ in length.
    #[error(
        "{what} has {found} entries where {expected} were expected: every input must cover the same examples"
    )]
    Length {
        /// The input that has the wrong length.
        what: String,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// A logit, feature or norm is NaN or infinite.
    #[error(
        "{what} is {value} in row {row}: values must be finite; drop the row or repair the model that wrote it"
    )]
    NotFinite {
        /// The input or column.
        what: String,
        /// The first row (0-based) that is affected.
        row: usize,
        /// The value found there.
        value: f32,
    },
    /// A squared norm is negative.
    #[error("squared hidden norm is {value} in row {row}: pass ‖h‖², which cannot be negative")]
    NegativeNorm {
        /// The first row (0-based) that is affected.
        row: usize,
        /// The value found there.
        value: f32,
    },
    /// A label does not name a class.
    #[error("label {label} in row {row} is out of range: the logits have {classes} classes, 0 to {}", classes - 1)]
    Label {
        /// The first row (0-based) that is affected.
        row: usize,
        /// The label found there.
        label: u32,
        /// Number of classes of the logits.
        classes: usize,
    },
    /// A column was asked for that the table does not have.
    #[error("no column `{name}`: the table has {available}")]
    NoColumn {
        /// The name that was asked for.
        name: String,
        /// The names there are, for the message.
        available: String,
    },
    /// A column was added under a name that is taken or empty.
    #[error("column name `{name}` is {problem}: choose another")]
    ColumnName {
        /// The name.
        name: String,
        /// Why it cannot be used.
        problem: &'static str,
    },
    /// A name is not one of [`FeatureKind`](crate::FeatureKind).
    #[error("`{name}` is no known feature: choose one of {known}")]
    UnknownFeature {
        /// The name that was given.
        name: String,
        /// The known names, for the message.
        known: String,
    },
    /// A decay is outside `[0, 1)`.
    #[error("decay {found} is outside [0, 1): 0 keeps the newest epoch only, 0.9 averages about ten")]
    Decay {
        /// The decay that was given.
        found: f64,
    },
    /// A running mean was read before its first epoch.
    #[error("the running mean has seen no epoch yet: call `update` first")]
    NoEpochs,
}

impl Error {
    /// The same error where the input was a part of a larger one that begins at its row `first`: the row named is
    /// then that of the whole.
    ///
    /// ```
    /// use ss_features::{Error, compute};
    ///
    /// let error = compute(&[0.0, 1.0], 2, &[5], None).unwrap_err();
    /// assert_eq!(error.counted_from(1_000), Error::Label { row: 1_000, label: 5, classes: 2 });
    /// ```
    #[must_use]
    pub fn counted_from(mut self, first: usize) -> Self {
        match &mut self {
            Self::NotFinite { row, .. } | Self::NegativeNorm { row, .. } | Self::Label { row, .. } => {
                *row += first
            }
            _ => {}
        }
        self
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
