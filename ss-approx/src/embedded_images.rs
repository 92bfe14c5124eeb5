//! Images of classes that training has not seen: a network is judged by how it embeds them.

use candle_core::Tensor;
use ss_data::{ImageSet, ImageShape};
use ss_models::{InputShape, Mode, Network, NetworkSpec, Parameters};
use ss_sampler::Draw;
use ss_seed::Stream;

use crate::embedding_predictions::Truth;
use crate::embeddings::Embeddings;
use crate::examples::{Batches, Examples};
use crate::image_examples::Normalisation;
use crate::{Augmentation, Device, EmbeddingPredictions, Error, ImageExamples, Predictions, Result, Score};

/// Images a forward pass.
const BATCH: usize = 256;

/// Images to validate or to test on, seen through the normalisation of the training images.
#[derive(Clone, Debug)]
pub struct EmbeddedImages {
    images: ImageSet,
    truth: Truth,
    normalisation: Normalisation,
    /// Of training: the network has an output for each.
    training_classes: usize,
    goal: Score,
}

impl EmbeddedImages {
    /// `images`, whose labels are not looked at, with what is known of them; `train` is what networks are trained on, and `goal`
    /// the score by which finished ones are compared.
    ///
    /// # Errors
    /// As [`Truth::check`] and [`Truth::check_score`]; [`Error::Mismatch`] for images of another shape than those of training.
    pub fn new(images: ImageSet, truth: Truth, train: &ImageExamples, goal: Score) -> Result<Self> {
        let shape = train.images().shape();
        if images.shape() != shape {
            return Err(Error::Mismatch {
                what: "shape of images to embed",
                expected: format!("{shape}, that of the training images"),
                found: images.shape().to_string(),
            });
        }
        truth.check(images.len())?;
        truth.check_score(goal)?;
        let (normalisation, training_classes) = (train.normalisation().clone(), train.images().classes());
        Ok(Self { images, truth, normalisation, training_classes, goal })
    }

    /// Images whose labels are their classes, of another numbering than those of training.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_classes(images: ImageSet, train: &ImageExamples, goal: Score) -> Result<Self> {
        let truth = Truth::Classes(images.labels().into());
        Self::new(images, truth, train, goal)
    }

    /// The images.
    pub fn images(&self) -> &ImageSet {
        &self.images
    }

    /// What is known of them.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }
}

impl Examples for EmbeddedImages {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn build(&self, network: &NetworkSpec, parameters: &Parameters) -> Result<Box<dyn Network>> {
        let ImageShape { channels, height, width } = self.images.shape();
        let input = InputShape { channels, height, width };
        Ok(network.build(input, self.training_classes, parameters)?)
    }

    fn epoch<'a>(
        &'a self,
        _: &'a [Draw],
        _: Augmentation,
        _: Stream,
        _: &Device,
    ) -> Result<Box<dyn Batches + 'a>> {
        Err(Error::Mismatch {
            what: "images to train on",
            expected: "images with the labels that the network has outputs for".into(),
            found: "images of other classes, which can only be embedded".into(),
        })
    }

    fn predict(&self, network: &dyn Network, device: &Device) -> Result<Predictions> {
        let mut hidden = Vec::new();
        for first in (0..self.images.len()).step_by(BATCH) {
            let last = (first + BATCH).min(self.images.len());
            let x = self.normalisation.range(&self.images, first, last, device)?;
            hidden.push(network.forward(&x, Mode::Eval)?.hidden);
        }
        // All batches are computed before the results come over, in one piece.
        let hidden = Tensor::cat(&hidden, 0)?;
        let (_, dim) = hidden.dims2()?;
        let embeddings = Embeddings::new(&hidden.flatten_all()?.to_vec1::<f32>()?, dim)?;
        let seen = EmbeddingPredictions::new(embeddings, self.truth.clone(), self.goal)?;
        Ok(Predictions::Embeddings(seen))
    }

    fn goal(&self) -> Score {
        self.goal
    }

    fn check_score(&self, score: Score) -> Result<()> {
        self.truth.check_score(score)
    }
}
