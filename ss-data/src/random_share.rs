//! A share of a set, picked at random.

use ss_seed::Stream;

/// `round(rate * n)` of `0..n`, those with the smallest keys in `keys`: what is picked at a lower rate is picked at every higher
/// one.
pub(crate) fn random_share(n: usize, rate: f64, keys: Stream) -> Vec<usize> {
    let mut order = random_order(n, keys);
    order.truncate((rate * n as f64).round() as usize);
    order
}

/// `0..n` in the order of their keys.
pub(crate) fn random_order(n: usize, keys: Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_cached_key(|&i| (keys.index(i as u64).hash(), i));
    order
}
