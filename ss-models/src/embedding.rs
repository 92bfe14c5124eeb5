//! Networks whose features are compared by angle, as in verification of faces.
//!
//! `e = v / |v|`, `v = W mean(maps) + b`: a point on the unit sphere of the embedding's dimension. Two images show the same
//! person when the cosine `e . e'` is large. Training classifies by the scaled cosines `s e . w_j / |w_j|` to one direction a
//! class (NormFace, Wang et al. 2017); [`subtract_margin`] makes CosFace's loss of it (Wang et al. 2018).

use std::fmt;

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;
use ss_kernels::Backend;

use crate::layers::{Linear, in_mode, uniform_init};
use crate::spec::{NetworkSpec, number};
use crate::trunk::Trunk;
use crate::{Mode, Network, Output, Result};

/// A network with an embedding on top: whose trunk it is, the embedding's dimension and the scale of the cosines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingConfig {
    pub(crate) trunk: Box<NetworkSpec>,
    pub(crate) dim: usize,
    pub(crate) scale: usize,
}

impl EmbeddingConfig {
    /// The scale where a name has none.
    pub const SCALE: usize = 30;

    /// Parses `TRUNK+embedding-DIM[-sSCALE]`; `None` for names without `+`. A trunk is a network without an
    /// embedding.
    pub(crate) fn parse(name: &str) -> Option<Result<Self>> {
        let (trunk, rest) = name.split_once("+embedding-")?;
        let (dim, scale) = match rest.split_once("-s") {
            Some((dim, scale)) => (number(dim)?, number(scale)?),
            None => (number(rest)?, Self::SCALE),
        };
        Some(trunk.parse().map(|trunk| Self { trunk: Box::new(trunk), dim, scale }))
    }
}

impl fmt::Display for EmbeddingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+embedding-{}", self.trunk, self.dim)?;
        if self.scale == Self::SCALE { Ok(()) } else { write!(f, "-s{}", self.scale) }
    }
}

/// A trunk, a linear layer to the embedding and one direction a class. [`Output::hidden`] is the embedding, of length
/// one; the logits are the scaled cosines, without a margin.
pub(crate) struct Embedding {
    trunk: Box<dyn Trunk>,
    linear: Linear,
    /// `[classes, dim]`, of any length.
    directions: Tensor,
    scale: f64,
    backend: Backend,
}

impl Embedding {
    pub(crate) fn new(
        config: &EmbeddingConfig,
        trunk: Box<dyn Trunk>,
        classes: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let init = uniform_init(trunk.channels());
        let values = vb.pp("embedding");
        let shape = (config.dim, trunk.channels());
        Ok(Self {
            linear: Linear {
                weight: values.get_with_hints(shape, "weight", init)?,
                bias: values.get_with_hints(config.dim, "bias", init)?,
            },
            directions: vb.pp("cosine").get_with_hints(
                (classes, config.dim),
                "weight",
                uniform_init(config.dim),
            )?,
            trunk,
            scale: config.scale as f64,
            backend,
        })
    }
}

impl Network for Embedding {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Output> {
        let features = self.backend.global_avg_pool2d(&self.trunk.maps(x, mode)?)?;
        let hidden = unit_rows(&self.linear.forward(&features, mode)?)?;
        let directions = unit_rows(&in_mode(&self.directions, mode))?;
        let logits = (hidden.matmul(&directions.t()?)? * self.scale)?;
        Ok(Output { hidden, logits })
    }
}

/// Rows of length one. A row of zeros stays zero, with a finite gradient.
fn unit_rows(x: &Tensor) -> Result<Tensor> {
    let squares = (x.sqr()?.sum_keepdim(D::Minus1)? + 1e-20)?;
    Ok(x.broadcast_div(&squares.sqrt()?)?)
}

/// Logits `[n, classes]` of scaled cosines with the label's cosine made smaller by `margin`: what CosFace's loss takes the
/// cross-entropy of. `labels` are `[n]`, `u32`; `scale` is the network's.
///
/// # Errors
/// Errors of the tensor library: a label beyond the classes, another shape or type.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ss_models::embedding::subtract_margin;
///
/// let logits = Tensor::new(&[[3f32, 1.], [2., 4.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32, 1], &Device::Cpu)?;
/// let harder = subtract_margin(&logits, &labels, 0.25, 4.0)?;
/// assert_eq!(harder.to_vec2::<f32>()?, [[2., 1.], [2., 3.]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn subtract_margin(logits: &Tensor, labels: &Tensor, margin: f64, scale: f64) -> Result<Tensor> {
    let column = labels.unsqueeze(1)?;
    let margins = (Tensor::ones(column.dims(), logits.dtype(), logits.device())? * (-margin * scale))?;
    let at_labels = logits.zeros_like()?.scatter_add(&column, &margins, 1)?;
    Ok((logits + at_labels.detach())?)
}
