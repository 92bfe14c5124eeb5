//! The choice at the end of a study whose trials give one score each.

use serde::Serialize;
use ss_bo::{BayesOpt, Optimizer, Recommendation, Trial, TrialId};
use ss_sampler::{SamplerSpec, canonicalize_unit};

use super::ExternalStudy;
use crate::{Error, Result, selection};

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
    /// What the recommended rule gains over uniform sampling, and the standard error of that; both absent when there is no
    /// score of uniform sampling to compare with.
    pub gain: Option<f64>,
    /// See [`gain`](Self::gain).
    pub standard_error: Option<f64>,
    /// Whether gain and standard error come from the scores of the validation examples, in pairs, and not from the
    /// model.
    pub paired: bool,
    /// How many standard errors were asked for.
    pub caution: f64,
}

impl ExternalStudy {
    /// The rule to use if the study ended now.
    ///
    /// Of the rules that were tried the one with the best posterior mean is recommended, and not that with the best
    /// score, which is the luckiest of many. It replaces uniform sampling only where it gains more than `caution`
    /// standard errors over it:
    ///
    /// - where both trials told their scores example by example
    ///   ([`observe_examples`](ExternalStudy::observe_examples)), the mean of the paired differences and its standard
    ///   error, as our own search does;
    /// - else the difference of the posterior means, and both deviations of the model as if they were independent.
    ///   That is the model's doubt alone: what all trials have in common, such as a small validation set, is not in
    ///   it.
    ///
    /// Neither standard error knows that the rule is the best of many: on validation data of finite size it looks
    /// better than it is. A second look, at the model that was trained under it to the end, is the caller's
    /// (`examples/pytorch/train.py` takes it).
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
        let recommended = Estimate::of(&best, self.rules.name_of(&best.x));
        let uniform = bo.trials().iter().find(|t| t.score().is_some() && self.rules.is_uniform(&t.x));
        let spec = self.rules.ranked().spec();
        let estimate = |trial: &Trial| Estimate::at(bo, spec, trial, self.rules.name_of(&trial.x));
        let uniform = uniform.map(estimate).transpose()?.flatten();
        let by_example = match &uniform {
            Some(uniform) if uniform.trial != recommended.trial => {
                let scores = |id| self.example_scores.read(&loaded, id);
                scores(recommended.trial)?.zip(scores(uniform.trial)?)
            }
            _ => None,
        };
        let paired = by_example.is_some();
        let compared = match (&uniform, by_example) {
            (_, Some((rule, uniform))) => Some(selection::paired(&rule, &uniform)?),
            (Some(uniform), None) if uniform.trial == recommended.trial => Some((0.0, 0.0)),
            (Some(uniform), None) => {
                Some((recommended.mean - uniform.mean, recommended.std.hypot(uniform.std)))
            }
            (None, None) => None,
        };
        let chosen = match (&uniform, compared) {
            (Some(uniform), Some((gain, error))) if gain <= caution * error => uniform.trial,
            _ => recommended.trial,
        };
        let (gain, standard_error) = compared.unzip();
        Ok(Best { chosen, recommended, uniform, gain, standard_error, paired, caution })
    }
}

impl Estimate {
    /// The estimate that comes with a recommendation.
    pub(crate) fn of(best: &Recommendation, name: &str) -> Self {
        let &Recommendation { id: trial, observed, mean, std, .. } = best;
        Self { trial, name: name.to_owned(), observed, mean, std }
    }

    /// What the model believes of a trial; `None` where it has no score.
    pub(crate) fn at(bo: &BayesOpt, spec: &SamplerSpec, trial: &Trial, name: &str) -> Result<Option<Self>> {
        let (Some(surrogate), Some(observed)) = (bo.surrogate()?, trial.score()) else { return Ok(None) };
        let posterior = surrogate.posterior(&canonicalize_unit(spec, &trial.x)?);
        let mean = surrogate.scale().to_score(posterior.mean);
        Ok(Some(Self {
            trial: trial.id,
            name: name.to_owned(),
            observed,
            mean,
            // To first order, as the optimiser's own recommendation.
            std: posterior.variance.sqrt() / surrogate.scale().slope(mean),
        }))
    }

    /// The estimate as a line of text about `what`.
    pub(crate) fn in_words(&self, what: &str) -> String {
        let Self { trial, name, observed, mean, std } = self;
        format!(
            "{what}: {name} (trial {trial}), score {observed}, posterior {} +- {}\n",
            short(*mean),
            short(*std)
        )
    }
}

impl Best {
    /// What is best and why, in two or three lines.
    pub fn in_words(&self) -> String {
        let Self { chosen, recommended, uniform, gain, standard_error, paired, caution } = self;
        let mut out = recommended.in_words("best of the rules tried");
        let Some(uniform) = uniform else {
            return out
                + &format!("Uniform sampling gave no score to compare with. Chosen: trial {chosen}.\n");
        };
        if uniform.trial == recommended.trial {
            return out + &format!("No other rule is better: chosen is uniform sampling (trial {chosen}).\n");
        }
        out += &uniform.in_words("uniform sampling");
        let how = if *paired { "over the validation examples, in pairs" } else { "by the model" };
        let shown = |number: &Option<f64>| number.map_or_else(String::new, short);
        out += &format!("gain {} +- {} {how}: ", shown(gain), shown(standard_error));
        out += &if chosen == &recommended.trial {
            format!(
                "chosen is {} (trial {chosen})\nThe standard error ignores that it is the best of many: compare the \
                 model trained under it with the uniform run's too.\n",
                recommended.name
            )
        } else {
            format!("not more than {caution} standard errors, chosen is uniform sampling (trial {chosen})\n")
        };
        out
    }
}

/// A number with four digits that tell.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        let digits =
            if value == 0.0 { 1 } else { (3 - value.abs().log10().floor() as i32).clamp(0, 6) as usize };
        return format!("{value:.digits$}");
    }
    format!("{value:.3e}")
}
