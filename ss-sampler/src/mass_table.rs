//! A distribution in at most a thousand points, exact at every point.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Keys in increasing order, each with the mass strictly below it and the mass up to and including it.
///
/// Keeping both sides makes ties exact: a key that holds half of all mass sits at the middle of its own half,
/// and does not smear over its neighbours. Between keys, mass is interpolated linearly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MassTable {
    keys: Vec<f64>,
    below: Vec<u64>,
    upto: Vec<u64>,
}

impl MassTable {
    /// At most `points >= 3` of the groups `(key, mass)`, which come in strictly increasing order: all of
    /// them when there are so few, else the first, the last and those at the quantiles `t² (3 - 2t)` for
    /// evenly spaced `t`. These lie close together near both ends, where distributions have their tails and
    /// the rule its finest decisions. The mass strictly between neighbouring points is at most `1.5 / (points
    /// - 1)` of the total, and about `3 / points²` at the ends.
    pub(crate) fn from_groups(groups: impl Iterator<Item = (f64, u64)> + Clone, points: usize) -> Self {
        let (count, total) =
            groups.clone().fold((0, 0), |(count, total), (_, mass)| (count + 1, total + mass));
        let mut table = Self { keys: Vec::new(), below: Vec::new(), upto: Vec::new() };
        let target = |j: usize| {
            let t = j as f64 / (points - 1) as f64;
            (t * t * (3.0 - 2.0 * t) * total as f64) as u64
        };
        let (mut below, mut next) = (0, 1);
        for (i, (key, mass)) in groups.enumerate() {
            let upto = below + mass;
            let crosses = next < points - 1 && upto > target(next);
            if count <= points || i == 0 || i + 1 == count || crosses {
                table.keys.push(key);
                table.below.push(below);
                table.upto.push(upto);
            }
            while next < points - 1 && upto > target(next) {
                next += 1;
            }
            below = upto;
        }
        table
    }

    /// Keys in increasing order, at least one in a table that has been checked.
    pub(crate) fn keys(&self) -> &[f64] {
        &self.keys
    }

    /// Key, mass below it and mass up to it, in increasing order.
    pub(crate) fn points(&self) -> impl Iterator<Item = (f64, u64, u64)> + '_ {
        let masses = self.below.iter().zip(&self.upto);
        self.keys.iter().zip(masses).map(|(&key, (&below, &upto))| (key, below, upto))
    }

    /// Mass of the whole distribution.
    pub(crate) fn total(&self) -> u64 {
        self.upto.last().copied().unwrap_or(0)
    }

    /// Twice the mass below `key` plus the mass at it, in `[0, 2 total]`: zero below all keys, everything
    /// above. The plain form of what [`IndexedTable`](crate::indexed_table::IndexedTable) computes, to test it by.
    #[cfg(test)]
    pub(crate) fn doubled_mid_mass(&self, key: f64) -> f64 {
        let right = self.keys.partition_point(|&k| k < key);
        if self.keys.get(right) == Some(&key) {
            return (self.below[right] + self.upto[right]) as f64;
        }
        match right {
            0 => 0.0,
            r if r == self.keys.len() => (2 * self.total()) as f64,
            r => {
                let (a, b) = (self.keys[r - 1], self.keys[r]);
                let (from, to) = (self.upto[r - 1], self.below[r]);
                2.0 * (from as f64 + (key - a) / (b - a) * (to - from) as f64)
            }
        }
    }

    /// The key below which this share of the mass lies, `share` in `[0, 1]`: the first key whose own mass reaches it,
    /// or interpolated linearly where it falls between two keys.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let target = share * self.total() as f64;
        let at = self.upto.partition_point(|&upto| (upto as f64) < target).min(self.keys.len() - 1);
        let below = self.below[at] as f64;
        if at == 0 || target >= below {
            return self.keys[at];
        }
        let (from, left, right) = (self.upto[at - 1] as f64, self.keys[at - 1], self.keys[at]);
        left + (target - from) / (below - from) * (right - left)
    }

    /// Checks a table that came from a file; `name` is for the message.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        let fail = |reason: &str| Err(Error::Format { reason: format!("table `{name}`: {reason}") });
        if self.keys.is_empty() || self.below.len() != self.keys.len() || self.upto.len() != self.keys.len() {
            return fail("keys, below and upto must have the same length, at least 1");
        }
        if self.keys.iter().any(|k| !k.is_finite()) || !self.keys.is_sorted_by(|a, b| a < b) {
            return fail("keys must be finite and strictly increasing");
        }
        let ordered = (0..self.keys.len()).all(|i| {
            self.below[i] <= self.upto[i] && self.below[i] >= if i == 0 { 0 } else { self.upto[i - 1] }
        });
        if self.below[0] != 0 || !ordered {
            return fail("masses must start at 0 and never decrease");
        }
        if !(1..=1 << 62).contains(&self.total()) {
            return fail("the total mass must lie between 1 and 2^62");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_groups_are_kept_exactly_and_many_are_thinned_within_the_bound() {
        let few = MassTable::from_groups([(1.0, 2), (2.0, 0), (5.0, 4)].into_iter(), 3);
        assert_eq!(few.keys, [1.0, 2.0, 5.0]);
        assert_eq!(few.doubled_mid_mass(0.9), 0.0);
        assert_eq!(few.doubled_mid_mass(1.0), 2.0);
        assert_eq!(few.doubled_mid_mass(3.0), 4.0);
        assert_eq!(few.doubled_mid_mass(5.0), 8.0);
        assert_eq!(few.doubled_mid_mass(5.1), 12.0);

        // Masses 2, 0 and 4 at 1, 2 and 5: the inverse of the distribution.
        let quantiles = [0.0, 0.3, 1.0 / 3.0, 0.5, 1.0].map(|share| few.quantile(share));
        assert_eq!(quantiles, [1.0, 1.0, 1.0, 5.0, 5.0]);
        let thinned = MassTable { keys: vec![0.0, 10.0], below: vec![0, 9], upto: vec![1, 10] };
        assert_eq!([0.05, 0.1, 0.5, 0.95].map(|share| thinned.quantile(share)), [0.0, 0.0, 5.0, 10.0]);

        // 10,000 groups of uneven mass, with one heavy tie.
        let mass = |i: u64| if i == 7_000 { 30_000 } else { i % 7 };
        let groups = (0..10_000).map(|i| (i as f64, mass(i)));
        let total: u64 = (0..10_000).map(mass).sum();
        let table = MassTable::from_groups(groups.clone(), 101);
        assert!(table.keys.len() <= 101);
        assert_eq!((table.keys[0], table.keys[table.keys.len() - 1]), (0.0, 9_999.0));
        table.check("t").unwrap();
        for i in 1..table.keys.len() {
            assert!((table.below[i] - table.upto[i - 1]) as f64 <= 0.015 * total as f64 + 1.0);
        }
        let mut below = 0;
        for (key, mass) in groups {
            let exact = (2 * below + mass) as f64 / (2 * total) as f64;
            let found = table.doubled_mid_mass(key) / (2 * total) as f64;
            assert!((found - exact).abs() < 0.015, "{key}: {found} {exact}");
            below += mass;
        }
        assert!(table.keys.contains(&7_000.0));
    }
}
