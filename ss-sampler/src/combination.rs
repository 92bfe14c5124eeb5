//! From the values of features to the combined score `z`, by distributions that are known.

use crate::coordinate::{integer_coefficients, score_range};
use crate::indexed_table::IndexedTable;
use crate::mass_table::MassTable;
use crate::mid_ranks::first_in;
use crate::ranked::check_columns;
use crate::rounding::rounded_f64;
use crate::{Error, Result, SamplerSpec};

/// The distribution of every feature, and the coefficients of their ranks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Combination {
    marginals: Vec<IndexedTable>,
    /// Integer coefficients on doubled ranks.
    coefficients: Vec<i64>,
}

impl Combination {
    /// From canonical coefficients and checked tables of the same examples.
    pub(crate) fn new(canonical: &[f64], marginals: &[MassTable]) -> Result<Self> {
        let coefficients = integer_coefficients(canonical, marginals[0].total())?;
        Ok(Self { marginals: marginals.iter().map(IndexedTable::new).collect(), coefficients })
    }

    /// Integer coefficients on doubled ranks.
    pub(crate) fn coefficients(&self) -> &[i64] {
        &self.coefficients
    }

    /// The smallest and the largest `z` that any values can have.
    pub(crate) fn range(&self) -> (i64, i64) {
        // The features cover the same examples.
        score_range(&self.coefficients, self.marginals[0].doubled_total() as i64)
    }

    /// Writes `z` of the rows `from .. from + z.len()` of the columns, which are checked. They are integers below `2^53` in
    /// magnitude, as are all sums on the way: exact in f64.
    pub(crate) fn scores(&self, columns: &[&[f32]], from: usize, z: &mut [f64]) {
        z.fill(0.0);
        for ((table, &c), column) in self.marginals.iter().zip(&self.coefficients).zip(columns) {
            let c = c as f64;
            for (z, &value) in z.iter_mut().zip(&column[from..]) {
                // Doubled ranks are integers, at most 2^41.
                *z += c * rounded_f64(table.doubled_mid_mass(value.into()));
            }
        }
    }
}

/// One column for each feature, all of one length, finite. Rows are counted from `first_row` in messages.
pub(crate) fn check_rows(spec: &SamplerSpec, columns: &[&[f32]], first_row: usize) -> Result<()> {
    check_columns(spec.features(), columns)?;
    for (name, column) in spec.features().iter().zip(columns) {
        check_values(column, first_row, || format!("feature `{name}`"))?;
    }
    Ok(())
}

/// Finite values; for rows that a thread has for itself.
pub(crate) fn check_values(column: &[f32], first_row: usize, what: impl Fn() -> String) -> Result<()> {
    match first_in(column, |v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::NotFinite { what: what(), row: first_row + i, value: column[i].into() }),
    }
}
