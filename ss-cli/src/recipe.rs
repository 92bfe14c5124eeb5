//! Networks, schedules and search budgets for the datasets that the project knows.

use serde::{Deserialize, Serialize};
use ss_approx::schedule::Decay;
use ss_approx::{Augmentation, OptimiserKind, Score, TrainSettings};
use ss_data::{DatasetKind, SplitSizes};
use ss_models::NetworkSpec;
use ss_models::embedding::MapsAs;
use ss_models::gpt::GptConfig;
use ss_models::resnet::ResNetConfig;
use ss_models::wide_resnet::WideResNetConfig;

use crate::{Error, Result};

const MOST_TRIALS: usize = 100_000;

/// Everything that a run on one dataset needs and a user may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The network.
    pub network: NetworkSpec,
    /// How it is trained.
    pub train: TrainSettings,
    /// Training images; `None` takes all that validation leaves.
    pub train_size: Option<usize>,
    /// Validation images.
    pub validation_size: usize,
    /// Test images; `None` takes all.
    pub test_size: Option<usize>,
    /// `E_o`: candidates tried.
    pub trials: usize,
    /// `E_f`: epochs a trial.
    pub trial_epochs: f64,
    /// The score of a trial.
    pub score: Score,
    /// Epochs of the uniform run behind the shared start.
    pub start_epoch: usize,
    /// Last epoch that the reference checkpoint may come from.
    pub reference_until: usize,
    /// Epochs between re-readings of the features in the final training; `None` never re-reads.
    pub refresh: Option<usize>,
    /// Share of the old value when re-read features are smoothed, in `[0, 1)`.
    pub smoothing: f64,
    /// Standard errors that a rule must gain over uniform sampling to replace it: in its trial, and again as a
    /// trained model in validation accuracy.
    pub caution: f64,
    /// Rules that are trained in full, the chosen one and the next best by their trials, at least 1; the model that is best on
    /// validation data counts. Trials rank rules well, but for the best few: these differ in what a whole training under them
    /// learns wrongly. Each costs a full training.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub finalists: usize,
    /// A search ends when its model expects less than this of the best next trial, in standard deviations of the
    /// scores seen, positive; `None` makes all trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converged_below: Option<f64>,
    /// The share of a trial, in (0, 1), after which it is stopped when it is clearly worse than others; `None`
    /// runs every trial to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune_after: Option<f64>,
}

/// The finalists of a record from before there were any.
pub(crate) fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_one(finalists: &usize) -> bool {
    *finalists == 1
}

impl Recipe {
    /// The defaults for a dataset of images: minutes on two cores for the embedded digits, an hour or so for one
    /// search on the others.
    pub fn for_dataset(kind: DatasetKind) -> Self {
        let common = Self {
            network: NetworkSpec::ResNet(ResNetConfig::resnet8([16, 32, 64])),
            train: TrainSettings::default(),
            train_size: Some(6000),
            validation_size: 2000,
            test_size: None,
            trials: 30,
            trial_epochs: 1.0,
            score: Score::Calibrated,
            start_epoch: 15,
            reference_until: 15,
            refresh: Some(1),
            smoothing: 0.5,
            caution: 1.0,
            finalists: 1,
            converged_below: None,
            prune_after: None,
        };
        match kind {
            DatasetKind::Digits => Self {
                network: NetworkSpec::ResNet(ResNetConfig::resnet8([8, 16, 32])),
                train: TrainSettings { batch_size: 64, ..TrainSettings::default() },
                train_size: Some(1000),
                validation_size: 297,
                test_size: Some(500),
                ..common
            },
            DatasetKind::FashionMnist => Self { finalists: 2, ..common },
            DatasetKind::Cifar10 | DatasetKind::Cifar100 => Self {
                network: NetworkSpec::ResNet(ResNetConfig::resnet20()),
                train: TrainSettings {
                    augmentation: Augmentation { crop_padding: 4, flip: true },
                    decay: Decay::Cosine,
                    epochs: 60,
                    ..TrainSettings::default()
                },
                train_size: Some(10_000),
                finalists: 2,
                // Few trials that see something: after 1, 2 and 4 epochs the score of `drop-40` is above that of uniform
                // sampling, at 40% noise, by 0.000, 0.011 and 0.021 nats (one seed, results/fidelity-cpu-cifar10).
                // Thirteen of the trials are simple rules.
                trials: 15,
                trial_epochs: 4.0,
                start_epoch: 30,
                reference_until: 30,
                ..common
            },
        }
    }

    /// The defaults for text: a small transformer in minutes a training on one core. Trials are scored by the likelihood, the
    /// calibration of label noise having no counterpart. Sizes are counted in windows.
    pub fn for_text() -> Self {
        Self {
            network: NetworkSpec::Gpt(GptConfig { layers: 2, width: 128, heads: 4 }),
            train: TrainSettings {
                epochs: 10,
                batch_size: 16,
                learning_rate: 2e-3,
                warmup: 0.1,
                optimiser: OptimiserKind::AdamW,
                weight_decay: 0.1,
                ..TrainSettings::default()
            },
            train_size: None,
            trials: 16,
            trial_epochs: 0.5,
            score: Score::Likelihood,
            start_epoch: 5,
            reference_until: 5,
            finalists: 1,
            ..Self::for_dataset(DatasetKind::FashionMnist)
        }
    }

