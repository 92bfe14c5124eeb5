//! One full training from scratch, watched on validation data.

use std::ops::ControlFlow;

use ss_models::Snapshot;
use ss_seed::Seed;

use crate::trainer::{Run, RunCost};
use crate::{
    CrossEntropy, EpochReport, Examples, Objective, Predictions, Result, Sampling, Session, Trainer,
};

/// One epoch of a run, as measured on validation data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochRecord {
    /// Epochs trained so far.
    pub epoch: usize,
    /// Mean of the loss that training minimises over the epoch, in nats.
    pub train_loss: f64,
    /// Validation accuracy in `[0, 1]`, of tokens where the task is text.
    pub accuracy: f64,
    /// The validation score by which the task compares finished models ([`Examples::goal`]); the accuracy for images.
    pub goal: f64,
}

/// A finished training run of the trainer's full schedule.
#[derive(Debug)]
pub struct FullRun {
    /// Validation records, one an epoch.
    pub history: Vec<EpochRecord>,
    /// The finished model.
    pub last: Snapshot,
    /// The model of the epoch with the best validation score by the task's own measure, accuracy for images (the earliest of
    /// equals): what early stopping would keep.
    pub best: Snapshot,
    /// Examples trained on and re-read.
    pub cost: RunCost,
}

impl FullRun {
    /// Trains a fresh network under `sampling`. Two runs with one `seed` start from the same weights and see
    /// the same random numbers. `observe` is called after each epoch with the validation predictions.
    pub fn run(
        trainer: &Trainer,
        seed: Seed,
        sampling: Sampling,
        validation: &dyn Examples,
        observe: impl FnMut(EpochReport, &Session, &Predictions) -> Result<()>,
    ) -> Result<Self> {
        Self::minimise(trainer, seed, sampling, &mut CrossEntropy, validation, observe)
    }

    /// As [`run`](Self::run), with another loss than the mean cross-entropy.
    pub fn minimise(
        trainer: &Trainer,
        seed: Seed,
        sampling: Sampling,
        objective: &mut dyn Objective,
        validation: &dyn Examples,
        mut observe: impl FnMut(EpochReport, &Session, &Predictions) -> Result<()>,
    ) -> Result<Self> {
        let mut session = trainer.session(seed)?;
        let run = Run {
            seed,
            epochs: trainer.config.epochs as f64,
            learning_rate: trainer.config.learning_rate,
            sampling,
        };
        let mut history: Vec<EpochRecord> = Vec::with_capacity(trainer.config.epochs);
        let mut best: Option<(f64, Snapshot)> = None;
        let unwatched = |_, _: &Session| Ok(ControlFlow::Continue(()));
        let cost = session.minimise(&run, objective, unwatched, |report, session| {
            let seen = session.predict(validation)?;
            let (accuracy, goal) = (seen.accuracy()?, seen.score(validation.goal())?);
            if best.as_ref().is_none_or(|(value, _)| goal > *value) {
                best = Some((goal, session.snapshot()?));
            }
            let EpochReport { epoch, train_loss, .. } = report;
            history.push(EpochRecord { epoch: epoch + 1, train_loss, accuracy, goal });
            observe(report, session, &seen)
        })?;
        let last = session.snapshot()?;
        let best = best.map_or_else(|| last.clone(), |(_, snapshot)| snapshot);
        Ok(Self { history, last, best, cost })
    }
}

impl Trainer<'_> {
    /// Predictions of the model kept as `snapshot` ([`FullRun::last`] or [`FullRun::best`], say).
    pub fn predict(&self, snapshot: &Snapshot, examples: &dyn Examples) -> Result<Predictions> {
        // Any seed will do: every value is overwritten.
        let mut session = self.session(Seed::new(0))?;
        session.restore(snapshot)?;
        session.predict(examples)
    }
}
