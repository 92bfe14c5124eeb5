//! `tau` as a function of `z`: the transform and the rule in one lookup.

use std::hint::select_unpredictable;

use crate::PiecewiseLinear;
use crate::key_index::{Even, KeyIndex};
use crate::mass_table::MassTable;

/// The rule `H` of the position `u` of `z`. Both are piecewise linear, and so is this: its points are those of the table of
/// `z`, where `u` may jump, and the knots of the rule, whose places are rounded to f64: next to one, `tau` is off by rounding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TauTable {
    index: KeyIndex<Even>,
    /// What lies on the left of each point, and beyond the last.
    pieces: Vec<Piece>,
}

/// A point with the line on its left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    /// At the point.
    at: f64,
    /// The point on the left, the distance to it, the value where the line begins there and how far it rises.
    left: f64,
    width: f64,
    from: f64,
    rise: f64,
}

impl TauTable {
    /// From a checked table, and a rule whose values lie in `[0, 1]`.
    pub(crate) fn new(table: &MassTable, rule: &PiecewiseLinear) -> Self {
        let total = (2 * table.total()) as f64;
        let u = |doubled: f64| doubled / total;
        let flat = |at, left, value| Piece { at, left, width: 1.0, from: value, rise: 0.0 };
        let (mut keys, mut pieces) = (Vec::new(), Vec::new());
        let mut before: Option<(f64, u64)> = None;
        for (key, below, upto) in table.points() {
            let at = rule.eval(u((below + upto) as f64));
            match before {
                None => pieces.push(flat(at, key, rule.eval(0.0))),
                Some((left, from)) => {
                    let (mut left, mut start) = (left, u(2.0 * from as f64));
                    let end = u(2.0 * below as f64);
                    let line = |left: f64, start: f64, right: f64, end: f64, at: f64| Piece {
                        at,
                        left,
                        width: right - left,
                        from: rule.eval(start),
                        rise: rule.eval(end) - rule.eval(start),
                    };
                    let first = start;
                    for &knot in rule.knots().iter().filter(|&&knot| first < knot && knot < end) {
                        let place = left + (knot - start) / (end - start) * (key - left);
                        // Else no key lies between them.
                        if left < place && place < key {
                            keys.push(place);
                            pieces.push(line(left, start, place, knot, rule.eval(knot)));
                            (left, start) = (place, knot);
                        }
                    }
                    pieces.push(line(left, start, key, end, at));
                }
            }
            keys.push(key);
            before = Some((key, upto));
        }
        if let Some((left, _)) = before {
            pieces.push(flat(0.0, left, rule.eval(1.0)));
        }
        let map = Even::over(&keys);
        Self { index: KeyIndex::new(&keys, map), pieces }
    }

    /// `tau` in `[0, 1]`.
    #[inline]
    pub(crate) fn tau(&self, z: f64) -> f64 {
        let (right, at) = self.index.find(z);
        let piece = &self.pieces[right];
        let t = (z - piece.left) / piece.width;
        // Exact where the line is flat, as it is over examples without mass; rounding may leave the range of the rule.
        let between = (piece.from + t * piece.rise).clamp(0.0, 1.0);
        select_unpredictable(at, piece.at, between)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> impl Strategy<Value = PiecewiseLinear> {
        let knots = prop::collection::vec(0.0..1.0, 0..6);
        (knots, prop::collection::vec(0.0..=1.0, 8)).prop_map(|(mut knots, values)| {
            knots.extend([0.0, 1.0]);
            knots.sort_by(f64::total_cmp);
            knots.dedup_by(|a, b| *a - *b < 0.02);
            if knots.len() < 2 || knots[knots.len() - 1] != 1.0 {
                knots = vec![0.0, 1.0];
            }
            let values = values[..knots.len()].to_vec();
            PiecewiseLinear::new(knots, values).unwrap()
        })
    }

    proptest! {
        #[test]
        fn it_is_the_rule_of_the_position(
            column in prop::collection::vec(prop_oneof![-(1_i64 << 53)..1 << 53, -50_i64..50], 1..400),
            others in prop::collection::vec(prop_oneof![-(1_i64 << 53)..1 << 53, -60_i64..60], 100),
            points in 3_usize..500,
            rule in rules(),
        ) {
            let mut keys = column.clone();
            keys.sort_unstable();
            keys.dedup();
            let mass = |i: usize| (i as u64 * 37) % 11 + u64::from(i == 0);
            let groups = keys.iter().enumerate().map(|(i, &key)| (key as f64, mass(i)));
            let table = MassTable::from_groups(groups, points);
            let taus = TauTable::new(&table, &rule);
            let total = (2 * table.total()) as f64;
            for z in column.into_iter().chain(others).map(|z| z as f64) {
                let expected = rule.eval(table.doubled_mid_mass(z) / total);
                let found = taus.tau(z);
                prop_assert!((0.0..=1.0).contains(&found));
                if table.keys().contains(&z) {
                    prop_assert_eq!(found.to_bits(), expected.to_bits());
                } else {
                    // A knot lies on the grid of f64, whose distance is up to one for the largest z.
                    let right = table.keys().partition_point(|&key| key < z);
                    let width = match right {
                        0 => f64::INFINITY,
                        r if r == table.keys().len() => f64::INFINITY,
                        r => table.keys()[r] - table.keys()[r - 1],
                    };
                    let grid = (z.abs() * f64::EPSILON).max(f64::MIN_POSITIVE);
                    let bound = 1e-12 + 2.0 * grid / width * rule.lipschitz();
                    prop_assert!((found - expected).abs() <= bound, "{} {} {}", z, found, expected);
                }
            }
        }
    }
}
