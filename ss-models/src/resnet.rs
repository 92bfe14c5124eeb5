//! Residual networks of basic blocks with the 3x3 stem used at 32x32 pixels and below.
//!
//! He et al. 2015, "Deep Residual Learning", section 4.2, with projection shortcuts (option B): a 1x1
//! convolution and batch normalisation wherever the shape changes. Names of the values follow torchvision.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::{Activation, Backend};

use crate::layers::{ConvBn, ConvConfig, Head};
use crate::{Mode, Network, Output, Result};

/// The numbers of a residual network: stage `k` has `blocks[k]` basic blocks of `widths[k]` channels; every
/// stage but the first halves the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Basic blocks a stage.
    pub(crate) blocks: Vec<usize>,
    /// Channels a stage; the stem has those of the first.
    pub(crate) widths: Vec<usize>,
}

impl ResNetConfig {
    /// ResNet-8 of the given widths: one block a stage.
    pub fn resnet8(widths: [usize; 3]) -> Self {
        Self { blocks: vec![1; 3], widths: widths.to_vec() }
    }

    /// ResNet-20 of widths 16-32-64: three blocks a stage.
    pub fn resnet20() -> Self {
        Self { blocks: vec![3; 3], widths: vec![16, 32, 64] }
    }

    /// ResNet-18 of widths 64-128-256-512: two blocks a stage.
    pub fn resnet18() -> Self {
        Self { blocks: vec![2; 4], widths: vec![64, 128, 256, 512] }
    }
}

/// A residual network of basic blocks.
#[derive(Clone, Debug)]
pub struct ResNet {
    stem: ConvBn,
    blocks: Vec<BasicBlock>,
    head: Head,
}

impl ResNet {
    pub(crate) fn new(
        config: &ResNetConfig,
        channels: usize,
        classes: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let mut inputs = config.widths[0];
        let stem = ConvConfig { inputs: channels, outputs: inputs, kernel: 3, stride: 1 };
        let stem = ConvBn::new(stem, Activation::Relu, backend, vb.pp("conv1"), vb.pp("bn1"))?;
        let mut blocks = Vec::new();
        for (stage, (&count, &outputs)) in config.blocks.iter().zip(&config.widths).enumerate() {
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let vb = vb.pp(format!("layer{}.{block}", stage + 1));
                blocks.push(BasicBlock::new(inputs, outputs, stride, backend, &vb)?);
                inputs = outputs;
            }
        }
        Ok(Self { stem, blocks, head: Head::new(inputs, classes, backend, vb.pp("fc"))? })
    }
}

impl Network for ResNet {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Output> {
        let mut x = self.stem.forward(x, None, mode)?;
        for block in &self.blocks {
            x = block.forward(&x, mode)?;
        }
        self.head.forward(&x, mode)
    }
}

/// `relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))`.
#[derive(Clone, Debug)]
struct BasicBlock {
    first: ConvBn,
    second: ConvBn,
    shortcut: Option<ConvBn>,
}

impl BasicBlock {
    fn new(inputs: usize, outputs: usize, stride: usize, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let first = ConvConfig { inputs, outputs, kernel: 3, stride };
        let second = ConvConfig { inputs: outputs, outputs, kernel: 3, stride: 1 };
        let shortcut = if stride == 1 && inputs == outputs {
            None
        } else {
            let config = ConvConfig { inputs, outputs, kernel: 1, stride };
            let vb = vb.pp("downsample");
            Some(ConvBn::new(config, Activation::Identity, backend, vb.pp("0"), vb.pp("1"))?)
        };
        Ok(Self {
            first: ConvBn::new(first, Activation::Relu, backend, vb.pp("conv1"), vb.pp("bn1"))?,
            second: ConvBn::new(second, Activation::Relu, backend, vb.pp("conv2"), vb.pp("bn2"))?,
            shortcut,
        })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let projected = match &self.shortcut {
            Some(shortcut) => Some(shortcut.forward(x, None, mode)?),
            None => None,
        };
        let y = self.first.forward(x, None, mode)?;
        self.second.forward(&y, Some(projected.as_ref().unwrap_or(x)), mode)
    }
}
