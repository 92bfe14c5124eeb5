//! An experiment on images that stay on disk: whole images, or fixed crops of them as instances of their own.

use std::sync::Arc;

use ss_approx::{FileExamples, View};
use ss_data::{FileDataset, ImageFiles, SplitSizes};
use ss_seed::Seed;

use crate::experiment::{ValidationLabels, check_some_right};
use crate::{Experiment, NoiseSource, Result};

/// How an [`Experiment`] on a folder of images is made.
#[derive(Clone, Debug)]
pub struct FolderExperiment {
    /// Sizes of the three parts, in images.
    pub sizes: SplitSizes,
    /// Which labels are made wrong: those of images, and so of all crops of an image.
    pub noise: NoiseSource,
    /// Which labels validation uses.
    pub validation_labels: ValidationLabels,
    /// Rows and columns of what a network is shown.
    pub side: usize,
    /// What an instance is.
    pub view: View,
}

/// The parts of such an experiment, with what a picture of its instances needs.
#[derive(Clone, Debug)]
pub struct FolderParts {
    /// What is trained on.
    pub train: FileExamples,
    /// What rules and models are chosen by: whole images.
    pub validation: FileExamples,
    /// What the result is measured on: whole images.
    pub test: FileExamples,
    /// Which instance of the folder each training instance is: the number of the image, times the crops of an image, plus the
    /// number of the crop.
    pub train_ids: Vec<u64>,
    /// The true label of each training instance.
    pub true_labels: Vec<u32>,
    /// Share of wrong training labels.
    pub realized_noise: f64,
}

impl FolderExperiment {
    /// Splits the images and makes labels wrong; everything follows from `seed`. What is drawn is what
    /// [`Experiment::prepare`] draws of as many images.
    ///
    /// # Errors
    /// Sizes that the folder does not have, noise that leaves no label right, images that cannot be decoded, and those of
    /// [`FileExamples::new`].
    pub fn parts(&self, dataset: &FileDataset, seed: Seed) -> Result<FolderParts> {
        let split = dataset.split(self.sizes, seed)?;
        let classes = split.train.classes();
        let spoil = |labels: &[u32], ids: &[u64], stream: &str| {
            self.noise.apply(labels, ids, classes, seed.stream(stream))
        };
        let noisy = spoil(split.train.labels(), &split.train_ids, "train-label-noise")?;
        check_some_right(&noisy.wrong, self.noise.rate())?;
        let validation: ImageFiles = match self.validation_labels {
            ValidationLabels::Clean => split.validation,
            ValidationLabels::Noisy => {
                let ids = &split.validation_ids;
                let labels = spoil(split.validation.labels(), ids, "validation-label-noise")?.labels;
                split.validation.with_labels(labels)?
            }
        };
        let each = match self.view {
            View::Whole(_) => 1,
            View::Crops(each, _) => each,
        };
        let per_instance = |i: usize| std::iter::repeat_n(i, each);
        let images = 0..split.train.len();
        let true_labels = images.flat_map(per_instance).map(|i| split.train.labels()[i]).collect();
        let crops = 0..each as u64;
        let train_ids =
            split.train_ids.iter().flat_map(|id| crops.clone().map(move |crop| id * each as u64 + crop));
        let train_ids = train_ids.collect();
        let labelled = split.train.with_labels(noisy.labels)?;
        let train = FileExamples::new(labelled, &split.train_ids, self.side, self.view, seed)?;
        Ok(FolderParts {
            validation: train.with_images(validation),
            test: train.with_images(split.test),
            train,
            train_ids,
            true_labels,
            realized_noise: noisy.realized_rate,
        })
    }
}

impl From<FolderParts> for Experiment {
    fn from(parts: FolderParts) -> Self {
        let FolderParts { train, validation, test, train_ids, true_labels, realized_noise } = parts;
        let wrong = train.labels().iter().zip(&true_labels).map(|(label, truth)| label != truth).collect();
        Self {
            train: Arc::new(train),
            train_ids,
            wrong,
            true_labels,
            protocol: None,
            realized_noise,
            validation: Arc::new(validation),
            test: Arc::new(test),
        }
    }
}
