//! Training, validation and test data, some of the training data wrong: what one run of an experiment sees.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ss_approx::{EmbeddedImages, Examples, ImageExamples, Score, Truth};
use ss_baselines::CleanSubset;
use ss_data::text::{TokenWindows, WindowShuffling};
use ss_data::{Dataset, ImagePair, ImageSet, LabelNoise, SplitSizes};
use ss_seed::Seed;

use crate::{EmbeddingProtocol, Error, NoiseSource, Result};

/// Whether validation labels carry the same noise as training labels, as a user's would, or are clean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ValidationLabels {
    /// The truth.
    Clean,
    /// The same kind and rate of noise as the training labels.
    #[default]
    Noisy,
}

/// How an [`Experiment`] on images is cut from a dataset.
#[derive(Clone, Debug)]
pub struct ExperimentConfig {
    /// Sizes of the three parts.
    pub sizes: SplitSizes,
    /// Which labels are made wrong.
    pub noise: NoiseSource,
    /// Which labels validation uses.
    pub validation_labels: ValidationLabels,
}

/// How an [`Experiment`] on text is made: what is trained on, chosen by and tested on, in windows of one vocabulary.
#[derive(Clone, Debug)]
pub struct TextExperiment {
    /// Training windows, in order.
    pub train: TokenWindows,
    /// Validation windows.
    pub validation: TokenWindows,
    /// Test windows, which stay as they are.
    pub test: TokenWindows,
    /// The share of windows that lose their order.
    pub shuffling: WindowShuffling,
    /// Whether that happens to validation windows too.
    pub validation_windows: ValidationLabels,
}

/// How an [`Experiment`] is made in which networks are judged by how they embed images of classes that they were not trained on.
/// Validation and test classes are right: the point of them is to be other classes, and a wrong label among so few would make
/// one of two classes of them.
#[derive(Clone, Debug)]
pub struct EmbeddingExperiment {
    /// Training images with right labels.
    pub train: ImageSet,
    /// Which of those labels are made wrong.
    pub noise: LabelNoise,
    /// Images of other classes, to choose rules and models by.
    pub validation: ImageSet,
    /// Images of yet other classes, or pairs of such images.
    pub test: TestImages,
    /// The score by which finished models are compared: verification or nearest centroid.
    pub goal: Score,
    /// What is measured of finished models on the test images.
    pub protocol: EmbeddingProtocol,
}

/// What finished models are tested on.
#[derive(Clone, Debug)]
pub enum TestImages {
    /// Images whose labels are their classes.
    OfClasses(ImageSet),
    /// Images of which only some pairs are known.
    InPairs {
        /// The images.
        images: ImageSet,
        /// The pairs.
        pairs: Vec<ImagePair>,
    },
}

/// Training, validation and test data of one run.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// What is trained on, some of it wrong.
    pub train: Arc<dyn Examples>,
    /// Row numbers of the training examples in the source.
    pub train_ids: Vec<u64>,
    /// Whether each training example is wrong (has a wrong label, is shuffled): known to the oracle and the report alone.
    pub wrong: Vec<bool>,
    /// The true labels of training images, for the report; a part of them goes to methods whose
    /// [`Information`](ss_baselines::Information) says so, by [`clean_subset`](Self::clean_subset) alone. Empty for text.
    pub(crate) true_labels: Vec<u32>,
    /// Share of wrong training examples.
    pub realized_noise: f64,
    /// What rules and models are chosen by.
    pub validation: Arc<dyn Examples>,
    /// What the result is measured on.
    pub test: Arc<dyn Examples>,
    /// What is measured of embeddings of the test data, where the task is about them.
    pub(crate) protocol: Option<EmbeddingProtocol>,
}

impl Experiment {
    /// Splits `dataset` and makes labels wrong; everything follows from `seed`.
    pub fn prepare(dataset: &Dataset, config: &ExperimentConfig, seed: Seed) -> Result<Self> {
        let split = ss_data::split(dataset, config.sizes, seed)?;
        let classes = split.train.classes();
        let noisy = config.noise.apply(
            split.train.labels(),
            &split.train_ids,
            classes,
            seed.stream("train-label-noise"),
        )?;
        check_some_right(&noisy.wrong, config.noise.rate())?;
        let validation = match config.validation_labels {
            ValidationLabels::Clean => split.validation,
            ValidationLabels::Noisy => {
                let stream = seed.stream("validation-label-noise");
                let labels = split.validation.labels();
                let labels = config.noise.apply(labels, &split.validation_ids, classes, stream)?.labels;
                split.validation.with_labels(labels)?
            }
        };
        let true_labels = split.train.labels().to_vec();
        let train = ImageExamples::new(split.train.with_labels(noisy.labels)?);
        Ok(Self {
            true_labels,
            train_ids: split.train_ids,
            wrong: noisy.wrong,
            realized_noise: noisy.realized_rate,
            validation: Arc::new(train.with_images(validation)),
            test: Arc::new(train.with_images(split.test)),
            train: Arc::new(train),
            protocol: None,
        })
    }

