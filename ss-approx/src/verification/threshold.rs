//! The best threshold on a set of pairs.

use super::count;
use crate::Result;

/// A threshold of the cosine, and how well it tells the pairs apart that it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Pairs with a cosine above it are taken for pairs of one class.
    pub at: f64,
    /// Mean of the shares of right pairs among those of one class and among those of two, in `[0.5, 1]`.
    pub accuracy: f64,
}

/// The threshold with the best accuracy on pairs with these `cosines`, of which some are `same`. Thresholds lie half-way between
/// neighbouring cosines, or one beyond the ends; of equally good ones the largest is taken, which accepts the fewest pairs.
///
/// # Errors
/// [`Error::Mismatch`](crate::Error::Mismatch) for lists of different lengths, and where one of the kinds is missing.
///
/// ```
/// use ss_approx::verification::best_threshold;
///
/// let best = best_threshold(&[0.9, 0.2, 0.4, 0.1], &[true, true, false, false])?;
/// assert_eq!((best.at, best.accuracy), (0.65, 0.75));
/// # Ok::<(), ss_approx::Error>(())
/// ```
pub fn best_threshold(cosines: &[f64], same: &[bool]) -> Result<Threshold> {
    let (positives, negatives) = count(cosines, same)?;
    let mut order: Vec<usize> = (0..cosines.len()).collect();
    order.sort_by(|&a, &b| cosines[b].total_cmp(&cosines[a]));
    // Twice the accuracy times both counts: whole numbers, so that ties are ties.
    let worth = |accepted: [u64; 2]| {
        accepted[1] * negatives as u64 + (negatives as u64 - accepted[0]) * positives as u64
    };
    let (mut best, mut at, mut accepted) = (worth([0, 0]), cosines[order[0]] + 1.0, [0_u64; 2]);
    for (place, &pair) in order.iter().enumerate() {
        accepted[usize::from(same[pair])] += 1;
        let next = order.get(place + 1).map(|&next| cosines[next]);
        if next == Some(cosines[pair]) {
            continue;
        }
        if worth(accepted) > best {
            best = worth(accepted);
            at = next.map_or(cosines[pair] - 1.0, |next| {
                let middle = 0.5 * (cosines[pair] + next);
                // Of neighbours the middle may round to the larger, which is accepted.
                if middle < cosines[pair] { middle } else { next }
            });
        }
    }
    Ok(Threshold { at, accuracy: 0.5 * best as f64 / (positives as f64 * negatives as f64) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_and_ends() {
        let best = |cosines: &[f64], same: &[bool]| best_threshold(cosines, same).unwrap();
        // Nothing is told apart: accept no pair.
        assert_eq!(best(&[0.5, 0.5], &[true, false]), Threshold { at: 1.5, accuracy: 0.5 });
        // There is no number between neighbours.
        let (below, above) = (1.0_f64.next_down(), 1.0);
        assert_eq!(best(&[above, below], &[true, false]), Threshold { at: below, accuracy: 1.0 });
        // Of two equally good thresholds the larger.
        let two = best(&[0.8, 0.6, 0.4, 0.2], &[true, false, true, false]);
        assert_eq!(two, Threshold { at: 0.7, accuracy: 0.75 });
        // Ten pairs of two classes weigh as much as the one of one class.
        let mut cosines = vec![0.1];
        cosines.extend((0..10).map(|i| f64::from(i) / 10.0));
        let same: Vec<bool> = (0..11).map(|i| i == 0).collect();
        let best = best(&cosines, &same);
        assert!((best.at - 0.05).abs() < 1e-12 && (best.accuracy - 0.55).abs() < 1e-12, "{best:?}");
        assert!(
            best_threshold(&[0.1], &[true]).unwrap_err().to_string().contains("1 of one class and 0 of two")
        );
        assert!(best_threshold(&[0.1], &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_other_threshold_is_better(
            pairs in prop::collection::vec((-10_i32..10, any::<bool>()), 2..40),
        ) {
            let cosines: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.0) / 10.0).collect();
            let same: Vec<bool> = pairs.iter().map(|pair| pair.1).collect();
            let Ok(best) = best_threshold(&cosines, &same) else { return Ok(()) };
            let accuracy = |at: f64| {
                let share = |kind: bool| {
                    let of: Vec<f64> = (0..same.len()).filter(|&i| same[i] == kind).map(|i| cosines[i]).collect();
                    of.iter().filter(|&&cosine| (cosine > at) == kind).count() as f64 / of.len() as f64
                };
                0.5 * (share(true) + share(false))
            };
            prop_assert!((accuracy(best.at) - best.accuracy).abs() < 1e-12);
            for step in -25..25 {
                let at = f64::from(step) / 10.0 + 0.05;
                prop_assert!(accuracy(at) <= best.accuracy + 1e-12);
                // Beyond the next cosine above it is worse: it is the largest of the best.
                let beyond = cosines.iter().any(|cosine| (best.at..=at).contains(cosine));
                prop_assert!(!beyond || accuracy(at) < best.accuracy - 1e-12);
            }
        }
    }
}
