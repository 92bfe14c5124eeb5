//! Logits, scores and features of a set of images at a network's present state.

use ss_data::ImageSet;
use ss_features::ExampleFeatures;
use ss_models::{Mode, Network};

use crate::image_examples::Normalisation;
use crate::score::Score;
use crate::{Device, Error, Result};
use candle_core::{D, Tensor};

/// Images a forward pass.
const BATCH: usize = 256;
/// Logits that wait on a device before they come over, 64 MiB of them.
const WAITING: usize = 1 << 24;

/// What a network says of a set of images, in evaluation mode and without augmentation. It does not know their labels:
/// one set of predictions can be judged by several.
#[derive(Clone, Debug)]
pub struct ClassPredictions {
    logits: Vec<f32>,
    classes: usize,
    hidden_sq_norm: Vec<f32>,
}

impl ClassPredictions {
    /// Runs `network` over `images`.
    pub fn of(
        network: &dyn Network,
        images: &ImageSet,
        normalisation: &Normalisation,
        device: &Device,
    ) -> Result<Self> {
        let inputs = (0..images.len())
            .step_by(BATCH)
            .map(|first| normalisation.range(images, first, (first + BATCH).min(images.len()), device));
        Self::of_inputs(network, inputs, images.classes(), device)
    }

    /// Runs `network`, of `classes` classes, over batches of images.
    pub(crate) fn of_inputs(
        network: &dyn Network,
        inputs: impl Iterator<Item = Result<Tensor>>,
        classes: usize,
        device: &Device,
    ) -> Result<Self> {
        let mut seen = Self { logits: Vec::new(), classes, hidden_sq_norm: Vec::new() };
        let (mut logits, mut norms, mut waiting) = (Vec::new(), Vec::new(), 0);
        // From a device results come over in few pieces, between which it need not wait.
        let most = if matches!(device, Device::Candle(_)) { WAITING } else { 1 };
        for x in inputs {
            let out = network.forward(&x?, Mode::Eval)?;
            waiting += out.logits.elem_count();
            logits.push(out.logits);
            norms.push(out.hidden.sqr()?.sum(D::Minus1)?);
            if waiting >= most {
                seen.take(&mut logits, &mut norms)?;
                waiting = 0;
            }
        }
        seen.take(&mut logits, &mut norms)?;
        Ok(seen)
    }

    /// Adds the results of some batches.
    fn take(&mut self, logits: &mut Vec<Tensor>, norms: &mut Vec<Tensor>) -> Result<()> {
        let values = |tensors: &mut Vec<Tensor>| -> Result<Vec<f32>> {
            let joined = match std::mem::take(tensors).as_slice() {
                [] => return Ok(Vec::new()),
                [only] => only.clone(),
                several => Tensor::cat(several, 0)?,
            };
            Ok(joined.flatten_all()?.to_vec1::<f32>()?)
        };
        self.logits.extend(values(logits)?);
        self.hidden_sq_norm.extend(values(norms)?);
        Ok(())
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

    /// Share of images whose label is among the `k` largest logits, in `[0, 1]`; of equal logits the lower class
    /// counts first, as for [`accuracy`](Self::accuracy), which is `k = 1`.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the number of labels differs or a label is out of range.
    pub fn top_k_accuracy(&self, labels: &[u32], k: usize) -> Result<f64> {
        let mismatch = |what, expected: String, found: String| Err(Error::Mismatch { what, expected, found });
        if labels.len() != self.len() {
            return mismatch("labels against predictions", self.len().to_string(), labels.len().to_string());
        }
        if let Some(label) = labels.iter().find(|&&label| label as usize >= self.classes) {
            return mismatch("label", format!("below {}", self.classes), label.to_string());
        }
        let hits = self.logits.chunks_exact(self.classes).zip(labels).filter(|&(row, &label)| {
            let label = label as usize;
            let ahead = |(class, z): (usize, &f32)| *z > row[label] || (*z == row[label] && class < label);
            row.iter().enumerate().filter(|&pair| ahead(pair)).count() < k
        });
        Ok(hits.count() as f64 / labels.len() as f64)
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

#[cfg(test)]
mod tests {
    use super::ClassPredictions;

    fn predictions(logits: Vec<f32>, classes: usize) -> ClassPredictions {
        let hidden_sq_norm = vec![0.0; logits.len() / classes];
        ClassPredictions { logits, classes, hidden_sq_norm }
    }

    #[test]
    fn top_k_of_hand_made_logits() {
        // torch 2.15: torch.topk(logits, k).indices == labels[:, None] gives 1, 0, 0; 1, 1, 0; 1, 1, 1.
        let seen = predictions(vec![3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0], 3);
        let labels = [0, 2, 1];
        let shares = [1, 2, 3].map(|k| seen.top_k_accuracy(&labels, k).unwrap());
        assert_eq!(shares, [1.0 / 3.0, 2.0 / 3.0, 1.0]);
        assert_eq!(seen.top_k_accuracy(&labels, 1).unwrap(), seen.accuracy(&labels).unwrap());
        assert_eq!(seen.top_k_accuracy(&labels, 0).unwrap(), 0.0);
        assert!(seen.top_k_accuracy(&[0, 1], 1).is_err() && seen.top_k_accuracy(&[0, 1, 3], 1).is_err());
    }

    #[test]
    fn of_equal_logits_the_lower_class_counts_first() {
        let seen = predictions(vec![1.0; 8], 4);
        assert_eq!([1, 2, 3, 4].map(|k| seen.top_k_accuracy(&[1, 3], k).unwrap()), [0.0, 0.5, 0.5, 1.0]);
    }
}
