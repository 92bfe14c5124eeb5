//! Text as a task: batches, predictions and their features, training and trials, with a bigram model.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{D, DType, Tensor};
use candle_nn::init::Init;
use proptest::prelude::*;
use ss_approx::shared_start::TrialConfig;
use ss_approx::window_predictions::gradient_norms;
use ss_approx::{
    Augmentation, Batches, Device, Examples, FullRun, Predictions, Sampling, Score, TrainSettings, Trainer,
    UniformRun, UniformRunConfig, WindowPredictions,
};
use ss_data::text::{TokenWindows, Vocabulary, WindowShuffling, grammar};
use ss_models::{Mode, Network, NetworkSpec, Output, Parameters};
use ss_sampler::{Draw, EpochPlan, Weights};
use ss_seed::{Seed, Stream};

const CONTEXT: usize = 12;

/// Windows that a bigram model reads, whatever network is asked for.
#[derive(Clone, Debug)]
struct Bigrams(TokenWindows);

/// An embedding and a linear layer.
struct Bigram {
    embedding: Tensor,
    head: Tensor,
}

impl Network for Bigram {
    fn forward(&self, x: &Tensor, mode: Mode) -> ss_models::Result<Output> {
        let value = |t: &Tensor| if mode == Mode::Eval { t.detach() } else { t.clone() };
        let hidden = value(&self.embedding).index_select(&x.flatten_all()?, 0)?;
        Ok(Output { logits: hidden.matmul(&value(&self.head).t()?)?, hidden })
    }
}

impl Examples for Bigrams {
    fn len(&self) -> usize {
        Examples::len(&self.0)
    }

    fn build(&self, _: &NetworkSpec, parameters: &Parameters) -> ss_approx::Result<Box<dyn Network>> {
        let (vocabulary, vb) = (self.0.vocabulary(), parameters.var_builder());
        let init = Init::Uniform { lo: -0.5, up: 0.5 };
        Ok(Box::new(Bigram {
            embedding: vb.get_with_hints((vocabulary, 16), "embedding", init)?,
            head: vb.get_with_hints((vocabulary, 16), "head", init)?,
        }))
    }

    fn epoch<'a>(
        &'a self,
        draws: &'a [Draw],
        augmentation: Augmentation,
        stream: Stream,
        device: &Device,
    ) -> ss_approx::Result<Box<dyn Batches + 'a>> {
        self.0.epoch(draws, augmentation, stream, device)
    }

    fn predict(&self, network: &dyn Network, device: &Device) -> ss_approx::Result<Predictions> {
        self.0.predict(network, device)
    }

    fn goal(&self) -> Score {
        self.0.goal()
    }

    fn check_score(&self, score: Score) -> ss_approx::Result<()> {
        self.0.check_score(score)
    }
}

struct Problem {
    train: Bigrams,
    wrong: Vec<bool>,
    validation: Bigrams,
}

/// Generated text, a fifth of its training windows shuffled.
fn problem(words: usize) -> Problem {
    let (train, validation) = grammar::text(words, Seed::new(0)).unwrap().cut(0.25).unwrap();
    let vocabulary = Vocabulary::of_words(&train, 64).unwrap();
    let windows =
        |text| TokenWindows::new(&vocabulary.encode(text).unwrap(), CONTEXT, vocabulary.size()).unwrap();
    let shuffling = WindowShuffling::new(0.2).unwrap();
    let spoilt = shuffling.apply(&windows(&train), Seed::new(1).stream("text-corruption")).unwrap();
    Problem { train: Bigrams(spoilt.windows), wrong: spoilt.wrong, validation: Bigrams(windows(&validation)) }
}

fn trainer(data: &dyn Examples, device: Device) -> Trainer<'_> {
    let settings = TrainSettings {
        epochs: 6,
        batch_size: 8,
        learning_rate: 0.5,
        weight_decay: 0.0,
        ..TrainSettings::default()
    };
    Trainer { network: "six-conv".parse().unwrap(), data, config: settings.check().unwrap(), device }
}

fn scores(predictions: &Predictions) -> Vec<f64> {
    predictions.example_scores(Score::Likelihood).unwrap()
}

const CHECKPOINTS: UniformRunConfig =
    UniformRunConfig { start_epoch: 3, reference_until: 3, reference_score: Score::Likelihood };

