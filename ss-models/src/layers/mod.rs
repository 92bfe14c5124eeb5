//! The layers that the networks share.

mod batch_norm;
mod conv_bn;
mod squeeze_excite;
mod stem;

pub use batch_norm::BatchNorm;
pub use conv_bn::{ConvBn, ConvConfig, conv_weight};
pub use squeeze_excite::SqueezeExcite;
pub use stem::Stem;
pub(crate) use stem::StemLayers;

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::Init;
use ss_kernels::Backend;

use crate::{Mode, Output, Result};

/// The classifier on top: `logits = hidden W^T + b`, initialised uniformly in `+-1/sqrt(inputs)`.
#[derive(Clone, Debug)]
pub struct Head {
    linear: Linear,
    backend: Backend,
}

impl Head {
    /// A head from `inputs` activations to `classes` logits, its values named `weight` and `bias` under `vb`.
    pub fn new(inputs: usize, classes: usize, backend: Backend, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints((classes, inputs), "weight", uniform_init(inputs))?;
        let bias = vb.get_with_hints(classes, "bias", uniform_init(inputs))?;
        Ok(Self { linear: Linear { weight, bias }, backend })
    }

    /// Pools the feature maps `[n, d, h, w]` and classifies them.
    pub fn forward(&self, maps: &Tensor, mode: Mode) -> Result<Output> {
        let hidden = self.backend.global_avg_pool2d(maps)?;
        let logits = self.linear.forward(&hidden, mode)?;
        Ok(Output { hidden, logits })
    }
}

/// `x W^T + b` of rows `[n, inputs]`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// `[outputs, inputs]`.
    pub(crate) weight: Tensor,
    /// `[outputs]`.
    pub(crate) bias: Tensor,
}

impl Linear {
    pub(crate) fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        Ok(x.matmul(&in_mode(&self.weight, mode).t()?)?.broadcast_add(&in_mode(&self.bias, mode))?)
    }
}

/// Uniform in `+-1/sqrt(inputs)`, PyTorch's default for linear layers and biases.
pub(crate) fn uniform_init(inputs: usize) -> Init {
    let bound = 1.0 / (inputs as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// The value as the graph should see it: tracked in training, detached in evaluation, so that an
/// evaluation pass keeps no activation alive.
pub(crate) fn in_mode(value: &Tensor, mode: Mode) -> Tensor {
    match mode {
        Mode::Train => value.clone(),
        Mode::Eval => value.detach(),
    }
}
