//! What can be wrong with a sampler, its inputs and its file.

/// Everything this crate can refuse, with the place and the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a spec, of parameters or of a rule is out of range.
    #[error("{field} is {found}: expected {expected}")]
    Invalid {
        /// The field, with its index where it has one.
        field: String,
        /// The value found.
        found: String,
        /// The range or form expected.
        expected: String,
    },
    /// Two inputs that belong together differ in length.
    #[error("{what} has {found} entries, expected {expected}")]
    Length {
        /// The input that has the wrong length.
        what: String,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// No example, or no draw, was asked for.
    #[error("{what} is empty: give at least one")]
    Empty {
        /// What was empty.
        what: String,
    },
    /// More examples or draws than the data types of a function hold.
    #[error("{found} {what} exceed the limit of {limit}: {remedy}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// The largest number possible.
        limit: u64,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A feature, gradient norm or weight is NaN or infinite.
    #[error("{what} is {value} in row {row}: values must be finite; drop or repair that row")]
    NotFinite {
        /// The input or column.
        what: String,
        /// The first row (0-based) that is affected.
        row: usize,
        /// The value found there.
        value: f64,
    },
    /// A gradient norm or weight is below zero.
    #[error("{what} is {value} in row {row}: it must not be negative")]
    Negative {
        /// The input or column.
        what: String,
        /// The first row (0-based) that is affected.
        row: usize,
        /// The value found there.
        value: f64,
    },
    /// No example would ever be drawn.
    #[error("all {examples} weights are zero, so nothing can be drawn: raise at least one value of the rule")]
    NoMass {
        /// Number of examples.
        examples: usize,
    },
    /// More distinct examples asked for than have positive weight.
    #[error(
        "cannot draw {draws} examples without replacement: only {positive} have positive weight; draw \
         at most that many, or use systematic or multinomial draws"
    )]
    NotEnough {
        /// Draws asked for.
        draws: usize,
        /// Examples with positive weight.
        positive: usize,
    },
    /// A saved plan position does not fit the plan that was rebuilt.
    #[error(
        "cannot resume at this state: {reason}; rebuild the plan with the weights, mode and size it was saved with"
    )]
    Resume {
        /// What differs.
        reason: String,
    },
    /// A sampler file of another format.
    #[error(
        "sampler file has format_version {found}, this build reads version {supported}: convert it with the release that wrote it"
    )]
    FormatVersion {
        /// The version in the file.
        found: String,
        /// The version this build reads.
        supported: u32,
    },
    /// A sampler file that is not what it should be.
    #[error("sampler file is not valid: {reason}")]
    Format {
        /// The field and the reason.
        reason: String,
    },
    /// A sketch file of another format.
    #[error(
        "sketch has sketch_version {found}, this build reads version {supported}: make it again with this build"
    )]
    SketchVersion {
        /// The version in the file.
        found: String,
        /// The version this build reads.
        supported: u32,
    },
    /// A sketch file that is not what it should be.
    #[error("sketch is not valid: {reason}; make it again")]
    SketchFormat {
        /// The field and the reason.
        reason: String,
    },
    /// Sketches that do not belong together, or to this pass.
    #[error("{what}: {remedy}")]
    SketchMismatch {
        /// What does not fit.
        what: String,
        /// What to do instead.
        remedy: &'static str,
    },
}

impl Error {
    pub(crate) fn invalid(
        field: impl Into<String>,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Invalid { field: field.into(), found: found.to_string(), expected: expected.into() }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
