//! The path of GPUs, on the CPU, against the path of the CPU: same decisions, nearly the same numbers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use candle_core::{DType, Tensor};
use proptest::prelude::*;
use ss_approx::full_run::FullRun;
use ss_approx::shared_start::TrialConfig;
use ss_approx::{
    Augmentation, Device, Examples, ImageExamples, Precision, Predictions, Refresh, Sampling, Score,
    TrainSettings, Trainer, UniformRun, UniformRunConfig,
};
use ss_data::{ImageSet, ImageShape};
use ss_sampler::{EpochPlan, Sampler, SamplerParams, SamplerSpec, Weights};
use ss_seed::Seed;

fn images(n: usize, shape: ImageShape, seed: u64) -> ImageSet {
    let stream = Seed::new(seed).stream("images");
    let mut pixels = Vec::with_capacity(n * shape.bytes());
    for i in 0..n as u64 {
        for at in 0..shape.bytes() as u64 {
            // Brighter with the label, so that there is something to learn.
            pixels.push((stream.index(i).index(at).hash() % 150 + 40 * (i % 3)) as u8);
        }
    }
    ImageSet::new(shape, 3, pixels, (0..n as u32).map(|i| i % 3).collect()).unwrap()
}

/// The CPU on candle's operations, and the first GPU where there is one.
fn candle_devices() -> Vec<Device> {
    // Opened once: a GPU takes a while.
    static DEVICES: LazyLock<Vec<Device>> = LazyLock::new(|| {
        let gpu = Device::first_gpu().unwrap().inspect_err(|reason| println!("no GPU: {reason}")).ok();
        [Device::candle_on_cpu()].into_iter().chain(gpu).collect()
    });
    // Each with images of its own.
    DEVICES.clone()
}

fn bits(x: &Tensor) -> Vec<u32> {
    // -0.0 and 0.0 are one colour.
    let plain = |v: f32| (v + 0.0).to_bits();
    x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(plain).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn batches_made_on_the_device_are_those_of_the_cpu_bit_for_bit(
        (channels, height, width) in (1_usize..4, 1_usize..7, 1_usize..7),
        n in 1_usize..20,
        crop_padding in 0_usize..4,
        flip in any::<bool>(),
        seed in any::<u64>(),
        epoch in 0_u64..5,
        batch in 1_usize..8,
    ) {
        let images = images(n, ImageShape { channels, height, width }, seed);
        let data = ImageExamples::new(images.clone());
        // Some examples several times, some never.
        let weights = Weights::new((0..n).map(|i| (i % 4) as f64 + 0.1).collect()).unwrap();
        let plan = EpochPlan::systematic(&weights, 2 * n, Seed::new(seed).stream("order"), epoch).unwrap();
        let stream = Seed::new(seed).stream("augmentation").index(epoch);
        let augmentation = Augmentation { crop_padding, flip };
        for candle in candle_devices() {
            let of = |device| {
                data.normalisation().epoch(&images, plan.draws(), augmentation, stream, device).unwrap()
            };
            let (host, device) = (of(&Device::Cpu), of(&candle));
            let mut first = 0;
            while first < plan.draws().len() {
                let last = (first + batch).min(plan.draws().len());
                let ((x, labels), (y, others)) =
                    (host.batch(first..last).unwrap(), device.batch(first..last).unwrap());
                prop_assert_eq!(x.dims(), y.dims());
                prop_assert_eq!(bits(&x), bits(&y));
                prop_assert_eq!(labels.to_vec1::<u32>().unwrap(), others.to_vec1::<u32>().unwrap());
                prop_assert_eq!(others.dtype(), DType::U32);
                first = last;
            }
            let range = |device| data.normalisation().range(&images, n / 2, n, device).unwrap();
            prop_assert_eq!(bits(&range(&Device::Cpu)), bits(&range(&candle)));
        }
    }
}

const SHAPE: ImageShape = ImageShape { channels: 1, height: 8, width: 8 };

fn trainer(data: &ImageExamples, device: Device) -> Trainer<'_> {
    let augmentation = Augmentation { crop_padding: 1, flip: true };
    let settings = TrainSettings {
        epochs: 3,
        batch_size: 16,
        learning_rate: 0.02,
        augmentation,
        ..TrainSettings::default()
    };
    Trainer { network: "resnet8-4-8-8".parse().unwrap(), data, config: settings.check().unwrap(), device }
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0_f32, |m, v| m.max(v.abs()));
    let gap = found.iter().zip(expected).fold(0_f32, |m, (f, e)| m.max((f - e).abs()));
    println!("{what}: largest gap {gap:e} of {largest}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * largest,
            "{what}: {i} is {f}, on the CPU {e} (largest {largest})"
        );
    }
}

