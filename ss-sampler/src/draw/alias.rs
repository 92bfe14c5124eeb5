//! Constant-time draws from any discrete distribution.

use super::below;
use crate::Weights;
use crate::masses::Masses;

/// The alias table of Walker (1977), built by Vose's method (1991) in exact integer arithmetic: construction
/// loses no mass to rounding, and an example of weight zero is never drawn.
///
/// Weights are rounded to integers first, relative to the largest: `2^-52` up to a thousand examples, `2^-42`
/// for a million, `2^-35` for 10^8. 16 bytes an example.
///
/// ```
/// use ss_sampler::{AliasTable, Weights};
/// use ss_seed::Seed;
///
/// let table = AliasTable::new(&Weights::new(vec![0.0, 1.0, 3.0])?);
/// let stream = Seed::new(5).stream("draws");
/// let twos = (0..10_000).filter(|&d| table.pick(stream.index(d).hash()) == 2).count();
/// assert!((7_300..7_700).contains(&twos));
/// # Ok::<(), ss_sampler::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AliasTable {
    columns: Vec<Column>,
    total: u64,
}

/// A column of height `total`: `keep` of it belongs to its own example, the rest to `alias`.
#[derive(Clone, Copy, Debug)]
struct Column {
    keep: u64,
    alias: u64,
}

impl AliasTable {
    /// Builds the table in O(n).
    pub fn new(weights: &Weights) -> Self {
        let Masses { each, total } = Masses::of_weights(weights.tau());
        let n = each.len() as u64;
        // Masses are at most 2^62 / n, so `n * mass` fits; the columns' average is exactly `total`.
        let mut columns: Vec<Column> =
            (0..).zip(&each).map(|(i, mass)| Column { keep: n * mass, alias: i }).collect();
        drop(each);
        let (mut small, mut large): (Vec<u64>, Vec<u64>) =
            (0..n).partition(|&i| columns[i as usize].keep < total);
        while let (Some(&donor), Some(taker)) = (large.last(), small.pop()) {
            let missing = total - columns[taker as usize].keep;
            columns[taker as usize].alias = donor;
            let left = &mut columns[donor as usize].keep;
            *left -= missing;
            if *left < total {
                large.pop();
                small.push(donor);
            }
        }
        debug_assert!(small.is_empty(), "integer columns balance exactly");
        Self { columns, total }
    }

    /// The example for 64 uniformly random bits.
    pub fn pick(&self, bits: u64) -> usize {
        let wide = u128::from(bits) * self.columns.len() as u128;
        // The high part is a uniform column; the low part is uniform within it.
        let (column, rest) = ((wide >> 64) as usize, wide as u64);
        let Column { keep, alias } = self.columns[column];
        // Without a branch: a wrong guess would wait for the table's memory before the next draw's is asked for.
        let own = u64::from(below(rest, self.total) < keep).wrapping_neg();
        (column as u64 & own | alias & !own) as usize
    }

    /// Number of examples.
    #[allow(clippy::len_without_is_empty, reason = "weights are never empty")]
    pub fn len(&self) -> usize {
        self.columns.len()
    }
}
