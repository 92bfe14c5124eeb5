//! The moving average of a percentile of the batch's losses.

use crate::{Error, Result};

/// What a loss is measured from: `average = decay * average + (1 - decay) * percentile(losses)`, which starts at 0.
///
/// As in the released code (`mentornet` in `code/utils.py`), whose student commands use the percentile 0.7 and the decay
/// 0.5. The percentile interpolates linearly between neighbours, as NumPy's does; the released code takes the nearest
/// loss in the student and NumPy's in the rows that the mentor learns from.
///
/// ```
/// use ss_baselines::mentornet::LossAverage;
///
/// # fn main() -> Result<(), ss_baselines::Error> {
/// let mut average = LossAverage::new(0.75, 0.5)?;
/// assert_eq!(average.update(&[3.0, 1.0, 2.0])?, 1.25); // half of 2.5
/// assert_eq!(average.update(&[3.0, 3.0])?, 2.125);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LossAverage {
    percentile: f64,
    decay: f64,
    average: f64,
}

impl LossAverage {
    /// An average of the `percentile` (`[0, 1]`, published 0.7) of the losses; `decay` (`[0, 1)`, published 0.5) is the share
    /// of the past in it.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] outside these ranges.
    pub fn new(percentile: f64, decay: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&percentile) {
            return Err(Error::InvalidSetting {
                setting: "percentile",
                found: percentile.to_string(),
                expected: "a share in [0, 1] such as 0.7",
            });
        }
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::InvalidSetting {
                setting: "decay",
                found: decay.to_string(),
                expected: "a number in [0, 1) such as 0.5",
            });
        }
        Ok(Self { percentile, decay, average: 0.0 })
    }

    /// Takes a batch's losses (nats) in and returns the average, theirs included.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for a loss that is not a number, [`Error::Mismatch`] for an empty batch; the average stays as it
    /// was.
    pub fn update(&mut self, losses: &[f32]) -> Result<f32> {
        let percentile = percentile(losses, self.percentile)?;
        self.average = self.decay * self.average + (1.0 - self.decay) * percentile;
        Ok(self.average as f32)
    }
}

/// The share `p` quantile of the values by linear interpolation: definition 7 of Hyndman and Fan 1996, the default of NumPy.
pub(crate) fn percentile(values: &[f32], p: f64) -> Result<f64> {
    if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(Error::NonFinite { what: "loss", index, value });
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return Err(Error::Mismatch {
            what: "losses of a batch",
            expected: "at least one".into(),
            found: "none".into(),
        });
    };
    let place = p * last as f64;
    let below = (place.floor() as usize).min(last);
    let (low, high) = (f64::from(sorted[below]), f64::from(sorted[(below + 1).min(last)]));
    Ok(low + (place - below as f64) * (high - low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_equal_numpy() {
        // numpy.percentile(values, 100 p), NumPy 2.4.6: tests/oracle/mentornet.py.
        let values = [0.3, 4.0, 1.25, 0.02, 2.5, 0.9, 7.75];
        for (p, expected) in [(0.0, 0.02), (0.4, 1.04), (0.7, 2.8), (0.75, 3.25), (0.9, 5.5), (1.0, 7.75)] {
            let found = percentile(&values, p).unwrap();
            assert!((found - expected).abs() < 1e-6, "{p}: {found}");
        }
    }

    proptest! {
        #[test]
        fn a_percentile_lies_among_the_values_and_grows_with_its_share(
            values in prop::collection::vec(0f32..20.0, 1..50), p in 0f64..=1.0, q in 0f64..=1.0,
        ) {
            let (low, high) = (percentile(&values, p.min(q)).unwrap(), percentile(&values, p.max(q)).unwrap());
            prop_assert!(low <= high);
            prop_assert!(values.iter().any(|v| f64::from(*v) <= low) && values.iter().any(|v| f64::from(*v) >= high));
        }

        #[test]
        fn equal_batches_are_approached_geometrically(
            value in 0f32..20.0, decay in 0f64..0.95, count in 1usize..20,
        ) {
            let mut average = LossAverage::new(0.7, decay).unwrap();
            let mut last = 0.0;
            for _ in 0..count {
                last = average.update(&[value; 3]).unwrap();
            }
            let expected = f64::from(value) * (1.0 - decay.powi(count as i32));
            prop_assert!((f64::from(last) - expected).abs() < 1e-5 * (1.0 + expected));
        }
    }

    #[test]
    fn bad_input_is_named_and_changes_nothing() {
        let mut average = LossAverage::new(0.7, 0.5).unwrap();
        let before = average.clone();
        let error = average.update(&[1.0, f32::NAN]).unwrap_err().to_string();
        assert!(error.contains("example 1"), "{error}");
        assert!(average.update(&[]).is_err());
        assert_eq!(average, before);
        assert!(LossAverage::new(1.5, 0.5).unwrap_err().to_string().contains("percentile"));
        assert!(LossAverage::new(0.7, 1.0).unwrap_err().to_string().contains("decay"));
    }
}
