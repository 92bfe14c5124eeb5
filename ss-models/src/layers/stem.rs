//! The first layers of a network, for small and for large images.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::{Activation, Backend};

use super::{ConvBn, ConvConfig};
use crate::{Mode, Result};

/// How a network begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// For images of 32x32 pixels and below: a 3x3 convolution at stride 1.
    Small,
    /// For images of ImageNet's size: in residual networks a 7x7 convolution at stride 2 and 3x3 max pooling at stride 2.
    ImageNet,
}

impl Stem {
    /// A name without its ending `-imagenet`, and the stem that this ending stands for.
    pub(crate) fn of_name(name: &str) -> (&str, Self) {
        match name.strip_suffix(Self::ImageNet.suffix()) {
            Some(rest) => (rest, Self::ImageNet),
            None => (name, Self::Small),
        }
    }

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Small => "",
            Self::ImageNet => "-imagenet",
        }
    }

    /// Stride of a residual network's stem.
    pub(crate) fn stride(self) -> usize {
        match self {
            Self::Small => 1,
            Self::ImageNet => 4,
        }
    }
}

/// A residual network's stem, its values named as in torchvision.
#[derive(Clone, Debug)]
pub(crate) struct StemLayers {
    conv: ConvBn,
    stem: Stem,
    backend: Backend,
}

impl StemLayers {
    pub(crate) fn new(
        stem: Stem,
        inputs: usize,
        outputs: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let (kernel, stride) = match stem {
            Stem::Small => (3, 1),
            Stem::ImageNet => (7, 2),
        };
        let conv = ConvConfig { inputs, outputs, kernel, stride, groups: 1 };
        let conv = ConvBn::new(conv, Activation::Relu, backend, vb.pp("conv1"), vb.pp("bn1"))?;
        Ok(Self { conv, stem, backend })
    }

    pub(crate) fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = self.conv.forward(x, None, mode)?;
        match self.stem {
            Stem::Small => Ok(x),
            Stem::ImageNet => Ok(self.backend.max_pool2d(&x, 3, 2, 1)?),
        }
    }
}
