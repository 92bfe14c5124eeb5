//! Training, trials and their random numbers, on a small generated problem.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use candle_core::Tensor;
use ss_approx::full_run::FullRun;
use ss_approx::shared_start::TrialConfig;
use ss_approx::trainer::Run;
use ss_approx::{
    Batch, CrossEntropy, Device, Error, ImageExamples, Objective, Predictions, Refresh, Sampling, Score,
    Session, TrainSettings, Trainer, TrialResult, UniformRun, UniformRunConfig, Watch, WatchedTrial,
};
use ss_data::{ImageSet, ImageShape};
use ss_sampler::{Sampler, SamplerParams, SamplerSpec, Weights};
use ss_seed::Seed;

/// `n` noisy 8x8 images of three classes: a bright bar at the top, in the middle or at the bottom. Every
/// fifth label is wrong.
fn bars(n: usize, seed: u64) -> ImageSet {
    let stream = Seed::new(seed).stream("bars");
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for i in 0..n {
        let class = i % 3;
        for y in 0..8 {
            for x in 0..8 {
                let noise = stream.index(i as u64).index(y * 8 + x).hash() % 120;
                let bar = if y as usize / 3 == class { 100 } else { 0 };
                pixels.push((noise + bar) as u8);
            }
        }
        labels.push(if i % 5 == 4 { (class as u32 + 1) % 3 } else { class as u32 });
    }
    ImageSet::new(ImageShape { channels: 1, height: 8, width: 8 }, 3, pixels, labels).unwrap()
}

/// `train` images to train on and `validation` ones to validate on.
fn problem(train: usize, validation: usize) -> (ImageExamples, ImageExamples) {
    let data = ImageExamples::new(bars(train, 0));
    let validation = data.with_images(bars(validation, 1));
    (data, validation)
}

fn logits(predictions: &Predictions) -> Vec<f32> {
    predictions.classes().unwrap().logits().to_vec()
}

fn trainer(data: &ImageExamples) -> Trainer<'_> {
    let settings = TrainSettings { epochs: 4, batch_size: 16, ..TrainSettings::default() };
    Trainer {
        network: "resnet8-4-8-8".parse().unwrap(),
        data,
        config: settings.check().unwrap(),
        device: Device::Cpu,
    }
}

fn last_logits(trainer: &Trainer, sampling: Sampling, validation: &ImageExamples) -> Vec<f32> {
    let run = FullRun::run(trainer, Seed::new(3), sampling, validation, |_, _, _| Ok(())).unwrap();
    logits(&trainer.predict(&run.last, validation).unwrap())
}

fn uniform(trainer: &Trainer, validation: &ImageExamples) -> UniformRun {
    let config = UniformRunConfig { start_epoch: 2, reference_until: 2, reference_score: Score::Accuracy };
    UniformRun::run(trainer, Seed::new(3), validation, config, |_| ()).unwrap()
}

const TRIAL: TrialConfig = TrialConfig { epochs: 1.0, learning_rate: 0.1, score: Score::Calibrated };

#[test]
fn uniform_weights_are_the_baseline_bit_for_bit() {
    let (data, validation) = problem(90, 30);
    let trainer = trainer(&data);
    let baseline = last_logits(&trainer, Sampling::Uniform, &validation);
    let weighted = Weights::new(vec![0.37; 90]).unwrap();
    assert_eq!(baseline, last_logits(&trainer, Sampling::Fixed(weighted), &validation));
    let mut other = vec![1.0; 90];
    other[4] = 0.0;
    assert_ne!(baseline, last_logits(&trainer, Sampling::Fixed(Weights::new(other).unwrap()), &validation));
}

#[test]
fn thread_count_does_not_change_results() {
    let (data, validation) = problem(90, 30);
    let trainer = trainer(&data);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| last_logits(&trainer, Sampling::Uniform, &validation))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(3));
}

#[test]
fn training_learns_and_the_uniform_run_keeps_its_checkpoints() {
    let (data, validation) = problem(150, 60);
    let trainer = trainer(&data);
    let run = uniform(&trainer, &validation);
    let last = run.run.history.last().unwrap();
    // 80% of the labels are right, 56% when both halves' noise agrees by chance alone: 0.6 is learning.
    assert!(last.accuracy > 0.6, "{:?}", run.run.history);
    assert_eq!(run.start.epoch(), 2);
    assert!((1..=2).contains(&run.reference_epoch));
    let loss = run.features.column("loss").unwrap();
    let mean = |wrong: bool| {
        let of: Vec<f32> = (0..150).filter(|i| (i % 5 == 4) == wrong).map(|i| loss[i]).collect();
        of.iter().sum::<f32>() / of.len() as f32
    };
    assert!(mean(true) > mean(false), "wrong labels have the larger loss");
    // The start is a checkpoint of this very run, not of its end.
    let at_start = trainer.predict(run.start.snapshot(), &validation).unwrap();
    let at_end = trainer.predict(&run.run.last, &validation).unwrap();
    assert_ne!(logits(&at_start), logits(&at_end));
}

