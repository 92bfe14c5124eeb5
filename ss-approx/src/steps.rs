//! One step of training after the other.

use candle_core::Tensor;

use crate::objective::Batch;
#[cfg(feature = "cuda")]
use crate::recorded::RecordedSteps;
use crate::{Objective, Optimiser, Result, Session};

/// How the steps of one run are made.
pub(crate) enum Steps {
    /// Operation by operation.
    Plain,
    /// Recorded on a GPU and replayed.
    #[cfg(feature = "cuda")]
    Recorded(RecordedSteps),
}

impl Steps {
    /// Recorded where the loss and the optimiser allow it and the operations are kernels on a GPU.
    pub(crate) fn new(session: &Session, optimiser: &Optimiser, objective: &dyn Objective) -> Self {
        #[cfg(feature = "cuda")]
        if session.trainer().device.tensors().is_cuda()
            && session.backend() == ss_kernels::Backend::Kernels
            && optimiser.is_recordable()
            && objective.is_recordable()
        {
            return Self::Recorded(RecordedSteps::default());
        }
        let _ = (session, optimiser, objective);
        Self::Plain
    }

    /// One step; its loss, to be read before the next one.
    pub(crate) fn step(
        &mut self,
        batch: &Batch,
        session: &Session,
        objective: &mut dyn Objective,
        optimiser: &mut Optimiser,
    ) -> Result<Tensor> {
        optimiser.prepare(batch.learning_rate)?;
        match self {
            Self::Plain => step(batch, session, objective, optimiser),
            #[cfg(feature = "cuda")]
            Self::Recorded(steps) => steps.step(batch, session, objective, optimiser),
        }
    }
}

/// A step with the learning rate that the optimiser has been prepared for.
pub(crate) fn step(
    batch: &Batch,
    session: &Session,
    objective: &mut dyn Objective,
    optimiser: &mut Optimiser,
) -> Result<Tensor> {
    let loss = objective.loss(batch, session)?;
    optimiser.step_prepared(&loss.backward()?)?;
    Ok(loss)
}
