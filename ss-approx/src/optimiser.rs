//! What changes the weights of a network after each batch.

use candle_core::Var;
use candle_core::backprop::GradStore;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use serde::{Deserialize, Serialize};
use ss_kernels::{Backend, Sgd, SgdConfig};

use crate::{Result, TrainSettings};

/// Which optimiser trains a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Stochastic gradient descent with the momentum of the settings: what networks for images are trained with.
    #[default]
    Sgd,
    /// AdamW (Loshchilov & Hutter 2019): betas 0.9 and 0.999, epsilon 1e-8, weight decay apart from the gradient. Transformers
    /// need it, or a rate for each kind of weight.
    AdamW,
}

impl OptimiserKind {
    /// Whether this is the default, which records leave out.
    pub(crate) fn is_sgd(&self) -> bool {
        *self == Self::Sgd
    }
}

/// An optimiser of one network, with its state.
pub enum Optimiser {
    /// In one pass of our kernels on the CPU.
    Sgd(Sgd),
    /// By candle's operations.
    AdamW(AdamW),
}

impl Optimiser {
    /// An optimiser of `vars` without state yet.
    pub(crate) fn new(settings: &TrainSettings, backend: Backend, vars: Vec<Var>) -> Result<Self> {
        let TrainSettings { momentum, nesterov, weight_decay, .. } = *settings;
        Ok(match settings.optimiser {
            OptimiserKind::Sgd => {
                Self::Sgd(backend.sgd(vars, SgdConfig { momentum, nesterov, weight_decay })?)
            }
            OptimiserKind::AdamW => {
                let params = ParamsAdamW { lr: settings.learning_rate, weight_decay, ..Default::default() };
                Self::AdamW(AdamW::new(vars, params)?)
            }
        })
    }

    /// Whether its steps can be recorded on a GPU: they change nothing on the host.
    #[cfg(feature = "cuda")]
    pub(crate) fn is_recordable(&self) -> bool {
        matches!(self, Self::Sgd(_))
    }

    /// One step with learning rate `rate`. Values without a gradient stay as they are.
    ///
    /// # Errors
    /// Errors of the tensor library.
    pub fn step(&mut self, grads: &GradStore, rate: f64) -> Result<()> {
        self.prepare(rate)?;
        self.step_prepared(grads)
    }

    /// Sets the learning rate of the steps that follow.
    ///
    /// # Errors
    /// A rate that is negative or not finite.
    pub(crate) fn prepare(&mut self, rate: f64) -> Result<()> {
        match self {
            Self::Sgd(sgd) => sgd.prepare(rate)?,
            Self::AdamW(adamw) => adamw.set_learning_rate(rate),
        }
        Ok(())
    }

    /// One step with the rate that was prepared.
    pub(crate) fn step_prepared(&mut self, grads: &GradStore) -> Result<()> {
        match self {
            Self::Sgd(sgd) => sgd.step_prepared(grads)?,
            Self::AdamW(adamw) => adamw.step(grads)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    /// Reference of PyTorch 2.15.0:
    /// ```python
    /// x = torch.tensor([1., -2.], dtype=torch.float64, requires_grad=True)
    /// o = torch.optim.AdamW([x], lr=0.1, weight_decay=0.01)
    /// for lr in (0.1, 0.2, 0.05):
    ///     o.param_groups[0]["lr"] = lr; o.zero_grad(); (x**2 * torch.tensor([1., 3.])).sum().backward(); o.step()
    /// ```
    #[test]
    fn adamw_takes_the_steps_of_pytorch() {
        let x = Var::new(&[1f64, -2.], &Device::Cpu).unwrap();
        let settings =
            TrainSettings { optimiser: OptimiserKind::AdamW, weight_decay: 0.01, ..TrainSettings::default() };
        let mut optimiser = Optimiser::new(&settings, Backend::Kernels, vec![x.clone()]).unwrap();
        let scale = Tensor::new(&[1f64, 3.], &Device::Cpu).unwrap();
        for rate in [0.1, 0.2, 0.05] {
            let loss = (x.as_tensor().sqr().unwrap() * &scale).unwrap().sum_all().unwrap();
            optimiser.step(&loss.backward().unwrap(), rate).unwrap();
        }
        let reached = x.as_tensor().to_vec1::<f64>().unwrap();
        for (found, expected) in reached.iter().zip(REACHED) {
            assert!((found - expected).abs() < 1e-9, "{reached:?}");
        }
    }

    const REACHED: [f64; 2] = [0.6488094962676719, -1.6440990151098285];
}
