//! Fine-tuning trials from one shared start.

use std::ops::ControlFlow;

use ss_models::Snapshot;
use ss_sampler::Weights;
use ss_seed::Seed;

use crate::trainer::{Checkpoint, Run};
use crate::{Device, Examples, Predictions, Result, Sampling, Score, Session, Trainer};

/// The checkpoint from which every candidate starts: weights *and* batch-normalisation statistics, taken
/// from the middle of the uniform run. From there a bad sampler keeps hurting and a good one heals within an
/// epoch; from an early start, trials cannot tell samplers apart, because the harm lies in epochs that they
/// never see (`docs/method.md` 4).
#[derive(Clone, Debug)]
pub struct SharedStart {
    snapshot: Snapshot,
    epoch: usize,
}

/// How candidates are tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrialConfig {
    /// `E_f`: passes over the training data, fractions allowed.
    pub epochs: f64,
    /// Learning rate of the first step, falling to zero over the trial: that of the full training.
    pub learning_rate: f64,
    /// How the result is judged.
    pub score: Score,
}

/// The result of one trial.
#[derive(Clone, Debug)]
pub struct TrialResult {
    /// The score P on the validation set.
    pub score: f64,
    /// The predictions behind the score.
    pub predictions: Predictions,
}

/// What came of a trial that was looked at on the way.
#[derive(Clone, Debug)]
pub enum WatchedTrial {
    /// It went on to its end.
    Finished(TrialResult),
    /// It was stopped at the checkpoint, where this was its result.
    Stopped(TrialResult),
}

/// A look at a trial on its way.
pub struct Watch<'a> {
    /// Where it is scored, see [`Trainer::checkpoint`].
    pub at: Checkpoint,
    /// Says from the result there whether the trial goes on.
    pub judge: &'a mut dyn FnMut(&TrialResult) -> ControlFlow<()>,
}

impl SharedStart {
    /// A start after `epoch` epochs of the uniform run.
    pub fn new(snapshot: Snapshot, epoch: usize) -> Self {
        Self { snapshot, epoch }
    }

    /// Epochs of uniform training behind this start.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The same start with its values on `device`, so that trials there begin with a copy on the device.
    pub fn on(&self, device: &Device) -> Result<Self> {
        Ok(Self { snapshot: self.snapshot.to_device(device.tensors())?, epoch: self.epoch })
    }

    /// All values of the checkpoint.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Trains a candidate from this start and scores it on `validation`. Every candidate of one search is
    /// given the same `seed`: order and augmentation are common random numbers, so that differences between
    /// results are differences between weights.
    ///
    /// # Errors
    /// A score that the task does not have; errors of training: a trial that diverges is [`Error::Diverged`](crate::Error::Diverged).
    pub fn trial(
        &self,
        trainer: &Trainer,
        weights: &Weights,
        validation: &dyn Examples,
        config: TrialConfig,
        seed: Seed,
    ) -> Result<TrialResult> {
        match self.run(trainer, weights, validation, config, seed, None)? {
            WatchedTrial::Finished(result) | WatchedTrial::Stopped(result) => Ok(result),
        }
    }

    /// As [`trial`](Self::trial), but the candidate is scored once on the way and perhaps stopped there. A trial
    /// that goes on has the same result, bit for bit, as one that nobody looked at.
    ///
    /// The learning rate at the checkpoint has not fallen to zero, so a score there is noisier and lower than
    /// one at the end: compare it only with scores of other trials at the same checkpoint.
    ///
    /// # Errors
    /// As [`trial`](Self::trial).
    pub fn watched_trial(
        &self,
        trainer: &Trainer,
        weights: &Weights,
        validation: &dyn Examples,
        config: TrialConfig,
        seed: Seed,
        watch: Watch,
    ) -> Result<WatchedTrial> {
        self.run(trainer, weights, validation, config, seed, Some(watch))
    }

    fn run(
        &self,
        trainer: &Trainer,
        weights: &Weights,
        validation: &dyn Examples,
        config: TrialConfig,
        seed: Seed,
        mut watch: Option<Watch>,
    ) -> Result<WatchedTrial> {
        validation.check_score(config.score)?;
        let judged = |session: &Session| -> Result<TrialResult> {
            let predictions = session.predict(validation)?;
            let score = predictions.score(config.score)?;
            Ok(TrialResult { score, predictions })
        };
        let mut session = trainer.session(seed)?;
        session.restore(&self.snapshot)?;
        let run = Run {
            seed,
            epochs: config.epochs,
            learning_rate: config.learning_rate,
            sampling: Sampling::Fixed(weights.clone()),
        };
        let mut stopped = None;
        let look = |step: usize, session: &Session| {
            let Some(watch) = watch.as_mut().filter(|watch| watch.at.step == step) else {
                return Ok(ControlFlow::Continue(()));
            };
            let result = judged(session)?;
            let verdict = (watch.judge)(&result);
            if verdict.is_break() {
                stopped = Some(result);
            }
            Ok(verdict)
        };
        session.train_stepwise(&run, look, |_, _| Ok(()))?;
        match stopped {
            Some(result) => Ok(WatchedTrial::Stopped(result)),
            None => Ok(WatchedTrial::Finished(judged(&session)?)),
        }
    }
}
