//! Mid-ranks: the empirical distribution of a column, ties sharing a rank.

use rayon::prelude::*;

use crate::{Error, Result};

/// The largest number of rows that are ranked in memory: doubled ranks fill 32 bits.
pub(crate) const MAX_ROWS: usize = (1 << 31) - 1;

/// Mid-ranks of a column in `(0, 1)`: the share of the rows below, plus half of the share of the rows tied
/// (the row itself included). O(n log n).
///
/// ```
/// assert_eq!(ss_sampler::mid_ranks(&[3.0, 1.0, 3.0, 7.0])?, [0.5, 0.125, 0.5, 0.875]);
/// # Ok::<(), ss_sampler::Error>(())
/// ```
///
/// # Errors
/// No rows, 2^31 rows or more, NaN or infinite values.
pub fn mid_ranks(column: &[f32]) -> Result<Vec<f64>> {
    check_column(column, "column")?;
    let scale = 2.0 * column.len() as f64;
    Ok(doubled_mid_ranks(column).into_iter().map(|r| f64::from(r) / scale).collect())
}

/// A column that can be ranked: not empty, not too long, finite.
pub(crate) fn check_column(column: &[f32], what: &str) -> Result<()> {
    if column.is_empty() {
        return Err(Error::Empty { what: what.to_owned() });
    }
    if column.len() > MAX_ROWS {
        return Err(Error::TooMany {
            what: "rows",
            found: column.len() as u64,
            limit: MAX_ROWS as u64,
            remedy: "fit the sampler on a random part of the rows and score the rest with it",
        });
    }
    check_finite(column, what)
}

pub(crate) fn check_finite(column: &[f32], what: &str) -> Result<()> {
    match column.par_iter().with_min_len(1 << 14).position_first(|v| !v.is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::NotFinite { what: what.to_owned(), row, value: column[row].into() }),
    }
}

/// `2 n` times the mid-rank: rows below twice, rows tied once; an integer in `1 ..= 2n - 1`. Integers keep
/// ties exact and take half the memory of f64. The column is checked.
pub(crate) fn doubled_mid_ranks(column: &[f32]) -> Vec<u32> {
    let sorted = sorted_rows(column);
    let mut ranks = vec![0_u32; column.len()];
    let mut below = 0;
    for tied in sorted.chunk_by(|a, b| a >> 32 == b >> 32) {
        // At most 2n - 1 < 2^32.
        let rank = (2 * below + tied.len()) as u32;
        for row in tied {
            ranks[(row & ROW_MASK) as usize] = rank;
        }
        below += tied.len();
    }
    ranks
}

const ROW_MASK: u64 = u32::MAX as u64;

/// Rows in the order of their values, as `order-preserving bits << 32 | row`.
pub(crate) fn sorted_rows(column: &[f32]) -> Vec<u64> {
    let mut rows: Vec<u64> = column
        .par_iter()
        .enumerate()
        .with_min_len(1 << 14)
        .map(|(row, &value)| u64::from(ordered_bits(value)) << 32 | row as u64)
        .collect();
    rows.par_sort_unstable();
    rows
}

/// The value of an entry of [`sorted_rows`].
pub(crate) const fn sorted_value(entry: u64) -> f32 {
    let bits = (entry >> 32) as u32;
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// Bits of a finite f32 that compare as the numbers do; both zeros are equal.
const fn ordered_bits(value: f32) -> u32 {
    // -0 + 0 is 0.
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}
