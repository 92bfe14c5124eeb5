//! Wrong labels, made on purpose or read from a file, with the record of which are wrong.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use rand::Rng;
use serde::{Deserialize, Serialize};
use ss_seed::Stream;

use crate::error::{Error, Result};
use crate::fnv::Fnv;
use crate::image_set::{check_classes, check_labels};
use crate::random_share::random_share;

/// How a label that was picked changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseKind {
    /// To one of the `K - 1` *other* classes, uniformly: the realised rate is the nominal one.
    Symmetric,
    /// To one of all `K` classes, uniformly: the realised rate is about `(K - 1) / K` of the nominal one.
    SymmetricInclusive,
    /// From class `k` to `(k + 1) mod K`.
    PairFlip,
}

impl NoiseKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Symmetric, Self::SymmetricInclusive, Self::PairFlip];

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "symmetric",
            Self::SymmetricInclusive => "symmetric-inclusive",
            Self::PairFlip => "pair-flip",
        }
    }
}

impl fmt::Display for NoiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for NoiseKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::Setting {
            name: "noise kind",
            value: format!("`{text}`"),
            expected: format!("one of {}", Self::ALL.map(Self::name).join(", ")),
        })
    }
}

/// Label noise of a kind and a nominal rate in `[0, 1)`.
///
/// ```
/// use ss_data::{LabelNoise, NoiseKind};
/// use ss_seed::Seed;
///
/// let noise = LabelNoise::new(NoiseKind::Symmetric, 0.4)?;
/// let noisy = noise.apply(&[0; 1_000], 10, Seed::new(0).stream("label-noise"))?;
/// assert_eq!(noisy.realized_rate, 0.4);
/// assert!(LabelNoise::new(NoiseKind::Symmetric, 1.5).is_err());
/// # Ok::<(), ss_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LabelNoise {
    kind: NoiseKind,
    rate: f64,
}

/// Labels, some of them wrong, and the knowledge of which.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisyLabels {
    /// The labels to train on.
    pub labels: Vec<u32>,
    /// Whether each label differs from the clean one.
    pub wrong: Vec<bool>,
    /// Share of wrong labels.
    pub realized_rate: f64,
}

impl LabelNoise {
    /// # Errors
    /// A rate outside `[0, 1)`.
    pub fn new(kind: NoiseKind, rate: f64) -> Result<Self> {
        if (0.0..1.0).contains(&rate) {
            return Ok(Self { kind, rate });
        }
        Err(Error::Setting {
            name: "noise rate",
            value: rate.to_string(),
            expected: "a share of labels, at least 0 and below 1 (0.4 is 40%)".into(),
        })
    }

    /// The kind.
    pub fn kind(&self) -> NoiseKind {
        self.kind
    }

    /// The nominal rate.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Picks exactly `round(rate * n)` of the `n` labels at random and redraws each as the kind says.
    ///
    /// Each example has a random key and a random replacement of its own in `stream`; the smallest keys are
    /// picked. So for one stream the labels wrong at a lower rate are wrong, and wrong in the same way, at
    /// every higher one: rates are compared on nested noise.
    ///
    /// # Errors
    /// No labels, fewer than two classes, or a label outside `0..classes`.
    pub fn apply(&self, labels: &[u32], classes: usize, stream: Stream) -> Result<NoisyLabels> {
        if labels.is_empty() {
            return Err(Error::Empty { what: "the set of labels".into() });
        }
        check_classes(classes)?;
        check_labels(labels, classes)?;
        let (keys, replacements) = (stream.index(0), stream.index(1));
        let mut noisy = labels.to_vec();
        for i in random_share(labels.len(), self.rate, keys) {
            noisy[i] = self.redraw(labels[i], classes as u32, replacements.index(i as u64));
        }
        Ok(NoisyLabels::compare(labels, noisy))
    }

    fn redraw(&self, label: u32, classes: u32, stream: Stream) -> u32 {
        match self.kind {
            NoiseKind::Symmetric => {
                // Number the other classes 0..K-1 by closing the gap at `label`.
                let other = stream.rng().random_range(0..classes - 1);
                if other < label { other } else { other + 1 }
            }
            NoiseKind::SymmetricInclusive => stream.rng().random_range(0..classes),
            NoiseKind::PairFlip => (label + 1) % classes,
        }
    }
}

impl NoisyLabels {
    /// Noise that exists already, as from annotators: compares it with the clean labels.
    ///
    /// # Errors
    /// No labels, different lengths, or a label outside `0..classes`.
    pub fn from_labels(clean: &[u32], noisy: Vec<u32>, classes: usize) -> Result<Self> {
        if clean.is_empty() {
            return Err(Error::Empty { what: "the set of labels".into() });
        }
        if noisy.len() != clean.len() {
            return Err(Error::LengthMismatch {
                what: "noisy labels".into(),
                expected: clean.len(),
                found: noisy.len(),
            });
        }
        check_labels(clean, classes)?;
        check_labels(&noisy, classes)?;
        Ok(Self::compare(clean, noisy))
    }

    fn compare(clean: &[u32], labels: Vec<u32>) -> Self {
        let wrong: Vec<bool> = clean.iter().zip(&labels).map(|(a, b)| a != b).collect();
        let count = wrong.iter().filter(|&&w| w).count();
        Self { realized_rate: count as f64 / labels.len() as f64, labels, wrong }
    }
}

/// A digest of labels (FNV-1a over whole labels, 64 bits): which copy of a file a result was computed on.
pub fn digest_of_labels(labels: &[u32]) -> u64 {
    let mut digest = Fnv::new();
    digest.add(labels.iter().copied());
    digest.value()
}

/// Reads labels from a text file: one class number a line, line `i` for row `i` of the published training set
/// (pick the rows of a split by its `train_ids`). Blank lines at the end are ignored.
///
/// # Errors
/// An unreadable or empty file; a line that is not a whole number; a label outside `0..classes`, by row.
pub fn read_labels(path: &Path, classes: usize) -> Result<Vec<u32>> {
    let text = fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    let mut labels = Vec::new();
    for (row, line) in text.trim_end().lines().enumerate() {
        let label: i64 = line.trim().parse().map_err(|_| Error::Corrupt {
            path: path.to_path_buf(),
            expected: format!("a class number from 0 to {} on line {}", classes.saturating_sub(1), row + 1),
            found: format!("`{}`", line.trim().chars().take(40).collect::<String>()),
            remedy: "write one whole number a line and nothing else",
        })?;
        match u32::try_from(label) {
            Ok(label) if (label as usize) < classes => labels.push(label),
            _ => return Err(Error::LabelOutOfRange { row, label, classes }.in_file(path)),
        }
    }
    if labels.is_empty() {
        return Err(Error::Empty { what: "the list of labels".into() }.in_file(path));
    }
    Ok(labels)
}