    /// Shuffles windows of text; which ones follows from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] where no training window stays as it is, and for parts of different windows.
    pub fn on_text(text: &TextExperiment, seed: Seed) -> Result<Self> {
        let TextExperiment { train, validation, test, shuffling, validation_windows } = text;
        let shape = |windows: &TokenWindows| (windows.context(), windows.vocabulary());
        if shape(train) != shape(validation) || shape(train) != shape(test) {
            return Err(Error::InvalidSetting {
                setting: "windows",
                found: format!("{:?}, {:?}, {:?}", shape(train), shape(validation), shape(test)),
                expected: "one length and one vocabulary for training, validation and test text",
            });
        }
        let spoilt = shuffling.apply(train, seed.stream("train-window-shuffling"))?;
        check_some_right(&spoilt.wrong, shuffling.rate())?;
        let validation = match validation_windows {
            ValidationLabels::Clean => validation.clone(),
            ValidationLabels::Noisy => {
                shuffling.apply(validation, seed.stream("validation-window-shuffling"))?.windows
            }
        };
        Ok(Self {
            true_labels: Vec::new(),
            train_ids: (0..spoilt.windows.len() as u64).collect(),
            wrong: spoilt.wrong,
            realized_noise: spoilt.realized_rate,
            validation: Arc::new(validation),
            test: Arc::new(test.clone()),
            train: Arc::new(spoilt.windows),
            protocol: None,
        })
    }

    /// Makes training labels wrong; which ones follows from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] where no training label stays right; those of [`EmbeddedImages::new`] and of the protocol: classes of one
    /// image, fewer classes or images than it asks for.
    pub fn on_embeddings(data: &EmbeddingExperiment, seed: Seed) -> Result<Self> {
        let EmbeddingExperiment { train, noise, validation, test, goal, protocol } = data;
        let stream = seed.stream("train-label-noise");
        let noisy = noise.apply(train.labels(), train.classes(), stream)?;
        check_some_right(&noisy.wrong, noise.rate())?;
        let true_labels = train.labels().to_vec();
        let train = ImageExamples::new(train.clone().with_labels(noisy.labels)?);
        let validation = EmbeddedImages::of_classes(validation.clone(), &train, *goal)?;
        let (images, truth) = match test {
            TestImages::OfClasses(images) => (images, Truth::Classes(images.labels().into())),
            TestImages::InPairs { images, pairs } => (images, Truth::Pairs(pairs.as_slice().into())),
        };
        protocol.check(&truth)?;
        let test = EmbeddedImages::new(images.clone(), truth, &train, *goal)?;
        Ok(Self {
            true_labels,
            train_ids: (0..train.images().len() as u64).collect(),
            wrong: noisy.wrong,
            realized_noise: noisy.realized_rate,
            validation: Arc::new(validation),
            test: Arc::new(test),
            train: Arc::new(train),
            protocol: Some(protocol.clone()),
        })
    }

    /// The training images.
    ///
    /// # Errors
    /// [`Error::NotImages`] for another task, and for images on disk.
    pub fn train_images(&self) -> Result<&ImageExamples> {
        self.train.as_images().ok_or(Error::NotImages)
    }

    /// The validation images.
    ///
    /// # Errors
    /// [`Error::NotImages`] for another task.
    pub fn validation_images(&self) -> Result<&ImageExamples> {
        self.validation.as_images().ok_or(Error::NotImages)
    }

    /// The true labels of the share [`CleanSubset::SHARE`] of the training images, the same images for every noise.
    ///
    /// # Errors
    /// [`Error::NotImages`] for another task, and those of [`CleanSubset::draw`].
    pub fn clean_subset(&self, seed: Seed) -> Result<CleanSubset> {
        let images = self.train_images()?.images();
        Ok(CleanSubset::draw(images, &self.true_labels, CleanSubset::SHARE, seed)?)
    }
}

pub(crate) fn check_some_right(wrong: &[bool], rate: f64) -> Result<()> {
    if wrong.iter().all(|&wrong| wrong) {
        return Err(Error::InvalidSetting {
            setting: "--noise",
            found: rate.to_string(),
            expected: "a rate that leaves some training example right: lower it, or raise --train-size",
        });
    }
    Ok(())
}
