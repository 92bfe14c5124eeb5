//! The choice at the end of a study whose trials give one score each.

use serde::Serialize;
use ss_bo::{BayesOpt, Optimizer, Trial, TrialId};
use ss_sampler::canonicalize_unit;

use super::ExternalStudy;
use crate::{Error, Result};

/// What a study believes about the rule of one of its trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The trial.
    pub trial: TrialId,
    /// What it is: the name of a start-up shape, or `model`.
    pub name: String,
    /// The score that was told.
    pub observed: f64,
    /// The posterior mean of the model there: what the score would be without its noise.
    pub mean: f64,
    /// Standard deviation of that belief.
    pub std: f64,
}

/// Which rule to use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// The trial to use: the recommended one, or uniform sampling where the gain is not clear.
    pub chosen: TrialId,
    /// The completed trial with the best posterior mean.
    pub recommended: Estimate,
    /// Uniform sampling; absent when its trial gave no score.
    pub uniform: Option<Estimate>,
    /// Difference of the posterior means of the two; 0 without a uniform trial.
    pub gain: f64,
    /// Standard error of the gain, from both beliefs as if they were independent: an upper bound where the model's
    /// errors at the two rules go the same way.
    pub standard_error: f64,
    /// How many standard errors were asked for.
    pub caution: f64,
}

impl ExternalStudy {
    /// The rule to use if the study ended now.
    ///
    /// Of the rules that were tried the one with the best posterior mean is recommended, and not that with the best
    /// score, which is the luckiest of many. It replaces uniform sampling only where it gains more than `caution`
    /// standard errors over it. Our own search compares the two example by example on validation data; here only the
    /// scores are known, and the standard error is the model's.
    ///
    /// # Errors
    /// [`Error::NoTrialSucceeded`] before the first score.
    pub fn best(&self, caution: f64) -> Result<Best> {
        if !(caution.is_finite() && caution >= 0.0) {
            return Err(Error::InvalidSetting {
                setting: "caution",
                found: caution.to_string(),
                expected: "a number of standard errors, 0 or more",
            });
        }
        let loaded = self.study.load()?;
        let bo = loaded.optimizer();
        let Some(best) = bo.best() else {
            let reason = match bo.trials().len() {
                0 => "none was asked for".to_owned(),
                _ => "no score was told".to_owned(),
            };
            return Err(Error::NoTrialSucceeded { trials: bo.trials().len(), reason });
        };
        let recommended = Estimate {
            trial: best.id,
            name: self.rules.name_of(&best.x).to_owned(),
            observed: best.observed,
            mean: best.mean,
            std: best.std,
        };
        let uniform = bo.trials().iter().find(|t| t.score().is_some() && self.rules.is_uniform(&t.x));
        let uniform = uniform.map(|trial| self.estimate(bo, trial)).transpose()?.flatten();
        let (gain, standard_error) = match &uniform {
            None => (0.0, recommended.std),
            Some(uniform) => (recommended.mean - uniform.mean, recommended.std.hypot(uniform.std)),
        };
        let chosen = match &uniform {
            Some(uniform) if gain <= caution * standard_error => uniform.trial,
            _ => recommended.trial,
        };
        Ok(Best { chosen, recommended, uniform, gain, standard_error, caution })
    }

    fn estimate(&self, bo: &BayesOpt, trial: &Trial) -> Result<Option<Estimate>> {
        let (Some(surrogate), Some(observed)) = (bo.surrogate()?, trial.score()) else { return Ok(None) };
        let posterior = surrogate.posterior(&canonicalize_unit(self.rules.ranked().spec(), &trial.x)?);
        let mean = surrogate.scale().to_score(posterior.mean);
        Ok(Some(Estimate {
            trial: trial.id,
            name: self.rules.name_of(&trial.x).to_owned(),
            observed,
            mean,
            // To first order, as the optimiser's own recommendation.
            std: posterior.variance.sqrt() / surrogate.scale().slope(mean),
        }))
    }
}
