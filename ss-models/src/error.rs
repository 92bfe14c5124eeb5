//! The error of this crate.

/// What can go wrong while a network is described, built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name stands for no network.
    #[error("unknown network {name:?}: expected one of {}", expected.join(", "))]
    UnknownNetwork {
        /// What was asked for.
        name: String,
        /// The names that exist.
        expected: Vec<&'static str>,
    },
    /// A network's numbers contradict each other.
    #[error("network {network}: {what}; {remedy}")]
    InvalidSpec {
        /// The network described.
        network: String,
        /// What was found.
        what: String,
        /// How to mend it.
        remedy: &'static str,
    },
    /// A snapshot does not fit the network that it is restored into.
    #[error("snapshot does not fit: parameter {name:?} {what}; restore it into a network of the same spec")]
    SnapshotMismatch {
        /// The parameter.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// An error of the tensor library.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
