//! The error of this crate.

/// What can go wrong in the rival methods.
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
        /// The values allowed, and the remedy.
        expected: &'static str,
    },
    /// Lengths or shapes that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// What was compared.
        what: &'static str,
        /// What the rest of the data implies.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A value that must be a finite number is not.
    #[error("{what} of example {index} is {value}: the model has diverged; lower the learning rate")]
    NonFinite {
        /// What was read.
        what: &'static str,
        /// The example, counted from 0.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// A method lacks knowledge that it cannot do without.
    #[error("{method} needs {what}, which it was not told: add it to what is known of the data")]
    NotTold {
        /// The method.
        method: &'static str,
        /// What it needs.
        what: &'static str,
    },
    /// The data of another task.
    #[error(
        "the method learns from one label an image in memory, and the training data are none: use baseline, oracle or ss"
    )]
    NotImages,
    /// An error of training.
    #[error(transparent)]
    Training(#[from] ss_approx::Error),
    /// An error of the data.
    #[error(transparent)]
    Data(#[from] ss_data::Error),
    /// An error of the networks.
    #[error(transparent)]
    Model(#[from] ss_models::Error),
    /// An error of the sampling weights.
    #[error(transparent)]
    Sampler(#[from] ss_sampler::Error),
    /// An error of the tensor library.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Whether a model has diverged, be it in an objective: a result of the method, and no failure of the program.
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::NonFinite { .. } => true,
            Self::Training(error) => is_divergence(error),
            _ => false,
        }
    }
}

/// Whether a model has diverged in training, be it in an objective of this crate.
pub fn is_divergence(error: &ss_approx::Error) -> bool {
    match error {
        ss_approx::Error::Objective(cause) => cause.downcast_ref().is_some_and(Error::is_divergence),
        error => error.is_divergence(),
    }
}

impl From<Error> for ss_approx::Error {
    /// For an [`Objective`](ss_approx::Objective), whose errors are those of training.
    fn from(error: Error) -> Self {
        match error {
            Error::Training(error) => error,
            Error::Model(error) => error.into(),
            Error::Candle(error) => error.into(),
            other => Self::Objective(Box::new(other)),
        }
    }
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
