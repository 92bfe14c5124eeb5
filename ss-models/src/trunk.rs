//! A network in two parts: a trunk that makes feature maps, and a head on top.

use candle_core::Tensor;

use crate::layers::Head;
use crate::{Mode, Network, Output, Result};

/// Everything below a network's head.
pub(crate) trait Trunk: Send + Sync {
    /// Feature maps `[n, channels, h, w]` of a batch of images.
    fn maps(&self, x: &Tensor, mode: Mode) -> Result<Tensor>;

    /// Channels of the feature maps.
    fn channels(&self) -> usize;
}

/// A trunk with the mean over each map and a linear layer on top.
pub(crate) struct Classifier {
    pub(crate) trunk: Box<dyn Trunk>,
    pub(crate) head: Head,
}

impl Network for Classifier {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Output> {
        self.head.forward(&self.trunk.maps(x, mode)?, mode)
    }
}
