//! A decoder-only transformer on tokens (Radford et al. 2019, GPT-2): pre-normalised blocks of causal attention and a
//! two-layer network, learned positions, the classifier tied to the token embedding, no dropout.

use candle_core::{D, DType, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::Init;
use ss_kernels::{Backend, CrossEntropy};

use crate::layers::in_mode;
use crate::{Error, Mode, Network, Output, Result};

/// Epsilon of the layer normalisations.
const EPS: f64 = 1e-5;

/// Deviation of the initial weights (GPT-2).
const STDEV: f64 = 0.02;

/// Numbers of a [`Gpt`] that do not depend on the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GptConfig {
    /// Blocks, at least one.
    pub layers: usize,
    /// Width of the residual stream, a multiple of `heads`.
    pub width: usize,
    /// Attention heads, at least one.
    pub heads: usize,
}

/// The network. A batch `x` is `[n, T]`, token numbers (`u32`) below the vocabulary's size, `T` at most the context. Output
/// rows are tokens, window after window: `hidden` `[n T, width]`, and `logits` `[n T, vocabulary]` of the token that follows.
///
/// Names and shapes are those of the plain PyTorch GPT (`transformer.h.0.attn.c_attn.weight` `[3 width, width]`, ...); the
/// classifier has no value of its own.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ss_models::gpt::{Gpt, GptConfig};
/// use ss_models::{Mode, Network, Parameters};
/// use ss_seed::Seed;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parameters = Parameters::new(Seed::new(0), Device::Cpu);
/// let config = GptConfig { layers: 2, width: 16, heads: 2 };
/// let gpt = Gpt::new(config, 8, 50, parameters.backend(), &parameters.var_builder())?;
/// let windows = Tensor::zeros((3, 8), candle_core::DType::U32, &Device::Cpu)?;
/// assert_eq!(gpt.forward(&windows, Mode::Eval)?.logits.dims(), [3 * 8, 50]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Gpt {
    tokens: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    last: LayerNorm,
    /// Of a whole context.
    mask: Tensor,
    context: usize,
    backend: Backend,
}

impl Gpt {
    /// A network that reads up to `context` tokens out of `vocabulary`, its values named under `vb`. Weights are normal with
    /// deviation 0.02, those that end a residual branch with `0.02 / sqrt(2 layers)`.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] for numbers of zero, a width that the heads do not divide, fewer than two tokens.
    pub fn new(
        config: GptConfig,
        context: usize,
        vocabulary: usize,
        backend: Backend,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let GptConfig { layers, width, heads } = config;
        let invalid =
            |what: String, remedy| Err(Error::InvalidSpec { network: config.to_string(), what, remedy });
        if layers == 0 || width == 0 || heads == 0 || !width.is_multiple_of(heads) {
            return invalid(
                format!("{layers} layers, {width} wide, {heads} heads"),
                "use at least one layer and head, and a width that is a multiple of the heads",
            );
        }
        if context == 0 || vocabulary < 2 {
            return invalid(
                format!("{context} tokens of a vocabulary of {vocabulary}"),
                "give windows of at least one token and a vocabulary of at least two",
            );
        }
        let vb = vb.pp("transformer");
        let normal = Init::Randn { mean: 0.0, stdev: STDEV };
        let tokens = vb.get_with_hints((vocabulary, width), "wte.weight", normal)?;
        let positions = vb.get_with_hints((context, width), "wpe.weight", normal)?;
        let block = |i: usize| Block::new(config, backend, &vb.pp("h").pp(i.to_string()));
        let blocks = (0..layers).map(block).collect::<Result<_>>()?;
        let last = LayerNorm::new(width, backend, &vb.pp("ln_f"))?;
        let mask = causal_mask(context, vb.device())?;
        Ok(Self { tokens, positions, blocks, last, mask, context, backend })
    }
}

impl Gpt {
    /// The classifier's input `[n T, width]`, and its weight `[vocabulary, width]`.
    fn hidden(&self, x: &Tensor, mode: Mode) -> Result<(Tensor, Tensor)> {
        let (windows, length) = x.dims2()?;
        if length > self.context {
            return Err(candle_core::Error::Msg(format!(
                "windows of {length} tokens for a context of {}; cut them shorter",
                self.context
            ))
            .into());
        }
        let tokens = in_mode(&self.tokens, mode);
        let positions = in_mode(&self.positions, mode).narrow(0, 0, length)?;
        let embedded = tokens.index_select(&x.flatten_all()?, 0)?;
        let width = embedded.dim(D::Minus1)?;
        let embedded = embedded.reshape((windows, length, width))?.broadcast_add(&positions)?;
        let mask = self.mask.narrow(0, 0, length)?.narrow(1, 0, length)?;
        let mut stream = embedded.reshape((windows * length, width))?;
        for block in &self.blocks {
            stream = block.forward(&stream, windows, &mask, mode)?;
        }
        Ok((self.last.forward(&stream, mode)?, tokens))
    }
}

