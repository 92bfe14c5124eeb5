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
    /// Weights from a file are not those of the network.
    #[error(
        "the weights do not fit the network: {}; build the network that they were saved from, with as many classes",
        mismatch(missing, unexpected, mis_shaped)
    )]
    WeightsMismatch {
        /// Names that the network has and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the network lacks.
        unexpected: Vec<String>,
        /// Names with the shape (or type) found and the one expected.
        mis_shaped: Vec<String>,
    },
    /// Bytes that are no safetensors file.
    #[error("not a readable safetensors file: {0}; save the weights again, or check that the file is whole")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// An error of the tensor library.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The lists that are not empty, each cut after a few names.
fn mismatch(missing: &[String], unexpected: &[String], mis_shaped: &[String]) -> String {
    const SHOWN: usize = 5;
    let part = |what: &str, names: &[String]| {
        let more = names.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = names[..names.len().min(SHOWN)].join(", ");
        (!names.is_empty()).then(|| format!("{what}: {shown}{more}"))
    };
    let parts =
        [part("missing", missing), part("unexpected", unexpected), part("of another shape", mis_shaped)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
