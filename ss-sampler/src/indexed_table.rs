//! A [`MassTable`] with an index from keys to its points, for scoring by the million.

use crate::mass_table::MassTable;
use crate::ordered_bits::ordered_bits;

/// Bits of a key that say in which block of the index it lies.
const BLOCK_BITS: u32 = 10;
/// Cells of a block for each point of the table in it: few points share a cell, and the index stays in the cache.
const CELLS_PER_POINT: usize = 2;

/// The distribution as a function of the key, interpolated linearly between the points of the table.
///
/// A monotone map sends keys to integers, these to blocks of equal width, and the integers of a block to cells, which are the
/// narrower the more points the block has. All points before a cell are below its keys and all after it above; so a cell
/// with one point or none takes one comparison, whose outcome the processor need not guess. Points that crowd in a cell are
/// searched; as points lie at quantiles, few keys meet such a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexedTable<M> {
    map: M,
    /// The integers of the first key, and of the last less that.
    first: u32,
    last: u32,
    /// Bits of an integer below its block.
    shift: u32,
    blocks: Vec<Block>,
    /// For each cell, the number of points in cells before it, with [`CROWDED`] set when it holds several points; one more
    /// at the end.
    starts: Vec<u32>,
    /// Of the points, in increasing order; infinity at the end.
    keys: Vec<f64>,
    /// What lies on the left of each point, and beyond the last.
    gaps: Vec<Gap>,
    /// Twice the mass of the whole distribution.
    doubled_total: f64,
}

/// Set in the start of a cell with several points.
const CROWDED: u32 = 1 << 31;

/// A block of the index: its first cell, and the bits of an integer below a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    first_cell: u32,
    shift: u32,
}

/// A point of the table with the gap on its left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Gap {
    /// Doubled mid-mass at the key.
    at: f64,
    /// The key on the left, the distance to it, the mass up to it and the mass strictly between.
    left: f64,
    width: f64,
    from: f64,
    between: f64,
}

/// How keys become integers; monotone, which is all that the search relies on.
pub(crate) trait KeyMap: Copy {
    fn integer(self, key: f64) -> u32;
}

/// The bits of the nearest f32: for features, whose scale may be anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FloatBits;

impl KeyMap for FloatBits {
    #[inline]
    fn integer(self, key: f64) -> u32 {
        ordered_bits(key as f32)
    }
}

/// Evenly: for `z`, a sum of ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Even {
    first: f64,
    scale: f64,
}

impl KeyMap for Even {
    #[inline]
    fn integer(self, key: f64) -> u32 {
        // The cast takes everything below zero to zero.
        ((key - self.first) * self.scale) as u32
    }
}

impl IndexedTable<FloatBits> {
    /// For keys that are values of features.
    pub(crate) fn of_values(table: &MassTable) -> Self {
        Self::new(table, FloatBits)
    }
}

impl IndexedTable<Even> {
    /// For keys that are combined scores.
    pub(crate) fn of_scores(table: &MassTable) -> Self {
        let keys = table.keys();
        let (first, span) = (keys[0], keys[keys.len() - 1] - keys[0]);
        let scale = if span > 0.0 { f64::from(1_u32 << 31) / span } else { 0.0 };
        Self::new(table, Even { first, scale })
    }
}

impl<M: KeyMap> IndexedTable<M> {
    fn new(table: &MassTable, map: M) -> Self {
        let keys = table.keys();
        let first = map.integer(keys[0]);
        let last = map.integer(keys[keys.len() - 1]) - first;
        let shift = (u32::BITS - last.leading_zeros()).saturating_sub(BLOCK_BITS);
        let mut points = vec![0; (last >> shift) as usize + 1];
        for &key in keys {
            points[((map.integer(key) - first) >> shift) as usize] += 1;
        }
        let mut cells = 0;
        let block = |&points: &usize| {
            let bits = (CELLS_PER_POINT * points).next_power_of_two().ilog2().min(shift);
            let first_cell = cells;
            cells += 1 << bits;
            Block { first_cell, shift: shift - bits }
        };
        let blocks = points.iter().map(block).collect();
        let (gaps, doubled_total) = (gaps(table), (2 * table.total()) as f64);
        let mut indexed = Self {
            map,
            first,
            last,
            shift,
            blocks,
            starts: Vec::new(),
            keys: keys.to_vec(),
            gaps,
            doubled_total,
        };
        let mut within = vec![0; cells as usize];
        for &key in keys {
            within[indexed.cell(key)] += 1;
        }
        let mut before = 0;
        for points in within {
            indexed.starts.push(if points > 1 { before | CROWDED } else { before });
            before += points;
        }
        indexed.starts.push(before);
        indexed.keys.push(f64::INFINITY);
        indexed
    }

    /// Twice the mass of the whole distribution.
    pub(crate) const fn doubled_total(&self) -> f64 {
        self.doubled_total
    }

