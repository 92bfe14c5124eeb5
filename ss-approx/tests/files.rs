//! Images on disk as a task: what training and evaluation see, decoding ahead, errors, training and trials.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::Tensor;
use ss_approx::full_run::FullRun;
use ss_approx::shared_start::TrialConfig;
use ss_approx::{
    Augmentation, Device, Examples, FileExamples, Predictions, RandomResizedCrop, Refresh, Sampling, Score,
    TrainSettings, Trainer, UniformRun, UniformRunConfig, View, Watch, WatchedTrial,
};
use ss_data::{Dataset, FileDataset, ImageFiles, ImageSet, ImageShape, OpenFolder, write_image_folder};
use ss_sampler::{EpochPlan, Sampler, SamplerParams, SamplerSpec, Weights};
use ss_seed::Seed;
use tempfile::{TempDir, tempdir};

const SIDE: usize = 8;

/// `n` images of 12x10 pixels in three classes, a bright bar at the top, in the middle or at the bottom, and a third as many to
/// test on.
fn folder(n: usize) -> TempDir {
    let folder = tempdir().unwrap();
    let set = |n: usize, seed: u64| {
        let stream = Seed::new(seed).stream("bars");
        let shape = ImageShape::new(3, 12, 10);
        let mut pixels = Vec::with_capacity(n * shape.bytes());
        for i in 0..n {
            for at in 0..shape.bytes() {
                let bar = if at % 120 / 40 == i % 3 { 110 } else { 0 };
                pixels.push((stream.index(i as u64).index(at as u64).hash() % 100 + bar) as u8);
            }
        }
        ImageSet::new(shape, 3, pixels, (0..n as u32).map(|i| i % 3).collect()).unwrap()
    };
    let dataset = Dataset { name: "bars".into(), train: set(n, 0), test: Some(set(n / 3, 1)) };
    write_image_folder(&folder.path().join("data"), &dataset, &["a", "b", "c"], n, n / 3).unwrap();
    folder
}

fn open(folder: &TempDir, memory: u64) -> FileDataset {
    FileDataset::open(&folder.path().join("data"), OpenFolder { memory, ..OpenFolder::default() }).unwrap()
}

fn examples(images: &ImageFiles, view: View) -> FileExamples {
    let ids: Vec<u64> = (0..images.len() as u64).collect();
    FileExamples::new(images.clone(), &ids, SIDE, view, Seed::new(5)).unwrap()
}

fn whole() -> View {
    View::Whole(RandomResizedCrop::new(0.3).unwrap())
}

fn crops(each: usize) -> View {
    View::Crops(each, RandomResizedCrop::new(0.3).unwrap())
}

/// Every image of the epoch in batches of `batch`.
fn epoch(data: &FileExamples, plan: &EpochPlan, epoch: u64, batch: usize, device: &Device) -> Vec<Vec<f32>> {
    let augmentation = Augmentation { crop_padding: 0, flip: true };
    let stream = Seed::new(2).stream("augmentation").index(epoch);
    let batches = data.epoch(plan.draws(), augmentation, stream, device).unwrap();
    let mut out = Vec::new();
    let mut first = 0;
    while first < plan.draws().len() {
        let last = (first + batch).min(plan.draws().len());
        let (x, labels) = batches.batch(first..last).unwrap();
        assert_eq!(x.dims(), [last - first, 3, SIDE, SIDE]);
        let expected: Vec<u32> =
            plan.draws()[first..last].iter().map(|draw| data.labels()[draw.example()]).collect();
        assert_eq!(labels.to_vec1::<u32>().unwrap(), expected);
        out.extend(rows(&x));
        first = last;
    }
    out
}

fn rows(x: &Tensor) -> Vec<Vec<f32>> {
    x.flatten_from(1).unwrap().to_vec2::<f32>().unwrap()
}

fn shuffled(n: usize, epoch: u64) -> EpochPlan {
    EpochPlan::shuffled(n, Seed::new(1).stream("order"), epoch).unwrap()
}

