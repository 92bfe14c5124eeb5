//! Spoilt windows: a share of them lose the order of their tokens.

use ss_seed::Stream;

use super::TokenWindows;
use crate::error::{Error, Result};
use crate::random_share::{random_order, random_share};

/// Shuffles the tokens inside a share of the windows, in `[0, 1)`: what label noise is to images.
///
/// ```
/// use ss_data::text::{TokenWindows, WindowShuffling};
/// use ss_seed::Seed;
///
/// let tokens: Vec<u32> = (0..900).collect();
/// let clean = TokenWindows::new(&tokens, 8, 900)?;
/// let spoilt = WindowShuffling::new(0.2)?.apply(&clean, Seed::new(0).stream("text-corruption"))?;
/// assert_eq!(spoilt.realized_rate, 0.2);
/// # Ok::<(), ss_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowShuffling {
    rate: f64,
}

/// Windows, some of them shuffled, and the knowledge of which.
#[derive(Clone, Debug, PartialEq)]
pub struct ShuffledWindows {
    /// The windows to train on.
    pub windows: TokenWindows,
    /// Whether each window differs from the clean one.
    pub wrong: Vec<bool>,
    /// Share of the windows that differ.
    pub realized_rate: f64,
}

impl WindowShuffling {
    /// # Errors
    /// [`Error::Setting`] for a rate outside `[0, 1)`.
    pub fn new(rate: f64) -> Result<Self> {
        if (0.0..1.0).contains(&rate) {
            return Ok(Self { rate });
        }
        Err(Error::Setting {
            name: "corruption rate",
            value: rate.to_string(),
            expected: "a share of the windows, at least 0 and below 1 (0.2 is 20%)".into(),
        })
    }

    /// The nominal rate.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Picks exactly `round(rate * n)` of the `n` windows at random and shuffles all tokens of each.
    ///
    /// As for [`LabelNoise`](crate::LabelNoise), windows that are shuffled at a lower rate are shuffled, in the same way, at every
    /// higher one of the same `stream`.
    ///
    /// # Errors
    /// None for windows that exist.
    pub fn apply(&self, clean: &TokenWindows, stream: Stream) -> Result<ShuffledWindows> {
        let (keys, orders) = (stream.index(0), stream.index(1));
        let size = clean.context() + 1;
        let mut tokens: Vec<u32> = (0..clean.len()).flat_map(|i| clean.window(i).iter().copied()).collect();
        for i in random_share(clean.len(), self.rate, keys) {
            for (place, from) in random_order(size, orders.index(i as u64)).into_iter().enumerate() {
                tokens[i * size + place] = clean.window(i)[from];
            }
        }
        let windows = TokenWindows::new(&tokens, clean.context(), clean.vocabulary())?;
        let wrong: Vec<bool> = (0..clean.len()).map(|i| clean.window(i) != windows.window(i)).collect();
        let count = wrong.iter().filter(|&&wrong| wrong).count();
        Ok(ShuffledWindows { realized_rate: count as f64 / wrong.len() as f64, windows, wrong })
    }
}
