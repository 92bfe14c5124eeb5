//! MobileNetV2: inverted residuals with depthwise convolutions.
//!
//! Sandler et al. 2018, table 2, as in torchvision, whose names the values have; without the dropout before the
//! classifier. For small images stem and second stage keep the size of the image, so that the last maps are 4x4 at 32x32 pixels.

use std::fmt;

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::{Activation, Backend};

use crate::layers::{ConvBn, ConvConfig, Stem};
use crate::trunk::Trunk;
use crate::{Mode, Result};

/// Expansion, channels, blocks and stride of each stage.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// The numbers of a MobileNetV2: its width multiplier, and whether it is for images of ImageNet's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MobileNetV2Config {
    /// Thousandths of the published channels.
    multiplier: usize,
    stem: Stem,
}

impl MobileNetV2Config {
    /// Thousandths of the widest network that a name may ask for.
    const LARGEST: usize = 8000;

    /// Parses `mobilenet-v2[-MULTIPLIER][-imagenet]`; `None` for other names. The multiplier has at most three
    /// decimals and is from 0.001 to 8.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (short, stem) = Stem::of_name(name);
        let rest = short.strip_prefix("mobilenet-v2")?;
        let multiplier = if rest.is_empty() { 1000 } else { thousandths(rest.strip_prefix('-')?)? };
        Some(Self { multiplier, stem })
    }

    /// Channels times the multiplier in steps of eight, at least eight and not below nine tenths (torchvision's
    /// `_make_divisible`).
    fn scaled(self, channels: usize) -> usize {
        let exact = channels * self.multiplier;
        let rounded = ((exact + 4000) / 8000 * 8).max(8);
        if rounded * 10_000 < 9 * exact { rounded + 8 } else { rounded }
    }

    /// Channels of the stem.
    pub(crate) fn stem_width(self) -> usize {
        self.scaled(32)
    }

    pub(crate) fn stem_stride(self) -> usize {
        match self.stem {
            Stem::Small => 1,
            Stem::ImageNet => 2,
        }
    }

    /// Channels of the last maps: the multiplier never makes them fewer than 1280.
    pub(crate) fn outputs(self) -> usize {
        Self { multiplier: self.multiplier.max(1000), ..self }.scaled(1280)
    }

    /// Pixels of the image, along one axis, that one pixel of the last maps stands for.
    pub(crate) fn total_stride(self) -> usize {
        self.blocks().iter().map(|block| block.stride).product::<usize>() * self.stem_stride()
    }

    /// All blocks in order.
    pub(crate) fn blocks(self) -> Vec<InvertedResidualConfig> {
        let mut inputs = self.stem_width();
        let mut found = Vec::new();
        for (stage, (expansion, channels, count, stride)) in STAGES.into_iter().enumerate() {
            let outputs = self.scaled(channels);
            for index in 0..count {
                let kept = index > 0 || (stage == 1 && self.stem == Stem::Small);
                let stride = if kept { 1 } else { stride };
                found.push(InvertedResidualConfig { inputs, inner: expansion * inputs, outputs, stride });
                inputs = outputs;
            }
        }
        found
    }
}

/// A decimal number with at most three decimals, in thousandths.
fn thousandths(text: &str) -> Option<usize> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    let value = whole.parse::<usize>().ok()? * 1000 + format!("{decimals:0<3}").parse::<usize>().ok()?;
    (1..=MobileNetV2Config::LARGEST).contains(&value).then_some(value)
}

impl fmt::Display for MobileNetV2Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mobilenet-v2")?;
        if self.multiplier != 1000 {
            let decimals = format!("{}.{:03}", self.multiplier / 1000, self.multiplier % 1000);
            write!(f, "-{}", decimals.trim_end_matches('0').trim_end_matches('.'))?;
        }
        f.write_str(self.stem.suffix())
    }
}

/// Sizes of one inverted residual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InvertedResidualConfig {
    pub(crate) inputs: usize,
    /// Channels of the depthwise convolution.
    pub(crate) inner: usize,
    pub(crate) outputs: usize,
    pub(crate) stride: usize,
}

