//! Which implementation an operation takes.

use candle_core::{DType, Result, Tensor, Var};

use crate::batch_norm::{self, BatchStats};
use crate::conv::{self, Conv2dSpec};
use crate::cross_entropy::{self, CrossEntropy};
use crate::{
    Activation, Sgd, SgdConfig, channel_gate, gelu, layer_norm, linear, linear_cross_entropy, masked_softmax,
    pool,
};

/// The implementation that a network and its training run on. The free functions of this crate are those of
/// [`Backend::Kernels`].
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ss_kernels::{Backend, Conv2dSpec};
///
/// let x = Tensor::rand(-1f32, 1., (2, 3, 8, 8), &Device::Cpu)?;
/// let w = Tensor::rand(-1f32, 1., (4, 3, 3, 3), &Device::Cpu)?;
/// let ours = Backend::Kernels.conv2d(&x, &w, Conv2dSpec::default())?;
/// let candles = Backend::Candle.conv2d(&x, &w, Conv2dSpec::default())?;
/// let largest = (ours - candles)?.abs()?.max_all()?.to_scalar::<f32>()?;
/// assert!(largest < 1e-5);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The kernels of this crate where they apply, `f32` on the CPU and on NVIDIA GPUs, and candle's own operations elsewhere.
    #[default]
    Kernels,
    /// Candle's own operations everywhere, on the CPU too: the path of GPUs without kernels of ours.
    Candle,
    /// Candle's own operations with convolutions, and the activations between them, in `bf16`. Weights, their
    /// gradients, batch statistics, the classifier and the loss stay `f32`.
    CandleBf16,
}

