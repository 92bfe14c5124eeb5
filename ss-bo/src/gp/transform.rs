//! From scores to the scale that the process models.

use serde::{Deserialize, Serialize};

/// How scores are brought to zero mean and unit variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetTransform {
    /// Subtract the mean and divide by the standard deviation.
    Standardize,
    /// Compress scores below the median logarithmically, as much as the marginal likelihood prefers (not at
    /// all, unless that makes them at least `e^2` times as probable), and standardise the result: differences between
    /// bad points matter less than those between good ones, and few objectives are stationary all the way down. A
    /// warped Gaussian process (Snelson, Rasmussen, Ghahramani 2004) with a one-sided warp, chosen among four: none,
    /// two strengths in units of the deviation, and [`Robust`](Self::Robust). With fewer than 6 scores, none.
    #[default]
    Warped,
    /// Subtract the median, divide by a robust deviation (1.4826 times the median absolute deviation), and
    /// compress what lies more than two deviations *below* the median logarithmically, whatever the
    /// likelihood says: a few disastrous trials do not flatten the rest.
    Robust,
}

/// Standardised scores and the way back.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Standardised scores, one for each score given.
    pub y: Vec<f64>,
    /// The map that gave them.
    pub scale: TargetScale,
    /// Logarithm of the map's derivative at each score: the sum of any of them, added to the log likelihood of the
    /// same standardised scores, makes likelihoods of different maps comparable.
    pub log_slopes: Vec<f64>,
}

/// An increasing map from scores to the standardised scale: linear above a knee, logarithmic below it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetScale {
    /// Location and scale that are taken out first: `z = (score - location) / unit`.
    location: f64,
    unit: f64,
    /// Compression below `z = knee`, `w(z) = knee - ln(1 + a (knee - z)) / a`; none for `a = 0`.
    compression: f64,
    knee: f64,
    /// `y = (w - shift) / stretch`.
    shift: f64,
    stretch: f64,
}

/// Strengths of compression that the warped transform chooses from.
const STRENGTHS: [f64; 3] = [0.0, 1.0, 5.0];
/// Fewest scores that can tell the strengths apart.
const MIN_WARPED: usize = 6;

impl TargetTransform {
    /// The standardised scores under each of the maps that this transform chooses from, the mildest first;
    /// one at least. `scores` are finite. Constant (or single) scores keep their scale.
    ///
    /// ```
    /// use ss_bo::gp::TargetTransform;
    /// let t = TargetTransform::Standardize.candidates(&[1.0, 2.0, 3.0]).swap_remove(0);
    /// assert!((t.y[2] - 1.5_f64.sqrt()).abs() < 1e-12);
    /// assert!((t.scale.to_score(t.y[0]) - 1.0).abs() < 1e-12);
    /// ```
    pub fn candidates(self, scores: &[f64]) -> Vec<Targets> {
        // In units of the largest score, so that squares neither overflow nor vanish.
        let largest = scores.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        let relative: Vec<f64> =
            if largest > 0.0 { scores.iter().map(|s| s / largest).collect() } else { Vec::new() };
        let (mean, deviation) = moments(&relative);
        let center = median(relative.clone());
        // Differences that are rounding error, or too small to divide by, carry no information.
        if !(deviation > 1e-12 * center.abs() && (deviation * largest).is_normal()) {
            let scale = TargetScale { location: center * largest, ..TargetScale::IDENTITY };
            let (y, log_slopes) = (vec![0.0; scores.len()], vec![0.0; scores.len()]);
            return vec![Targets { y, scale, log_slopes }];
        }
        let scale = |location: f64, unit: f64, compression, knee| TargetScale {
            location: location * largest,
            unit: unit * largest,
            compression,
            knee,
            ..TargetScale::IDENTITY
        };
        let robust = || {
            let mad = 1.4826 * median(relative.iter().map(|s| (s - center).abs()).collect());
            // More than half of the scores may be (nearly) equal: fall back to the ordinary deviation.
            let unit =
                if (mad * largest).is_normal() && mad > 1e-12 * center.abs() { mad } else { deviation };
            scale(center, unit, 1.0, -2.0)
        };
        let scales = match self {
            Self::Standardize => vec![scale(mean, deviation, 0.0, 0.0)],
            Self::Warped => {
                let warp = |&a: &f64| scale(center, deviation, a, 0.0).standardized(scores);
                let choices = if scores.len() < MIN_WARPED { 1 } else { STRENGTHS.len() };
                let mut scales: Vec<TargetScale> = STRENGTHS[..choices].iter().map(warp).collect();
                if choices > 1 {
                    // An outlier widens the deviation that the strengths are relative to, but not this one.
                    scales.push(robust().standardized(scores));
                }
                scales
            }
            Self::Robust => vec![robust()],
        };
        scales.into_iter().map(|scale| scale.targets(scores)).collect()
    }
}

impl TargetScale {
    const IDENTITY: Self =
        Self { location: 0.0, unit: 1.0, compression: 0.0, knee: 0.0, shift: 0.0, stretch: 1.0 };

