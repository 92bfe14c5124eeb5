//! What a network says of a set of instances: what scores and features are computed from.

use ss_features::FeatureTable;

use crate::{ClassPredictions, EmbeddingPredictions, Error, Result, Score, WindowPredictions};

/// The predictions of a network for a set of [`Examples`](crate::Examples), beside what is right.
#[derive(Clone, Debug)]
pub enum Predictions {
    /// Of images: a class for each.
    Classes {
        /// The logits.
        seen: ClassPredictions,
        /// The labels that the images have, one each.
        labels: Vec<u32>,
    },
    /// Of windows of text: the next token at each place.
    Windows(WindowPredictions),
    /// Of images of classes that training has not seen: a vector each.
    Embeddings(EmbeddingPredictions),
}

impl Predictions {
    /// The number of instances.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes { seen, .. } => seen.len(),
            Self::Windows(seen) => seen.len(),
            Self::Embeddings(seen) => seen.len(),
        }
    }

    /// Whether there is no instance.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score P: the mean of [`example_scores`](Self::example_scores). Larger is better.
    ///
    /// # Errors
    /// As [`example_scores`](Self::example_scores).
    pub fn score(&self, score: Score) -> Result<f64> {
        match self {
            Self::Classes { seen, labels } => seen.score(score, labels),
            Self::Windows(seen) => seen.score(score),
            Self::Embeddings(seen) => seen.score(score),
        }
    }

    /// What each instance contributes to the score P.
    ///
    /// # Errors
    /// [`Error::NonFiniteLogit`] when the model has diverged, and
    /// [`Error::InvalidSetting`] for a score that the task does not have.
    pub fn example_scores(&self, score: Score) -> Result<Vec<f64>> {
        match self {
            Self::Classes { seen, labels } => seen.example_scores(score, labels),
            Self::Windows(seen) => seen.example_scores(score),
            Self::Embeddings(seen) => seen.example_scores(score),
        }
    }

    /// Share of the images, or of the tokens, whose largest logit is the right one, in `[0, 1]`; of embeddings, which have none, the
    /// score by which finished models are compared.
    ///
    /// # Errors
    /// As [`example_scores`](Self::example_scores).
    pub fn accuracy(&self) -> Result<f64> {
        match self {
            Self::Classes { .. } | Self::Windows(_) => self.score(Score::Accuracy),
            Self::Embeddings(seen) => seen.score(seen.goal()),
        }
    }

    /// Share of the images, or of the tokens, for which the right logit is among the `k` largest, in `[0, 1]`; of equal logits
    /// the lower class counts first. Of embeddings the share whose class has one of the `k` nearest centroids.
    ///
    /// # Errors
    /// Those of [`ClassPredictions::top_k_accuracy`] and [`EmbeddingPredictions::top_k_accuracy`].
    pub fn top_k_accuracy(&self, k: usize) -> Result<f64> {
        match self {
            Self::Classes { seen, labels } => seen.top_k_accuracy(labels, k),
            Self::Windows(seen) => Ok(seen.top_k_accuracy(k)),
            Self::Embeddings(seen) => seen.top_k_accuracy(k),
        }
    }

    /// The features of every instance, by its place: those of `docs/method.md` 1 for images; `loss`, `renormed_entropy` and
    /// `grad_norm` for windows of text.
    ///
    /// # Errors
    /// [`Error::Features`] for logits that are not finite, [`Error::Mismatch`] for embeddings, which have no label to compute a loss
    /// of.
    pub fn features(&self) -> Result<FeatureTable> {
        match self {
            Self::Classes { seen, labels } => {
                let ids = (0..seen.len() as u64).collect();
                Ok(FeatureTable::from_features(ids, seen.features(labels)?)?)
            }
            Self::Windows(seen) => seen.features(),
            Self::Embeddings(_) => Err(self.has_no_logits()),
        }
    }

    /// The logits, where there is one class an instance.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for text, whose logits are not kept, and for embeddings.
    pub fn classes(&self) -> Result<&ClassPredictions> {
        match self {
            Self::Classes { seen, .. } => Ok(seen),
            Self::Windows(_) | Self::Embeddings(_) => Err(self.has_no_logits()),
        }
    }

    fn has_no_logits(&self) -> Error {
        let found = if matches!(self, Self::Windows(_)) { "windows of text" } else { "embeddings" };
        Error::Mismatch {
            what: "predictions",
            expected: "one class of those that the network was trained on an instance".into(),
            found: found.into(),
        }
    }

    /// What is kept of windows of text.
    pub fn windows(&self) -> Option<&WindowPredictions> {
        match self {
            Self::Classes { .. } | Self::Embeddings(_) => None,
            Self::Windows(seen) => Some(seen),
        }
    }

    /// Embeddings of images.
    pub fn embeddings(&self) -> Option<&EmbeddingPredictions> {
        match self {
            Self::Classes { .. } | Self::Windows(_) => None,
            Self::Embeddings(seen) => Some(seen),
        }
    }
}