#[test]
fn a_language_model_learns_and_spoilt_windows_stand_out() {
    let Problem { train, wrong, validation } = problem(4_000);
    let trainer = trainer(&train, Device::Cpu);
    let mut losses = Vec::new();
    let uniform = UniformRun::run(&trainer, Seed::new(3), &validation, CHECKPOINTS, |report| {
        losses.push(report.train_loss)
    })
    .unwrap();
    let seen = trainer.predict(&uniform.run.last, &validation).unwrap();
    let perplexity = seen.windows().unwrap().perplexity();
    // 49 words; one that knows the chain is left with 1.5 bits a word (10, 4, 1, 1 of 16) and the ends of lines.
    assert!(perplexity < 16.0, "{perplexity} {losses:?}");
    assert!(losses.last() < losses.first());
    let last = uniform.run.history.last().unwrap();
    assert!((last.goal + perplexity.ln()).abs() < 1e-12);
    assert_eq!(last.accuracy, seen.accuracy().unwrap());
    assert!(seen.accuracy().unwrap() <= seen.top_k_accuracy(5).unwrap());
    // Area under the curve of the loss as a detector of shuffled windows.
    let loss = uniform.features.column("loss").unwrap();
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (spoilt, _) in loss.iter().zip(&wrong).filter(|(_, wrong)| **wrong) {
        for (clean, _) in loss.iter().zip(&wrong).filter(|(_, wrong)| !**wrong) {
            wins += f64::from(u8::from(spoilt > clean));
            pairs += 1.0;
        }
    }
    assert!(wins / pairs > 0.95, "{}", wins / pairs);
}

#[test]
fn uniform_weights_are_the_baseline_and_threads_change_nothing() {
    let Problem { train, wrong, validation } = problem(1_500);
    let trainer = trainer(&train, Device::Cpu);
    let last = |sampling: Sampling| {
        let run = FullRun::run(&trainer, Seed::new(3), sampling, &validation, |_, _, _| Ok(())).unwrap();
        scores(&trainer.predict(&run.last, &validation).unwrap())
    };
    let baseline = last(Sampling::Uniform);
    let n = wrong.len();
    assert_eq!(baseline, last(Sampling::Fixed(Weights::new(vec![0.3; n]).unwrap())));
    let clean: Vec<f64> = wrong.iter().map(|&wrong| f64::from(u8::from(!wrong))).collect();
    assert_ne!(baseline, last(Sampling::Fixed(Weights::new(clean.clone()).unwrap())));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(baseline, pool.install(|| last(Sampling::Uniform)), "{threads} threads");
    }
    // Trials from one start repeat.
    let start = UniformRun::run(&trainer, Seed::new(3), &validation, CHECKPOINTS, |_| ()).unwrap().start;
    let config = TrialConfig { epochs: 1.0, learning_rate: 0.5, score: Score::Likelihood };
    let trial =
        |weights: &Weights| start.trial(&trainer, weights, &validation, config, Seed::new(9)).unwrap();
    let (clean, uniform) = (Weights::new(clean).unwrap(), Weights::uniform(n).unwrap());
    let first = trial(&clean).score;
    assert_ne!(first, trial(&uniform).score);
    assert_eq!(first, trial(&clean).score);
}

#[test]
fn other_devices_see_the_same_text() {
    let Problem { train, validation, .. } = problem(1_500);
    let of = |device: Device| {
        let trainer = trainer(&train, device);
        let run =
            FullRun::run(&trainer, Seed::new(3), Sampling::Uniform, &validation, |_, _, _| Ok(())).unwrap();
        scores(&trainer.predict(&run.last, &validation).unwrap())
    };
    for (cpu, candle) in of(Device::Cpu).iter().zip(of(Device::candle_on_cpu())) {
        assert!((cpu - candle).abs() < 1e-3 * cpu.abs(), "{cpu} {candle}");
    }
}

#[test]
fn batches_are_the_drawn_windows() {
    let windows = TokenWindows::new(&(0..40).collect::<Vec<_>>(), 3, 40).unwrap();
    let plan = EpochPlan::shuffled(10, Seed::new(0).stream("order"), 0).unwrap();
    let stream = Seed::new(0).stream("augmentation");
    let batches = windows.epoch(plan.draws(), Augmentation::default(), stream, &Device::Cpu).unwrap();
    let (x, labels) = batches.batch(4..7).unwrap();
    assert_eq!((x.dims(), labels.dims(), x.dtype()), (&[3, 3][..], &[9][..], DType::U32));
    let labels = labels.reshape((3, 3)).unwrap().to_vec2::<u32>().unwrap();
    for ((x, y), draw) in x.to_vec2::<u32>().unwrap().iter().zip(&labels).zip(&plan.draws()[4..7]) {
        assert_eq!((&x[..], &y[..]), (windows.input(draw.example()), windows.targets(draw.example())));
    }
    let flipped = Augmentation { flip: true, crop_padding: 0 };
    let error = windows.epoch(plan.draws(), flipped, stream, &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("for images"), "{error}");
}

