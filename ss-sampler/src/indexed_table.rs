//! A [`MassTable`] of the values of a feature with an index, for scoring by the million.

use std::hint::select_unpredictable;

use crate::key_index::{FloatBits, KeyIndex};
use crate::mass_table::MassTable;

/// The distribution as a function of the value, interpolated linearly between the points of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexedTable {
    index: KeyIndex<FloatBits>,
    /// What lies on the left of each point, and beyond the last.
    gaps: Vec<Gap>,
    /// Twice the mass of the whole distribution.
    doubled_total: f64,
}

/// A point of the table with the gap on its left. Masses are doubled.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Gap {
    /// Mid-mass at the key.
    at: f64,
    /// The key on the left, the distance to it, the mass up to it and the mass strictly between.
    left: f64,
    width: f64,
    from: f64,
    between: f64,
}

impl IndexedTable {
    pub(crate) fn new(table: &MassTable) -> Self {
        // No mass lies outside the keys, whatever the distance.
        let outside = |at, left, from| Gap { at, left, width: 1.0, from, between: 0.0 };
        let mut gaps = Vec::with_capacity(table.keys().len() + 1);
        let mut before: Option<(f64, u64)> = None;
        for (key, below, upto) in table.points() {
            let at = (below + upto) as f64;
            gaps.push(match before {
                None => outside(at, key, 0.0),
                // Doubling is exact.
                Some((left, from)) => Gap {
                    at,
                    left,
                    width: key - left,
                    from: 2.0 * from as f64,
                    between: 2.0 * (below - from) as f64,
                },
            });
            before = Some((key, upto));
        }
        let doubled_total = (2 * table.total()) as f64;
        if let Some((left, _)) = before {
            gaps.push(outside(0.0, left, doubled_total));
        }
        Self { index: KeyIndex::new(table.keys(), FloatBits), gaps, doubled_total }
    }

    /// Twice the mass of the whole distribution.
    pub(crate) const fn doubled_total(&self) -> f64 {
        self.doubled_total
    }

    /// Twice the mass below `key` plus the mass at it, in `[0, 2 total]`: zero below all keys, everything
    /// above.
    #[inline]
    pub(crate) fn doubled_mid_mass(&self, key: f64) -> f64 {
        let (right, at) = self.index.find(key);
        let gap = &self.gaps[right];
        let between = gap.from + (key - gap.left) / gap.width * gap.between;
        // Whether a value is tied is not to be guessed from the row before.
        select_unpredictable(at, gap.at, between)
    }
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
            let indexed = IndexedTable::new(&table);
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
            let indexed = IndexedTable::new(&table);
            for value in others.into_iter().chain(keys.into_iter().map(|key| key as f32)) {
                let key = f64::from(value).clamp(f64::from(f32::MIN), f64::from(f32::MAX));
                prop_assert_eq!(indexed.doubled_mid_mass(key).to_bits(), table.doubled_mid_mass(key).to_bits());
            }
        }
    }
}
