//! Networks whose features are compared by angle, as in verification of faces.
//!
//! `e = v / |v|`, `v = W mean(maps) + b`: a point on the unit sphere of the embedding's dimension. Where images are aligned, as faces
//! usually are, it matters where something is: then `v = W maps + b`, of all pixels of the maps, as networks for faces have it since
//! ArcFace (Deng et al. 2019). Two images show the same person when the cosine `e . e'` is large. Training classifies by the scaled cosines `s e . w_j / |w_j|` to one direction a
//! class (NormFace, Wang et al. 2017); [`subtract_margin`] makes CosFace's loss of it (Wang et al. 2018).

use std::fmt;

use candle_core::{D, DType, Tensor};
use candle_nn::VarBuilder;
use ss_kernels::Backend;

use crate::layers::{Linear, in_mode, uniform_init};
use crate::spec::{NetworkSpec, number};
use crate::trunk::Trunk;
use crate::{Mode, Network, Output, Result};

/// A network with an embedding on top: whose trunk it is, the embedding's dimension, what of the maps it is made of and the scale of
/// the cosines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingConfig {
    pub(crate) trunk: Box<NetworkSpec>,
    pub(crate) dim: usize,
    pub(crate) of: MapsAs,
    pub(crate) scale: usize,
}

/// What of a trunk's feature maps an embedding is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapsAs {
    /// The mean over each map.
    #[default]
    Means,
    /// Every pixel of every map.
    Pixels,
}

impl EmbeddingConfig {
    /// The scale where a name has none.
    pub const SCALE: usize = 30;

    /// Parses `TRUNK+embedding-DIM[-pixels][-sSCALE]`; `None` for names without `+`. A trunk is a network without an
    /// embedding.
    pub(crate) fn parse(name: &str) -> Option<Result<Self>> {
        let (trunk, rest) = name.split_once("+embedding-")?;
        let (rest, scale) = match rest.split_once("-s") {
            Some((rest, scale)) => (rest, number(scale)?),
            None => (rest, Self::SCALE),
        };
        let (dim, of) = match rest.strip_suffix("-pixels") {
            Some(dim) => (number(dim)?, MapsAs::Pixels),
            None => (number(rest)?, MapsAs::Means),
        };
        Some(trunk.parse().map(|trunk| Self { trunk: Box::new(trunk), dim, of, scale }))
    }

    /// What the linear layer takes, of `channels` maps of `pixels` pixels.
    pub(crate) fn features(&self, channels: usize, pixels: usize) -> usize {
        match self.of {
            MapsAs::Means => channels,
            MapsAs::Pixels => channels * pixels,
        }
    }
}

impl fmt::Display for EmbeddingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+embedding-{}", self.trunk, self.dim)?;
        if self.of == MapsAs::Pixels {
            f.write_str("-pixels")?;
        }
        if self.scale == Self::SCALE { Ok(()) } else { write!(f, "-s{}", self.scale) }
    }
}

/// A trunk, a linear layer to the embedding and one direction a class. [`Output::hidden`] is the embedding, of length
/// one; the logits are the scaled cosines, without a margin.
pub(crate) struct Embedding {
    trunk: Box<dyn Trunk>,
    of: MapsAs,
    linear: Linear,
    /// `[classes, dim]`, of any length.
    directions: Tensor,
    scale: f64,
    backend: Backend,
}

impl Embedding {
    /// On a trunk whose maps have `pixels` pixels.
    pub(crate) fn new(
        config: &EmbeddingConfig,
        trunk: Box<dyn Trunk>,
        pixels: usize,
        classes: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let features = config.features(trunk.channels(), pixels);
        let init = uniform_init(features);
        let values = vb.pp("embedding");
        let shape = (config.dim, features);
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
            of: config.of,
            scale: config.scale as f64,
            backend,
        })
    }
}

impl Network for Embedding {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Output> {
        let maps = self.trunk.maps(x, mode)?;
        let features = match self.of {
            MapsAs::Means => self.backend.global_avg_pool2d(&maps)?,
            // In the type of the linear layer, as the means are in any case.
            MapsAs::Pixels => maps.flatten_from(1)?.to_dtype(DType::F32)?,
        };
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
