//! Epochs of training of one network.

use std::ops::ControlFlow;

use ss_features::FeatureTable;
use ss_kernels::Backend;
use ss_models::{Network, NetworkSpec, Parameters, Snapshot};
use ss_sampler::EpochPlan;
use ss_seed::Seed;

use crate::epoch_loss::EpochLoss;
use crate::sampling::Sampled;
use crate::steps::Steps;
use crate::{
    Batch, CrossEntropy, Device, Error, Examples, LearningRate, Objective, Optimiser, Predictions, Result,
    Sampling, TrainConfig,
};

/// What stays the same over all runs of one experiment: network, data, settings, device.
#[derive(Clone, Debug)]
pub struct Trainer<'a> {
    /// The network that every run trains.
    pub network: NetworkSpec,
    /// What it trains on.
    pub data: &'a dyn Examples,
    /// How it trains.
    pub config: TrainConfig,
    /// Where it trains.
    pub device: Device,
}

/// One stretch of training.
#[derive(Clone, Debug)]
pub struct Run {
    /// Root of the order of examples and of the augmentation. Two runs with one seed see the same random
    /// numbers whatever their weights.
    pub seed: Seed,
    /// Passes over the data, fractions allowed, positive.
    pub epochs: f64,
    /// The largest learning rate: that of the first step unless the settings have a warm-up; it falls to zero over the run.
    pub learning_rate: f64,
    /// How examples are drawn.
    pub sampling: Sampling,
}

/// What an observer is told after each epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochReport {
    /// The epoch that has just ended, counted from 0.
    pub epoch: usize,
    /// The number of epochs of the run, the last of which may be a fraction.
    pub epochs: usize,
    /// Mean of the loss that training minimises over the epoch's draws, in nats.
    pub train_loss: f64,
}

/// What a run has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunCost {
    /// Examples trained on, with repetition.
    pub trained: u64,
    /// Examples passed forward to re-read features.
    pub reread: u64,
}

/// A place inside a run, the same for all runs of one length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checkpoint {
    /// Steps of SGD behind it, at least 1 and fewer than the run has.
    pub step: usize,
    /// Passes over the training data behind it.
    pub epochs: f64,
}

impl Trainer<'_> {
    /// A freshly initialised network, its weights drawn from `seed`.
    pub fn session(&self, seed: Seed) -> Result<Session<'_>> {
        let parameters =
            Parameters::new(seed, self.device.tensors().clone()).with_backend(self.device.backend());
        let network = self.data.build(&self.network, &parameters)?;
        Ok(Session { trainer: self, parameters, network })
    }

    /// The place after `share` of the steps of a run of `epochs` epochs, to the nearest step.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a share outside (0, 1) and for a run that has fewer than two steps.
    pub fn checkpoint(&self, epochs: f64, share: f64) -> Result<Checkpoint> {
        let invalid =
            |setting, found: String, expected| Err(Error::InvalidSetting { setting, found, expected });
        if !(share > 0.0 && share < 1.0) {
            return invalid("checkpoint", share.to_string(), "a share of the run in (0, 1) such as 0.5");
        }
        let (lengths, batch) = (epoch_lengths(epochs, self.data.len())?, self.config.batch_size);
        let steps: usize = lengths.iter().map(|draws| draws.div_ceil(batch)).sum();
        if steps < 2 {
            let expected = "a run of at least two steps: more epochs or a smaller batch";
            return invalid("epochs", format!("{epochs} ({steps} step)"), expected);
        }
        let step = ((share * steps as f64).round() as usize).clamp(1, steps - 1);
        let (mut left, mut draws) = (step, 0);
        for length in lengths {
            let taken = left.min(length.div_ceil(batch));
            draws += (taken * batch).min(length);
            left -= taken;
        }
        Ok(Checkpoint { step, epochs: draws as f64 / self.data.len() as f64 })
    }

    /// The draws of a run's epoch `epoch`: exactly an ordinary shuffled epoch when the sampling is uniform.
    fn plan(
        &self,
        run: &Run,
        epoch: usize,
        draws: usize,
        sampled: &mut Sampled,
        session: &Session,
    ) -> Result<EpochPlan> {
        let stream = run.seed.stream("epoch-order");
        let weights = sampled.weights(epoch, || session.features(self.data))?;
        Ok(match weights {
            None if draws == self.data.len() => EpochPlan::shuffled(draws, stream, epoch as u64)?,
            None => {
                let uniform = ss_sampler::Weights::uniform(self.data.len())?;
                EpochPlan::systematic(&uniform, draws, stream, epoch as u64)?
            }
            Some(weights) => EpochPlan::systematic(weights, draws, stream, epoch as u64)?,
        })
    }
}

/// One network in training.
pub struct Session<'a> {
    trainer: &'a Trainer<'a>,
    parameters: Parameters,
    network: Box<dyn Network>,
}