    #[inline]
    fn cell(&self, key: f64) -> usize {
        let integer = self.map.integer(key).saturating_sub(self.first).min(self.last);
        let block = self.blocks[(integer >> self.shift) as usize];
        let within = integer & ((1 << self.shift) - 1);
        (block.first_cell + (within >> block.shift)) as usize
    }

    /// Twice the mass below `key` plus the mass at it, in `[0, 2 total]`: zero below all keys, everything
    /// above.
    #[inline]
    pub(crate) fn doubled_mid_mass(&self, key: f64) -> f64 {
        let cell = self.cell(key);
        let start = self.starts[cell];
        let right = if start & CROWDED == 0 {
            start as usize + usize::from(self.keys[start as usize] < key)
        } else {
            self.right_in_crowd(cell, key)
        };
        let gap = &self.gaps[right];
        let between = 2.0 * (gap.from + (key - gap.left) / gap.width * gap.between);
        if self.keys[right] == key { gap.at } else { between }
    }

    /// The first point that is not below `key`, which lies in this cell.
    #[cold]
    #[inline(never)]
    fn right_in_crowd(&self, cell: usize, key: f64) -> usize {
        let (start, end) = (self.starts[cell] & !CROWDED, self.starts[cell + 1] & !CROWDED);
        let (start, end) = (start as usize, end as usize);
        start + self.keys[start..end].partition_point(|&point| point < key)
    }
}

/// The gaps on the left of the points, and the one beyond the last.
fn gaps(table: &MassTable) -> Vec<Gap> {
    // No mass lies outside the keys, whatever the distance.
    let outside = |at, left, from| Gap { at, left, width: 1.0, from, between: 0.0 };
    let mut gaps = Vec::with_capacity(table.keys().len() + 1);
    let mut before: Option<(f64, u64)> = None;
    for (key, below, upto) in table.points() {
        let at = (below + upto) as f64;
        gaps.push(match before {
            None => outside(at, key, 0.0),
            Some((left, from)) => {
                Gap { at, left, width: key - left, from: from as f64, between: (below - from) as f64 }
            }
        });
        before = Some((key, upto));
    }
    if let Some((left, upto)) = before {
        gaps.push(outside(0.0, left, upto as f64));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = f32> {
        prop_oneof![
            -5.0_f32..5.0,
            (0_u32..2_000).prop_map(|i| 1.0 + i as f32 * f32::EPSILON),
            (0_u32..50).prop_map(|i| i as f32),
            (0_u32..1_000).prop_map(f32::from_bits),
            any::<f32>().prop_filter("finite", |v| v.is_finite()),
        ]
    }

    /// Groups of a column of keys, with uneven masses.
    fn table(mut keys: Vec<f64>, points: usize) -> MassTable {
        keys.sort_by(f64::total_cmp);
        keys.dedup();
        let groups =
            keys.into_iter().enumerate().map(|(i, key)| (key, (i as u64 * 37) % 11 + u64::from(i == 0)));
        MassTable::from_groups(groups, points)
    }

    proptest! {
        #[test]
        fn values_have_the_same_mass_to_the_bit(
            column in prop::collection::vec(values(), 1..400),
            others in prop::collection::vec(values(), 100),
            points in 3_usize..500,
        ) {
            let table = table(column.iter().map(|&v| f64::from(v + 0.0)).collect(), points);
            let indexed = IndexedTable::of_values(&table);
            for value in column.into_iter().chain(others).chain([f32::MIN, f32::MAX, 0.0, -0.0]) {
                let key = f64::from(value);
                prop_assert_eq!(indexed.doubled_mid_mass(key).to_bits(), table.doubled_mid_mass(key).to_bits());
            }
        }

        #[test]
        fn keys_between_the_values_of_f32_too(
            keys in prop::collection::vec(prop_oneof![-1e3..1e3, 1.0..1.000_000_1, -1e300..1e300], 1..200),
            others in prop::collection::vec(values(), 100),
        ) {
            let table = table(keys.iter().map(|key| key + 0.0).collect(), 100);
            let indexed = IndexedTable::of_values(&table);
            for value in others.into_iter().chain(keys.into_iter().map(|key| key as f32)) {
                let key = f64::from(value).clamp(f64::from(f32::MIN), f64::from(f32::MAX));
                prop_assert_eq!(indexed.doubled_mid_mass(key).to_bits(), table.doubled_mid_mass(key).to_bits());
            }
        }

        #[test]
        fn scores_have_the_same_mass_to_the_bit(
            column in prop::collection::vec(prop_oneof![-(1_i64 << 53)..1 << 53, -50_i64..50], 1..400),
            others in prop::collection::vec(prop_oneof![-(1_i64 << 53)..1 << 53, -60_i64..60], 100),
            points in 3_usize..500,
        ) {
            let table = table(column.iter().map(|&z| z as f64).collect(), points);
            let indexed = IndexedTable::of_scores(&table);
            for z in column.into_iter().chain(others) {
                let key = z as f64;
                prop_assert_eq!(indexed.doubled_mid_mass(key).to_bits(), table.doubled_mid_mass(key).to_bits());
            }
        }
    }
}
