//! A plain stack of 3x3 convolutions, each with batch normalisation and ReLU: the benchmark's `six-conv`.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::{Activation, Backend};

use crate::layers::{ConvBn, ConvConfig};
use crate::trunk::Trunk;
use crate::{Mode, Result};

/// The layers of a plain network: channels out and stride of each convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainConfig {
    /// `(channels out, stride)` of each 3x3 convolution.
    pub(crate) layers: Vec<(usize, usize)>,
}

impl PlainConfig {
    /// Six convolutions 32-32-64-64-128-128 with strides 1,1,2,1,2,1.
    pub fn six_conv() -> Self {
        Self { layers: vec![(32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)] }
    }
}

/// A plain convolutional network below its classifier.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    layers: Vec<ConvBn>,
    channels: usize,
}

impl Plain {
    pub(crate) fn new(
        config: &PlainConfig,
        channels: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let mut inputs = channels;
        let mut layers = Vec::new();
        for (i, &(outputs, stride)) in config.layers.iter().enumerate() {
            let conv = ConvConfig { inputs, outputs, kernel: 3, stride, groups: 1 };
            let (weights, norm) = (vb.pp(format!("conv{i}")), vb.pp(format!("bn{i}")));
            layers.push(ConvBn::new(conv, Activation::Relu, backend, weights, norm)?);
            inputs = outputs;
        }
        Ok(Self { layers, channels: inputs })
    }
}

impl Trunk for Plain {
    fn maps(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward(&x, None, mode)?;
        }
        Ok(x)
    }

    fn channels(&self) -> usize {
        self.channels
    }
}
