//! L2RW: weights by the agreement of gradients with those of clean examples.

use candle_core::Tensor;
use ss_approx::{Batch, EpochReport, Objective, Sampling, Session, Trainer};
use ss_kernels::Backend;
use ss_models::Mode;
use ss_sampler::EpochPlan;
use ss_seed::Seed;

use crate::weighted::weighted_mean;
use crate::{CleanSubset, Cost, Error, Information, Outcome, Result, Task, TrainingMethod, alignment};

/// Learning to reweight examples (Ren et al., ICML 2018, arXiv 1803.09050): in every step each example of the batch is
/// weighted by how well its gradient agrees with the mean gradient of a batch of clean examples ([`alignment`]), and
/// the step follows the weighted loss.
///
/// Clean batches have the size of the ordinary ones, or that of the whole [`CleanSubset`] where it is smaller; they
/// run through it in a new order each time, augmented as training images are. A batch in which no gradient agrees has
/// weights of zero and leaves the network as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L2rw;

impl TrainingMethod for L2rw {
    fn name(&self) -> &'static str {
        "l2rw"
    }

    fn information(&self) -> Information {
        Information::CLEAN_SUBSET
    }

    fn check_backend(&self, backend: Backend) -> Result<()> {
        alignment::check_precision(backend)
    }

    fn train(&self, task: &Task, observe: &mut dyn FnMut(EpochReport)) -> Result<Outcome> {
        self.check_backend(task.trainer.device.backend())?;
        let clean = CleanBatches::new(task.known.clean_subset(self.name())?, task.trainer, task.seed)?;
        let mut objective = Reweighted { clean, cost: Cost::default() };
        let run = task.minimise(&mut objective, Sampling::Uniform, observe)?;
        let cost = Cost::of_training(run.cost.trained, 1) + objective.cost;
        Ok(Outcome { run, cost })
    }
}

struct Reweighted<'a> {
    clean: CleanBatches<'a>,
    /// Of the weights alone.
    cost: Cost,
}

impl Reweighted<'_> {
    fn step(&mut self, batch: &Batch, session: &Session) -> Result<Tensor> {
        let (clean_x, clean_labels) = self.clean.next()?;
        let weights = alignment::weights(
            session.network(),
            session.parameters(),
            (batch.x, batch.labels),
            (&clean_x, &clean_labels),
        )?;
        let (n, clean) = (batch.draws.len() as u64, self.clean.size as u64);
        // Two forward passes of the batch give the derivative along the clean gradient.
        self.cost = self.cost + Cost { forward: clean + 2 * n, backward: clean };
        let logits = session.network().forward(batch.x, Mode::Train)?.logits;
        weighted_mean(session.backend(), &logits, batch.labels, &weights)
    }
}

impl Objective for Reweighted<'_> {
    fn loss(&mut self, batch: &Batch, session: &Session) -> ss_approx::Result<Tensor> {
        Ok(self.step(batch, session)?)
    }
}

/// Batches of the clean subset, pass after pass.
struct CleanBatches<'a> {
    subset: &'a CleanSubset,
    trainer: &'a Trainer<'a>,
    seed: Seed,
    size: usize,
    pass: u64,
    plan: EpochPlan,
    taken: usize,
}

impl<'a> CleanBatches<'a> {
    fn new(subset: &'a CleanSubset, trainer: &'a Trainer<'a>, seed: Seed) -> Result<Self> {
        let size = trainer.config.batch_size.min(subset.examples().len());
        let plan = Self::plan(subset, seed, 0)?;
        Ok(Self { subset, trainer, seed, size, pass: 0, plan, taken: 0 })
    }

    fn plan(subset: &CleanSubset, seed: Seed, pass: u64) -> Result<EpochPlan> {
        Ok(EpochPlan::shuffled(subset.examples().len(), seed.stream("l2rw-clean-order"), pass)?)
    }

    /// `size` images and their true labels; what is left of a pass and does not fill a batch is passed over.
    fn next(&mut self) -> Result<(Tensor, Tensor)> {
        if self.taken + self.size > self.plan.draws().len() {
            self.pass += 1;
            self.plan = Self::plan(self.subset, self.seed, self.pass)?;
            self.taken = 0;
        }
        let draws = &self.plan.draws()[self.taken..self.taken + self.size];
        self.taken += self.size;
        let Trainer { data, config, device, .. } = self.trainer;
        let stream = self.seed.stream("l2rw-clean-augmentation").index(self.pass);
        let normalisation = data.as_images().ok_or(Error::NotImages)?.normalisation();
        Ok(normalisation.batch(self.subset.images(), draws, config.augmentation, stream, device)?)
    }
}
