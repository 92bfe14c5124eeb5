//! A [`MassTable`] with an index from keys to its points, for scoring by the million.

use crate::mass_table::MassTable;
use crate::ordered_bits::ordered_bits;

/// Cells of the index for each point of the table, and the most there may be. Of the cells of values most are of
/// magnitudes that hardly occur; those of scores are all in use, and fewer stay in the cache.
const CELLS_PER_VALUE: usize = 16;
const CELLS_PER_SCORE: usize = 4;
const MOST_CELLS: usize = 1 << 16;

/// The distribution as a function of the key, interpolated linearly between the points of the table. A monotone map sends keys to cells; all points
/// below a cell are below its keys, so that a search is left among the points of one cell: mostly none or one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexedTable {
    cells: Cells,
    /// For each cell, the number of points in cells before it; one more at the end.
    starts: Vec<u32>,
    points: Vec<Point>,
    /// Twice the mass of the whole distribution.
    doubled_total: f64,
}

/// A point of the table with the gap on its left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    key: f64,
    /// Doubled mid-mass at the key.
    at: f64,
    /// The key on the left, the distance to it, the mass up to it and the mass strictly between.
    left: f64,
    width: f64,
    from: f64,
    between: f64,
}

/// How keys are sent to cells.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cells {
    /// By the bits of the nearest f32: for features, whose scale may be anything.
    Bits { first: u32, shift: u32, last: u32 },
    /// Evenly: for `z`, a sum of ranks.
    Even { first: f64, scale: f64, last: u32 },
}

impl Cells {
    /// Monotone in the key, which is all that the search relies on.
    #[inline]
    fn of(self, key: f64) -> usize {
        match self {
            Self::Bits { first, shift, last } => {
                let bits = ordered_bits(key as f32);
                (bits.saturating_sub(first) >> shift).min(last) as usize
            }
            // The cast takes everything below zero to zero.
            Self::Even { first, scale, last } => (((key - first) * scale) as u32).min(last) as usize,
        }
    }
}

impl IndexedTable {
    /// For keys that are values of features.
    pub(crate) fn of_values(table: &MassTable) -> Self {
        let keys = table.keys();
        let (first, last) = (ordered_bits(keys[0] as f32), ordered_bits(keys[keys.len() - 1] as f32));
        let most = cells_wanted(keys.len(), CELLS_PER_VALUE) as u32;
        let shift = (0..32).find(|shift| (last - first) >> shift < most).unwrap_or(31);
        Self::new(table, Cells::Bits { first, shift, last: (last - first) >> shift })
    }

    /// For keys that are combined scores.
    pub(crate) fn of_scores(table: &MassTable) -> Self {
        let keys = table.keys();
        let span = keys[keys.len() - 1] - keys[0];
        let most = cells_wanted(keys.len(), CELLS_PER_SCORE) as u32;
        let scale = if span > 0.0 { f64::from(most) / span } else { 0.0 };
        Self::new(table, Cells::Even { first: keys[0], scale, last: most - 1 })
    }

    fn new(table: &MassTable, cells: Cells) -> Self {
        let count = match cells {
            Cells::Bits { last, .. } | Cells::Even { last, .. } => last as usize + 1,
        };
        let mut starts = vec![0; count + 1];
        for &key in table.keys() {
            starts[cells.of(key) + 1] += 1;
        }
        for cell in 0..count {
            starts[cell + 1] += starts[cell];
        }
        let mut points = Vec::with_capacity(table.keys().len());
        let (mut left, mut from) = (f64::NEG_INFINITY, 0);
        for (key, below, upto) in table.points() {
            points.push(Point {
                key,
                at: (below + upto) as f64,
                left,
                width: key - left,
                from: from as f64,
                between: (below - from) as f64,
            });
            (left, from) = (key, upto);
        }
        Self { cells, starts, points, doubled_total: (2 * table.total()) as f64 }
    }

    /// Twice the mass of the whole distribution.
    pub(crate) const fn doubled_total(&self) -> f64 {
        self.doubled_total
    }

    /// Twice the mass below `key` plus the mass at it, in `[0, 2 total]`: zero below all keys, everything
    /// above.
    #[inline]
    pub(crate) fn doubled_mid_mass(&self, key: f64) -> f64 {
        let cell = self.cells.of(key);
        let (mut right, end) = (self.starts[cell] as usize, self.starts[cell + 1] as usize);
        if end - right > 8 {
            right += self.points[right..end].partition_point(|point| point.key < key);
        } else {
            while right < end && self.points[right].key < key {
                right += 1;
            }
        }
        match self.points.get(right) {
            None => self.doubled_total,
            Some(point) if point.key == key => point.at,
            Some(_) if right == 0 => 0.0,
            Some(point) => 2.0 * (point.from + (key - point.left) / point.width * point.between),
        }
    }
}

fn cells_wanted(points: usize, each: usize) -> usize {
    (each * points).next_power_of_two().min(MOST_CELLS)
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
