//! Mid-ranks: the empirical distribution of a column, ties sharing a rank.

use rayon::prelude::*;

use crate::ordered_bits::{ordered_bits, value_of_bits};
use crate::partition::{Partition, cut, sums_before};
use crate::{Error, Result};

/// The largest number of rows that are ranked in memory: doubled ranks fill 32 bits.
pub(crate) const MAX_ROWS: usize = (1 << 31) - 1;

/// Mid-ranks of a column in `(0, 1)`: the share of the rows below, plus half of the share of the rows tied
/// (the row itself included). O(n) for many rows.
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
    Ok(Ranking::default().doubled_mid_ranks(column).into_iter().map(|r| f64::from(r) / scale).collect())
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
    match first_row_where(column, |v| !v.is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::NotFinite { what: what.to_owned(), row, value: column[row].into() }),
    }
}

/// The first row that is `bad`, by all threads.
pub(crate) fn first_row_where<T: Copy + Sync>(column: &[T], bad: impl Fn(T) -> bool + Sync) -> Option<usize> {
    const TASK: usize = 1 << 14;
    let of_task = |(k, rows): (usize, &[T])| first_in(rows, &bad).map(|row| k * TASK + row);
    column.par_chunks(TASK).enumerate().filter_map(of_task).min()
}

/// The first row that is `bad`, by this thread. Good rows are passed over in whole blocks: a search that may stop at any
/// value is not turned into vector instructions.
pub(crate) fn first_in<T: Copy>(rows: &[T], bad: impl Fn(T) -> bool) -> Option<usize> {
    const BLOCK: usize = 256;
    let block = rows.chunks(BLOCK).position(|block| block.iter().fold(false, |found, &v| found | bad(v)))?;
    let first = block * BLOCK;
    rows[first..].iter().position(|&v| bad(v)).map(|row| first + row)
}

/// Rows from which ranks are counted rather than sorted.
const COUNTED: usize = 1 << 18;

/// Ranks columns one after another in the same scratch space: fresh memory costs as much time as a pass over it.
#[derive(Default)]
pub(crate) struct Ranking {
    /// `[rows]`, bucket after bucket: low halves of keys, then ranks.
    spread: Vec<u32>,
}

impl Ranking {
    /// `2 n` times the mid-rank: rows below twice, rows tied once; an integer in `1 ..= 2n - 1`. Integers keep
    /// ties exact and take half the memory of f64. The column is checked.
    ///
    /// Takes another 4 bytes a row as long as `self` lives (8 for the duration for small columns).
    pub(crate) fn doubled_mid_ranks(&mut self, column: &[f32]) -> Vec<u32> {
        if column.len() < COUNTED { ranks_by_sorting(column) } else { self.ranks_by_counting(column) }
    }

    /// The scratch space, for other use.
    pub(crate) fn into_memory(self) -> Vec<u32> {
        self.spread
    }

    /// Rows go to buckets by the high half of their keys (sign, exponent and 7 bits of the mantissa: one or two thousand for
    /// most columns); in a bucket the low halves are counted, and the running sum of the counts is the rank.
    fn ranks_by_counting(&mut self, column: &[f32]) -> Vec<u32> {
        let high = |row: usize| Some((ordered_bits(column[row]) >> LOW_BITS) as usize);
        let partition = Partition::new(column.len(), 1 << (32 - LOW_BITS), high);
        let sizes = partition.sizes();
        self.spread.resize(column.len(), 0);
        partition.scatter_to(&mut self.spread, |row| ordered_bits(column[row]) % LOW_KEYS as u32);
        let below = sums_before(sizes.iter().map(|&size| size as u64));
        cut(&sizes, &mut self.spread)
            .into_par_iter()
            .zip(below)
            .filter(|(bucket, _)| !bucket.is_empty())
            .for_each_init(
                || vec![0_u32; LOW_KEYS],
                |counts, (bucket, below)| rank_bucket(bucket, below as u32, counts),
            );
        let mut ranks = vec![0_u32; column.len()];
        partition.gather(&self.spread, &mut ranks, |out, rank| *out = rank);
        ranks
    }
}

fn ranks_by_sorting(column: &[f32]) -> Vec<u32> {
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

/// Low bits of a value's key, and how many keys share their high bits.
const LOW_BITS: u32 = 16;
const LOW_KEYS: usize = 1 << LOW_BITS;

/// Replaces the low halves of keys, with `below` rows below all of them, by doubled ranks. `counts` is scratch, `[LOW_KEYS]`.
fn rank_bucket(bucket: &mut [u32], mut below: u32, counts: &mut [u32]) {
    if bucket.len() < LOW_KEYS / 32 {
        // Few: sorting them is faster than clearing the counts.
        let mut sorted: Vec<u32> = (0..).zip(&*bucket).map(|(i, low)| low << LOW_BITS | i).collect();
        sorted.sort_unstable();
        for tied in sorted.chunk_by(|a, b| a >> LOW_BITS == b >> LOW_BITS) {
            let tied_rows = tied.len() as u32;
            for entry in tied {
                bucket[*entry as usize % LOW_KEYS] = 2 * below + tied_rows;
            }
            below += tied_rows;
        }
        return;
    }
    counts.fill(0);
    count_keys(bucket, counts);
    for count in counts.iter_mut() {
        let tied = *count;
        *count = 2 * below + tied;
        below += tied;
    }
    let counts = &*counts;
    let rank = |key: &mut u32| *key = counts[*key as usize % LOW_KEYS];
    if bucket.len() < PARALLEL {
        bucket.iter_mut().for_each(rank);
    } else {
        bucket.par_iter_mut().with_min_len(PARALLEL / 2).for_each(rank);
    }
}

/// Rows of one bucket beyond which several threads work on it: as many only where most values are alike.
const PARALLEL: usize = 1 << 20;

/// Adds the number of rows with each key to `counts`.
fn count_keys(lows: &[u32], counts: &mut [u32]) {
    if lows.len() < 2 * PARALLEL {
        for &low in lows {
            counts[low as usize % LOW_KEYS] += 1;
        }
        return;
    }
    let part_rows = lows.len().div_ceil(rayon::current_num_threads()).max(PARALLEL);
    let parts: Vec<Vec<u32>> = lows
        .par_chunks(part_rows)
        .map(|part| {
            let mut counts = vec![0; LOW_KEYS];
            part.iter().for_each(|&low| counts[low as usize % LOW_KEYS] += 1);
            counts
        })
        .collect();
    for part in parts {
        counts.iter_mut().zip(part).for_each(|(count, more)| *count += more);
    }
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
    value_of_bits((entry >> 32) as u32)
}
