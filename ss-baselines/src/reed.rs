//! REED: bootstrapped labels.

use candle_core::{D, Tensor};
use candle_nn::ops::{log_softmax, softmax};
use ss_approx::{Batch, EpochReport, Objective, Sampling, Session};
use ss_kernels::Backend;
use ss_models::Mode;

use crate::{Cost, Error, Information, Outcome, Result, Task, TrainingMethod};

/// What the network's own opinion is mixed into the label as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PseudoTarget {
    /// The prediction `q` itself.
    Soft,
    /// The class of its largest entry.
    Hard,
}

/// Bootstrapping (Reed et al., "Training deep neural networks on noisy labels with bootstrapping", ICLR 2015 workshop,
/// arXiv 1412.6596, equations 6 and 7): with label `t` and prediction `q`, the loss of an example is
/// `-sum_k [beta t_k + (1 - beta) z_k] ln q_k`, where `z` is `q` (soft) or its largest class (hard).
///
/// `beta = 1` is the plain cross-entropy. Implementations differ in whether the gradient passes through a soft
/// pseudo-target; the default lets it pass, as the formula says and as the L2RW release does (`reed_resnet_model.py`
/// has no `stop_gradient`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reed {
    target: PseudoTarget,
    beta: f64,
    stop_gradient: bool,
}

impl Reed {
    /// Soft bootstrapping with the published `beta = 0.95`.
    pub const SOFT: Self = Self { target: PseudoTarget::Soft, beta: 0.95, stop_gradient: false };
    /// Hard bootstrapping with the published `beta = 0.8`.
    pub const HARD: Self = Self { target: PseudoTarget::Hard, beta: 0.8, stop_gradient: false };

    /// With another share `beta` of the label, in `[0, 1]`. `stop_gradient` treats a soft pseudo-target as a constant;
    /// a hard one always is.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a share outside `[0, 1]`.
    pub fn new(target: PseudoTarget, beta: f64, stop_gradient: bool) -> Result<Self> {
        if !(0.0..=1.0).contains(&beta) {
            return Err(Error::InvalidSetting {
                setting: "beta",
                found: beta.to_string(),
                expected: "the label's share of the target, in [0, 1], such as 0.95",
            });
        }
        Ok(Self { target, beta, stop_gradient })
    }

    /// The mean bootstrapped loss of `logits` `[n, k]` against `labels` `[n]` (`u32`): a scalar, in nats.
    ///
    /// # Errors
    /// Those of [`ss_kernels::cross_entropy`].
    pub fn loss(&self, backend: Backend, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let given = backend.cross_entropy(logits, labels, None)?.loss;
        let own = match self.target {
            PseudoTarget::Soft => {
                let log_q = log_softmax(logits, D::Minus1)?;
                let q =
                    if self.stop_gradient { softmax(&logits.detach(), D::Minus1)? } else { log_q.exp()? };
                (q * log_q)?.sum(D::Minus1)?.mean_all()?.neg()?
            }
            PseudoTarget::Hard => {
                backend.cross_entropy(logits, &logits.detach().argmax(D::Minus1)?, None)?.loss
            }
        };
        Ok(((given * self.beta)? + (own * (1.0 - self.beta))?)?)
    }
}

impl Objective for Reed {
    fn loss(&mut self, batch: &Batch, session: &Session) -> ss_approx::Result<Tensor> {
        let out = session.network().forward(batch.x, Mode::Train)?;
        Ok(Reed::loss(self, session.backend(), &out.logits, batch.labels)?)
    }

    fn is_recordable(&self) -> bool {
        true
    }
}

impl TrainingMethod for Reed {
    fn name(&self) -> &'static str {
        match self.target {
            PseudoTarget::Soft => "reed-soft",
            PseudoTarget::Hard => "reed-hard",
        }
    }

    fn information(&self) -> Information {
        Information::NONE
    }

    fn train(&self, task: &Task, observe: &mut dyn FnMut(EpochReport)) -> Result<Outcome> {
        let run = task.minimise(&mut self.clone(), Sampling::Uniform, observe)?;
        let cost = Cost::of_training(run.cost.trained, 1);
        Ok(Outcome { run, cost })
    }
}
