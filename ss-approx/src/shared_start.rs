//! Fine-tuning trials from one shared start.

use ss_data::ImageSet;
use ss_models::Snapshot;
use ss_sampler::Weights;
use ss_seed::Seed;

use crate::trainer::Run;
use crate::{Predictions, Result, Sampling, Score, Trainer};

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

impl SharedStart {
    /// A start after `epoch` epochs of the uniform run.
    pub fn new(snapshot: Snapshot, epoch: usize) -> Self {
        Self { snapshot, epoch }
    }

    /// Epochs of uniform training behind this start.
    pub fn epoch(&self) -> usize {
        self.epoch
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
    /// Those of training; a trial that diverges is [`Error::Diverged`](crate::Error::Diverged).
    pub fn trial(
        &self,
        trainer: &Trainer,
        weights: &Weights,
        validation: &ImageSet,
        config: TrialConfig,
        seed: Seed,
    ) -> Result<TrialResult> {
        let mut session = trainer.session(seed)?;
        session.restore(&self.snapshot)?;
        let run = Run {
            seed,
            epochs: config.epochs,
            learning_rate: config.learning_rate,
            sampling: Sampling::Fixed(weights.clone()),
        };
        session.train(&run, |_, _| Ok(()))?;
        let predictions = session.predict(validation)?;
        let score = predictions.score(config.score, validation.labels())?;
        Ok(TrialResult { score, predictions })
    }
}
