//! What a sampler does to a dataset, in numbers and in words.

use std::fmt;

use rayon::prelude::*;

use crate::{Error, RankedFeatures, Result, SamplerParams, Weights, mid_ranks};

/// Examples summed by one thread at a time; fixed, so that sums do not depend on the thread count.
const CHUNK: usize = 1 << 14;

/// Shifts of probability below this are not worth words.
const WORTH_SAYING: f64 = 0.02;

/// Where a sampler puts its probability; the `Display` form is a paragraph of words.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Number of examples.
    pub examples: usize,
    /// Kish's effective sample size, in `[1, examples]`.
    pub effective_sample_size: f64,
    /// Share of the examples that are never drawn, in `[0, 1)`.
    pub zero_share: f64,
    /// One entry a feature of the spec, in its order.
    pub features: Vec<FeatureShares>,
}

/// Shares by decile of one feature, from the smallest values to the largest.
///
/// Tied examples share a rank and so a decile: a decile holds a tenth of the examples only where ties allow
/// it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FeatureShares {
    /// Name of the feature.
    pub feature: String,
    /// Share of the examples in each decile; sums to 1.
    pub examples: [f64; 10],
    /// Share of the probability in each decile; sums to 1.
    pub probability: [f64; 10],
}

/// Describes the sampler with these parameters on these examples.
///
/// # Errors
/// As [`RankedFeatures::weights`].
pub fn describe(ranked: &RankedFeatures, params: &SamplerParams) -> Result<Summary> {
    let weights = ranked.weights(params)?;
    let names = ranked.spec().features().iter().enumerate();
    let features = names.map(|(k, name)| shares(name, &ranked.mid_ranks(k).collect::<Vec<_>>(), &weights));
    Ok(Summary::new(&weights, features.collect()))
}

/// Describes any weights, `[n]`, along these columns, each a name with its values, `[n]`.
///
/// ```
/// use ss_sampler::{Weights, describe_weights};
///
/// let loss: Vec<f32> = (0..10).map(|i| i as f32).collect();
/// let weights = Weights::new((0..10).map(|i| f64::from(u8::from(i < 7))).collect())?;
/// let summary = describe_weights(&[("loss", &loss)], &weights)?;
/// assert!(summary.to_string().starts_with("Moves 30% of the mass off the 30% of examples with the largest loss."));
/// # Ok::<(), ss_sampler::Error>(())
/// ```
///
/// # Errors
/// Columns of another length than the weights; NaN or infinite values.
pub fn describe_weights(columns: &[(&str, &[f32])], weights: &Weights) -> Result<Summary> {
    let features = columns.iter().map(|(name, column)| {
        if column.len() != weights.len() {
            let what = format!("feature `{name}`");
            return Err(Error::Length { what, found: column.len(), expected: weights.len() });
        }
        Ok(shares(name, &mid_ranks(column)?, weights))
    });
    Ok(Summary::new(weights, features.collect::<Result<_>>()?))
}

/// Shares by decile of the feature with these mid-ranks.
fn shares(feature: &str, ranks: &[f64], weights: &Weights) -> FeatureShares {
    let partial: Vec<[[f64; 10]; 2]> = ranks
        .par_chunks(CHUNK)
        .zip(weights.tau().par_chunks(CHUNK))
        .map(|(ranks, tau)| {
            let mut sums = [[0.0; 10]; 2];
            for (rank, tau) in ranks.iter().zip(tau) {
                let decile = (rank * 10.0) as usize;
                sums[0][decile] += 1.0;
                sums[1][decile] += tau;
            }
            sums
        })
        .collect();
    let share = |which: usize, whole: f64| {
        std::array::from_fn(|d| partial.iter().map(|sums| sums[which][d]).sum::<f64>() / whole)
    };
    let (examples, probability) = (share(0, ranks.len() as f64), share(1, weights.total()));
    FeatureShares { feature: feature.to_owned(), examples, probability }
}

impl Summary {
    fn new(weights: &Weights, features: Vec<FeatureShares>) -> Self {
        let n = weights.len();
        Self {
            examples: n,
            effective_sample_size: weights.effective_sample_size(),
            zero_share: (n - weights.positive()) as f64 / n as f64,
            features,
        }
    }
}

impl FeatureShares {
    /// The tail (largest values if `upper`) that loses most probability: its share of the examples, and the
    /// part of all probability that is moved off it.
    fn starved_tail(&self, upper: bool) -> (f64, f64) {
        let (mut examples, mut moved) = (0.0, 0.0);
        let mut worst = (0.0, 0.0);
        for i in 0..9 {
            let decile = if upper { 9 - i } else { i };
            examples += self.examples[decile];
            moved += self.examples[decile] - self.probability[decile];
            // The slack keeps rounding from stretching the tail.
            if moved > worst.1 + 1e-6 {
                worst = (examples, moved);
            }
        }
        worst
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{:.0}%", 100.0 * share);
        let mut moves = Vec::new();
        for shares in &self.features {
            for (upper, extreme) in [(true, "largest"), (false, "smallest")] {
                let (examples, moved) = shares.starved_tail(upper);
                if moved >= WORTH_SAYING {
                    moves.push(format!(
                        "{} of the mass off the {} of examples with the {extreme} {}",
                        percent(moved),
                        percent(examples),
                        shares.feature
                    ));
                }
            }
        }
        let effective = self.effective_sample_size / self.examples as f64;
        match moves.as_slice() {
            [] if effective > 0.999 => write!(f, "Draws all examples alike.")?,
            [] => write!(f, "Moves less than {} of the mass along any feature.", percent(WORTH_SAYING))?,
            _ => write!(f, "Moves {}.", moves.join("; "))?,
        }
        if self.zero_share > 0.0 {
            write!(f, " Never draws {:.1}% of the examples.", 100.0 * self.zero_share)?;
        }
        write!(
            f,
            " Effective sample size {:.0} of {} ({}).",
            self.effective_sample_size,
            self.examples,
            percent(effective)
        )
    }
}
