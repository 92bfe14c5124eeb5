//! A small problem: UCI digits with wrong labels.

use ss_approx::{
    Device, FullRun, ImageExamples, Sampling, Score, TrainSettings, Trainer, UniformRun, UniformRunConfig,
};
use ss_baselines::{CleanSubset, Known, Outcome, Task, TrainingMethod};
use ss_data::{DatasetKind, LabelNoise, NoiseKind, SplitSizes};
use ss_seed::Seed;

pub(crate) const SEED: Seed = Seed::new(5);
pub(crate) const EPOCHS: usize = 6;

pub(crate) struct Problem {
    pub(crate) data: ImageExamples,
    pub(crate) validation: ImageExamples,
    pub(crate) test: ImageExamples,
    pub(crate) clean: CleanSubset,
    pub(crate) rate: f64,
    pub(crate) epochs: usize,
}

impl Problem {
    /// 256 training images of which a share `rate` is labelled wrong, 60 to validate on and 300 to test on.
    pub(crate) fn new(rate: f64) -> Self {
        Self::of_size(256, rate)
    }

    /// As [`new`](Self::new), with `train` training images.
    pub(crate) fn of_size(train: usize, rate: f64) -> Self {
        let digits = ss_data::load(DatasetKind::Digits, None).unwrap();
        let sizes = SplitSizes { train: Some(train), validation: 60, test: Some(300) };
        let parts = ss_data::split(&digits, sizes, SEED).unwrap();
        let truth = parts.train.labels().to_vec();
        let noise = LabelNoise::new(NoiseKind::Symmetric, rate).unwrap();
        let noisy = noise.apply(&truth, 10, SEED.stream("train-label-noise")).unwrap();
        let train = parts.train.with_labels(noisy.labels).unwrap();
        // More than the default share: a tenth of so few images holds few wrong labels.
        let clean = CleanSubset::draw(&train, &truth, 0.25, SEED).unwrap();
        let data = ImageExamples::new(train);
        Self {
            validation: data.with_images(parts.validation),
            test: data.with_images(parts.test),
            data,
            clean,
            rate: noisy.realized_rate,
            epochs: EPOCHS,
        }
    }

    pub(crate) fn trainer(&self) -> Trainer<'_> {
        let settings = TrainSettings { epochs: self.epochs, batch_size: 32, ..TrainSettings::default() };
        Trainer {
            network: "resnet8-4-8-16".parse().unwrap(),
            data: &self.data,
            config: settings.check().unwrap(),
            device: Device::Cpu,
        }
    }

    /// The same elsewhere.
    pub(crate) fn trainer_on(&self, device: &Device) -> Trainer<'_> {
        Trainer { device: device.clone(), ..self.trainer() }
    }

    /// The losses at the reference of the uniform run.
    pub(crate) fn reference_loss(&self) -> Vec<f32> {
        let half = self.epochs / 2;
        let config =
            UniformRunConfig { start_epoch: half, reference_until: half, reference_score: Score::Calibrated };
        let run = UniformRun::run(&self.trainer(), SEED, &self.validation, config, |_| ()).unwrap();
        run.features.column("loss").unwrap().to_vec()
    }

    pub(crate) fn baseline(&self) -> FullRun {
        FullRun::run(&self.trainer(), SEED, Sampling::Uniform, &self.validation, |_, _, _| Ok(())).unwrap()
    }

    pub(crate) fn train(&self, method: &dyn TrainingMethod, known: Known) -> ss_baselines::Result<Outcome> {
        let trainer = self.trainer();
        let task = Task { trainer: &trainer, seed: SEED, validation: &self.validation, known };
        method.train(&task, &mut |_| ())
    }

    /// Logits of the finished model on the test images.
    pub(crate) fn logits(&self, run: &FullRun) -> Vec<f32> {
        self.trainer().predict(&run.last, &self.test).unwrap().classes().unwrap().logits().to_vec()
    }

    pub(crate) fn accuracy(&self, run: &FullRun) -> f64 {
        self.trainer().predict(&run.last, &self.test).unwrap().accuracy().unwrap()
    }
}
