//! Leave out the largest losses: what a practitioner would try first.

use ss_approx::{CrossEntropy, EpochReport, Sampling};
use ss_sampler::Weights;

use crate::{Cost, Information, Outcome, Result, Task, TrainingMethod};

/// Drops as many training examples as there are wrong labels, those of the largest loss at the reference of the
/// uniform run (where its network knows the pattern and has not memorised the wrong labels), and trains from scratch
/// on the rest for the same number of steps. Our yardstick, from no paper: the small-loss trick without a schedule.
///
/// At a noise rate of zero it is the baseline, bit for bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossThreshold;

impl LossThreshold {
    /// Weight 1 for the examples that are kept, 0 for the `floor(rate n)` of largest `losses` `[n]`; of equal losses the
    /// later example goes first.
    ///
    /// # Errors
    /// [`Error::Sampler`](crate::Error::Sampler) when nothing is kept.
    pub fn weights(losses: &[f32], rate: f64) -> Result<Weights> {
        let mut order: Vec<usize> = (0..losses.len()).collect();
        order.sort_by(|&a, &b| losses[a].total_cmp(&losses[b]));
        let dropped = (rate * losses.len() as f64 + 1e-9).floor() as usize;
        let mut tau = vec![1.0; losses.len()];
        for &example in order.iter().rev().take(dropped) {
            tau[example] = 0.0;
        }
        Ok(Weights::new(tau)?)
    }
}

impl TrainingMethod for LossThreshold {
    fn name(&self) -> &'static str {
        "loss-threshold"
    }

    fn information(&self) -> Information {
        Information::NOISE_RATE
    }

    fn reads_uniform_run(&self) -> bool {
        true
    }

    /// The cost is that of the final training: the uniform run is the baseline, which everyone has.
    fn train(&self, task: &Task, observe: &mut dyn FnMut(EpochReport)) -> Result<Outcome> {
        let rate = task.known.noise_rate(self.name())?;
        let losses = task.known.reference_loss(self.name(), task.trainer.data.len())?;
        let sampling = Sampling::Fixed(Self::weights(losses, rate)?);
        let run = task.minimise(&mut CrossEntropy, sampling, observe)?;
        let cost = Cost::of_training(run.cost.trained, 1);
        Ok(Outcome { run, cost })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_losses_go() {
        let kept = |losses: &[f32], rate| LossThreshold::weights(losses, rate).unwrap().tau().to_vec();
        let losses = [0.3, 2.0, 0.1, 2.0, 0.2];
        assert_eq!(kept(&losses, 0.0), [1.0; 5]);
        assert_eq!(kept(&losses, 0.19), [1.0; 5]);
        assert_eq!(kept(&losses, 0.2), [1.0, 1.0, 1.0, 0.0, 1.0]);
        assert_eq!(kept(&losses, 0.4), [1.0, 0.0, 1.0, 0.0, 1.0]);
        // 0.29 * 100 is 28.999999999999996 in f64.
        assert_eq!(kept(&[0.5; 100], 0.29).iter().sum::<f64>(), 71.0);
        assert!(LossThreshold::weights(&losses, 1.0).is_err());
    }
}