    /// The defaults for images on disk: ImageNet at its usual scale, 90 epochs of batches of 256 (He et al. 2016; the public text of
    /// the paper does not give its schedule). Validation images are held out of the training images. Crops are random, whatever
    /// the recipe says; it says whether images are mirrored.
    pub fn for_image_folder() -> Self {
        Self {
            network: NetworkSpec::ResNet(ResNetConfig::resnet18().for_imagenet()),
            train: TrainSettings {
                epochs: 90,
                batch_size: 256,
                weight_decay: 1e-4,
                augmentation: Augmentation { crop_padding: 0, flip: true },
                ..TrainSettings::default()
            },
            train_size: None,
            validation_size: 50_000,
            trials: 40,
            start_epoch: 45,
            reference_until: 45,
            finalists: 1,
            ..Self::for_dataset(DatasetKind::FashionMnist)
        }
    }

    /// The defaults for the verification of faces in grey images of about 28x23 pixels, half a minute or so a training on one core. Faces are
    /// aligned, so the embedding is of every pixel of the maps. With few people a small scale of the cosines carries over better to
    /// others, and does not take a small learning rate.
    pub fn for_faces() -> Self {
        let trunk = NetworkSpec::ResNet(ResNetConfig::resnet8([16, 32, 64]));
        Self {
            network: trunk.with_embedding(64, MapsAs::Pixels, 10),
            train: TrainSettings {
                epochs: 60,
                batch_size: 32,
                learning_rate: 0.05,
                augmentation: Augmentation { crop_padding: 2, flip: true },
                ..TrainSettings::default()
            },
            train_size: None,
            trials: 20,
            trial_epochs: 4.0,
            score: Score::Verification,
            start_epoch: 30,
            reference_until: 30,
            finalists: 1,
            ..Self::for_dataset(DatasetKind::FashionMnist)
        }
    }

    /// The defaults for few-shot recognition of characters in grey images of 28x28 pixels, a minute or so a training on one core.
    pub fn for_few_shot() -> Self {
        let (faces, trunk) = (Self::for_faces(), NetworkSpec::ResNet(ResNetConfig::resnet8([16, 32, 64])));
        Self {
            network: trunk.with_embedding(64, MapsAs::Means, 10),
            train: TrainSettings {
                epochs: 20,
                batch_size: 64,
                augmentation: Augmentation { crop_padding: 2, flip: false },
                ..faces.train
            },
            trial_epochs: 1.0,
            score: Score::NearestCentroid,
            start_epoch: 10,
            reference_until: 10,
            ..faces
        }
    }

    /// The paper's scale: all images, a wide residual network (16 layers deep and 4 wide on grey images, 28 and 10 on
    /// colour ones) and 200 epochs; 40 trials of 5 epochs cost one full training. The public text of the paper does not
    /// give its schedule: these numbers are those of the wide residual networks themselves (Zagoruyko & Komodakis 2016).
    pub fn paper(kind: DatasetKind) -> Self {
        let mut recipe = Self::for_dataset(kind);
        recipe.set_epochs(200);
        recipe.network = NetworkSpec::WideResNet(match kind {
            DatasetKind::Digits | DatasetKind::FashionMnist => WideResNetConfig::wrn_16_4(),
            DatasetKind::Cifar10 | DatasetKind::Cifar100 => WideResNetConfig::wrn_28_10(),
        });
        Self {
            train_size: if kind == DatasetKind::Digits { recipe.train_size } else { None },
            validation_size: if kind == DatasetKind::Digits { recipe.validation_size } else { 5000 },
            trials: 40,
            trial_epochs: 5.0,
            ..recipe
        }
    }

    /// Changes the length of the full training; shared start and reference keep their places in the run.
    pub fn set_epochs(&mut self, epochs: usize) {
        let scale = |epoch: usize| {
            epoch.saturating_mul(epochs).div_ceil(self.train.epochs.max(1)).clamp(1, epochs.max(1))
        };
        (self.start_epoch, self.reference_until) = (scale(self.start_epoch), scale(self.reference_until));
        self.train.epochs = epochs;
    }

    /// Trains on so many instances; 0 takes all that validation leaves.
    pub fn set_train_size(&mut self, size: usize) {
        self.train_size = (size > 0).then_some(size);
    }

    /// Checks every range, before any training begins.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`], under the name of the flag that sets it, or the trainer's.
    pub fn check(&self) -> Result<()> {
        let invalid =
            |setting, found: String, expected| Err(Error::InvalidSetting { setting, found, expected });
        if !(1..=MOST_TRIALS).contains(&self.trials) {
            return invalid("--trials", self.trials.to_string(), "at least 1, and at most 100000");
        }
        if !(1..=MOST_TRIALS).contains(&self.finalists) {
            let expected = "at least 1, and at most 100000";
            return invalid("--finalists", self.finalists.to_string(), expected);
        }
        if !(self.trial_epochs > 0.0 && self.trial_epochs <= 1e6) {
            let expected = "a positive number, such as 1 or 0.5, and at most 1e6";
            return invalid("--trial-epochs", self.trial_epochs.to_string(), expected);
        }
        if self.train_size.is_some_and(|n| n > 0 && self.trial_epochs * (n as f64) < 0.5) {
            let expected = "a positive number of passes that amounts to at least one example";
            return invalid("--trial-epochs", self.trial_epochs.to_string(), expected);
        }
        if let Some(tolerance) = self.converged_below.filter(|t| !(t.is_finite() && *t > 0.0)) {
            let expected = "a positive number of standard deviations, such as 0.05";
            return invalid("--converged-below", tolerance.to_string(), expected);
        }
        if let Some(share) = self.prune_after.filter(|share| !(*share > 0.0 && *share < 1.0)) {
            let expected = "a share of a trial's steps above 0 and below 1, such as 0.5";
            return invalid("--prune-after", share.to_string(), expected);
        }
        self.train.clone().check()?;
        Ok(())
    }

    /// The sizes of the three parts.
    pub fn sizes(&self) -> SplitSizes {
        SplitSizes { train: self.train_size, validation: self.validation_size, test: self.test_size }
    }
}
