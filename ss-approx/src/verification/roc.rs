//! True against false acceptance.

use super::count;
use crate::Result;

/// The receiver operating characteristic of a set of pairs: for every threshold, the share of pairs of two classes that are accepted
/// (FAR, false) beside the share of pairs of one class (TAR, true).
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// Pairs of two classes, and of one, that are accepted, as the threshold falls: from (0, 0) to all of both.
    accepted: Vec<(usize, usize)>,
    positives: usize,
    negatives: usize,
}

impl Roc {
    /// The curve of pairs with these `cosines`, of which some are `same`. Pairs of one cosine are accepted together.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) for lists of different lengths, and where one of the kinds is missing.
    pub fn of(cosines: &[f64], same: &[bool]) -> Result<Self> {
        let (positives, negatives) = count(cosines, same)?;
        let mut order: Vec<usize> = (0..cosines.len()).collect();
        order.sort_by(|&a, &b| cosines[b].total_cmp(&cosines[a]));
        let (mut accepted, mut here) = (vec![(0, 0)], (0, 0));
        for (place, &pair) in order.iter().enumerate() {
            if same[pair] {
                here.1 += 1;
            } else {
                here.0 += 1;
            }
            if order.get(place + 1).is_none_or(|&next| cosines[next] < cosines[pair]) {
                accepted.push(here);
            }
        }
        Ok(Self { accepted, positives, negatives })
    }

    /// The pairs of two classes: a share of them below one in so many cannot be told.
    pub fn negatives(&self) -> usize {
        self.negatives
    }

    /// The largest TAR of all thresholds whose FAR is at most `far`: a step function, nothing is interpolated. `None` where
    /// `far` is smaller than one in [`negatives`](Self::negatives), of which no pair set of this size can say anything, or is no
    /// share.
    ///
    /// ```
    /// use ss_approx::verification::Roc;
    ///
    /// let same = [true, true, false, true, false];
    /// let roc = Roc::of(&[0.9, 0.8, 0.7, 0.6, 0.1], &same)?;
    /// assert_eq!(roc.tar_at(0.5), Some(1.0));
    /// assert_eq!(roc.tar_at(0.4), None);
    /// # Ok::<(), ss_approx::Error>(())
    /// ```
    pub fn tar_at(&self, far: f64) -> Option<f64> {
        // Without a tolerance 0.29 of 100 would be 28 of them.
        let most = far * self.negatives as f64 * (1.0 + 1e-12);
        if !(most >= 1.0 && far <= 1.0) {
            return None;
        }
        let within = self.accepted.partition_point(|&(negatives, _)| negatives as f64 <= most);
        Some(self.accepted[within - 1].1 as f64 / self.positives as f64)
    }

    /// The area under the curve, its points joined by straight lines: the probability that a pair of one class has a larger cosine than a
    /// pair of two, ties counted half.
    pub fn area(&self) -> f64 {
        let doubled: usize =
            self.accepted.windows(2).map(|ends| (ends[1].0 - ends[0].0) * (ends[0].1 + ends[1].1)).sum();
        0.5 * doubled as f64 / (self.positives as f64 * self.negatives as f64)
    }
}
