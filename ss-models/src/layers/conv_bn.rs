//! Convolution, batch normalisation, residual addition and activation as one unit.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::{FanInOut, Init, NonLinearity, NormalOrUniform};
use ss_kernels::{Activation, Backend, Conv2dSpec};

use super::BatchNorm;
use crate::{Mode, Result};

/// The shape of a square convolution without bias.
#[derive(Clone, Copy, Debug)]
pub struct ConvConfig {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Side of the kernel; the padding keeps the image size at stride 1 (`kernel / 2`).
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Channel groups; as many as channels in and out: depthwise.
    pub groups: usize,
}

impl ConvConfig {
    pub(crate) fn spec(self) -> Conv2dSpec {
        Conv2dSpec { stride: self.stride, padding: self.kernel / 2, groups: self.groups }
    }
}

/// The weight `[outputs, inputs / groups, kernel, kernel]` of a convolution, Kaiming-normal over the fan-out
/// (He et al. 2015), named `weight` under `vb`.
pub fn conv_weight(config: ConvConfig, vb: VarBuilder) -> Result<Tensor> {
    let ConvConfig { inputs, outputs, kernel, groups, .. } = config;
    let init = Init::Kaiming {
        dist: NormalOrUniform::Normal,
        fan: FanInOut::FanOut,
        non_linearity: NonLinearity::ReLU,
    };
    Ok(vb.get_with_hints((outputs, inputs / groups, kernel, kernel), "weight", init)?)
}

/// `act(batch_norm(conv(x)) + residual)`.
#[derive(Clone, Debug)]
pub struct ConvBn {
    weight: Tensor,
    spec: Conv2dSpec,
    norm: BatchNorm,
    act: Activation,
    backend: Backend,
}

impl ConvBn {
    /// A unit whose convolution and normalisation take their values from `conv` and `norm`.
    pub fn new(
        config: ConvConfig,
        act: Activation,
        backend: Backend,
        conv: VarBuilder,
        norm: VarBuilder,
    ) -> Result<Self> {
        Ok(Self {
            weight: conv_weight(config, conv)?,
            spec: config.spec(),
            norm: BatchNorm::new(config.outputs, backend, norm)?,
            act,
            backend,
        })
    }

    /// Maps `[n, inputs, h, w]` to `[n, outputs, h', w']`; `residual` has the shape of the result.
    pub fn forward(&self, x: &Tensor, residual: Option<&Tensor>, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Train => {
                let y = self.backend.conv2d(x, &self.weight, self.spec)?;
                self.norm.forward(&y, residual, self.act, mode)
            }
            Mode::Eval => {
                let (scale, shift) = self.norm.folded()?;
                let weight = self.weight.detach();
                Ok(self.backend.conv2d_folded(x, &weight, self.spec, &scale, &shift, residual, self.act)?)
            }
        }
    }
}