#[test]
fn what_is_seen_does_not_depend_on_batches_threads_memory_or_device() {
    let folder = folder(40);
    for view in [whole(), crops(2)] {
        let sets = [u64::MAX, 5 * 360, 0].map(|memory| examples(&open(&folder, memory).train, view));
        let weights = Weights::new((0..sets[0].len()).map(|i| (i % 3) as f64 + 0.2).collect()).unwrap();
        let plan = EpochPlan::systematic(&weights, 70, Seed::new(1).stream("order"), 0).unwrap();
        let expected = epoch(&sets[0], &plan, 0, 7, &Device::Cpu);
        for (data, batch) in sets.iter().zip([70, 1, 16]) {
            assert_eq!(epoch(data, &plan, 0, batch, &Device::Cpu), expected);
            // What is kept is the same as what is read.
            assert_eq!(epoch(data, &plan, 0, batch, &Device::candle_on_cpu()), expected);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| epoch(&sets[2], &plan, 0, 7, &Device::Cpu)), expected);
    }
}

#[test]
fn an_example_is_seen_the_same_way_whatever_else_is_drawn() {
    let folder = folder(30);
    let data = examples(&open(&folder, u64::MAX).train, whole());
    let (plan, other) = (shuffled(30, 0), shuffled(30, 1));
    let by_example = |plan: &EpochPlan, seen: Vec<Vec<f32>>| -> BTreeMap<usize, Vec<f32>> {
        plan.draws().iter().map(|draw| draw.example()).zip(seen).collect()
    };
    let seen = by_example(&plan, epoch(&data, &plan, 0, 8, &Device::Cpu));
    assert_eq!(seen, by_example(&other, epoch(&data, &other, 0, 8, &Device::Cpu)));
    let later = by_example(&plan, epoch(&data, &plan, 1, 8, &Device::Cpu));
    assert!(seen.iter().all(|(i, image)| later[i] != *image), "another crop in each epoch");
    // A second copy in one epoch is another crop.
    let mut weights = vec![0.0; 30];
    weights[3] = 1.0;
    let twice =
        EpochPlan::systematic(&Weights::new(weights).unwrap(), 2, Seed::new(1).stream("order"), 0).unwrap();
    let copies = epoch(&data, &twice, 0, 2, &Device::Cpu);
    assert_ne!(copies[0], copies[1]);
    assert!(copies.contains(&seen[&3]));
}

#[test]
fn crops_stay_the_same_and_follow_their_image() {
    let folder = folder(20);
    let images = open(&folder, u64::MAX).train;
    let data = examples(&images, crops(3));
    assert_eq!(data.len(), 60);
    assert_eq!(data.labels()[15..18], [images.labels()[5]; 3]);
    let plan = shuffled(60, 0);
    let unflipped = |number: u64| {
        let stream = Seed::new(2).stream("augmentation").index(number);
        let batches = data.epoch(plan.draws(), Augmentation::default(), stream, &Device::Cpu).unwrap();
        rows(&batches.batch(0..60).unwrap().0)
    };
    assert_eq!(unflipped(0), unflipped(1));
    let flipped = epoch(&data, &plan, 0, 60, &Device::Cpu);
    let mirrored = |image: &[f32]| -> Vec<f32> {
        image.chunks(SIDE).flat_map(|row| row.iter().rev().copied()).collect()
    };
    let turned = unflipped(0).iter().zip(&flipped).filter(|(a, b)| a != b).count();
    assert!((15..45).contains(&turned), "{turned} of 60");
    for (plain, seen) in unflipped(0).iter().zip(&flipped) {
        assert!(seen == plain || *seen == mirrored(plain));
    }
    // The box of an image depends on the seed, its identifier and the number of the crop, not on its place.
    let backwards: Vec<usize> = (0..20).rev().collect();
    let ids: Vec<u64> = backwards.iter().map(|&i| i as u64).collect();
    let turned = FileExamples::new(images.select(&backwards), &ids, SIDE, crops(3), Seed::new(5)).unwrap();
    for i in 0..20 {
        for crop in 0..3 {
            assert_eq!(turned.part(3 * (19 - i) + crop).1, data.part(3 * i + crop).1);
        }
    }
    let other = FileExamples::new(images.clone(), &(0..20).collect::<Vec<_>>(), SIDE, crops(3), Seed::new(6));
    assert_ne!(other.unwrap().part(0).1, data.part(0).1);
    assert_eq!(data.part(16).0, 5);
    assert_eq!(examples(&images, whole()).part(16), (16, None));
}

