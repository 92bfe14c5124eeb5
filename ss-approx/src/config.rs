//! The settings of a training run, checked once.

use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::optimiser::OptimiserKind;
use crate::schedule::Decay;
use crate::{Error, Result};

/// Settings of a training run as a user writes them; [`check`](Self::check) turns them into a
/// [`TrainConfig`]. The defaults are SGD with Nesterov momentum 0.9, weight decay 5e-4, batches of 128 and a
/// rate of 0.1 that falls to zero along a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSettings {
    /// Passes over the training data, 1 to 10^6.
    pub epochs: usize,
    /// Images a step, 1 to 10^6.
    pub batch_size: usize,
    /// The largest learning rate, positive; that of the first step unless there is a warm-up.
    pub learning_rate: f64,
    /// Share of the steps of a run on which the rate rises to it, in `[0, 1)`; a trial is a run too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warmup: f64,
    /// How the rate falls to zero.
    pub decay: Decay,
    /// What takes the steps.
    #[serde(default, skip_serializing_if = "OptimiserKind::is_sgd")]
    pub optimiser: OptimiserKind,
    /// Momentum in `[0, 1)`; of SGD alone, as is Nesterov's form.
    pub momentum: f64,
    /// Nesterov's form of momentum.
    pub nesterov: bool,
    /// Weight decay, non-negative, on every trained value.
    pub weight_decay: f64,
    /// Random crops and flips.
    pub augmentation: Augmentation,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 128,
            learning_rate: 0.1,
            warmup: 0.0,
            decay: Decay::Cosine,
            optimiser: OptimiserKind::Sgd,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            augmentation: Augmentation::default(),
        }
    }
}

impl TrainSettings {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] naming the first setting that is out of range.
    pub fn check(self) -> Result<TrainConfig> {
        let invalid =
            |setting, found: String, expected| Err(Error::InvalidSetting { setting, found, expected });
        if !(1..=1_000_000).contains(&self.epochs) {
            return invalid("epochs", self.epochs.to_string(), "at least 1, and at most 1000000");
        }
        if !(1..=1_000_000).contains(&self.batch_size) {
            return invalid("batch_size", self.batch_size.to_string(), "at least 1, and at most 1000000");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return invalid("learning_rate", self.learning_rate.to_string(), "a positive number such as 0.1");
        }
        if !(0.0..1.0).contains(&self.warmup) {
            return invalid("warmup", self.warmup.to_string(), "a share of the steps in [0, 1) such as 0.1");
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return invalid("momentum", self.momentum.to_string(), "a number in [0, 1) such as 0.9");
        }
        if self.nesterov && self.momentum == 0.0 {
            return invalid("nesterov", "true".into(), "a positive momentum, or nesterov = false");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return invalid(
                "weight_decay",
                self.weight_decay.to_string(),
                "a non-negative number such as 5e-4",
            );
        }
        Ok(TrainConfig { settings: self })
    }
}

/// Settings whose ranges have been checked; dereferences to [`TrainSettings`].
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    settings: TrainSettings,
}

impl std::ops::Deref for TrainConfig {
    type Target = TrainSettings;

    fn deref(&self) -> &TrainSettings {
        &self.settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_setting_is_named() {
        let good = TrainSettings::default;
        let cases: [(&str, TrainSettings); 7] = [
            ("epochs", TrainSettings { epochs: 0, ..good() }),
            ("batch_size", TrainSettings { batch_size: 0, ..good() }),
            ("learning_rate", TrainSettings { learning_rate: f64::NAN, ..good() }),
            ("warmup", TrainSettings { warmup: 1.0, ..good() }),
            ("momentum", TrainSettings { momentum: 1.0, ..good() }),
            ("nesterov", TrainSettings { momentum: 0.0, ..good() }),
            ("weight_decay", TrainSettings { weight_decay: -1.0, ..good() }),
        ];
        for (name, settings) in cases {
            let message = settings.check().unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
        assert!(good().check().is_ok());
    }
}