/// A short uniform run, a trial from its shared start, and a training whose features are re-read: the logits of the
/// finished networks on the validation images and two features, and the mean losses of all epochs.
fn everything(device: Device, data: &ImageExamples, validation: &ImageExamples) -> (Vec<Vec<f32>>, Vec<f32>) {
    let trainer = trainer(data, device.clone());
    let config = UniformRunConfig { start_epoch: 2, reference_until: 2, reference_score: Score::Likelihood };
    let mut losses = Vec::new();
    let uniform = UniformRun::run(&trainer, Seed::new(3), validation, config, |report| {
        losses.push(report.train_loss as f32);
    })
    .unwrap();
    let kept = |seen: &Predictions| seen.classes().unwrap().logits().to_vec();
    let logits = |run: &FullRun| kept(&trainer.predict(&run.last, validation).unwrap());
    let mut all = vec![logits(&uniform.run)];

    let weights =
        Weights::new((0..data.len()).map(|i| if i % 5 == 0 { 0.0 } else { 1.0 }).collect()).unwrap();
    let trial = TrialConfig { epochs: 0.5, learning_rate: 0.02, score: Score::Likelihood };
    // The start may come from a device and go to another.
    let start = uniform.start.on(&Device::Cpu).unwrap().on(&device).unwrap();
    let result = start.trial(&trainer, &weights, validation, trial, Seed::new(7)).unwrap();
    all.push(kept(&result.predictions));

    let spec = SamplerSpec::new(["loss"], ss_sampler::Transform::Cdf).unwrap();
    let params = SamplerParams::uniform(&spec);
    let column = |name| uniform.features.column(name).unwrap();
    // What the features are read into comes to the host once a reading.
    all.extend([column("loss").to_vec(), column("grad_norm").to_vec()]);
    let columns = [column("loss")];
    let refresh = Refresh {
        sampler: Sampler::fit(spec, &params, &columns, column("grad_norm"), BTreeMap::new()).unwrap(),
        initial: weights,
        warm_up: 1,
        every: 1,
        smoothing: 0.5,
    };
    let sampling = Sampling::Refreshed(Box::new(refresh));
    let run = FullRun::run(&trainer, Seed::new(3), sampling, validation, |_, _, _| Ok(())).unwrap();
    losses.extend(run.history.iter().map(|epoch| epoch.train_loss as f32));
    all.push(logits(&run));
    (all, losses)
}

#[test]
fn training_on_candles_operations_follows_the_kernels() {
    let data = ImageExamples::new(images(90, SHAPE, 0));
    let validation = data.with_images(images(300, SHAPE, 1));
    let (expected, expected_losses) = everything(Device::Cpu, &data, &validation);
    let (found, losses) = everything(Device::candle_on_cpu(), &data, &validation);
    // Sums in another order, amplified by some twenty steps of training.
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_close(found, expected, 2e-3, &format!("result {number}"));
    }
    assert_close(&losses, &expected_losses, 1e-3, "losses");
}

#[test]
fn bf16_trains_or_is_refused() {
    match Device::candle_on_cpu().with_precision(Precision::Bf16) {
        Ok(device) => {
            let data = ImageExamples::new(images(90, SHAPE, 0));
            let validation = data.with_images(images(60, SHAPE, 1));
            let (_, losses) = everything(device, &data, &validation);
            let (_, expected) = everything(Device::Cpu, &data, &validation);
            // bf16 keeps 8 binary digits.
            assert_close(&losses, &expected, 5e-2, "losses in bf16");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains("bf16") && message.contains("candle has no"), "{message}");
            println!("{message}");
        }
    }
}

/// Runs where a GPU is; elsewhere it says why not. One that is there and does not work is a failure.
#[test]
fn training_on_a_gpu_follows_the_kernels() {
    let device = match Device::first_gpu().unwrap() {
        Ok(device) => device,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let data = ImageExamples::new(images(90, SHAPE, 0));
    let validation = data.with_images(images(300, SHAPE, 1));
    let (expected, expected_losses) = everything(Device::Cpu, &data, &validation);
    let (found, losses) = everything(device.clone(), &data, &validation);
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_close(found, expected, 2e-2, &format!("result {number}"));
    }
    assert_close(&losses, &expected_losses, 1e-2, "losses");
    let half = device.with_precision(Precision::Bf16).unwrap();
    assert_close(&everything(half, &data, &validation).1, &expected_losses, 5e-2, "losses in bf16");
}
