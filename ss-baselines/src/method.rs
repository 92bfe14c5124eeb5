//! What all methods have in common.

use ss_approx::{EpochReport, Examples, FullRun, ImageExamples, Objective, Sampling, Trainer};
use ss_kernels::Backend;
use ss_seed::Seed;

use crate::{Cost, Error, Information, Known, Result};

/// A way to train a network on data with wrong labels.
///
/// Whatever the method, the network that it returns has made as many steps as the baseline, from the same initial
/// weights, and two methods with one seed see the same batches wherever they draw the same examples.
pub trait TrainingMethod: Sync {
    /// The name in tables.
    fn name(&self) -> &'static str;

    /// What it must be told beyond noisy labels.
    fn information(&self) -> Information;

    /// Whether it reads the losses at the reference of the uniform run.
    fn reads_uniform_run(&self) -> bool {
        false
    }

    /// Checks, before any training, that the method can be computed on the backend.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for one whose precision does not do.
    fn check_backend(&self, _backend: Backend) -> Result<()> {
        Ok(())
    }

    /// Trains a network. `observe` is called after each epoch.
    ///
    /// # Errors
    /// [`Error::NotTold`] when [`Task::known`] lacks what the method needs, [`Error::NotImages`] for another task than images,
    /// and those of [`check_backend`](Self::check_backend), before any training; errors of training.
    fn train(&self, task: &Task, observe: &mut dyn FnMut(EpochReport)) -> Result<Outcome>;
}

/// What a method trains, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Network, noisy training data and schedule.
    pub trainer: &'a Trainer<'a>,
    /// Root of all random choices.
    pub seed: Seed,
    /// Validation images: they choose the best epoch, nothing else.
    pub validation: &'a dyn Examples,
    /// What the method is told.
    pub known: Known<'a>,
}

/// A finished training by a method.
#[derive(Debug)]
pub struct Outcome {
    /// The training of the network that the method returns.
    pub run: FullRun,
    /// All that it took, that training included.
    pub cost: Cost,
}

impl Outcome {
    /// The cost beyond an ordinary training, in units of one.
    pub fn extra_cost(&self) -> f64 {
        self.cost.in_trainings(self.run.cost.trained) - 1.0
    }
}

impl<'a> Task<'a> {
    /// The training images.
    pub(crate) fn images(&self) -> Result<&'a ImageExamples> {
        self.trainer.data.as_images().ok_or(Error::NotImages)
    }

    /// A training from scratch that minimises `objective`.
    pub(crate) fn minimise(
        &self,
        objective: &mut dyn Objective,
        sampling: Sampling,
        observe: &mut dyn FnMut(EpochReport),
    ) -> Result<FullRun> {
        self.images()?;
        let validation = self.validation;
        let run =
            FullRun::minimise(self.trainer, self.seed, sampling, objective, validation, |report, _, _| {
                observe(report);
                Ok(())
            })?;
        Ok(run)
    }
}
