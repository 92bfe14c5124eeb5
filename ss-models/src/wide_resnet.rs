//! Wide residual networks: pre-activation basic blocks (Zagoruyko & Komodakis 2016), without dropout.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::{Activation, Backend, Conv2dSpec};

use crate::layers::{BatchNorm, ConvBn, ConvConfig, conv_weight, in_mode};
use crate::trunk::Trunk;
use crate::{Mode, Result};

/// WRN-`depth`-`width`: three stages of `(depth - 4) / 6` blocks of `16 width`, `32 width`, `64 width` channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WideResNetConfig {
    /// Number of layers, `6 k + 4`.
    pub(crate) depth: usize,
    /// Widening factor.
    pub(crate) width: usize,
}

/// A wide residual network below its classifier.
#[derive(Clone, Debug)]
pub(crate) struct WideResNet {
    stem: Tensor,
    stem_spec: Conv2dSpec,
    blocks: Vec<Block>,
    norm: BatchNorm,
    channels: usize,
    backend: Backend,
}

impl WideResNetConfig {
    /// WRN-28-10, the largest network of its paper on CIFAR.
    pub fn wrn_28_10() -> Self {
        Self { depth: 28, width: 10 }
    }

    /// WRN-16-4, a network for smaller images.
    pub fn wrn_16_4() -> Self {
        Self { depth: 16, width: 4 }
    }
}

impl WideResNet {
    pub(crate) fn new(
        config: &WideResNetConfig,
        channels: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let stem = ConvConfig { inputs: channels, outputs: 16, kernel: 3, stride: 1, groups: 1 };
        let mut inputs = stem.outputs;
        let mut blocks = Vec::new();
        for stage in 0..3 {
            let outputs = (16 << stage) * config.width;
            for block in 0..(config.depth - 4) / 6 {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let vb = vb.pp(format!("block{}.{block}", stage + 1));
                blocks.push(Block::new(inputs, outputs, stride, backend, &vb)?);
                inputs = outputs;
            }
        }
        Ok(Self {
            stem: conv_weight(stem, vb.pp("conv1"))?,
            stem_spec: stem.spec(),
            blocks,
            norm: BatchNorm::new(inputs, backend, vb.pp("bn1"))?,
            channels: inputs,
            backend,
        })
    }
}

impl Trunk for WideResNet {
    fn maps(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = self.backend.conv2d(x, &in_mode(&self.stem, mode), self.stem_spec)?;
        for block in &self.blocks {
            x = block.forward(&x, mode)?;
        }
        self.norm.forward(&x, None, Activation::Relu, mode)
    }

    fn channels(&self) -> usize {
        self.channels
    }
}

/// `conv(relu(bn(conv(a)))) + shortcut`, `a = relu(bn(x))`; the shortcut is `x`, or a 1x1 convolution of `a`
/// where the shape changes.
#[derive(Clone, Debug)]
struct Block {
    norm: BatchNorm,
    first: ConvBn,
    second: Tensor,
    second_spec: Conv2dSpec,
    shortcut: Option<(Tensor, Conv2dSpec)>,
    backend: Backend,
}

impl Block {
    fn new(inputs: usize, outputs: usize, stride: usize, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let first = ConvConfig { inputs, outputs, kernel: 3, stride, groups: 1 };
        let second = ConvConfig { inputs: outputs, outputs, kernel: 3, stride: 1, groups: 1 };
        let shortcut = if stride == 1 && inputs == outputs {
            None
        } else {
            let config = ConvConfig { inputs, outputs, kernel: 1, stride, groups: 1 };
            Some((conv_weight(config, vb.pp("shortcut"))?, config.spec()))
        };
        Ok(Self {
            norm: BatchNorm::new(inputs, backend, vb.pp("bn1"))?,
            first: ConvBn::new(first, Activation::Relu, backend, vb.pp("conv1"), vb.pp("bn2"))?,
            second: conv_weight(second, vb.pp("conv2"))?,
            second_spec: second.spec(),
            shortcut,
            backend,
        })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let a = self.norm.forward(x, None, Activation::Relu, mode)?;
        let y = self.first.forward(&a, None, mode)?;
        let y = self.backend.conv2d(&y, &in_mode(&self.second, mode), self.second_spec)?;
        let residual = match &self.shortcut {
            Some((weight, spec)) => self.backend.conv2d(&a, &in_mode(weight, mode), *spec)?,
            None => x.clone(),
        };
        Ok((y + residual)?)
    }
}