impl Backend {
    /// [`conv2d`](crate::conv2d) on this backend; the result is `bf16` on [`Backend::CandleBf16`].
    ///
    /// # Errors
    /// As [`conv2d`](crate::conv2d).
    pub fn conv2d(self, x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Tensor> {
        match self {
            Self::Kernels => conv::conv2d(x, weight, spec),
            Self::Candle => conv::candle_conv2d(x, weight, spec),
            Self::CandleBf16 => conv::candle_conv2d(&half(x)?, &half(weight)?, spec),
        }
    }

    /// [`linear`](crate::linear()) on this backend; the result is `bf16` on [`Backend::CandleBf16`].
    ///
    /// # Errors
    /// As [`linear`](crate::linear()).
    pub fn linear(self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        match self {
            Self::Kernels => linear::linear(x, weight),
            Self::Candle => x.matmul(&weight.t()?),
            Self::CandleBf16 => half(x)?.matmul(&half(weight)?.t()?),
        }
    }

    /// [`linear_with_bias`](crate::linear_with_bias()) on this backend, `f32` in any case: the bias is added in `f32`.
    ///
    /// # Errors
    /// As [`linear_with_bias`](crate::linear_with_bias()).
    pub fn linear_with_bias(self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        match self {
            Self::Kernels => linear::linear_with_bias(x, weight, bias),
            Self::Candle => self.linear(x, weight)?.broadcast_add(bias),
            Self::CandleBf16 => single(&self.linear(x, weight)?)?.broadcast_add(bias),
        }
    }

    /// [`conv2d_folded`](crate::conv2d_folded) on this backend. On [`Backend::CandleBf16`] the convolution is `bf16`, what
    /// follows it is computed in `f32`, and the result is `bf16`.
    ///
    /// # Errors
    /// As [`conv2d_folded`](crate::conv2d_folded).
    #[allow(clippy::too_many_arguments)]
    pub fn conv2d_folded(
        self,
        x: &Tensor,
        weight: &Tensor,
        spec: Conv2dSpec,
        scale: &Tensor,
        shift: &Tensor,
        residual: Option<&Tensor>,
        act: Activation,
    ) -> Result<Tensor> {
        let after = conv::After { scale, shift, residual, act };
        match self {
            Self::Kernels => conv::conv2d_folded(x, weight, spec, scale, shift, residual, act),
            Self::Candle => after.candle(x, weight, spec),
            Self::CandleBf16 => after.candle_half(x, weight, spec),
        }
    }

    /// [`batch_norm_train`](crate::batch_norm_train) on this backend. On [`Backend::CandleBf16`] it is computed
    /// in `f32` and the result is `bf16`.
    ///
    /// # Errors
    /// As [`batch_norm_train`](crate::batch_norm_train).
    pub fn batch_norm_train(
        self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        residual: Option<&Tensor>,
        eps: f64,
        act: Activation,
    ) -> Result<(Tensor, BatchStats)> {
        match self {
            Self::Kernels => batch_norm::batch_norm_train(x, scale, shift, residual, eps, act),
            Self::Candle => batch_norm::candle_train(x, scale, shift, residual, eps, act),
            Self::CandleBf16 => {
                let residual = residual.map(single).transpose()?;
                let (y, stats) =
                    batch_norm::candle_train(&single(x)?, scale, shift, residual.as_ref(), eps, act)?;
                Ok((half(&y)?, stats))
            }
        }
    }

    /// [`batch_norm_eval`](crate::batch_norm_eval) on this backend, in `f32` as
    /// [`batch_norm_train`](Self::batch_norm_train).
    ///
    /// # Errors
    /// As [`batch_norm_eval`](crate::batch_norm_eval).
    #[allow(clippy::too_many_arguments)]
    pub fn batch_norm_eval(
        self,
        x: &Tensor,
        mean: &Tensor,
        var: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        residual: Option<&Tensor>,
        eps: f64,
        act: Activation,
    ) -> Result<Tensor> {
        match self {
            Self::Kernels => batch_norm::batch_norm_eval(x, mean, var, scale, shift, residual, eps, act),
            Self::Candle => batch_norm::candle_eval(x, mean, var, scale, shift, residual, eps, act),
            Self::CandleBf16 => {
                let residual = residual.map(single).transpose()?;
                let x = single(x)?;
                half(&batch_norm::candle_eval(&x, mean, var, scale, shift, residual.as_ref(), eps, act)?)
            }
        }
    }

    /// [`channel_gate`](crate::channel_gate()) on this backend, in the type of `x`.
    ///
    /// # Errors
    /// As [`channel_gate`](crate::channel_gate()).
    pub fn channel_gate(
        self,
        x: &Tensor,
        gate: &Tensor,
        residual: Option<&Tensor>,
        act: Activation,
    ) -> Result<Tensor> {
        match self {
            Self::Kernels => channel_gate::channel_gate(x, gate, residual, act),
            Self::Candle => channel_gate::candle_channel_gate(x, gate, residual, act),
            Self::CandleBf16 => {
                let residual = residual.map(half).transpose()?;
                channel_gate::candle_channel_gate(&half(x)?, &half(gate)?, residual.as_ref(), act)
            }
        }
    }

    /// [`layer_norm`](crate::layer_norm()) on this backend, in `f32` as [`batch_norm_train`](Self::batch_norm_train) on
    /// [`Backend::CandleBf16`], with an `f32` result.
    ///
    /// # Errors
    /// As [`layer_norm`](crate::layer_norm()).
    pub fn layer_norm(self, x: &Tensor, scale: &Tensor, shift: &Tensor, eps: f64) -> Result<Tensor> {
        match self {
            Self::Kernels => layer_norm::layer_norm(x, scale, shift, eps),
            Self::Candle => layer_norm::candle_layer_norm(x, scale, shift, eps),
            Self::CandleBf16 => layer_norm::candle_layer_norm(&single(x)?, scale, shift, eps),
        }
    }

    /// [`masked_softmax`](crate::masked_softmax()) on this backend, in the type of `scores`.
    ///
    /// # Errors
    /// As [`masked_softmax`](crate::masked_softmax()).
    pub fn masked_softmax(self, scores: &Tensor, mask: &Tensor, scale: f64) -> Result<Tensor> {
        match self {
            Self::Kernels => masked_softmax::masked_softmax(scores, mask, scale),
            Self::Candle | Self::CandleBf16 => masked_softmax::candle_masked_softmax(scores, mask, scale),
        }
    }

    /// [`gelu`](crate::gelu()) on this backend, in the type of `x`.
    ///
    /// # Errors
    /// As [`gelu`](crate::gelu()).
    pub fn gelu(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Kernels => gelu::gelu(x),
            Self::Candle | Self::CandleBf16 => x.gelu_erf(),
        }
    }

