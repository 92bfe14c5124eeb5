//! Weights for datasets of any size: [`passes`] over the rows, in memory for a few blocks of them and the counts of each thread
//! (at most 64 MiB a feature and 256 MiB for `z`, where values crowd), then the [`weights`].
//!
//! By the distributions that a sampler carries, it takes one pass for the sum of the weights and one that writes them. To rank
//! the rows among themselves takes two or more passes before that (see [`ss_sampler::sketch`]), or memory for the whole
//! dataset, where it is small ([`in_memory`]). Weights are computed again by the last pass rather than kept in a file: to read
//! two features and to look them up takes less than to write a weight and to read it.

pub mod in_memory;
pub mod passes;
pub mod weights;

use ss_sampler::{Sampler, SamplerSpec};

/// The column of the gradient norms.
pub const GRADIENT_COLUMN: &str = "grad_norm";

/// Where the identifiers of rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// A column of this name.
    Column(String),
    /// The numbers of the rows, counted from this one.
    RowNumbers(u64),
}

impl Ids {
    fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::RowNumbers(_) => None,
        }
    }

    /// The identifiers of a block.
    fn of(&self, block: &ss_data::RowBlock) -> Vec<u64> {
        match self {
            Self::Column(_) => block.ids.clone(),
            Self::RowNumbers(from) => {
                let first = from + block.first_row;
                (first..first + block.rows() as u64).collect()
            }
        }
    }
}

/// The features of a sampler, and the gradient norms where they are needed too.
fn columns_of(spec: &SamplerSpec, norms: bool) -> Vec<&str> {
    let features = spec.features().iter().map(String::as_str);
    features.chain(norms.then_some(GRADIENT_COLUMN)).collect()
}

/// The columns of a block as slices.
fn slices(columns: &[Vec<f32>]) -> Vec<&[f32]> {
    columns.iter().map(Vec::as_slice).collect()
}

/// What was done, in a sentence.
pub fn summary(rows: u64, effective: f64, positive: u64) -> String {
    let share = 100.0 * effective / rows as f64;
    format!(
        "{rows} examples: effective sample size {effective:.0} ({share:.0}%), {} never drawn",
        rows - positive
    )
}

/// Whether the gradient norms decide the ranks of rows.
fn reads_norms(sampler: &Sampler) -> bool {
    sampler.spec().transform() == ss_sampler::Transform::Cgf
}