    fn targets(self, scores: &[f64]) -> Targets {
        Targets {
            y: scores.iter().map(|s| self.to_target(*s)).collect(),
            log_slopes: scores.iter().map(|s| self.slope(*s).ln()).collect(),
            scale: self,
        }
    }

    /// The map with shift and stretch such that these scores have zero mean and unit variance.
    fn standardized(self, scores: &[f64]) -> Self {
        let warped: Vec<f64> = scores.iter().map(|s| self.to_target(*s)).collect();
        let (shift, stretch) = moments(&warped);
        if stretch > 0.0 { Self { shift, stretch, ..self } } else { self }
    }

    /// How strongly scores below a knee are compressed; 0 where the map is linear.
    pub fn compression(&self) -> f64 {
        self.compression
    }

    /// `z`, divided first: differences of large scores overflow.
    fn relative(&self, score: f64) -> f64 {
        score / self.unit - self.location / self.unit
    }

    /// From a score to the standardised scale.
    pub fn to_target(&self, score: f64) -> f64 {
        let z = self.relative(score);
        let below = self.knee - z;
        let w = if self.compression > 0.0 && below > 0.0 {
            self.knee - (self.compression * below).ln_1p() / self.compression
        } else {
            z
        };
        (w - self.shift) / self.stretch
    }

    /// From the standardised scale back to a score.
    pub fn to_score(&self, y: f64) -> f64 {
        let w = self.shift + self.stretch * y;
        let below = self.knee - w;
        let z = if self.compression > 0.0 && below > 0.0 {
            self.knee - (self.compression * below).exp_m1() / self.compression
        } else {
            w
        };
        // A belief beyond the largest number is that number.
        (self.location + self.unit * z).clamp(f64::MIN, f64::MAX)
    }

    /// Derivative of [`to_target`](Self::to_target) at `score`, in one over units of the score; positive.
    pub fn slope(&self, score: f64) -> f64 {
        let below = self.knee - self.relative(score);
        1.0 / (1.0 + self.compression * below.max(0.0)) / (self.unit * self.stretch)
    }
}

/// Mean and standard deviation; 0 and 0 for no values.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|v| v / n).sum::<f64>();
    (mean, values.iter().map(|v| (v - mean).powi(2) / n).sum::<f64>().sqrt())
}

/// The median; 0 for no values.
fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    low + 0.5 * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [TargetTransform; 3] =
        [TargetTransform::Standardize, TargetTransform::Warped, TargetTransform::Robust];

    #[test]
    fn outliers_do_not_flatten_the_rest() {
        let scores = [0.50, 0.51, 0.52, 0.53, 0.54, -1e6];
        let robust = TargetTransform::Robust.candidates(&scores).swap_remove(0);
        assert!(robust.y[4] - robust.y[0] > 1.0, "{:?}", robust.y);
        assert!(robust.y[5] < robust.y[0] && robust.y[5] > -30.0, "{:?}", robust.y);
        let plain = TargetTransform::Standardize.candidates(&scores).swap_remove(0);
        assert!(plain.y[4] - plain.y[0] < 1e-6);
    }

    #[test]
    fn constants_and_extremes_stay_finite() {
        for scores in [vec![], vec![3.0], vec![0.1; 7], vec![1e300, -1e300], vec![1e-300, 2e-300]]
            .into_iter()
            .chain([vec![1e308, 1e308, -1e308], vec![5e-324, 0.0, 0.0], vec![1e-309, 3e-309, 2e-309]])
            .chain([
                vec![1e308, -1e308, 1e307, 2e306, -3e307, 0.0, 5.0],
                vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            ])
        {
            for transform in ALL {
                for t in transform.candidates(&scores) {
                    let finite = t.y.iter().chain(&t.log_slopes).all(|y| y.is_finite());
                    assert!(finite, "{scores:?} {t:?}");
                }
            }
        }
    }

    proptest! {
        /// Increasing, invertible, with the slope that it says.
        #[test]
        fn maps_are_increasing_and_invertible(scores in prop::collection::vec(-50.0..50.0_f64, 6..30), at in -80.0..80.0_f64) {
            prop_assume!(scores.iter().any(|s| (s - scores[0]).abs() > 1.0));
            for transform in ALL {
                for t in transform.candidates(&scores) {
                    let scale = t.scale;
                    let back = scale.to_score(scale.to_target(at));
                    prop_assert!((back - at).abs() < 1e-8 * (1.0 + at.abs()), "{back} {at}");
                    let h = 1e-5;
                    let numeric = (scale.to_target(at + h) - scale.to_target(at - h)) / (2.0 * h);
                    prop_assert!((scale.slope(at) - numeric).abs() < 1e-3 * numeric, "{} {numeric}", scale.slope(at));
                    for (score, log_slope) in scores.iter().zip(&t.log_slopes) {
                        prop_assert!((scale.slope(*score).ln() - log_slope).abs() < 1e-12);
                    }
                    let (mean, deviation) = moments(&t.y);
                    if transform != TargetTransform::Robust {
                        prop_assert!(mean.abs() < 1e-9 && (deviation - 1.0).abs() < 1e-9);
                    }
                }
            }
        }
    }
}
