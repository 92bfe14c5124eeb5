//! From the values of features to the combined score `z`, by distributions that are known.

use crate::coordinate::integer_coefficients;
use crate::indexed_table::IndexedTable;
use crate::mass_table::MassTable;
use crate::ranked::check_columns;
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
        Ok(Self { marginals: marginals.iter().map(IndexedTable::of_values).collect(), coefficients })
    }

    /// Integer coefficients on doubled ranks.
    pub(crate) fn coefficients(&self) -> &[i64] {
        &self.coefficients
    }

    /// The smallest and the largest `z` that any values can have.
    pub(crate) fn range(&self) -> (i64, i64) {
        let ends =
            self.coefficients.iter().zip(&self.marginals).map(|(c, table)| c * table.doubled_total() as i64);
        ends.fold((0, 0), |(low, high), end| (low + end.min(0), high + end.max(0)))
    }

    /// Writes `z` of the rows `from .. from + z.len()` of the columns, which are checked.
    pub(crate) fn scores(&self, columns: &[&[f32]], from: usize, z: &mut [i64]) {
        z.fill(0);
        for ((table, c), column) in self.marginals.iter().zip(&self.coefficients).zip(columns) {
            for (z, &value) in z.iter_mut().zip(&column[from..]) {
                // Doubled ranks are integers, at most 2^41: exact in f64.
                *z += c * rounded(table.doubled_mid_mass(value.into()));
            }
        }
    }
}

/// `f64::round` of a number in `[0, 2^53]`, without a call into the mathematics library.
#[inline]
fn rounded(x: f64) -> i64 {
    let whole = x as i64;
    whole + i64::from(x - whole as f64 >= 0.5)
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
    // A search that may stop at any value is not turned into vector instructions.
    if column.chunks(256).all(|chunk| chunk.iter().fold(true, |finite, v| finite & v.is_finite())) {
        return Ok(());
    }
    match column.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::NotFinite { what: what(), row: first_row + i, value: column[i].into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_as_the_library_rounds_them() {
        let below_half = 0.5_f64.next_down();
        let large = (1_u64 << 51) as f64 + 0.5;
        for x in [0.0, below_half, 0.5, 1.5, 2.5, 1e9 + 0.5, large, large.next_down(), (1_u64 << 53) as f64] {
            assert_eq!(rounded(x), x.round() as i64, "{x}");
        }
    }
}
