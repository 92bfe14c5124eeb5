//! Do independent draws follow the weights? Pearson's chi-square, and the share beyond category 2^24.

use std::fmt;

use anyhow::Result;
use ss_sampler::{EpochPlan, Weights};
use statrs::distribution::{ContinuousCDF, Normal};

/// Standard scores of the two tests; about standard normal when the draws are right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    categories: usize,
    draws: usize,
    /// Pearson's statistic less its mean, over its standard deviation.
    chi_square: f64,
    /// The same of the number of draws in the upper half of the categories.
    upper_half: f64,
}

/// A right sampler exceeds it once in 1.7 million tests.
const LIMIT: f64 = 5.0;

impl Outcome {
    pub(crate) fn passed(self) -> bool {
        // False for NaN too.
        self.chi_square.abs() < LIMIT && self.upper_half.abs() < LIMIT
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = |z: f64| 2.0 * Normal::standard().sf(z.abs());
        write!(
            f,
            "{} draws of {} categories: chi-square z = {:.2} (p = {:.2e}), upper half z = {:.2} (p = {:.2e})",
            self.draws,
            self.categories,
            self.chi_square,
            p(self.chi_square),
            self.upper_half,
            p(self.upper_half)
        )
    }
}

/// Tests draws with replacement. All weights must be positive, and there must be at least two categories.
///
/// Few draws a category make the chi-square distribution with k - 1 degrees of freedom a poor description of the
/// statistic; its exact mean `k - 1` and variance `2 (k - 1) + (sum 1/p - k^2 - 2k + 2) / m` hold for any (Haldane 1937), and
/// over many categories it is normal.
pub(crate) fn test(weights: &Weights, plan: &EpochPlan) -> Result<Outcome> {
    let (k, m) = (weights.len(), plan.len() as f64);
    let mut counts = vec![0_u32; k];
    plan.indices().for_each(|i| counts[i] += 1);
    let (mut statistic, mut inverse, mut upper) = (0.0, 0.0, 0.0);
    for (i, &count) in counts.iter().enumerate() {
        let p = weights.probability(i);
        statistic += (f64::from(count) - m * p).powi(2) / (m * p);
        inverse += 1.0 / p;
        if i >= k / 2 {
            upper += p;
        }
    }
    let above: f64 = counts[k / 2..].iter().map(|&count| f64::from(count)).sum();
    let k = k as f64;
    let variance = 2.0 * (k - 1.0) + (inverse - k * k - 2.0 * k + 2.0) / m;
    Ok(Outcome {
        categories: weights.len(),
        draws: plan.len(),
        chi_square: (statistic - (k - 1.0)) / variance.sqrt(),
        upper_half: (above - m * upper) / (m * upper * (1.0 - upper)).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ss_seed::Seed;

    fn plan(weights: &Weights, m: usize, seed: u64) -> EpochPlan {
        EpochPlan::multinomial(weights, m, Seed::new(seed).stream("test"), 0).unwrap()
    }

    #[test]
    fn scores_are_standard_normal_for_right_draws_and_large_for_wrong_ones() {
        // Over 400 seeds the mean of z is within 4.5 / sqrt(400) of 0 and its variance within 30% of 1 (4 standard
        // deviations of a variance over 400), though there are but three draws a category.
        let tau = |i: usize| 0.25 + (i % 8) as f64 / 4.0;
        let weights = Weights::new((0..500).map(tau).collect()).unwrap();
        let (mut sums, mut squares) = ([0.0; 2], [0.0; 2]);
        for seed in 0..400 {
            let outcome = test(&weights, &plan(&weights, 1_500, seed)).unwrap();
            for (k, z) in [outcome.chi_square, outcome.upper_half].into_iter().enumerate() {
                sums[k] += z / 400.0;
                squares[k] += z * z / 400.0;
            }
        }
        for k in 0..2 {
            assert!(sums[k].abs() < 4.5 / 20.0, "{sums:?}");
            assert!((squares[k] - 1.0).abs() < 0.3, "{squares:?}");
        }

        // One weight in eight half a percent too large, and a slight preference for the upper half.
        let m = 2_000_000;
        let right = plan(&weights, m, 1);
        assert!(test(&weights, &right).unwrap().passed());
        let skewed =
            Weights::new((0..500).map(|i| tau(i) * if i % 8 == 7 { 1.02 } else { 1.0 }).collect()).unwrap();
        assert!(test(&skewed, &right).unwrap().chi_square > LIMIT);
        let tilted =
            Weights::new((0..500).map(|i| tau(i) * if i < 250 { 1.01 } else { 1.0 }).collect()).unwrap();
        assert!(test(&tilted, &right).unwrap().upper_half > LIMIT);
    }
}
