//! Logits, accuracy and features of a set of images at a network's present state.

use ss_data::ImageSet;
use ss_features::ExampleFeatures;
use ss_models::{Mode, Network};

use crate::data::Normalisation;
use crate::score::Score;
use crate::{Error, Result};
use candle_core::{D, Device};

/// Images a forward pass.
const BATCH: usize = 256;

/// What a network says of a set of images, in evaluation mode and without augmentation.
#[derive(Clone, Debug)]
pub struct Predictions {
    logits: Vec<f32>,
    classes: usize,
    hidden_sq_norm: Vec<f32>,
}

impl Predictions {
    /// Runs `network` over `images`.
    pub fn of(
        network: &dyn Network,
        images: &ImageSet,
        normalisation: &Normalisation,
        device: &Device,
    ) -> Result<Self> {
        let classes = images.classes();
        let mut logits = Vec::with_capacity(images.len() * classes);
        let mut hidden_sq_norm = Vec::with_capacity(images.len());
        for first in (0..images.len()).step_by(BATCH) {
            let last = (first + BATCH).min(images.len());
            let x = normalisation.range(images, first, last, device)?;
            let out = network.forward(&x, Mode::Eval)?;
            logits.extend(out.logits.flatten_all()?.to_vec1::<f32>()?);
            hidden_sq_norm.extend(out.hidden.sqr()?.sum(D::Minus1)?.to_vec1::<f32>()?);
        }
        Ok(Self { logits, classes, hidden_sq_norm })
    }

    /// Row-major logits `[n, classes]`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.hidden_sq_norm.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.hidden_sq_norm.is_empty()
    }

    /// Share of images whose largest logit is the label's, in `[0, 1]`.
    pub fn accuracy(&self, labels: &[u32]) -> Result<f64> {
        self.score(Score::Accuracy, labels)
    }

    /// The score P of these predictions against `labels`.
    pub fn score(&self, score: Score, labels: &[u32]) -> Result<f64> {
        score.of(&self.logits, self.classes, labels)
    }

    /// What each image contributes to the score P.
    pub fn example_scores(&self, score: Score, labels: &[u32]) -> Result<Vec<f64>> {
        score.examples(&self.logits, self.classes, labels)
    }

    /// The features of `docs/method.md` 1 against `labels`.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the number of labels differs, [`Error::Features`] for logits that are not
    /// finite.
    pub fn features(&self, labels: &[u32]) -> Result<ExampleFeatures> {
        if labels.len() != self.len() {
            return Err(Error::Mismatch {
                what: "labels against predictions",
                expected: self.len().to_string(),
                found: labels.len().to_string(),
            });
        }
        Ok(ss_features::compute(&self.logits, self.classes, labels, Some(&self.hidden_sq_norm))?)
    }
}
