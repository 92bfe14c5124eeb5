//! The cases, each with its size.

use clap::ValueEnum;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// The three columns read once, by all threads: what memory alone allows
    Stream,
    /// Features ranked, and the weights of one sampler
    Weights,
    /// The weights of one more sampler on features that are ranked already
    Candidate,
    /// Weights by the tables of a fitted sampler
    Score,
    /// Alias table over a tenth as many examples, then independent draws
    Multinomial,
    /// A systematic epoch: as many draws as examples
    Systematic,
    /// A tenth of the examples, each once
    WithoutReplacement,
    /// Every example once, in random order
    Shuffled,
    /// Chi-square test of independent draws from more categories than 2^24
    Frequencies,
    /// `swift-sampler apply --refit` by sketches on a dataset of Parquet files, beside reading and writing as much
    Apply,
}

impl Case {
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Examples that `rows` rows (or draws) are worked out for.
    pub(super) const fn examples(self, rows: usize) -> usize {
        match self {
            Self::Multinomial => rows.div_ceil(10),
            // 2^25 for 10^8.
            Self::Frequencies => ((rows as u64) << 25).div_ceil(100_000_000) as usize,
            _ => rows,
        }
    }

    /// Draws of the case, where it draws.
    pub(super) const fn draws(self, rows: usize) -> usize {
        match self {
            Self::WithoutReplacement => rows.div_ceil(10),
            _ => rows,
        }
    }
}
