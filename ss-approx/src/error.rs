//! The error of this crate.

/// What can go wrong in training, trials and scoring.
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
        /// What the rest of the run implies.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The loss stopped being a number.
    #[error("training diverged: mean loss {loss} in epoch {epoch}; lower the learning rate")]
    Diverged {
        /// The epoch, counted from 0.
        epoch: usize,
        /// The value found.
        loss: f64,
    },
    /// A device cannot be used.
    #[error("{device}: {reason}; {remedy}")]
    NoDevice {
        /// The device asked for.
        device: String,
        /// What is missing.
        reason: String,
        /// What can be done.
        remedy: &'static str,
        /// Whether there is nothing of the kind here: no driver, no GPU, a program built without CUDA. Otherwise there is, and
        /// it does not work.
        absent: bool,
    },
    /// A model's output is not a number.
    #[error("logits of row {row} contain {value}: the model has diverged; lower the learning rate")]
    NonFiniteLogit {
        /// The row, counted from 0.
        row: usize,
        /// The value found.
        value: f32,
    },
    /// A model's embedding is not a number.
    #[error("the embedding of image {row} contains {value}: the model has diverged; lower the learning rate")]
    NonFiniteEmbedding {
        /// The row, counted from 0.
        row: usize,
        /// The value found.
        value: f32,
    },
    /// A class has too few images for what is to be measured.
    #[error(
        "class {class} has {found} image{}, but {needed} are needed for {purpose}; leave the class out, or ask for fewer",
        if *found == 1 { "" } else { "s" }
    )]
    TooFewImages {
        /// The class.
        class: u32,
        /// Its images.
        found: usize,
        /// Images that it must have.
        needed: usize,
        /// What they are needed for.
        purpose: &'static str,
    },
    /// There are too few classes for what is to be measured.
    #[error(
        "{found} class{}, but {needed} are needed for {purpose}; use more classes, or ask for fewer",
        if *found == 1 { "" } else { "es" }
    )]
    TooFewClasses {
        /// Classes that there are.
        found: usize,
        /// Classes that there must be.
        needed: usize,
        /// What they are needed for.
        purpose: &'static str,
    },
    /// An error of an [`Objective`](crate::Objective) from elsewhere.
    #[error(transparent)]
    Objective(Box<dyn std::error::Error + Send + Sync>),
    /// An error of the data, such as an image that cannot be decoded.
    #[error(transparent)]
    Data(#[from] ss_data::Error),
    /// An error of the networks.
    #[error(transparent)]
    Model(#[from] ss_models::Error),
    /// An error of the features.
    #[error(transparent)]
    Features(#[from] ss_features::Error),
    /// An error of the sampler.
    #[error(transparent)]
    Sampler(#[from] ss_sampler::Error),
    /// An error of the tensor library.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Whether the model has diverged: a result of the settings under which it was trained, and no failure of the program.
    pub const fn is_divergence(&self) -> bool {
        matches!(self, Self::Diverged { .. } | Self::NonFiniteLogit { .. } | Self::NonFiniteEmbedding { .. })
    }
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
