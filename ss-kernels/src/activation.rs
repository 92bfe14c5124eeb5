//! Activations that other operations fuse.

use candle_core::{Result, Tensor};

/// What a fused operation applies at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
}

impl Activation {
    /// The stock candle operation.
    pub(crate) fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Identity => Ok(x.clone()),
            Activation::Relu => x.relu(),
        }
    }
}
