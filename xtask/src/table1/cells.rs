//! One cell of the table and its key.

use std::fmt;

use serde::{Deserialize, Serialize};
use ss_cli::{Method, MethodResult};

/// One (method, noise, seed) of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Nominal share of wrong training labels.
    pub(crate) noise: f64,
    /// Share that is really wrong.
    pub(crate) realized_noise: f64,
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) result: MethodResult,
}

/// What identifies a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) method: Method,
    noise_bits: u64,
    pub(crate) seed: u64,
}

impl Key {
    pub(crate) fn new(method: Method, noise: f64, seed: u64) -> Self {
        // Non-negative floats order as their bits do.
        Self { method, noise_bits: noise.abs().to_bits(), seed }
    }

    pub(crate) fn noise(self) -> f64 {
        f64::from_bits(self.noise_bits)
    }
}

impl Cell {
    pub(crate) fn key(&self) -> Key {
        Key::new(self.result.method, self.noise, self.seed)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = &self.result;
        if let Some(reason) = &r.diverged {
            let noise = 100.0 * self.noise;
            return write!(f, "{:<14} noise {noise:>3.0}% seed {}: diverged ({reason})", r.method, self.seed);
        }
        write!(
            f,
            "{:<14} noise {:>3.0}% seed {}: top-1 {:.2} (best {:.2}), {:.1} s",
            r.method,
            100.0 * self.noise,
            self.seed,
            r.top1_last,
            r.top1_best,
            r.train_seconds + r.search_seconds
        )?;
        if let Some(s) = &r.search {
            let kept = if s.kept { "" } else { ", not kept" };
            write!(f, ", chose {} (gain {:.3} +- {:.3}{kept})", s.chosen, s.gain, s.standard_error)?;
        }
        Ok(())
    }
}