/// A MobileNetV2 below its classifier.
#[derive(Clone, Debug)]
pub(crate) struct MobileNetV2 {
    stem: ConvBn,
    blocks: Vec<InvertedResidual>,
    last: ConvBn,
    channels: usize,
}

impl MobileNetV2 {
    pub(crate) fn new(
        config: MobileNetV2Config,
        channels: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let features = vb.pp("features");
        let unit = |conv: ConvConfig, at: usize| {
            let vb = features.pp(at);
            ConvBn::new(conv, Activation::Relu6, backend, vb.pp("0"), vb.pp("1"))
        };
        let configs = config.blocks();
        let (outputs, stride) = (config.stem_width(), config.stem_stride());
        let stem = unit(ConvConfig { inputs: channels, outputs, kernel: 3, stride, groups: 1 }, 0)?;
        let inputs = configs.last().map_or(outputs, |block| block.outputs);
        let outputs = config.outputs();
        let last = unit(ConvConfig { inputs, outputs, kernel: 1, stride: 1, groups: 1 }, configs.len() + 1)?;
        let blocks = configs
            .into_iter()
            .enumerate()
            .map(|(i, block)| InvertedResidual::new(block, backend, &features.pp(i + 1).pp("conv")))
            .collect::<Result<_>>()?;
        Ok(Self { stem, blocks, last, channels: outputs })
    }
}

impl Trunk for MobileNetV2 {
    fn maps(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = self.stem.forward(x, None, mode)?;
        for block in &self.blocks {
            x = block.forward(&x, mode)?;
        }
        self.last.forward(&x, None, mode)
    }

    fn channels(&self) -> usize {
        self.channels
    }
}

/// 1x1 convolution to `inner` channels (where they are more), depthwise 3x3, both with ReLU6, 1x1 without an activation; plus
/// the input where the shape stays.
#[derive(Clone, Debug)]
struct InvertedResidual {
    expand: Option<ConvBn>,
    depthwise: ConvBn,
    project: ConvBn,
    skips: bool,
}

impl InvertedResidual {
    fn new(config: InvertedResidualConfig, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let InvertedResidualConfig { inputs, inner, outputs, stride } = config;
        let unit = |conv: ConvConfig, at: usize| {
            let vb = vb.pp(at);
            ConvBn::new(conv, Activation::Relu6, backend, vb.pp("0"), vb.pp("1"))
        };
        let expand = if inner == inputs {
            None
        } else {
            Some(unit(ConvConfig { inputs, outputs: inner, kernel: 1, stride: 1, groups: 1 }, 0)?)
        };
        let at = usize::from(expand.is_some());
        let depthwise = ConvConfig { inputs: inner, outputs: inner, kernel: 3, stride, groups: inner };
        let project = ConvConfig { inputs: inner, outputs, kernel: 1, stride: 1, groups: 1 };
        let (weight, norm) = (vb.pp(at + 1), vb.pp(at + 2));
        Ok(Self {
            expand,
            depthwise: unit(depthwise, at)?,
            project: ConvBn::new(project, Activation::Identity, backend, weight, norm)?,
            skips: stride == 1 && inputs == outputs,
        })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let expanded = match &self.expand {
            Some(expand) => Some(expand.forward(x, None, mode)?),
            None => None,
        };
        let y = self.depthwise.forward(expanded.as_ref().unwrap_or(x), None, mode)?;
        self.project.forward(&y, self.skips.then_some(x), mode)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use ss_seed::Seed;

    use super::*;
    use crate::Parameters;
    use crate::gradient_check::check;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (inner, outputs, stride) in [(6, 8, 1), (36, 6, 1), (36, 8, 2)] {
            let parameters = Parameters::new(Seed::new(0), Device::Cpu);
            let config = InvertedResidualConfig { inputs: 6, inner, outputs, stride };
            let block = InvertedResidual::new(config, Backend::Kernels, &parameters.var_builder()).unwrap();
            check(&parameters, [3, 6, 6, 5], |x| block.forward(x, Mode::Train));
        }
    }
}