impl Session<'_> {
    /// Trains for one run and calls `observe` after each epoch; momentum starts at zero.
    ///
    /// # Errors
    /// [`Error::Diverged`] as soon as an epoch's mean loss is not finite; [`Error::InvalidSetting`] for a run
    /// of no length; errors of `observe`.
    pub fn train(
        &mut self,
        run: &Run,
        observe: impl FnMut(EpochReport, &Self) -> Result<()>,
    ) -> Result<RunCost> {
        self.train_stepwise(run, |_, _| Ok(ControlFlow::Continue(())), observe)
    }

    /// As [`train`](Self::train), and calls `after_step` with the number of steps done after each of them. Looking
    /// does not change the run; [`ControlFlow::Break`] ends it there, in the middle of an epoch, whose report is
    /// then not given.
    ///
    /// # Errors
    /// As [`train`](Self::train), and errors of `after_step`.
    pub fn train_stepwise(
        &mut self,
        run: &Run,
        after_step: impl FnMut(usize, &Self) -> Result<ControlFlow<()>>,
        observe: impl FnMut(EpochReport, &Self) -> Result<()>,
    ) -> Result<RunCost> {
        self.minimise(run, &mut CrossEntropy, after_step, observe)
    }

    /// As [`train_stepwise`](Self::train_stepwise), with another loss than the mean cross-entropy. Draws and
    /// augmentation are those of every run of this seed.
    ///
    /// # Errors
    /// As [`train_stepwise`](Self::train_stepwise), and errors of `objective`.
    pub fn minimise(
        &mut self,
        run: &Run,
        objective: &mut dyn Objective,
        mut after_step: impl FnMut(usize, &Self) -> Result<ControlFlow<()>>,
        mut observe: impl FnMut(EpochReport, &Self) -> Result<()>,
    ) -> Result<RunCost> {
        let trainer = self.trainer;
        let (config, examples) = (&trainer.config, trainer.data.len());
        let lengths = epoch_lengths(run.epochs, examples)?;
        let steps: usize = lengths.iter().map(|draws| draws.div_ceil(config.batch_size)).sum();
        let warmup = ((config.warmup * steps as f64).round() as usize).min(steps - 1);
        let rate = LearningRate { peak: run.learning_rate, steps, warmup, decay: config.decay };
        let mut optimiser = self.optimiser()?;
        let mut steps_made = Steps::new(self, &optimiser, objective);
        let mut sampled = Sampled::new(run.sampling.clone(), examples)?;
        let (mut step, mut cost) = (0, RunCost::default());
        for (epoch, &draws) in lengths.iter().enumerate() {
            if let Sampling::Refreshed(refresh) = &run.sampling
                && refresh.is_due(epoch)
            {
                cost.reread += examples as u64;
            }
            let plan = trainer.plan(run, epoch, draws, &mut sampled, self)?;
            let stream = run.seed.stream("augmentation").index(epoch as u64);
            let batches = trainer.data.epoch(plan.draws(), config.augmentation, stream, &trainer.device)?;
            let (mut losses, mut first) = (EpochLoss::new(&trainer.device), 0);
            for draws in plan.draws().chunks(config.batch_size) {
                let (x, labels) = batches.batch(first..first + draws.len())?;
                first += draws.len();
                let progress = step as f64 / steps as f64;
                let learning_rate = rate.at(step);
                let batch = Batch { x: &x, labels: &labels, draws, step, epoch, progress, learning_rate };
                let loss = steps_made.step(&batch, self, objective, &mut optimiser)?;
                losses.add(&loss, draws.len())?;
                step += 1;
                cost.trained += draws.len() as u64;
                if after_step(step, self)?.is_break() {
                    return Ok(cost);
                }
            }
            let train_loss = losses.mean()?;
            if !train_loss.is_finite() {
                return Err(Error::Diverged { epoch, loss: train_loss });
            }
            observe(EpochReport { epoch, epochs: lengths.len(), train_loss }, self)?;
        }
        Ok(cost)
    }

    /// A fresh optimiser of this network under the trainer's settings, without state yet.
    pub fn optimiser(&self) -> Result<Optimiser> {
        Optimiser::new(&self.trainer.config, self.backend(), self.parameters.trainable())
    }

    /// What this network is trained with.
    pub fn trainer(&self) -> &Trainer<'_> {
        self.trainer
    }

    /// What its network, loss and optimiser run on.
    pub fn backend(&self) -> Backend {
        self.trainer.device.backend()
    }

    /// The network.
    pub fn network(&self) -> &dyn Network {
        self.network.as_ref()
    }

    /// Its values, which the network shares.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What the network says of `examples` now.
    pub fn predict(&self, examples: &dyn Examples) -> Result<Predictions> {
        examples.predict(self.network.as_ref(), &self.trainer.device)
    }

    /// The features of `examples` now, by their places.
    pub fn features(&self, examples: &dyn Examples) -> Result<FeatureTable> {
        self.predict(examples)?.features()
    }

    /// A deep copy of all weights and running statistics.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.parameters.snapshot()?)
    }

    /// Returns to a snapshot of this network.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        Ok(self.parameters.restore(snapshot)?)
    }
}

/// The number of draws of each epoch of a run: whole epochs of `examples`, then the fraction that is left.
fn epoch_lengths(epochs: f64, examples: usize) -> Result<Vec<usize>> {
    let draws = (epochs * examples as f64).round();
    // The upper end is where f64 stops counting every integer.
    if !(1.0..9e15).contains(&draws) {
        return Err(Error::InvalidSetting {
            setting: "epochs",
            found: epochs.to_string(),
            expected: "a positive number of passes that amounts to at least one example",
        });
    }
    let draws = draws as usize;
    let mut lengths = vec![examples; draws / examples];
    if !draws.is_multiple_of(examples) {
        lengths.push(draws % examples);
    }
    Ok(lengths)
}

#[cfg(test)]
mod tests {
    use super::epoch_lengths;

    #[test]
    fn fractions_of_an_epoch_are_short_epochs() {
        assert_eq!(epoch_lengths(2.0, 10).unwrap(), [10, 10]);
        assert_eq!(epoch_lengths(1.5, 10).unwrap(), [10, 5]);
        assert_eq!(epoch_lengths(0.25, 10).unwrap(), [3]);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 0.01] {
            assert!(epoch_lengths(bad, 10).is_err(), "{bad}");
        }
    }
}
