//! What can go wrong, with the place and the remedy.

use crate::trial::TrialId;

/// The result of this crate's fallible operations.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of this crate.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A setting is outside its range.
    #[error("invalid setting `{field}`: found {found}, expected {expected}")]
    InvalidConfig {
        /// Name of the setting.
        field: &'static str,
        /// The value that was given.
        found: String,
        /// The values that are accepted.
        expected: &'static str,
    },
    /// A point has the wrong number of coordinates.
    #[error(
        "{what} has {found} coordinates, expected {expected}: one for each dimension of the search space"
    )]
    WrongDimension {
        /// Which point.
        what: String,
        /// Dimension of the search space.
        expected: usize,
        /// Number of coordinates found.
        found: usize,
    },
    /// A point lies outside the unit cube, or is not a number.
    #[error(
        "coordinate {coordinate} of {what} is {found}, expected a finite number in [0, 1]: scale to the unit cube"
    )]
    OutsideCube {
        /// Which point.
        what: String,
        /// Index of the offending coordinate.
        coordinate: usize,
        /// Its value.
        found: f64,
    },
    /// An outcome was told for a trial that was never asked for.
    #[error(
        "trial {id} is unknown: {known} trials have been asked for, numbered from 0; give the number of one of them"
    )]
    UnknownTrial {
        /// The identifier that was told.
        id: TrialId,
        /// Number of trials of the study.
        known: usize,
    },
    /// A trial already has an outcome.
    #[error("trial {id} already has an outcome: ask for a new trial to evaluate its point once more")]
    AlreadyTold {
        /// The identifier that was told twice.
        id: TrialId,
    },
    /// No point could be found that differs from those already suggested.
    #[error(
        "no point distinct from the {known} earlier trials in {attempts} attempts: the search space is used up, \
             or the projection maps it to too few points"
    )]
    Exhausted {
        /// Number of trials of the study.
        known: usize,
        /// Number of quasi-random points tried.
        attempts: usize,
    },
    /// A recorded suggestion is not the one that this optimiser would have made.
    #[error(
        "recorded trial {id} is not what this optimiser suggests: continue with the settings and the seed of the record"
    )]
    Diverged {
        /// The first trial that differs.
        id: TrialId,
    },
    /// A covariance matrix is not positive definite.
    #[error(
        "covariance of {size} points is not positive definite: pivot {pivot} is {value:e} with a jitter of \
             {jitter:e}: raise the noise or remove points that are not numbers"
    )]
    NotPositiveDefinite {
        /// Row of the first pivot that is not positive.
        pivot: usize,
        /// Its value.
        value: f64,
        /// Number of rows.
        size: usize,
        /// What had been added to the diagonal.
        jitter: f64,
    },
    /// Two lists that must match do not.
    #[error("{what} has length {found}, expected {expected}")]
    LengthMismatch {
        /// Which list.
        what: &'static str,
        /// Length that was needed.
        expected: usize,
        /// Length that was given.
        found: usize,
    },
    /// A value that must be finite (and, for variances, not negative) is not.
    #[error("{what} number {index} is {found}, expected {expected}")]
    InvalidValue {
        /// Which list.
        what: &'static str,
        /// Place in the list.
        index: usize,
        /// The value.
        found: f64,
        /// The values that are accepted.
        expected: &'static str,
    },
}

/// Checks that `x` is a point of the unit cube of dimension `dim`.
///
/// # Errors
/// [`Error::WrongDimension`] or [`Error::OutsideCube`], naming the point as `what()`.
pub(crate) fn check_point(x: &[f64], dim: usize, what: impl Fn() -> String) -> Result<()> {
    if x.len() != dim {
        return Err(Error::WrongDimension { what: what(), expected: dim, found: x.len() });
    }
    match x.iter().position(|v| !(0.0..=1.0).contains(v)) {
        None => Ok(()),
        Some(coordinate) => Err(Error::OutsideCube { what: what(), coordinate, found: x[coordinate] }),
    }
}