impl Network for Gpt {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Output> {
        let (hidden, tokens) = self.hidden(x, mode)?;
        let logits = self.backend.linear(&hidden, &tokens)?;
        Ok(Output { hidden, logits: logits.to_dtype(DType::F32)? })
    }

    fn cross_entropy(
        &self,
        x: &Tensor,
        labels: &Tensor,
        mode: Mode,
        backend: Backend,
    ) -> Result<CrossEntropy> {
        let (hidden, tokens) = self.hidden(x, mode)?;
        Ok(backend.linear_cross_entropy(&hidden, &tokens, labels, None)?)
    }
}

/// `[T, T]`: 0 where a token may look, minus infinity at those that follow it.
fn causal_mask(length: usize, device: &candle_core::Device) -> Result<Tensor> {
    let value = |i: usize| if i % length > i / length { f32::NEG_INFINITY } else { 0.0 };
    Ok(Tensor::from_iter((0..length * length).map(value), device)?.reshape((length, length))?)
}

/// Attention and a two-layer network, each added to the stream `[n T, width]`.
#[derive(Clone, Debug)]
struct Block {
    heads: usize,
    backend: Backend,
    before_attention: LayerNorm,
    qkv: Dense,
    out: Dense,
    before_mlp: LayerNorm,
    widen: Dense,
    narrow: Dense,
}

impl Block {
    fn new(config: GptConfig, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let GptConfig { layers, width, heads } = config;
        let ending = STDEV / (2.0 * layers as f64).sqrt();
        let (attention, mlp) = (vb.pp("attn"), vb.pp("mlp"));
        Ok(Self {
            heads,
            backend,
            before_attention: LayerNorm::new(width, backend, &vb.pp("ln_1"))?,
            qkv: Dense::new(width, 3 * width, STDEV, backend, &attention.pp("c_attn"))?,
            out: Dense::new(width, width, ending, backend, &attention.pp("c_proj"))?,
            before_mlp: LayerNorm::new(width, backend, &vb.pp("ln_2"))?,
            widen: Dense::new(width, 4 * width, STDEV, backend, &mlp.pp("c_fc"))?,
            narrow: Dense::new(4 * width, width, ending, backend, &mlp.pp("c_proj"))?,
        })
    }

    fn forward(&self, stream: &Tensor, windows: usize, mask: &Tensor, mode: Mode) -> Result<Tensor> {
        let attended = self.attend(&self.before_attention.forward(stream, mode)?, windows, mask, mode)?;
        let stream = (stream + self.out.forward(&attended, mode)?)?;
        let wide = self.widen.forward(&self.before_mlp.forward(&stream, mode)?, mode)?;
        let wide = self.backend.gelu(&wide)?;
        Ok((&stream + self.narrow.forward(&wide, mode)?)?)
    }

    /// Softmax attention of every token to itself and those before it in its window.
    fn attend(&self, x: &Tensor, windows: usize, mask: &Tensor, mode: Mode) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let (length, size) = (rows / windows, width / self.heads);
        let qkv = self.qkv.forward(x, mode)?.reshape((windows, length, 3, self.heads, size))?;
        let part = |i: usize| qkv.narrow(2, i, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let shares = self.backend.masked_softmax(&q.matmul(&k.t()?)?, mask, 1.0 / (size as f64).sqrt())?;
        Ok(shares.matmul(&v)?.transpose(1, 2)?.reshape((rows, width))?)
    }
}

/// `x W^T + b` of rows `[n, inputs]`.
#[derive(Clone, Debug)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
    backend: Backend,
}

impl Dense {
    fn new(inputs: usize, outputs: usize, stdev: f64, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints((outputs, inputs), "weight", Init::Randn { mean: 0.0, stdev })?;
        Ok(Self { weight, bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?, backend })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let (weight, bias) = (in_mode(&self.weight, mode), in_mode(&self.bias, mode));
        Ok(self.backend.linear_with_bias(x, &weight, &bias)?)
    }
}

/// Every row to mean 0 and variance 1, then scaled and shifted.
#[derive(Clone, Debug)]
struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    backend: Backend,
}

impl LayerNorm {
    fn new(width: usize, backend: Backend, vb: &VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints(width, "weight", Init::Const(1.0))?;
        Ok(Self { weight, bias: vb.get_with_hints(width, "bias", Init::Const(0.0))?, backend })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let (weight, bias) = (in_mode(&self.weight, mode), in_mode(&self.bias, mode));
        // Candle's fused one has no gradient.
        if mode == Mode::Eval {
            return Ok(candle_nn::ops::layer_norm(&x.contiguous()?, &weight, &bias, EPS as f32)?);
        }
        Ok(self.backend.layer_norm(x, &weight, &bias, EPS)?)
    }
}
