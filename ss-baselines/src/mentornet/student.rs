//! A student network in training under a mentor.

use candle_core::Tensor;
use ss_approx::{Batch, Objective, Session};
use ss_models::Mode;
use ss_sampler::Draw;
use ss_seed::{Seed, Stream};

use super::{LossAverage, Row};
use crate::weighted::{example_losses, mean_of_weighted};
use crate::{Error, Result};

/// How a student uses the weights of its mentor. The defaults are those of the release (`code/utils.py`,
/// `code/cifar_train_mentornet.py` and its commands).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentSettings {
    /// The percentile of a batch's losses whose moving average a loss is compared with, in `[0, 1]`. 0.7 by default; the
    /// released commands tune it to the noise rate (0.75 for PD; 0.8, 0.6, 0.5 for DD at 20, 40, 80%).
    pub percentile: f64,
    /// Share of the old value in that moving average, in `[0, 1)`: 0.5.
    pub decay: f64,
    /// Share of each batch whose weights are set to zero at random early in training, in `[0, 1)`: 0.5.
    pub early_dropout: f64,
    /// Percent of the training that counts as early, 0 to 100: 17.
    pub early_percent: u32,
    /// Share of each batch whose weights are set to zero later, in `[0, 1)`: 0.05.
    pub dropout: f64,
}

impl Default for StudentSettings {
    fn default() -> Self {
        Self { percentile: 0.7, decay: 0.5, early_dropout: 0.5, early_percent: 17, dropout: 0.05 }
    }
}

impl StudentSettings {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] naming the first setting that is out of range.
    pub fn check(self) -> Result<StudentConfig> {
        LossAverage::new(self.percentile, self.decay)?;
        let invalid =
            |setting, found: String, expected| Err(Error::InvalidSetting { setting, found, expected });
        for (setting, share) in [("early_dropout", self.early_dropout), ("dropout", self.dropout)] {
            if !(0.0..1.0).contains(&share) {
                return invalid(setting, share.to_string(), "a share of the batch in [0, 1) such as 0.05");
            }
        }
        if self.early_percent > 100 {
            return invalid("early_percent", self.early_percent.to_string(), "a percentage such as 17");
        }
        Ok(StudentConfig { settings: self })
    }
}

/// Settings whose ranges have been checked; dereferences to [`StudentSettings`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentConfig {
    settings: StudentSettings,
}

impl std::ops::Deref for StudentConfig {
    type Target = StudentSettings;

    fn deref(&self) -> &StudentSettings {
        &self.settings
    }
}

/// What gives each example of a batch its weight.
pub(super) trait Mentor {
    /// Weights `[n]` in `[0, 1]` of the examples of `batch`, whose features are `rows`.
    fn weights(&mut self, rows: &[Row], batch: &Batch) -> Result<Vec<f32>>;
}

/// The student's loss: the mean over the batch of weight times cross-entropy. The weights are constants to the gradient.
///
/// The release also scales the weight decay by the mean weight of the batch, for one of its two students; here it stays
/// that of the trainer.
pub(super) struct Student<M> {
    config: StudentConfig,
    average: LossAverage,
    dropout: Stream,
    mentor: M,
}

impl<M: Mentor> Student<M> {
    pub(super) fn new(config: StudentConfig, mentor: M, seed: Seed) -> Result<Self> {
        let average = LossAverage::new(config.percentile, config.decay)?;
        Ok(Self { config, average, dropout: seed.stream("mentornet-dropout"), mentor })
    }

    fn step(&mut self, batch: &Batch, session: &Session) -> Result<Tensor> {
        let logits = session.network().forward(batch.x, Mode::Train)?.logits;
        let losses = example_losses(session.backend(), "loss", &logits, batch.labels)?;
        let average = self.average.update(&losses)?;
        let epoch_percent = (100.0 * batch.progress) as u32;
        let row = |&loss: &f32| Row { loss, difference: loss - average, label: 0, epoch_percent };
        let rows: Vec<Row> = losses.iter().map(row).collect();
        let mut weights = self.mentor.weights(&rows, batch)?;
        let early = epoch_percent < self.config.early_percent;
        let share = if early { self.config.early_dropout } else { self.config.dropout };
        drop_out(&mut weights, share, batch.draws, self.dropout.index(batch.epoch as u64));
        mean_of_weighted(session.backend(), &logits, batch.labels, &weights)
    }
}

impl<M: Mentor> Objective for Student<M> {
    fn loss(&mut self, batch: &Batch, session: &Session) -> ss_approx::Result<Tensor> {
        Ok(self.step(batch, session)?)
    }
}

/// Sets all but `floor((1 - share) n)` of the weights to zero, chosen at random by example and copy: "the probability of
/// setting sample weights to zeros" of the release.
fn drop_out(weights: &mut [f32], share: f64, draws: &[Draw], stream: Stream) {
    let key = |&slot: &usize| {
        let draw = draws[slot];
        (stream.index(draw.example() as u64).index(u64::from(draw.copy())).hash(), slot)
    };
    let kept = ((1.0 - share) * weights.len() as f64 + 1e-9).floor() as usize;
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_cached_key(key);
    for &slot in &order[kept.min(order.len())..] {
        weights[slot] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use ss_sampler::EpochPlan;

    use super::*;

    #[test]
    fn dropout_zeroes_an_exact_share_of_every_batch_evenly() {
        let stream = Seed::new(0).stream("dropout");
        let mut kept = vec![0; 40];
        for epoch in 0..500 {
            let plan = EpochPlan::shuffled(40, Seed::new(1).stream("order"), epoch).unwrap();
            let mut weights = vec![0.7; 40];
            drop_out(&mut weights, 0.3, plan.draws(), stream.index(epoch));
            assert_eq!(weights.iter().filter(|w| **w == 0.7).count(), 28);
            assert_eq!(weights.iter().filter(|w| **w == 0.0).count(), 12);
            for (weight, draw) in weights.iter().zip(plan.draws()) {
                kept[draw.example()] += usize::from(*weight > 0.0);
            }
        }
        // Binomial(500, 0.7): deviation 10.2; five of them.
        assert!(kept.iter().all(|&n| (299..=401).contains(&n)), "{kept:?}");
        let plan = EpochPlan::shuffled(40, Seed::new(1).stream("order"), 0).unwrap();
        let mut weights = vec![0.7; 40];
        drop_out(&mut weights, 0.0, plan.draws(), stream);
        assert_eq!(weights, [0.7; 40]);
    }

    #[test]
    fn bad_settings_are_named() {
        let good = StudentSettings::default;
        let cases = [
            ("percentile", StudentSettings { percentile: 1.1, ..good() }),
            ("decay", StudentSettings { decay: 1.0, ..good() }),
            ("early_dropout", StudentSettings { early_dropout: 1.0, ..good() }),
            ("early_percent", StudentSettings { early_percent: 101, ..good() }),
            ("dropout", StudentSettings { dropout: f64::NAN, ..good() }),
        ];
        for (name, settings) in cases {
            let message = settings.check().unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
        assert_eq!(*good().check().unwrap(), good());
    }
}
