//! The first few of many in some order, without sorting all of them.

use std::cmp::Ordering;

/// The first `count` of `items` in the total order `order`, sorted; all of them when there are fewer.
///
/// Keeps twice as many at a time: O(n) for a small `count`, whatever the order in which the items come.
pub fn first_by<T: Copy>(
    items: impl Iterator<Item = T>,
    count: usize,
    order: impl Fn(&T, &T) -> Ordering,
) -> Vec<T> {
    if count == 0 {
        return Vec::new();
    }
    let mut kept: Vec<T> = Vec::new();
    // The last of the first `count` so far.
    let mut limit: Option<T> = None;
    for item in items {
        if limit.as_ref().is_some_and(|limit| order(&item, limit).is_gt()) {
            continue;
        }
        kept.push(item);
        if kept.len() == count.saturating_mul(2) {
            kept.select_nth_unstable_by(count - 1, &order);
            kept.truncate(count);
            limit = kept.last().copied();
        }
    }
    kept.sort_unstable_by(&order);
    kept.truncate(count);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_sort_in_any_order_and_with_ties() {
        for step in [1_u64, 37, 100] {
            let items: Vec<(u64, u64)> = (0..101).map(|i| (i * step % 101 / 4, i)).collect();
            let mut sorted = items.clone();
            sorted.sort_unstable();
            for count in [0, 1, 2, 7, 50, 101, 200] {
                let found = first_by(items.iter().copied(), count, Ord::cmp);
                assert_eq!(found, sorted[..count.min(101)], "{step} {count}");
                let found = first_by(items.iter().rev().copied(), count, |a, b| b.cmp(a));
                assert!(found.iter().eq(sorted.iter().rev().take(count)));
            }
        }
    }
}
