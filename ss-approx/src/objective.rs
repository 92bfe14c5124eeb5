//! What a step of training minimises.

use candle_core::Tensor;
use ss_models::Mode;
use ss_sampler::Draw;

use crate::{Result, Session};

/// One batch of a run, and its place there.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The input of the network: normalised, augmented images `[n, channels, height, width]`, or tokens `[n, T]` (`u32`).
    pub x: &'a Tensor,
    /// The labels of its logits, `u32`: `[n]` for images, `[n T]` for tokens.
    pub labels: &'a Tensor,
    /// The draws behind them, `n`.
    pub draws: &'a [Draw],
    /// Steps done before this one.
    pub step: usize,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The share of the run's steps done before this one, in `[0, 1)`.
    pub progress: f64,
    /// The learning rate of this step.
    pub learning_rate: f64,
}

/// The loss of a batch. It may keep a state of its own from step to step: a moving average, a second network.
pub trait Objective {
    /// A scalar whose gradient the step follows. Called once a step, before the step is made; where steps are
    /// [recorded](Self::is_recordable), for the first step and the second of each size of batch only.
    ///
    /// # Errors
    /// Those of the networks; errors of the objective's own as
    /// [`Error::Objective`](crate::Error::Objective).
    fn loss(&mut self, batch: &Batch, session: &Session) -> Result<Tensor>;

    /// Whether the loss is a function of the inputs, the labels and the network alone, computed without reading anything back from the
    /// device: such steps are recorded on a GPU and replayed.
    fn is_recordable(&self) -> bool {
        false
    }
}

/// The mean cross-entropy of the batch: ordinary training.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy;

impl Objective for CrossEntropy {
    fn loss(&mut self, batch: &Batch, session: &Session) -> Result<Tensor> {
        let (network, backend) = (session.network(), session.backend());
        Ok(network.cross_entropy(batch.x, batch.labels, Mode::Train, backend)?.loss)
    }

    fn is_recordable(&self) -> bool {
        true
    }
}
