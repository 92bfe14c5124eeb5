//! Datasets that are small enough to be ranked exactly.

use ss_data::{NumericTable, Shards};
use ss_sampler::{RankedFeatures, Sampler, Weights};

use super::passes::threads;
use super::{Ids, columns_of, reads_norms};
use crate::{Error, Result};

/// A dataset in memory: the features of a sampler, and the gradient norms where it needs them.
pub struct Table {
    place: String,
    table: NumericTable,
    norms: bool,
}

/// Reads a dataset of at most `limit` rows; `None` when it has more.
///
/// # Errors
/// [`Error::Data`] for files that cannot be read, repeated identifiers.
pub fn read(sampler: &Sampler, shards: &Shards, ids: &Ids, limit: u64) -> Result<Option<Table>> {
    if shards.rows().is_some_and(|rows| rows > limit) || limit == 0 {
        return Ok(None);
    }
    let norms = reads_norms(sampler);
    let names = columns_of(sampler.spec(), norms);
    let mut table = NumericTable {
        ids: Vec::new(),
        columns: names.iter().map(|&name| (name.to_owned(), Vec::new())).collect(),
    };
    let take = |block: ss_data::RowBlock| {
        if (table.ids.len() + block.rows()) as u64 > limit {
            return Err(Stop::TooMany);
        }
        table.ids.extend(ids.of(&block));
        for ((_, column), values) in table.columns.iter_mut().zip(&block.columns) {
            column.extend_from_slice(values);
        }
        Ok(())
    };
    match shards.for_each_block(&names, ids.column(), threads(), Ok, take) {
        Ok(()) => {}
        Err(Stop::TooMany) => return Ok(None),
        Err(Stop::Data(error)) => return Err(error.into()),
    }
    Ok(Some(Table { place: shards.place_names(), table, norms }))
}

/// Why reading ended early.
enum Stop {
    TooMany,
    Data(ss_data::Error),
}

impl From<ss_data::Error> for Stop {
    fn from(error: ss_data::Error) -> Self {
        Self::Data(error)
    }
}

impl Table {
    fn columns(&self) -> (Vec<&[f32]>, &[f32]) {
        let mut columns = self.table.slices();
        let norms = if self.norms { columns.pop().unwrap_or_default() } else { &[] };
        (columns, norms)
    }

    /// The weights of the rows, ranked among themselves.
    ///
    /// # Errors
    /// [`Error::RowsOf`] for negative gradient norms, or when all weights are zero.
    pub fn weights(&self, sampler: &Sampler) -> Result<Weights> {
        let (columns, norms) = self.columns();
        RankedFeatures::new(sampler.spec().clone(), &columns, norms)
            .and_then(|ranked| ranked.weights(sampler.params()))
            .map_err(|reason| Error::RowsOf { place: self.place.clone(), reason })
    }

    /// The sampler with the distributions of these rows.
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn refit(&self, sampler: &Sampler) -> Result<Sampler> {
        let (columns, norms) = self.columns();
        let mut provenance = sampler.provenance().clone();
        let rows = self.table.ids.len();
        provenance.insert("distributions".into(), format!("of {rows} rows that the rule was applied to"));
        Sampler::fit(sampler.spec().clone(), sampler.params(), &columns, norms, provenance)
            .map_err(|reason| Error::RowsOf { place: self.place.clone(), reason })
    }

    /// The identifiers with these weights, checked.
    ///
    /// # Errors
    /// [`Error::Data`] for repeated identifiers, with the place.
    pub fn into_weights(self, weights: &Weights) -> Result<ss_data::Weights> {
        ss_data::Weights::new(self.table.ids, weights.probabilities()).map_err(|error| {
            ss_data::Error::InFile { path: self.place.into(), error: Box::new(error) }.into()
        })
    }
}