fn trainer(data: &dyn Examples, device: Device) -> Trainer<'_> {
    let settings = TrainSettings {
        epochs: 4,
        batch_size: 16,
        learning_rate: 0.05,
        augmentation: Augmentation { crop_padding: 0, flip: true },
        ..TrainSettings::default()
    };
    Trainer { network: "resnet8-4-8-8".parse().unwrap(), data, config: settings.check().unwrap(), device }
}

fn logits(predictions: &Predictions) -> Vec<f32> {
    predictions.classes().unwrap().logits().to_vec()
}

/// A uniform run, a trial, and a training whose features are re-read: logits on the test images.
fn everything(data: &FileExamples, test: &FileExamples, device: Device) -> Vec<Vec<f32>> {
    let trainer = trainer(data, device);
    let config = UniformRunConfig { start_epoch: 2, reference_until: 2, reference_score: Score::Accuracy };
    let uniform = UniformRun::run(&trainer, Seed::new(3), test, config, |_| ()).unwrap();
    let weights = Weights::new((0..data.len()).map(|i| 0.5 + (i % 2) as f64).collect()).unwrap();
    let trial = TrialConfig { epochs: 1.0, learning_rate: 0.05, score: Score::Calibrated };
    let tried = uniform.start.trial(&trainer, &weights, test, trial, Seed::new(4)).unwrap();
    let spec = SamplerSpec::paper();
    let features: Vec<&[f32]> =
        spec.features().iter().map(|name| uniform.features.column(name).unwrap()).collect();
    let params = SamplerParams::uniform(&spec);
    let gradients = uniform.features.column("grad_norm").unwrap();
    let sampler = Sampler::fit(spec.clone(), &params, &features, gradients, BTreeMap::new()).unwrap();
    let refresh = Refresh { sampler, initial: weights, warm_up: 1, every: 1, smoothing: 0.5 };
    let refreshed = Sampling::Refreshed(Box::new(refresh));
    let run = FullRun::run(&trainer, Seed::new(3), refreshed, test, |_, _, _| Ok(())).unwrap();
    let of = |snapshot| logits(&trainer.predict(snapshot, test).unwrap());
    vec![of(&uniform.run.last), logits(&tried.predictions), of(&run.last)]
}

#[test]
fn networks_learn_and_threads_and_memory_change_nothing() {
    let folder = folder(90);
    let data = open(&folder, u64::MAX);
    let train = examples(&data.train, whole());
    let test = train.with_images(data.test.unwrap());
    let expected = everything(&train, &test, Device::Cpu);
    let seen = expected[0].chunks(3).zip(test.labels());
    let right = seen.filter(|(z, label)| (0..3).all(|c| z[c] <= z[**label as usize])).count();
    assert!(right >= 24, "{right} of 30, chance is 10");
    let poor = open(&folder, 0);
    let train = examples(&poor.train, whole());
    let test = train.with_images(poor.test.unwrap());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.install(|| everything(&train, &test, Device::Cpu)), expected);
}

#[test]
fn other_devices_are_given_the_same_images() {
    let folder = folder(48);
    let data = open(&folder, u64::MAX);
    let train = examples(&data.train, crops(2));
    let test = train.with_images(data.test.unwrap());
    let gpu = Device::first_gpu().unwrap().inspect_err(|reason| println!("no GPU: {reason}")).ok();
    for device in [Device::candle_on_cpu()].into_iter().chain(gpu) {
        let plan = shuffled(96, 0);
        assert_eq!(epoch(&train, &plan, 0, 10, &device), epoch(&train, &plan, 0, 10, &Device::Cpu));
        let run = |device: Device| {
            let trainer = trainer(&train, device);
            let run =
                FullRun::run(&trainer, Seed::new(3), Sampling::Uniform, &test, |_, _, _| Ok(())).unwrap();
            run.history[0].train_loss
        };
        let (found, expected) = (run(device), run(Device::Cpu));
        assert!((found - expected).abs() < 1e-3 * expected, "{found}, on the CPU {expected}");
    }
}

