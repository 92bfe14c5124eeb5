//! Co-teaching: two networks that choose examples for each other.

use candle_core::Tensor;
use ss_approx::{Batch, EpochReport, Objective, Optimiser, Sampling, Session};
use ss_models::{Mode, Snapshot};

use crate::weighted::{example_losses, weighted_mean};
use crate::{Cost, Error, Information, Outcome, Result, Task, TrainingMethod};

/// Co-teaching (Han et al., NeurIPS 2018, arXiv 1804.06872): in each batch each network picks the examples of smallest
/// loss, and the *other* one is trained on them. The share that is left out grows linearly from 0 to the forget rate,
/// the true noise rate, over the first `T_k` epochs.
///
/// Published: `T_k = 10` of 200 epochs. Here the warm-up lasts 10 epochs, but at most a third of the run: a shorter
/// run keeps time to train on chosen examples. As in the paper, epoch `T` (counted from 0) leaves out
/// `rate min(T / T_k, 1)`. The loss is the mean over the chosen examples; the released code divides that mean by
/// their number once more, to which its Adam is indifferent and SGD is not.
///
/// The second network has the same architecture, batches and optimiser, and other initial weights. The first one is
/// the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoTeaching {
    warm_up: f64,
}

impl Default for CoTeaching {
    fn default() -> Self {
        Self { warm_up: 10.0 }
    }
}

impl CoTeaching {
    /// With another longest warm-up `T_k`, in epochs.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless it is positive and finite.
    pub fn new(warm_up: f64) -> Result<Self> {
        if warm_up.is_finite() && warm_up > 0.0 {
            return Ok(Self { warm_up });
        }
        Err(Error::InvalidSetting {
            setting: "warm_up",
            found: warm_up.to_string(),
            expected: "a positive number of epochs such as 10",
        })
    }

    /// The share of a batch that is left out in `epoch` (counted from 0) of a run of `epochs`, for a noise rate `rate`.
    ///
    /// ```
    /// use ss_baselines::CoTeaching;
    /// let method = CoTeaching::default();
    /// assert_eq!(method.forget_rate(0.4, 0, 200), 0.0);
    /// assert_eq!(method.forget_rate(0.4, 5, 200), 0.2);
    /// assert_eq!(method.forget_rate(0.4, 199, 200), 0.4);
    /// // A run of 6 epochs warms up over 2.
    /// assert_eq!(method.forget_rate(0.4, 1, 6), 0.2);
    /// ```
    pub fn forget_rate(&self, rate: f64, epoch: usize, epochs: usize) -> f64 {
        let warm_up = self.warm_up.min(epochs as f64 / 3.0);
        rate * (epoch as f64 / warm_up).min(1.0)
    }

    /// As [`train`](TrainingMethod::train), and gives the second network too.
    ///
    /// # Errors
    /// As [`train`](TrainingMethod::train).
    pub fn train_pair(
        &self,
        task: &Task,
        observe: &mut dyn FnMut(EpochReport),
    ) -> Result<(Outcome, Snapshot)> {
        let rate = task.known.noise_rate(self.name())?;
        let peer = task.trainer.session(task.seed.derive("co-teaching-peer", 0))?;
        let optimiser = peer.optimiser()?;
        let mut pair = Pair { method: *self, rate, epochs: task.trainer.config.epochs, peer, optimiser };
        let run = task.minimise(&mut pair, Sampling::Uniform, observe)?;
        let cost = Cost::of_training(run.cost.trained, 2);
        let peer = pair.peer.snapshot()?;
        Ok((Outcome { run, cost }, peer))
    }
}

impl TrainingMethod for CoTeaching {
    fn name(&self) -> &'static str {
        "co-teaching"
    }

    fn information(&self) -> Information {
        Information::NOISE_RATE
    }

    fn train(&self, task: &Task, observe: &mut dyn FnMut(EpochReport)) -> Result<Outcome> {
        Ok(self.train_pair(task, observe)?.0)
    }
}

/// The objective of the first network, which takes the steps of the second one along.
struct Pair<'a> {
    method: CoTeaching,
    rate: f64,
    epochs: usize,
    peer: Session<'a>,
    optimiser: Optimiser,
}

impl Pair<'_> {
    fn step(&mut self, batch: &Batch, session: &Session) -> Result<Tensor> {
        let backend = session.backend();
        let ours = session.network().forward(batch.x, Mode::Train)?.logits;
        let theirs = self.peer.network().forward(batch.x, Mode::Train)?.logits;
        let forget = self.method.forget_rate(self.rate, batch.epoch, self.epochs);
        let chosen = |logits: &Tensor| {
            Ok::<_, Error>(small_losses(&example_losses(backend, "loss", logits, batch.labels)?, forget))
        };
        let (our_choice, their_choice) = (chosen(&ours)?, chosen(&theirs)?);
        let loss = weighted_mean(backend, &theirs, batch.labels, &our_choice)?;
        self.optimiser.step(&loss.backward()?, batch.learning_rate)?;
        weighted_mean(backend, &ours, batch.labels, &their_choice)
    }
}

impl Objective for Pair<'_> {
    fn loss(&mut self, batch: &Batch, session: &Session) -> ss_approx::Result<Tensor> {
        Ok(self.step(batch, session)?)
    }
}

/// 1 for the `floor((1 - forget) n)` smallest losses, at least one, and 0 for the others; of equal losses the earlier
/// is the smaller.
fn small_losses(losses: &[f32], forget: f64) -> Vec<f32> {
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by(|&a, &b| losses[a].total_cmp(&losses[b]));
    let kept = (((1.0 - forget) * losses.len() as f64 + 1e-9).floor() as usize).max(1);
    let mut chosen = vec![0.0; losses.len()];
    for &example in order.iter().take(kept) {
        chosen[example] = 1.0;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_losses_of_hand_made_batches() {
        let losses = [0.5, 0.1, 3.0, 0.1, 2.0];
        assert_eq!(small_losses(&losses, 0.0), [1.0; 5]);
        assert_eq!(small_losses(&losses, 0.2), [1.0, 1.0, 0.0, 1.0, 1.0]);
        // floor(0.7 * 5) = 3.
        assert_eq!(small_losses(&losses, 0.3), [1.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(small_losses(&losses, 0.8), [0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(small_losses(&losses, 0.99), [0.0, 1.0, 0.0, 0.0, 0.0]);
        // (1 - 0.4) * 10 is 6 and (1 - 0.9) * 10 is 0.99... in f64.
        assert_eq!(small_losses(&[1.0; 10], 0.4).iter().sum::<f32>(), 6.0);
        assert_eq!(small_losses(&[1.0; 10], 0.9).iter().sum::<f32>(), 1.0);
    }

    #[test]
    fn the_warm_up_must_have_a_length() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(CoTeaching::new(bad).is_err(), "{bad}");
        }
        assert_eq!(CoTeaching::new(10.0).unwrap(), CoTeaching::default());
    }
}
