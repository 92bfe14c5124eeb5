//! Spearman's rank correlation.

/// Spearman's correlation of paired values: Pearson's of their mid-ranks, so that ties share a rank. In `[-1, 1]`.
///
/// Only the order of the values matters; minus infinity is a value below all others. `None` for fewer than two pairs and
/// where all values of one side are equal, for then there is no order.
///
/// # Panics
/// If the lengths differ or a value is NaN.
pub(super) fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "paired values");
    let (a, b) = (doubled_mid_ranks(a), doubled_mid_ranks(b));
    // The mean of doubled mid-ranks, counted from 0, is n - 1 whatever the ties. Sums of integers are exact.
    let centre = a.len() as i128 - 1;
    let product =
        |x: &[i128], y: &[i128]| -> i128 { x.iter().zip(y).map(|(x, y)| (x - centre) * (y - centre)).sum() };
    let (covariance, of_a, of_b) = (product(&a, &b), product(&a, &a), product(&b, &b));
    (of_a > 0 && of_b > 0).then(|| covariance as f64 / (of_a as f64 * of_b as f64).sqrt())
}

/// Twice the mid-rank of each value, ranks counted from 0.
fn doubled_mid_ranks(values: &[f64]) -> Vec<i128> {
    assert!(values.iter().all(|value| !value.is_nan()), "NaN has no rank");
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0; values.len()];
    let mut below = 0;
    // Compared as numbers: -0 and 0 are equal, and neighbours in the order.
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        for &i in tied {
            ranks[i] = (2 * below + tied.len() - 1) as i128;
        }
        below += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_scipy() {
        // SciPy 1.17.1, NumPy 2.4.6:
        // scipy.stats.spearmanr([3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]).statistic
        let tied =
            spearman(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0], &[2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0]);
        assert!((tied.unwrap() - 0.198_853_681_209_924_67).abs() < 1e-14, "{tied:?}");
        // scipy.stats.spearmanr([0.1, 0.4, 0.2, 0.9, 0.5, 0.7], [10, 12, 11, 15, 14, 13]).statistic
        let distinct =
            spearman(&[0.1, 0.4, 0.2, 0.9, 0.5, 0.7], &[10.0, 12.0, 11.0, 15.0, 14.0, 13.0]).unwrap();
        assert!((distinct - 0.942_857_142_857_143).abs() < 1e-14, "{distinct}");
    }

    #[test]
    fn without_an_order_there_is_no_correlation() {
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(spearman(&[1.0], &[2.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(spearman(&[0.0, -0.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[f64::NEG_INFINITY, -1e300], &[1.0, 2.0]), Some(1.0));
    }

    proptest! {
        #[test]
        fn only_the_order_matters(
            pairs in prop::collection::vec((-20_i32..20, -20_i32..20), 2..40),
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
            let found = spearman(&a, &b);
            prop_assert!(found.is_none_or(|r| (-1.0 - 1e-12..=1.0 + 1e-12).contains(&r)));
            let grown: Vec<f64> = a.iter().map(|v| (v / 7.0).exp()).collect();
            prop_assert_eq!(spearman(&grown, &b), found);
            prop_assert_eq!(spearman(&b, &a), found);
            let falling: Vec<f64> = a.iter().map(|v| -v.powi(3)).collect();
            prop_assert_eq!(spearman(&falling, &b), found.map(|r| -r));
        }

        #[test]
        fn the_ends_are_reached(values in prop::collection::btree_set(-1000_i32..1000, 2..40)) {
            let up: Vec<f64> = values.iter().map(|&v| v.into()).collect();
            let down: Vec<f64> = up.iter().rev().copied().collect();
            prop_assert_eq!((spearman(&up, &up), spearman(&up, &down)), (Some(1.0), Some(-1.0)));
        }
    }
}
