//! Features averaged over epochs.
//!
//! A feature read once is noisy: the same example's loss moves with augmentation and with the last batches
//! seen. Averages over epochs are steadier, and some are published features of their own: the mean margin
//! is the area under the margin (Pleiss et al. 2020), the mean confidence the first axis of dataset
//! cartography (Swayamdipta et al. 2020).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::logits::check_finite;
use crate::{Error, Result};

/// Rows handed to a thread at a time.
const CHUNK: usize = 1 << 14;

/// The plain mean of a column over all epochs seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningMean {
    epochs: u32,
    means: Vec<f64>,
}

impl RunningMean {
    /// A mean over columns of `n` examples.
    pub fn new(n: usize) -> Self {
        Self { epochs: 0, means: vec![0.0; n] }
    }

    /// Adds one epoch's column `[n]`.
    ///
    /// # Errors
    /// Another length, NaN or infinite values; nothing is changed then.
    pub fn update(&mut self, column: &[f32]) -> Result<()> {
        check_column(column, self.means.len())?;
        self.epochs += 1;
        blend(&mut self.means, column, 1.0 / f64::from(self.epochs));
        Ok(())
    }

    /// Number of epochs seen.
    pub const fn epochs(&self) -> u32 {
        self.epochs
    }

    /// The means, `[n]`.
    ///
    /// # Errors
    /// Before the first [`update`](Self::update).
    pub fn means(&self) -> Result<Vec<f32>> {
        if self.epochs == 0 {
            return Err(Error::NoEpochs);
        }
        Ok(self.means.par_iter().map(|&m| m as f32).collect())
    }
}

/// An exponentially weighted mean: an epoch's weight falls by `decay` with every later one.
///
/// The weights are normalised (the bias correction of Adam), so that early means are not drawn to zero;
/// after one epoch the mean is that epoch's column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedExponentialMean")]
pub struct ExponentialMean {
    decay: f64,
    /// Sum of the weights so far, with the newest epoch counted as one: `1 + decay + decay² + ...`.
    weight: f64,
    means: Vec<f64>,
}

impl ExponentialMean {
    /// A mean over columns of `n` examples with `decay` in `[0, 1)`.
    ///
    /// # Errors
    /// A decay outside that range.
    pub fn new(n: usize, decay: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::Decay { found: decay });
        }
        Ok(Self { decay, weight: 0.0, means: vec![0.0; n] })
    }

    /// Adds one epoch's column `[n]`.
    ///
    /// # Errors
    /// Another length, NaN or infinite values; nothing is changed then.
    pub fn update(&mut self, column: &[f32]) -> Result<()> {
        check_column(column, self.means.len())?;
        self.weight = 1.0 + self.decay * self.weight;
        blend(&mut self.means, column, 1.0 / self.weight);
        Ok(())
    }

    /// The means, `[n]`.
    ///
    /// # Errors
    /// Before the first [`update`](Self::update).
    pub fn means(&self) -> Result<Vec<f32>> {
        if self.weight == 0.0 {
            return Err(Error::NoEpochs);
        }
        Ok(self.means.par_iter().map(|&m| m as f32).collect())
    }
}

#[derive(Deserialize)]
struct UncheckedExponentialMean {
    decay: f64,
    weight: f64,
    means: Vec<f64>,
}

impl TryFrom<UncheckedExponentialMean> for ExponentialMean {
    type Error = Error;

    fn try_from(raw: UncheckedExponentialMean) -> Result<Self> {
        let checked = Self::new(0, raw.decay)?;
        Ok(Self { weight: raw.weight, means: raw.means, ..checked })
    }
}

/// `means += rate * (column - means)`: stays between the smallest and the largest value seen.
fn blend(means: &mut [f64], column: &[f32], rate: f64) {
    means.par_chunks_mut(CHUNK).zip(column.par_chunks(CHUNK)).for_each(|(means, column)| {
        for (mean, &value) in means.iter_mut().zip(column) {
            *mean += rate * (f64::from(value) - *mean);
        }
    });
}

fn check_column(column: &[f32], expected: usize) -> Result<()> {
    if column.len() != expected {
        return Err(Error::Length { what: "epoch column".into(), found: column.len(), expected });
    }
    check_finite(column, 1, "epoch column")
}
