//! Squeeze-and-excitation: a factor for each channel, from the means of all channels.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::{Activation, Backend};

use super::{ConvConfig, Linear, conv_weight, uniform_init};
use crate::{Mode, Result};

/// `sigmoid(W2 relu(W1 mean(x) + b1) + b2)` (Hu et al. 2018), its values named as in timm: `fc1`, `fc2`, as 1x1
/// convolutions.
#[derive(Clone, Debug)]
pub struct SqueezeExcite {
    layers: [Linear; 2],
    backend: Backend,
}

impl SqueezeExcite {
    /// A gate for `channels` maps with `squeezed` channels between its two layers.
    pub fn new(channels: usize, squeezed: usize, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let layer = |inputs: usize, outputs: usize, vb: VarBuilder| -> Result<Linear> {
            let bias = vb.get_with_hints(outputs, "bias", uniform_init(inputs))?;
            let conv = ConvConfig { inputs, outputs, kernel: 1, stride: 1, groups: 1 };
            Ok(Linear { weight: conv_weight(conv, vb)?, bias })
        };
        let layers = [layer(channels, squeezed, vb.pp("fc1"))?, layer(squeezed, channels, vb.pp("fc2"))?];
        Ok(Self { layers, backend })
    }

    /// The factors `[n, channels]` in `(0, 1)` for maps `[n, channels, h, w]`.
    pub fn forward(&self, maps: &Tensor, mode: Mode) -> Result<Tensor> {
        // The weights have the shape of 1x1 convolutions.
        let linear = |x: &Tensor, Linear { weight, bias }: &Linear| -> Result<Tensor> {
            Linear { weight: weight.flatten_from(1)?, bias: bias.clone() }.forward(x, mode)
        };
        let mean = self.backend.global_avg_pool2d(maps)?;
        let hidden = Activation::Relu.apply(&linear(&mean, &self.layers[0])?)?;
        Ok(candle_nn::ops::sigmoid(&linear(&hidden, &self.layers[1])?)?)
    }
}
