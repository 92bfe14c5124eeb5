//! The blocks of residual networks.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::{Activation, Backend};

use super::{BlockConfig, BlockKind};
use crate::layers::{ConvBn, ConvConfig, SqueezeExcite};
use crate::{Mode, Result};

/// `relu(branch(x) + shortcut(x))`, where the branch is two or three convolutions, each with batch normalisation.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// All convolutions but the last, with ReLU.
    first: Vec<ConvBn>,
    last: ConvBn,
    gate: Option<SqueezeExcite>,
    shortcut: Option<ConvBn>,
    backend: Backend,
}

impl Block {
    pub(crate) fn new(config: BlockConfig, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let BlockConfig { inputs, outputs, stride, kind, .. } = config;
        let convs = match kind {
            BlockKind::Basic => vec![
                ConvConfig { inputs, outputs, kernel: 3, stride, groups: 1 },
                ConvConfig { inputs: outputs, outputs, kernel: 3, stride: 1, groups: 1 },
            ],
            BlockKind::Bottleneck { inner, groups, .. } => vec![
                ConvConfig { inputs, outputs: inner, kernel: 1, stride: 1, groups: 1 },
                ConvConfig { inputs: inner, outputs: inner, kernel: 3, stride, groups },
                ConvConfig { inputs: inner, outputs, kernel: 1, stride: 1, groups: 1 },
            ],
        };
        let count = convs.len();
        let squeezed = match kind {
            BlockKind::Bottleneck { squeezed, .. } => squeezed,
            BlockKind::Basic => None,
        };
        // A gate comes between the last normalisation and the sum with the shortcut.
        let layer = |(i, conv): (usize, ConvConfig)| {
            let act =
                if i + 1 == count && squeezed.is_some() { Activation::Identity } else { Activation::Relu };
            let (weight, norm) = (vb.pp(format!("conv{}", i + 1)), vb.pp(format!("bn{}", i + 1)));
            ConvBn::new(conv, act, backend, weight, norm)
        };
        let last = layer((count - 1, convs[count - 1]))?;
        let first = convs.into_iter().take(count - 1).enumerate().map(layer).collect::<Result<_>>()?;
        let gate = squeezed
            .map(|squeezed| SqueezeExcite::new(outputs, squeezed, backend, &vb.pp("se")))
            .transpose()?;
        let shortcut = if config.projects() {
            let conv = ConvConfig { inputs, outputs, kernel: 1, stride, groups: 1 };
            let vb = vb.pp("downsample");
            Some(ConvBn::new(conv, Activation::Identity, backend, vb.pp("0"), vb.pp("1"))?)
        } else {
            None
        };
        Ok(Self { first, last, gate, shortcut, backend })
    }

    pub(crate) fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let projected = match &self.shortcut {
            Some(shortcut) => Some(shortcut.forward(x, None, mode)?),
            None => None,
        };
        let shortcut = projected.as_ref().unwrap_or(x);
        let mut y = x.clone();
        for layer in &self.first {
            y = layer.forward(&y, None, mode)?;
        }
        match &self.gate {
            None => self.last.forward(&y, Some(shortcut), mode),
            Some(gate) => {
                let y = self.last.forward(&y, None, mode)?;
                let gate = gate.forward(&y, mode)?;
                Ok(self.backend.channel_gate(&y, &gate, Some(shortcut), Activation::Relu)?)
            }
        }
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
        let bottleneck = |groups, squeezed| BlockKind::Bottleneck { inner: 8, groups, squeezed };
        for (kind, outputs, stride) in [
            (BlockKind::Basic, 6, 2),
            (bottleneck(1, None), 16, 1),
            (bottleneck(4, Some(5)), 16, 2),
            (bottleneck(2, Some(8)), 6, 1),
        ] {
            let parameters = Parameters::new(Seed::new(0), Device::Cpu);
            let config = BlockConfig { stage: 0, index: 0, inputs: 6, outputs, stride, kind };
            let block = Block::new(config, Backend::Kernels, &parameters.var_builder()).unwrap();
            check(&parameters, [3, 6, 6, 5], |x| block.forward(x, Mode::Train));
        }
    }
}