#[test]
fn trials_repeat_and_leave_the_start_untouched() {
    let (data, validation) = problem(90, 30);
    let trainer = trainer(&data);
    let run = uniform(&trainer, &validation);
    let clean: Vec<f64> = (0..90).map(|i| f64::from(u8::from(i % 5 != 4))).collect();
    let clean = Weights::new(clean).unwrap();
    let dirty = Weights::uniform(90).unwrap();
    let trial = |weights: &Weights| {
        let result = run.start.trial(&trainer, weights, &validation, TRIAL, Seed::new(9)).unwrap();
        (result.score, logits(&result.predictions))
    };
    let first = trial(&clean);
    assert_ne!(first, trial(&dirty));
    assert_eq!(first, trial(&clean), "a trial in between changes nothing");
}

#[test]
fn looking_at_a_trial_changes_nothing_and_stopping_it_costs_less() {
    let (data, validation) = problem(90, 30);
    let trainer = trainer(&data);
    let start = uniform(&trainer, &validation).start;
    let weights = Weights::new((0..90).map(|i| f64::from(1 + i % 3)).collect()).unwrap();
    // Two epochs of 6 steps each, the last of 10 examples: the checkpoints lie within an epoch, at the end of
    // one, and in the second.
    let config = TrialConfig { epochs: 2.0, ..TRIAL };
    let plain = start.trial(&trainer, &weights, &validation, config, Seed::new(9)).unwrap();
    for (share, step, epochs) in [(0.25, 3, 48.0 / 90.0), (0.5, 6, 1.0), (0.6, 7, 106.0 / 90.0)] {
        let at = trainer.checkpoint(config.epochs, share).unwrap();
        assert_eq!((at.step, at.epochs), (step, epochs));
        let watched = |verdict: ControlFlow<()>| {
            let mut seen = Vec::new();
            let mut judge = |result: &TrialResult| {
                seen.push(result.score);
                verdict
            };
            let watch = Watch { at, judge: &mut judge };
            let watched =
                start.watched_trial(&trainer, &weights, &validation, config, Seed::new(9), watch).unwrap();
            assert_eq!(seen.len(), 1);
            (watched, seen[0])
        };
        let (WatchedTrial::Finished(finished), seen) = watched(ControlFlow::Continue(())) else {
            panic!("went on")
        };
        assert_eq!(finished.score, plain.score);
        assert_eq!(logits(&finished.predictions), logits(&plain.predictions));
        let (WatchedTrial::Stopped(stopped), again) = watched(ControlFlow::Break(())) else {
            panic!("was stopped")
        };
        assert_eq!((stopped.score, seen), (seen, again));
        assert_ne!(logits(&stopped.predictions), logits(&plain.predictions));
    }
    // A stopped run has trained on what lies before the checkpoint.
    let mut session = trainer.session(Seed::new(9)).unwrap();
    let run = Run { seed: Seed::new(9), epochs: 2.0, learning_rate: 0.1, sampling: Sampling::Uniform };
    let stop =
        |step, _: &Session| Ok(if step == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    let mut epochs = 0;
    let cost = session.train_stepwise(&run, stop, |_, _| {
        epochs += 1;
        Ok(())
    });
    assert_eq!((cost.unwrap().trained, epochs), (106, 1));
    for (epochs, share) in [(2.0, 0.0), (2.0, 1.0), (2.0, f64::NAN), (0.1, 0.5)] {
        assert!(trainer.checkpoint(epochs, share).is_err(), "{epochs} {share}");
    }
}

/// The plain cross-entropy, which notes where it is called and fails at a step.
struct Noting {
    seen: Vec<(usize, usize, usize, f64, f64)>,
    fail_at: usize,
}

impl Objective for Noting {
    fn loss(&mut self, batch: &Batch, session: &Session) -> ss_approx::Result<Tensor> {
        assert_eq!((batch.x.dims()[0], batch.labels.dims()), (batch.draws.len(), &[batch.draws.len()][..]));
        for (label, draw) in batch.labels.to_vec1::<u32>()?.iter().zip(batch.draws) {
            assert_eq!(*label, session.trainer().data.as_images().unwrap().labels()[draw.example()]);
        }
        self.seen.push((batch.step, batch.epoch, batch.draws.len(), batch.progress, batch.learning_rate));
        if batch.step == self.fail_at {
            return Err(Error::Objective("no loss here".into()));
        }
        CrossEntropy.loss(batch, session)
    }
}

#[test]
fn an_objective_sees_every_batch_and_the_cross_entropy_is_the_baseline() {
    let (data, validation) = problem(90, 30);
    let trainer = trainer(&data);
    let baseline = last_logits(&trainer, Sampling::Uniform, &validation);
    let run = |objective: &mut Noting| {
        FullRun::minimise(&trainer, Seed::new(3), Sampling::Uniform, objective, &validation, |_, _, _| Ok(()))
    };
    let mut noting = Noting { seen: Vec::new(), fail_at: usize::MAX };
    let last = run(&mut noting).unwrap().last;
    assert_eq!(logits(&trainer.predict(&last, &validation).unwrap()), baseline);
    // 4 epochs of 90 examples in batches of 16: 6 steps an epoch, the last of 10 examples.
    assert_eq!(noting.seen.len(), 24);
    for (step, seen) in noting.seen.iter().enumerate() {
        let n = if step % 6 == 5 { 10 } else { 16 };
        let progress = step as f64 / 24.0;
        let rate = 0.05 * (1.0 + (std::f64::consts::PI * progress).cos());
        assert_eq!((seen.0, seen.1, seen.2, seen.3), (step, step / 6, n, progress));
        assert!((seen.4 - rate).abs() < 1e-12, "{} {rate}", seen.4);
    }
    let error = run(&mut Noting { seen: Vec::new(), fail_at: 7 }).unwrap_err();
    assert_eq!(error.to_string(), "no loss here");
}

#[test]
fn re_reading_changes_the_weights_of_later_epochs_only() {
    let (data, validation) = problem(90, 30);
    let trainer = trainer(&data);
    let spec = SamplerSpec::paper();
    let features = uniform(&trainer, &validation).features;
    let refresh = |params: &SamplerParams, warm_up| {
        let columns = features.select(spec.features()).unwrap();
        let grad_norm = features.column("grad_norm").unwrap();
        let sampler = Sampler::fit(spec.clone(), params, &columns, grad_norm, BTreeMap::new()).unwrap();
        let initial = Weights::uniform(90).unwrap();
        Sampling::Refreshed(Box::new(Refresh { sampler, initial, warm_up, every: 1, smoothing: 0.5 }))
    };
    let baseline = last_logits(&trainer, Sampling::Uniform, &validation);
    let uniform = SamplerParams::uniform(&spec);
    assert_eq!(baseline, last_logits(&trainer, refresh(&uniform, 1), &validation));
    // Mostly the easier examples.
    let values = vec![1.0, 1.0, 0.5, 0.0, 0.0];
    let rule = SamplerParams::new(&spec, vec![1.0, 0.0], uniform.inner_knots().to_vec(), values).unwrap();
    assert_ne!(baseline, last_logits(&trainer, refresh(&rule, 1), &validation));
    assert_eq!(baseline, last_logits(&trainer, refresh(&rule, 4), &validation), "after the last epoch");

    let run = FullRun::run(&trainer, Seed::new(3), refresh(&rule, 1), &validation, |_, _, _| Ok(())).unwrap();
    assert_eq!((run.cost.trained, run.cost.reread), (4 * 90, 3 * 90));
}

#[test]
fn bad_settings_are_located() {
    let (data, validation) = problem(30, 30);
    let trainer = trainer(&data);
    let config = |start_epoch, reference_until| UniformRunConfig {
        start_epoch,
        reference_until,
        reference_score: Score::Accuracy,
    };
    for (start, until, name) in [(5, 1, "start_epoch"), (0, 1, "start_epoch"), (2, 3, "reference_until")] {
        let result = UniformRun::run(&trainer, Seed::new(0), &validation, config(start, until), |_| ());
        let message = result.err().expect("a bad setting").to_string();
        assert!(message.starts_with(name), "{message}");
    }
    let short = Sampling::Fixed(Weights::uniform(29).unwrap());
    let error = FullRun::run(&trainer, Seed::new(0), short, &validation, |_, _, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("expected 30, found 29"), "{error}");
}
