//! A dataset, split and with wrong labels: what one run of an experiment sees.

use serde::{Deserialize, Serialize};
use ss_approx::TrainingData;
use ss_data::{Dataset, ImageSet, SplitSizes};
use ss_seed::Seed;

use crate::{Error, NoiseSource, Result};

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

/// How an [`Experiment`] is cut from a dataset.
#[derive(Clone, Debug)]
pub struct ExperimentConfig {
    /// Sizes of the three parts.
    pub sizes: SplitSizes,
    /// Which labels are made wrong.
    pub noise: NoiseSource,
    /// Which labels validation uses.
    pub validation_labels: ValidationLabels,
}

/// Training, validation and test data of one run.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Training images with the labels to train on, some wrong.
    pub train: TrainingData,
    /// Row numbers of the training images in the source.
    pub train_ids: Vec<u64>,
    /// Whether each training label is wrong: known to the oracle and the report alone.
    pub wrong: Vec<bool>,
    /// The true labels of the training images: for the report, and for methods that are granted some of them.
    pub true_labels: Vec<u32>,
    /// Share of wrong training labels.
    pub realized_noise: f64,
    /// Validation images.
    pub validation: ImageSet,
    /// Test images with true labels.
    pub test: ImageSet,
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
        if noisy.wrong.iter().all(|&wrong| wrong) {
            return Err(Error::InvalidSetting {
                setting: "--noise",
                found: config.noise.rate().to_string(),
                expected: "a rate that leaves some label right: lower it, or raise --train-size",
            });
        }
        let validation = match config.validation_labels {
            ValidationLabels::Clean => split.validation,
            ValidationLabels::Noisy => {
                let stream = seed.stream("validation-label-noise");
                let labels = split.validation.labels();
                let labels = config.noise.apply(labels, &split.validation_ids, classes, stream)?.labels;
                split.validation.with_labels(labels)?
            }
        };
        Ok(Self {
            true_labels: split.train.labels().to_vec(),
            train: TrainingData::new(split.train.with_labels(noisy.labels)?),
            train_ids: split.train_ids,
            wrong: noisy.wrong,
            realized_noise: noisy.realized_rate,
            validation,
            test: split.test,
        })
    }
}
