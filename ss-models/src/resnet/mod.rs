//! Residual networks: basic blocks, bottlenecks, and the grouped, gated bottlenecks of SE-ResNeXt.
//!
//! He et al. 2015, "Deep Residual Learning", with projection shortcuts (option B): a 1x1 convolution and batch
//! normalisation wherever the shape changes; a bottleneck has its stride at the 3x3 convolution. SE-ResNeXt: Xie et al.
//! 2017 (groups), Hu et al. 2018 (squeeze-and-excitation before the shortcut is added). Names of the values are those of
//! torchvision, and of timm where torchvision has no such network.

mod blocks;
mod config;

use candle_core::Tensor;
use candle_nn::VarBuilder;
use ss_kernels::Backend;

pub use config::ResNetConfig;
pub(crate) use config::{BlockConfig, BlockKind};

use crate::layers::StemLayers;
use crate::trunk::Trunk;
use crate::{Mode, Result};
use blocks::Block;

/// A residual network below its classifier.
#[derive(Clone, Debug)]
pub(crate) struct ResNet {
    stem: StemLayers,
    blocks: Vec<Block>,
    channels: usize,
}

impl ResNet {
    pub(crate) fn new(
        config: &ResNetConfig,
        channels: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let stem = StemLayers::new(config.stem(), channels, config.stem_width(), backend, vb)?;
        let configs = config.blocks();
        let outputs = configs.last().map_or(config.stem_width(), |block| block.outputs);
        let blocks = configs
            .into_iter()
            .map(|block| {
                let vb = vb.pp(format!("layer{}.{}", block.stage + 1, block.index));
                Block::new(block, backend, &vb)
            })
            .collect::<Result<_>>()?;
        Ok(Self { stem, blocks, channels: outputs })
    }
}

impl Trunk for ResNet {
    fn maps(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = self.stem.forward(x, mode)?;
        for block in &self.blocks {
            x = block.forward(&x, mode)?;
        }
        Ok(x)
    }

    fn channels(&self) -> usize {
        self.channels
    }
}
