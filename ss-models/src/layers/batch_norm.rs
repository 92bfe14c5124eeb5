//! Batch normalisation with the activation and the residual addition that follow it.

use candle_core::{Tensor, Var};
use candle_nn::VarBuilder;
use candle_nn::init::{ONE, ZERO};
use ss_kernels::{Activation, Backend, running_average};

use super::in_mode;
use crate::{Mode, Result};

/// Batch normalisation over `[n, c, h, w]` (Ioffe & Szegedy 2015): `y = act(scale * (x - mean) /
/// sqrt(var + eps) + shift + residual)`, with running statistics as PyTorch keeps them (momentum 0.1,
/// unbiased variance).
#[derive(Clone, Debug)]
pub struct BatchNorm {
    scale: Tensor,
    shift: Tensor,
    running_mean: Var,
    running_var: Var,
    backend: Backend,
}

impl BatchNorm {
    /// Added to the variance.
    pub const EPS: f64 = 1e-5;
    /// Weight of the newest batch in the running statistics.
    pub const MOMENTUM: f64 = 0.1;

    /// A normalisation of `channels` maps, its values named as in PyTorch under `vb`.
    pub fn new(channels: usize, backend: Backend, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            scale: vb.get_with_hints(channels, "weight", ONE)?,
            shift: vb.get_with_hints(channels, "bias", ZERO)?,
            running_mean: Var::from_tensor(&vb.get_with_hints(channels, "running_mean", ZERO)?)?,
            running_var: Var::from_tensor(&vb.get_with_hints(channels, "running_var", ONE)?)?,
            backend,
        })
    }

    /// Scale and shift `[channels]` that stand for the normalisation by the running statistics:
    /// `batch_norm(x) = x * scale + shift`.
    pub(super) fn folded(&self) -> Result<(Tensor, Tensor)> {
        let inv_std = (self.running_var.as_detached_tensor() + Self::EPS)?.sqrt()?.recip()?;
        let scale = (self.scale.detach() * inv_std)?;
        let shift = (self.shift.detach() - (self.running_mean.as_detached_tensor() * &scale)?)?;
        Ok((scale, shift))
    }

    /// Normalises `x`, adds `residual` and applies `act`, in one pass over memory with [`Backend::Kernels`] on the CPU.
    pub fn forward(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        act: Activation,
        mode: Mode,
    ) -> Result<Tensor> {
        match mode {
            Mode::Train => {
                let (y, stats) =
                    self.backend.batch_norm_train(x, &self.scale, &self.shift, residual, Self::EPS, act)?;
                let count = (x.elem_count() / x.dim(1)?) as f64;
                running_average(&self.running_mean, &stats.mean, Self::MOMENTUM, 1.0)?;
                running_average(
                    &self.running_var,
                    &stats.var,
                    Self::MOMENTUM,
                    count / (count - 1.0).max(1.0),
                )?;
                Ok(y)
            }
            Mode::Eval => Ok(self.backend.batch_norm_eval(
                x,
                &self.running_mean.as_detached_tensor(),
                &self.running_var.as_detached_tensor(),
                &in_mode(&self.scale, mode),
                &in_mode(&self.shift, mode),
                residual,
                Self::EPS,
                act,
            )?),
        }
    }
}
