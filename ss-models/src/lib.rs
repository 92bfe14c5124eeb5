//! Networks on candle, generic over image size and number of classes.
//!
//! | module | content |
//! |---|---|
//! | [`parameters`] | every weight and running statistic by name, seeded initialisation, snapshots |
//! | [`layers`] | convolution + batch normalisation + activation as one unit, linear head |
//! | [`resnet`] | residual networks (He et al. 2015): ResNet-8 / 20 / 18 / 34 / 50 / 101, SE-ResNeXt-50, stems for small and large images |
//! | [`mobilenet_v2`] | MobileNetV2 (Sandler et al. 2018) |
//! | [`wide_resnet`] | pre-activation wide residual networks (Zagoruyko & Komodakis 2016) |
//! | [`embedding`] | features compared by angle, on any of these networks |
//! | [`plain`] | a plain stack of convolutions, the yardstick of the training benchmark |
//! | [`gpt`] | a decoder-only transformer on tokens (Radford et al. 2019) |
//! | [`safetensors`] | weights from and to PyTorch |
//! | [`spec`] | [`NetworkSpec`]: a network by name or by its numbers, built into a [`Network`] |
//!
//! A network returns its penultimate activations beside the logits, because the last-layer gradient norm
//! of an example (`docs/method.md` 1) needs both. Models are written once: on the CPU the layers run on
//! [`ss_kernels`], elsewhere the same calls fall through to candle.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use ss_models::{InputShape, Mode, NetworkSpec, Parameters};
//! use ss_seed::Seed;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let parameters = Parameters::new(Seed::new(0), Device::Cpu);
//! let input = InputShape { channels: 1, height: 8, width: 8 };
//! let network = "resnet8".parse::<NetworkSpec>()?.build(input, 10, &parameters)?;
//! let x = Tensor::zeros((4, 1, 8, 8), DType::F32, &Device::Cpu)?;
//! let out = network.forward(&x, Mode::Eval)?;
//! assert_eq!(out.logits.dims(), [4, 10]);
//! assert_eq!(out.hidden.dims(), [4, 64]);
//! # Ok(()) }
//! ```

mod cost;
pub mod embedding;
pub mod error;
pub mod gpt;
#[cfg(test)]
mod gradient_check;
pub mod layers;
pub mod mobilenet_v2;
pub mod parameters;
pub mod plain;
pub mod resnet;
pub mod safetensors;
pub mod spec;
mod trunk;
pub mod wide_resnet;

pub use error::{Error, Result};
pub use parameters::{Parameters, Snapshot};
pub use spec::{InputShape, NetworkSpec};

use candle_core::Tensor;
use ss_kernels::{Backend, CrossEntropy};

/// Whether batch normalisation uses the batch's statistics (and updates the running ones) or the running
/// statistics. In [`Mode::Eval`] no gradient graph is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics are updated; the graph is recorded for `backward`.
    Train,
    /// Running statistics; nothing is recorded.
    Eval,
}

/// What a network computes for a batch of `n` images. Of windows of tokens every token is a row.
#[derive(Clone, Debug)]
pub struct Output {
    /// Penultimate activations, the input of the last linear layer: `[n, d]`.
    pub hidden: Tensor,
    /// Unnormalised log-probabilities: `[n, classes]`.
    pub logits: Tensor,
}

/// A classifier of images, or of the tokens that follow those of a text.
pub trait Network: Send + Sync {
    /// Hidden activations and logits of a batch of normalised images `[n, channels, height, width]`, or of windows of
    /// tokens `[n, T]`.
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Output>;

    /// The mean cross-entropy of the batch's logits against `labels`, one a row of them, and the loss of every row: what
    /// ordinary training minimises. The logits themselves need not be made.
    fn cross_entropy(
        &self,
        x: &Tensor,
        labels: &Tensor,
        mode: Mode,
        backend: Backend,
    ) -> Result<CrossEntropy> {
        Ok(backend.cross_entropy(&self.forward(x, mode)?.logits, labels, None)?)
    }
}
