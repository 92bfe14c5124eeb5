//! From scores to the scale that the process models.

use serde::{Deserialize, Serialize};

/// How scores are brought to zero mean and unit variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetTransform {
    /// Subtract the mean and divide by the standard deviation.
    #[default]
    Standardize,
    /// Subtract the median, divide by a robust deviation (1.4826 times the median absolute deviation),
    /// and compress
    /// what lies more than two deviations *below* the median logarithmically: a few disastrous trials then
    /// do not flatten the rest. Good scores are never compressed.
    Robust,
}

/// Standardised scores and the way back.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Standardised scores, one for each score given.
    pub y: Vec<f64>,
    /// Location that was subtracted, in units of the score.
    pub location: f64,
    /// Scale that was divided by, in units of the score; positive.
    pub scale: f64,
}

/// Where the robust transform starts to compress, in deviations below the median.
const KNEE: f64 = 2.0;

impl TargetTransform {
    /// Transforms finite scores. Constant (or single) scores keep a scale of 1.
    ///
    /// ```
    /// use ss_bo::gp::TargetTransform;
    /// let t = TargetTransform::Standardize.apply(&[1.0, 2.0, 3.0]);
    /// assert_eq!(t.location, 2.0);
    /// assert!((t.y[2] - 1.5_f64.sqrt()).abs() < 1e-12);
    /// ```
    pub fn apply(self, scores: &[f64]) -> Targets {
        // In units of the largest score, so that squares neither overflow nor vanish.
        let unit = scores.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        if !(unit > 0.0) {
            return Targets { y: vec![0.0; scores.len()], location: 0.0, scale: 1.0 };
        }
        let scores: Vec<f64> = scores.iter().map(|s| s / unit).collect();
        let n = scores.len() as f64;
        let (location, scale) = match self {
            Self::Standardize => {
                let mean = scores.iter().map(|s| s / n).sum::<f64>();
                (mean, (scores.iter().map(|s| (s - mean).powi(2) / n).sum::<f64>()).sqrt())
            }
            Self::Robust => {
                let center = median(scores.clone());
                let mad = 1.4826 * median(scores.iter().map(|s| (s - center).abs()).collect());
                if mad > 0.0 {
                    (center, mad)
                } else {
                    // More than half of the scores are equal: fall back to the ordinary deviation.
                    (center, (scores.iter().map(|s| (s - center).powi(2) / n).sum::<f64>()).sqrt())
                }
            }
        };
        // Differences that are rounding error carry no information.
        if scale <= 1e-12 * location.abs() {
            return Targets { y: vec![0.0; scores.len()], location: location * unit, scale: 1.0 };
        }
        let y = scores
            .iter()
            .map(|s| {
                let z = (s - location) / scale;
                if self == Self::Robust && z < -KNEE { -KNEE - (-KNEE - z).ln_1p() } else { z }
            })
            .collect();
        Targets { y, location: location * unit, scale: scale * unit }
    }
}

impl Targets {
    /// From the standardised scale back to scores. For the robust transform this is exact from two
    /// deviations below the median upwards, which is where a maximiser looks.
    pub fn to_score(&self, y: f64) -> f64 {
        self.location + self.scale * y
    }
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

    #[test]
    fn outliers_do_not_flatten_the_rest() {
        let scores = [0.50, 0.51, 0.52, 0.53, -1e6];
        let robust = TargetTransform::Robust.apply(&scores);
        assert!(robust.y[3] - robust.y[0] > 1.0, "{:?}", robust.y);
        assert!(robust.y[4] < robust.y[0] && robust.y[4] > -30.0, "{:?}", robust.y);
        assert!((robust.to_score(robust.y[3]) - 0.53).abs() < 1e-12);
        let plain = TargetTransform::Standardize.apply(&scores);
        assert!(plain.y[3] - plain.y[0] < 1e-6);
    }

    #[test]
    fn constants_and_extremes_stay_finite() {
        for scores in [vec![], vec![3.0], vec![0.1; 7], vec![1e300, -1e300], vec![1e-300, 2e-300]] {
            for transform in [TargetTransform::Standardize, TargetTransform::Robust] {
                let t = transform.apply(&scores);
                assert!(t.scale > 0.0 && t.y.iter().all(|y| y.is_finite()), "{scores:?} {t:?}");
            }
        }
    }
}