#[test]
fn what_text_does_not_have_is_refused_before_training() {
    let Problem { train, validation, .. } = problem(600);
    let trainer = trainer(&train, Device::Cpu);
    let calibrated = UniformRunConfig { reference_score: Score::Calibrated, ..CHECKPOINTS };
    let mut epochs = 0;
    let result = UniformRun::run(&trainer, Seed::new(0), &validation, calibrated, |_| epochs += 1);
    let error = result.err().unwrap().to_string();
    assert!(error.contains("calibrated for text: expected likelihood or accuracy"), "{error}");
    assert_eq!(epochs, 0);
    let error = trainer.predict(&trainer.session(Seed::new(0)).unwrap().snapshot().unwrap(), &validation);
    assert!(error.unwrap().example_scores(Score::Calibrated).is_err());
    // A network of images.
    let spec: NetworkSpec = "six-conv".parse().unwrap();
    let parameters = Parameters::new(Seed::new(0), candle_core::Device::Cpu);
    let error = train.0.build(&spec, &parameters).err().unwrap().to_string();
    assert!(error.contains("six-conv"), "{error}");
}

/// One whose logits are not numbers.
struct Diverged;

impl Network for Diverged {
    fn forward(&self, x: &Tensor, _: Mode) -> ss_models::Result<Output> {
        let rows = x.elem_count();
        let logits = Tensor::full(f32::NAN, (rows, 40), x.device())?;
        Ok(Output { hidden: logits.clone(), logits })
    }
}

/// Fixed outputs of 6 places, 2 windows of 3.
struct Fixed(Output);

impl Network for Fixed {
    fn forward(&self, _: &Tensor, _: Mode) -> ss_models::Result<Output> {
        Ok(self.0.clone())
    }
}

#[test]
fn a_diverged_model_is_told() {
    let windows = TokenWindows::new(&(0..40).collect::<Vec<_>>(), 3, 40).unwrap();
    let error = windows.predict(&Diverged, &Device::Cpu).unwrap_err();
    assert!(error.is_divergence(), "{error}");
}

#[test]
fn features_agree_with_pytorch() {
    let value = |rows: usize, columns: usize, f: fn(usize, usize) -> f32| {
        let values: Vec<f32> = (0..rows).flat_map(|i| (0..columns).map(move |k| f(i, k))).collect();
        Tensor::from_vec(values, (rows, columns), &candle_core::Device::Cpu).unwrap()
    };
    let hidden = value(6, 4, |i, k| ((7 * i + 3 * k + i * k) % 11) as f32 / 4.0 - 1.0);
    let logits = value(6, 5, |i, v| ((5 * i + 3 * v + 2 * i * v) % 13) as f32 / 3.0 - 2.0);
    // Window w reads anything and predicts (2 i + 1) % 5 in rows i = 3 w to 3 w + 2.
    let windows = TokenWindows::new(&[0, 1, 3, 0, 0, 2, 4, 1], 3, 5).unwrap();
    let Predictions::Windows(seen) =
        windows.predict(&Fixed(Output { hidden, logits }), &Device::Cpu).unwrap()
    else {
        panic!("text gives windows")
    };
    // tests/oracle/window_gradient.py, PyTorch 2.15.0: gradient norm, loss, renormalised entropy, share of right tokens.
    let expected = [
        [0.985_975_347_686, 2.422_076_004_088, 0.927_278_891_289, 0.0],
        [0.936_522_624_370, 1.424_346_380_923, 1.136_415_969_094, 1.0 / 3.0],
    ];
    let features = seen.features().unwrap();
    let right = seen.example_scores(Score::Accuracy).unwrap();
    for (window, expected) in expected.iter().enumerate() {
        let column = |name| f64::from(features.column(name).unwrap()[window]);
        let found = [column("grad_norm"), column("loss"), column("renormed_entropy"), right[window]];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-6, "window {window}: {found} {expected}");
        }
    }
    let mean = (2.422_076_004_088 + 1.424_346_380_923) / 2.0;
    assert!((seen.perplexity() - f64::exp(mean)).abs() < 1e-5);
    assert!((seen.score(Score::Likelihood).unwrap() + mean).abs() < 1e-6);
    assert_eq!(seen.top_k_accuracy(1), 1.0 / 6.0);
    assert_eq!(seen.top_k_accuracy(5), 1.0);
    assert!(WindowPredictions::check_score(Score::Calibrated).is_err());
}