#[test]
fn a_bad_image_is_an_error_of_its_batch_and_says_where_it_is() {
    let folder = folder(40);
    let data = open(&folder, 0);
    let train = examples(&data.train, whole());
    let test = train.with_images(data.test.unwrap());
    let path = data.train.path(17).to_path_buf();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let says = |error: ss_approx::Error| {
        let message = error.to_string();
        assert!(
            message.starts_with(&path.display().to_string()) && message.contains("cannot be decoded"),
            "{message}"
        );
        assert!(!error.is_divergence());
    };
    let plan = shuffled(40, 0);
    let bad = plan.draws().iter().position(|draw| draw.example() == 17).unwrap();
    let stream = Seed::new(2).stream("augmentation");
    let batches = train.epoch(plan.draws(), Augmentation::default(), stream, &Device::Cpu).unwrap();
    for first in (0..40).step_by(5) {
        match batches.batch(first..first + 5) {
            Err(error) => {
                assert!((first..first + 5).contains(&bad));
                says(error);
            }
            Ok(_) => assert!(!(first..first + 5).contains(&bad)),
        }
    }
    let trainer = trainer(&train, Device::Cpu);
    says(FullRun::run(&trainer, Seed::new(3), Sampling::Uniform, &test, |_, _, _| Ok(())).err().unwrap());
    says(trainer.session(Seed::new(0)).unwrap().predict(&train).err().unwrap());
    let ids: Vec<u64> = (0..40).collect();
    says(FileExamples::new(data.train.clone(), &ids, SIDE, crops(1), Seed::new(0)).err().unwrap());
}

/// Threads of this process.
fn threads() -> usize {
    fs::read_dir(Path::new("/proc/self/task")).map_or(0, Iterator::count)
}

#[test]
fn epochs_that_are_abandoned_leave_no_thread_behind() {
    let folder = folder(60);
    let data = open(&folder, 0);
    let train = examples(&data.train, whole());
    let test = train.with_images(data.test.unwrap());
    let trainer = trainer(&train, Device::Cpu);
    let config = UniformRunConfig { start_epoch: 2, reference_until: 2, reference_score: Score::Accuracy };
    let uniform = UniformRun::run(&trainer, Seed::new(3), &test, config, |_| ()).unwrap();
    let weights = Weights::uniform(60).unwrap();
    let trial = TrialConfig { epochs: 2.0, learning_rate: 0.05, score: Score::Accuracy };
    let at = trainer.checkpoint(2.0, 0.3).unwrap();
    let stop = || {
        let mut judge = |_: &_| std::ops::ControlFlow::Break(());
        let watch = Watch { at, judge: &mut judge };
        let tried = uniform.start.watched_trial(&trainer, &weights, &test, trial, Seed::new(4), watch);
        assert!(matches!(tried.unwrap(), WatchedTrial::Stopped(_)));
    };
    stop();
    let before = threads();
    (0..30).for_each(|_| stop());
    // Tests of other threads come and go; thirty epochs do not.
    assert!(threads() < before + 20, "{before} threads before, {} after", threads());
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = folder(12);
    let images = open(&folder, u64::MAX).train;
    let ids: Vec<u64> = (0..12).collect();
    let new = |ids: &[u64], side, view| FileExamples::new(images.clone(), ids, side, view, Seed::new(0));
    let says = |result: ss_approx::Result<FileExamples>, what: &str| {
        let message = result.err().unwrap().to_string();
        assert!(message.contains(what), "{message}");
    };
    says(new(&ids, 0, whole()), "image side = 0");
    says(new(&ids, 1 << 20, whole()), "image side");
    says(new(&ids, 8, crops(0)), "crops = 0");
    says(new(&ids[1..], 8, whole()), "expected 12, found 11");
    let data = new(&ids, 8, whole()).unwrap();
    assert!(data.as_images().is_none());
    let padded = Augmentation { crop_padding: 4, flip: true };
    let stream = Seed::new(0).stream("augmentation");
    let refused = data.epoch(&[], padded, stream, &Device::Cpu).err().unwrap().to_string();
    assert!(refused.contains("crop_padding = 4"), "{refused}");
}
