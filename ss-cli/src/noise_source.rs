//! Where wrong labels come from: made at a rate, or read from a file of annotators' labels.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ss_data::{Dataset, LabelNoise, NoisyLabels, digest_of_labels, read_labels};
use ss_seed::Stream;

use crate::{Error, Result};

/// Which labels are wrong, and how.
#[derive(Clone, Debug)]
pub enum NoiseSource {
    /// Labels redrawn at a rate.
    Made(LabelNoise),
    /// Labels as annotators gave them.
    Annotated(AnnotatedLabels),
}

/// A label for every published training image, as from human annotators (CIFAR-10N and its like).
#[derive(Clone, Debug)]
pub struct AnnotatedLabels {
    labels: Arc<[u32]>,
    rate: f64,
}

impl AnnotatedLabels {
    /// Reads one class number a line, line `i` for row `i` of the published training images of `dataset`.
    ///
    /// # Errors
    /// Those of [`read_labels`]; [`Error::LabelFile`] where the number of lines is not that of the images.
    pub fn read(path: &Path, dataset: &Dataset) -> Result<Self> {
        let labels = read_labels(path, dataset.train.classes())?;
        if labels.len() != dataset.train.len() {
            return Err(Error::LabelFile {
                path: path.to_path_buf(),
                dataset: dataset.name.clone(),
                expected: dataset.train.len(),
                found: labels.len(),
            });
        }
        let wrong = labels.iter().zip(dataset.train.labels()).filter(|(a, b)| a != b).count();
        Ok(Self { rate: wrong as f64 / labels.len() as f64, labels: labels.into() })
    }

    /// Share of the labels, over the whole file, that are not those of the dataset.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}

impl NoiseSource {
    /// The nominal share of wrong labels.
    pub fn rate(&self) -> f64 {
        match self {
            Self::Made(noise) => noise.rate(),
            Self::Annotated(labels) => labels.rate,
        }
    }

    /// A digest of the labels of a file: which copy a result was computed on.
    pub fn digest(&self) -> Option<u64> {
        match self {
            Self::Made(_) => None,
            Self::Annotated(annotated) => Some(digest_of_labels(&annotated.labels)),
        }
    }

    /// The labels to use for images whose true labels are `clean` and whose rows in the published training set are
    /// `ids`, of `classes` classes. Labels that are made come from `stream`.
    ///
    /// # Errors
    /// Those of [`LabelNoise::apply`].
    pub fn apply(&self, clean: &[u32], ids: &[u64], classes: usize, stream: Stream) -> Result<NoisyLabels> {
        Ok(match self {
            Self::Made(noise) => noise.apply(clean, classes, stream)?,
            Self::Annotated(annotated) => {
                let labels = ids.iter().map(|&id| annotated.labels[id as usize]).collect();
                NoisyLabels::from_labels(clean, labels, classes)?
            }
        })
    }
}

impl From<LabelNoise> for NoiseSource {
    fn from(noise: LabelNoise) -> Self {
        Self::Made(noise)
    }
}

impl fmt::Display for NoiseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(noise) => write!(f, "{} {}", noise.kind(), noise.rate()),
            Self::Annotated(labels) => write!(f, "from-file {:.4}", labels.rate),
        }
    }
}