proptest! {
    #[test]
    fn the_norm_is_that_of_the_explicit_product(
        windows in 1_usize..4,
        context in 1_usize..6,
        vocabulary in 2_usize..9,
        width in 1_usize..7,
        scale in 0.1_f64..8.0,
        seed in any::<u64>(),
    ) {
        let stream = Seed::new(seed).stream("values");
        let rows = windows * context;
        let values = |what: u64, columns: usize, scale: f64| -> Vec<f32> {
            let stream = stream.index(what);
            (0..rows * columns).map(|at| (scale * (2.0 * stream.index(at as u64).unit() - 1.0)) as f32).collect()
        };
        let (hidden, logits) = (values(0, width, 2.0), values(1, vocabulary, scale));
        let targets: Vec<u32> =
            (0..rows).map(|row| (stream.index(2).index(row as u64).hash() % vocabulary as u64) as u32).collect();
        let losses = ss_features::compute(&logits, vocabulary, &targets, None).unwrap().loss;
        let rows_of_hidden = Tensor::from_slice(&hidden, (rows, width), &candle_core::Device::Cpu).unwrap();
        let found = gradient_norms(&rows_of_hidden, &logits, &targets, &losses, context).unwrap();
        for window in 0..windows {
            let mut gradient = vec![0.0_f64; vocabulary * width];
            for row in window * context..(window + 1) * context {
                let z: Vec<f64> = logits[row * vocabulary..][..vocabulary].iter().map(|&z| f64::from(z)).collect();
                let sum: f64 = z.iter().map(|z| z.exp()).sum();
                for (v, z) in z.iter().enumerate() {
                    let hit = f64::from(u8::from(targets[row] as usize == v));
                    for k in 0..width {
                        let h = f64::from(hidden[row * width + k]);
                        gradient[v * width + k] += (z.exp() / sum - hit) * h / context as f64;
                    }
                }
            }
            let expected = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            // The square is a sum of terms of either sign: near zero its root has the precision of the root of f32's.
            prop_assert!((f64::from(found[window]) - expected).abs() < 1e-4 * expected + 3e-4, "{} {expected}", found[window]);
        }
    }
}

#[test]
fn the_last_dimension_is_the_vocabulary() {
    // What the trait promises of a language model: hidden [n T, d], logits [n T, V].
    let windows = Bigrams(TokenWindows::new(&[0, 1, 2, 3, 4, 5, 6, 7], 3, 8).unwrap());
    let spec: NetworkSpec = "six-conv".parse().unwrap();
    let network = windows.build(&spec, &Parameters::new(Seed::new(0), candle_core::Device::Cpu)).unwrap();
    let x = Tensor::new(&[[0_u32, 1, 2], [4, 5, 6]], &candle_core::Device::Cpu).unwrap();
    let out = network.forward(&x, Mode::Eval).unwrap();
    assert_eq!((out.logits.dim(D::Minus1).unwrap(), out.hidden.dims()), (8, &[6, 16][..]));
}

#[test]
fn gradient_norms_of_lists_that_do_not_belong_together_are_refused() {
    let hidden = Tensor::zeros((2, 3), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    let norms = |logits: usize, targets: &[u32], losses: usize, context: usize| {
        gradient_norms(&hidden, &vec![0.0; logits], targets, &vec![0.7; losses], context)
    };
    assert!(norms(4, &[0, 1], 2, 2).is_ok());
    for (logits, targets, losses, context) in
        [(0, &[][..], 0, 2), (4, &[0, 2], 2, 2), (5, &[0, 1], 2, 2), (4, &[0, 1], 1, 2), (4, &[0, 1], 2, 0)]
    {
        let error = norms(logits, targets, losses, context).unwrap_err().to_string();
        assert!(error.contains("logits, targets and losses"), "{error}");
    }
}
