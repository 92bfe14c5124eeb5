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
use candle_nn::init::Init;
use candle_nn::{Linear, VarBuilder};
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
        let bound = 1.0 / (inputs as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let weight = vb.get_with_hints((classes, inputs), "weight", init)?;
        let bias = vb.get_with_hints(classes, "bias", init)?;
        Ok(Self { linear: Linear::new(weight, Some(bias)), backend })
    }

    /// Pools the feature maps `[n, d, h, w]` and classifies them.
    pub fn forward(&self, maps: &Tensor, mode: Mode) -> Result<Output> {
        let hidden = self.backend.global_avg_pool2d(maps)?;
        let weight = in_mode(self.linear.weight(), mode);
        let bias = self.linear.bias().map(|bias| in_mode(bias, mode));
        let logits = candle_nn::Module::forward(&Linear::new(weight, bias), &hidden)?;
        Ok(Output { hidden, logits })
    }
}

/// The value as the graph should see it: tracked in training, detached in evaluation, so that an
/// evaluation pass keeps no activation alive.
pub(crate) fn in_mode(value: &Tensor, mode: Mode) -> Tensor {
    match mode {
        Mode::Train => value.clone(),
        Mode::Eval => value.detach(),
    }
}
