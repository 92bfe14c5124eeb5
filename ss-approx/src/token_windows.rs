//! Windows of text as the instances of a task: a language model that predicts the next token.

use std::ops::Range;

use candle_core::Tensor;
use ss_data::text::TokenWindows;
use ss_models::{Mode, Network, NetworkSpec, Parameters};
use ss_sampler::Draw;
use ss_seed::Stream;

use crate::examples::{Batches, Examples};
use crate::{Augmentation, Device, Error, Predictions, Result, Score, WindowPredictions};

/// Logits that a forward pass of evaluation may make, 16 MiB of them.
const LOGITS: usize = 1 << 22;

impl Examples for TokenWindows {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn build(&self, network: &NetworkSpec, parameters: &Parameters) -> Result<Box<dyn Network>> {
        Ok(network.build_language(self.context(), self.vocabulary(), parameters)?)
    }

    fn epoch<'a>(
        &'a self,
        draws: &'a [Draw],
        augmentation: Augmentation,
        _: Stream,
        device: &Device,
    ) -> Result<Box<dyn Batches + 'a>> {
        if augmentation != Augmentation::default() {
            return Err(Error::InvalidSetting {
                setting: "augmentation",
                found: format!("{augmentation:?}"),
                expected: "none: crops and flips are for images",
            });
        }
        Ok(Box::new(DrawnWindows { windows: self, draws, device: device.tensors().clone() }))
    }

    fn predict(&self, network: &dyn Network, device: &Device) -> Result<Predictions> {
        let (context, mut seen) = (self.context(), WindowPredictions::of_context(self.context()));
        let batch = (LOGITS / (context * self.vocabulary())).clamp(1, 256);
        for first in (0..self.len()).step_by(batch) {
            let windows = first..self.len().min(first + batch);
            let input = inputs(self, windows.clone(), device.tensors())?;
            let out = network.forward(&input, Mode::Eval)?;
            let targets: Vec<u32> = windows.flat_map(|i| self.targets(i).iter().copied()).collect();
            seen.add(&out, &targets)?;
        }
        Ok(Predictions::Windows(seen))
    }

    fn goal(&self) -> Score {
        Score::Likelihood
    }

    fn check_score(&self, score: Score) -> Result<()> {
        WindowPredictions::check_score(score)
    }
}

/// The batches of one epoch of windows: tokens `[n, T]` and the next tokens `[n T]`, both `u32`.
struct DrawnWindows<'a> {
    windows: &'a TokenWindows,
    draws: &'a [Draw],
    device: candle_core::Device,
}

impl Batches for DrawnWindows<'_> {
    fn batch(&self, draws: Range<usize>) -> Result<(Tensor, Tensor)> {
        let drawn = || self.draws[draws.clone()].iter().map(|draw| draw.example());
        let targets: Vec<u32> = drawn().flat_map(|i| self.windows.targets(i).iter().copied()).collect();
        let count = targets.len();
        let x = inputs(self.windows, drawn(), &self.device)?;
        Ok((x, Tensor::from_vec(targets, count, &self.device)?))
    }
}

/// What these windows are read as, `[n, T]`.
fn inputs(
    windows: &TokenWindows,
    which: impl Iterator<Item = usize>,
    device: &candle_core::Device,
) -> Result<Tensor> {
    let tokens: Vec<u32> = which.flat_map(|i| windows.input(i).iter().copied()).collect();
    let n = tokens.len() / windows.context();
    Ok(Tensor::from_vec(tokens, (n, windows.context()), device)?)
}
