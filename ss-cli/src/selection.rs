//! Which tried rule is worth using.
//!
//! The optimiser recommends the trial with the best posterior mean. Validation data are finite, so the best of
//! many candidates looks better than it is. A rule therefore replaces uniform sampling only when its gain over
//! the uniform trial, paired example by example on the validation set, exceeds a multiple of the gain's
//! standard error; and the model trained under it replaces the baseline only when its validation accuracy
//! passes the same test.
//!
//! Among rules that validation data cannot tell from the recommended one, the strictest is taken: the one that draws
//! the fewest examples. A trial feels a wrong label that it draws for an epoch or so, a full training learns it by heart.
//! It is the one-standard-error rule of Breiman et al. (1984, section 3.4.3), with strictness in the place of simplicity.

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

/// How doubtful comparisons are decided, in standard errors over the validation examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// How many a rule must gain over uniform sampling to be preferred to it.
    pub caution: f64,
    /// By how many a stricter rule may fall short of the recommended one and still be taken for as good; 0 keeps the
    /// recommended one.
    pub strictness: f64,
}

/// Per-example validation scores of the trials that succeeded.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    trials: Vec<Tried>,
}

/// A trial that succeeded.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Its number, counted from 0; trial 0 is uniform sampling.
    pub number: usize,
    /// Its name in the study.
    pub id: TrialId,
    /// Effective sample size over the number of examples.
    pub effective_share: f64,
    /// What each validation example contributes to the score.
    pub scores: Vec<f64>,
}

impl Evidence {
    /// Records a trial.
    pub fn add(&mut self, trial: Tried) {
        self.trials.push(trial);
    }

    /// The recommended trial, or the strictest of those that are as good within [`Doubt::strictness`], or trial 0 where that
    /// one does not gain more than [`Doubt::caution`] standard errors over it. Without a successful trial 0 the choice
    /// stands, with no gain to speak of.
    ///
    /// # Errors
    /// Scores of different numbers of examples.
    pub fn choose(&self, recommended: TrialId, doubt: Doubt) -> Result<Choice> {
        let Some(recommended) = self.trials.iter().find(|trial| trial.id == recommended) else {
            return Ok(Choice { trial: 0, gain: 0.0, standard_error: 0.0 });
        };
        let chosen = self.strictest_like(recommended, doubt.strictness)?;
        let Some(uniform) = self.trials.iter().find(|trial| trial.number == 0) else {
            return Ok(Choice { trial: chosen.number, gain: 0.0, standard_error: 0.0 });
        };
        let (gain, standard_error) = paired(&chosen.scores, &uniform.scores)?;
        Ok(if gain > doubt.caution * standard_error {
            Choice { trial: chosen.number, gain, standard_error }
        } else {
            Choice { trial: 0, gain: 0.0, standard_error }
        })
    }

    fn strictest_like<'a>(&'a self, recommended: &'a Tried, strictness: f64) -> Result<&'a Tried> {
        let mut strictest = recommended;
        if strictness > 0.0 && recommended.number != 0 {
            for trial in &self.trials {
                let (lack, standard_error) = paired(&recommended.scores, &trial.scores)?;
                let as_good = lack <= strictness * standard_error;
                if as_good && trial.effective_share < strictest.effective_share {
                    strictest = trial;
                }
            }
        }
        Ok(strictest)
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

    const EXACT: Doubt = Doubt { caution: 0.0, strictness: 0.0 };

    fn tried(number: usize, id: u64, effective_share: f64, scores: Vec<f64>) -> Tried {
        Tried { number, id: TrialId(id), effective_share, scores }
    }

    fn base() -> Vec<f64> {
        (0..100).map(|i| f64::from(i % 2)).collect()
    }

    /// `base` and gains of mean 1.5 `step`, with a deviation of 1.124 `step`.
    fn better(step: f64) -> Vec<f64> {
        base().iter().enumerate().map(|(i, score)| score + step * (i % 4) as f64).collect()
    }

    fn evidence(step: f64) -> Evidence {
        Evidence { trials: vec![tried(0, 7, 1.0, base()), tried(3, 9, 0.6, better(step))] }
    }

    #[test]
    fn a_clear_gain_is_chosen_and_an_unclear_one_is_not() {
        let choose =
            |step, id, caution| evidence(step).choose(TrialId(id), Doubt { caution, ..EXACT }).unwrap();
        let clear = choose(0.1, 9, 2.0);
        assert_eq!(clear.trial, 3);
        assert!((clear.gain - 0.15).abs() < 1e-12);
        // Mean 0.15, deviation 0.1124 over 100 pairs: 13.3 standard errors.
        assert_eq!(choose(0.1, 9, 14.0).trial, 0);
        assert_eq!(choose(-0.1, 9, 0.0).trial, 0);
        assert_eq!(choose(0.1, 7, 1.0).trial, 0);
    }

    #[test]
    fn of_rules_that_are_as_good_the_strictest_is_taken() {
        // Trial 5 lacks 0.015 of trial 3, with a standard error of 0.001124: 13.3 of them; trial 6 is equal but laxer.
        let mut evidence = evidence(0.1);
        evidence.add(tried(5, 11, 0.5, better(0.09)));
        evidence.add(tried(6, 12, 0.7, better(0.1)));
        let choose = |strictness| evidence.choose(TrialId(9), Doubt { strictness, ..EXACT }).unwrap().trial;
        assert_eq!(choose(0.0), 3);
        assert_eq!(choose(13.0), 3);
        assert_eq!(choose(14.0), 5);
        // Uniform sampling that is recommended stands.
        let stands = evidence.choose(TrialId(7), Doubt { strictness: 1e9, ..EXACT }).unwrap();
        assert_eq!(stands.trial, 0);
    }

    #[test]
    fn scores_of_different_examples_are_no_pairs() {
        let mut evidence = evidence(0.1);
        evidence.add(tried(4, 10, 0.5, vec![1.0; 99]));
        let error = evidence.choose(TrialId(10), EXACT).unwrap_err().to_string();
        assert!(error.contains("expected 100 values, found 99"), "{error}");
    }
}
