//! Activations that other operations fuse.

use candle_core::{Result, Tensor};

use crate::simd::Simd;

/// What a fused operation applies at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `min(max(x, 0), 6)`; NaN stays NaN.
    Relu6,
}

impl Activation {
    /// The activation by candle's operations, on any device and float type. Where it bends, at 0 and at 6, its gradient is 0,
    /// as that of the kernels and of PyTorch; that of candle's own `relu` is 1 there, and half a minimum's.
    ///
    /// # Errors
    /// Those of candle.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        // One value in memory, seen as many.
        let zero = || Tensor::zeros((), x.dtype(), x.device())?.broadcast_as(x.shape());
        match self {
            Activation::Identity => Ok(x.clone()),
            // Compared so that NaN stays.
            Activation::Relu => {
                let zero = zero()?;
                x.detach().le(&zero)?.where_cond(&zero, x)
            }
            Activation::Relu6 => {
                let y = Activation::Relu.apply(x)?;
                let six = (Tensor::zeros((), x.dtype(), x.device())? + 6.0)?.broadcast_as(x.shape())?;
                y.detach().ge(&six)?.where_cond(&six, &y)
            }
        }
    }

    /// The activation of a vector.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`.
    #[inline(always)]
    pub(crate) unsafe fn vector<S: Simd>(self, x: S::V) -> S::V {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Activation::Identity => x,
                Activation::Relu => S::max(S::zero(), x),
                Activation::Relu6 => S::min(S::splat(6.0), S::max(S::zero(), x)),
            }
        }
    }

    /// The gradient `grad` where the activation lets it through, zero elsewhere; `x` is the activation's argument or
    /// its result.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`.
    #[inline(always)]
    pub(crate) unsafe fn gradient<S: Simd>(self, x: S::V, grad: S::V) -> S::V {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Activation::Identity => grad,
                Activation::Relu => S::where_positive(x, grad),
                Activation::Relu6 => S::where_positive(S::sub(S::splat(6.0), x), S::where_positive(x, grad)),
            }
        }
    }
}