    /// [`global_avg_pool2d`](crate::global_avg_pool2d) on this backend; the result is `f32` in any case.
    ///
    /// # Errors
    /// As [`global_avg_pool2d`](crate::global_avg_pool2d).
    pub fn global_avg_pool2d(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Kernels => pool::global_avg_pool2d(x),
            Self::Candle => pool::candle_global_avg_pool2d(x),
            Self::CandleBf16 => pool::candle_global_avg_pool2d(&single(x)?),
        }
    }

    /// [`max_pool2d`](crate::max_pool2d) on this backend, in the type of `x`.
    ///
    /// # Errors
    /// As [`max_pool2d`](crate::max_pool2d).
    pub fn max_pool2d(self, x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
        match self {
            Self::Kernels => pool::max_pool2d(x, kernel, stride, padding),
            Self::Candle | Self::CandleBf16 => pool::candle_max_pool2d(x, kernel, stride, padding),
        }
    }

    /// [`avg_pool2d`](crate::avg_pool2d) on this backend, in the type of `x`.
    ///
    /// # Errors
    /// As [`avg_pool2d`](crate::avg_pool2d).
    pub fn avg_pool2d(self, x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
        match self {
            Self::Kernels => pool::avg_pool2d(x, kernel, stride),
            Self::Candle | Self::CandleBf16 => pool::candle_avg_pool2d(x, kernel, stride),
        }
    }

    /// [`cross_entropy`](crate::cross_entropy) on this backend, in `f32`. Candle's operations do not check the
    /// values of targets and weights.
    ///
    /// # Errors
    /// As [`cross_entropy`](crate::cross_entropy).
    pub fn cross_entropy(
        self,
        logits: &Tensor,
        targets: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<CrossEntropy> {
        match self {
            Self::Kernels => cross_entropy::cross_entropy(logits, targets, weights),
            Self::Candle => cross_entropy::candle_cross_entropy(logits, targets, weights),
            Self::CandleBf16 => cross_entropy::candle_cross_entropy(&single(logits)?, targets, weights),
        }
    }

    /// [`linear_cross_entropy`](crate::linear_cross_entropy()) on this backend. Candle's operations, those of
    /// [`linear`](Self::linear) and [`cross_entropy`](Self::cross_entropy) in turn, hold all logits.
    ///
    /// # Errors
    /// As [`linear_cross_entropy`](crate::linear_cross_entropy()).
    pub fn linear_cross_entropy(
        self,
        x: &Tensor,
        weight: &Tensor,
        targets: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<CrossEntropy> {
        match self {
            Self::Kernels => linear_cross_entropy::linear_cross_entropy(x, weight, targets, weights),
            Self::Candle | Self::CandleBf16 => self.cross_entropy(&self.linear(x, weight)?, targets, weights),
        }
    }

    /// [`Sgd::new`] on this backend.
    ///
    /// # Errors
    /// As [`Sgd::new`].
    pub fn sgd(self, vars: Vec<Var>, config: SgdConfig) -> Result<Sgd> {
        Sgd::on(self, vars, config)
    }
}

fn half(t: &Tensor) -> Result<Tensor> {
    t.to_dtype(DType::BF16)
}

fn single(t: &Tensor) -> Result<Tensor> {
    t.to_dtype(DType::F32)
}
