//! Which tried rule is worth using.
//!
//! The optimiser recommends the trial with the best posterior mean. Validation data are finite, so the best of
//! many candidates looks better than it is. A rule therefore replaces uniform sampling only when its gain over
//! the uniform trial, paired example by example on the validation set, exceeds a multiple of the gain's
//! standard error; and the model trained under it replaces the baseline only when its validation score
//! passes the same test. Where several rules are trained in full, the test is not made stricter: it is a heuristic guard.

use ss_bo::TrialId;

use crate::Result;

/// The chosen trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Number of the trial, counted from 0; trial 0 is uniform sampling.
    pub trial: usize,
    /// Mean gain over the uniform trial in units of the score; 0 for uniform itself.
    pub gain: f64,
    /// Standard error of the gain over the validation examples.
    pub standard_error: f64,
}

/// Per-example validation scores of the trials that succeeded.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    scores: Vec<(usize, TrialId, Vec<f64>)>,
}

impl Evidence {
    /// Records the example scores of trial `number`.
    pub fn add(&mut self, number: usize, id: TrialId, scores: Vec<f64>) {
        self.scores.push((number, id, scores));
    }

    /// The recommended trial, or trial 0 where the recommendation does not gain more than `caution` standard
    /// errors over it. Without a successful trial 0 the recommendation stands, with no gain to speak of.
    ///
    /// # Errors
    /// Scores of different numbers of examples.
    pub fn choose(&self, recommended: TrialId, caution: f64) -> Result<Choice> {
        let uniform = self.scores.iter().find(|(number, ..)| *number == 0);
        let Some((number, _, scores)) = self.scores.iter().find(|(_, id, _)| *id == recommended) else {
            return Ok(Choice { trial: 0, gain: 0.0, standard_error: 0.0 });
        };
        let Some((_, _, base)) = uniform else {
            return Ok(Choice { trial: *number, gain: 0.0, standard_error: 0.0 });
        };
        let (gain, standard_error) = paired(scores, base)?;
        Ok(if gain > caution * standard_error {
            Choice { trial: *number, gain, standard_error }
        } else {
            Choice { trial: 0, gain: 0.0, standard_error }
        })
    }
}

/// Mean of `a - b` over pairs and its standard error.
///
/// # Errors
/// Lists of different lengths, which are no pairs.
pub(crate) fn paired(a: &[f64], b: &[f64]) -> Result<(f64, f64)> {
    if a.len() != b.len() {
        let what = "scores of one model beside those of another".to_owned();
        return Err(ss_data::Error::LengthMismatch { what, expected: b.len(), found: a.len() }.into());
    }
    let n = a.len() as f64;
    let mean = a.iter().zip(b).map(|(x, y)| x - y).sum::<f64>() / n;
    let variance = a.iter().zip(b).map(|(x, y)| (x - y - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    Ok((mean, (variance / n).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(gains: f64) -> Evidence {
        let base: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let better: Vec<f64> = base.iter().enumerate().map(|(i, s)| s + gains * (i % 4) as f64).collect();
        let mut evidence = Evidence::default();
        evidence.add(0, TrialId(7), base);
        evidence.add(3, TrialId(9), better);
        evidence
    }

    #[test]
    fn a_clear_gain_is_chosen_and_an_unclear_one_is_not() {
        let choose = |gains, id, caution| evidence(gains).choose(TrialId(id), caution).unwrap();
        let clear = choose(0.1, 9, 2.0);
        assert_eq!(clear.trial, 3);
        assert!((clear.gain - 0.15).abs() < 1e-12);
        // Mean 0.15, deviation 0.1124 over 100 pairs: 13.3 standard errors.
        assert_eq!(choose(0.1, 9, 14.0).trial, 0);
        assert_eq!(choose(-0.1, 9, 0.0).trial, 0);
        assert_eq!(choose(0.1, 7, 1.0).trial, 0);
    }

    #[test]
    fn scores_of_different_examples_are_no_pairs() {
        let mut evidence = evidence(0.1);
        evidence.add(4, TrialId(10), vec![1.0; 99]);
        let error = evidence.choose(TrialId(10), 1.0).unwrap_err().to_string();
        assert!(error.contains("expected 100 values, found 99"), "{error}");
    }
}
