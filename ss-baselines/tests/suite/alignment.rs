//! L2RW's weights against one backward pass an example.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use candle_nn::{Init, Linear, Module};
use ss_approx::ImageExamples;
use ss_baselines::alignment;
use ss_data::{ImageSet, LabelNoise, NoiseKind};
use ss_kernels::{Sgd, SgdConfig, cross_entropy};
use ss_models::{InputShape, Mode, Network, NetworkSpec, Output, Parameters};
use ss_seed::Seed;

/// A network and the digits that it is tried on: 32 with wrong labels among them, 24 clean ones.
struct Setting {
    network: Box<dyn Network>,
    parameters: Parameters,
    noisy: (Tensor, Tensor),
    clean: (Tensor, Tensor),
    /// The places in `noisy` whose labels are wrong.
    wrong: Vec<usize>,
}

fn batch(data: &ImageExamples, images: &ImageSet, first: usize, last: usize) -> (Tensor, Tensor) {
    let x = data.normalisation().range(images, first, last, &ss_approx::Device::Cpu).unwrap();
    let labels = images.labels()[first..last].to_vec();
    (x, Tensor::from_vec(labels, last - first, &Device::Cpu).unwrap())
}

fn setting(name: &str, steps: usize) -> Setting {
    let digits = ss_data::digits::load().unwrap().train;
    let noise = LabelNoise::new(NoiseKind::Symmetric, 0.4).unwrap();
    let noisy = noise.apply(digits.labels(), 10, Seed::new(0).stream("noise")).unwrap();
    let clean_images = digits.clone();
    let data = ImageExamples::new(digits.with_labels(noisy.labels.clone()).unwrap());
    let parameters = Parameters::new(Seed::new(1), Device::Cpu);
    let input = InputShape { channels: 1, height: 8, width: 8 };
    let network = name.parse::<NetworkSpec>().unwrap().build(input, 10, &parameters).unwrap();
    let config = SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 5e-4 };
    let mut sgd = Sgd::new(parameters.trainable(), config).unwrap();
    for step in 0..steps {
        let (x, labels) = batch(&data, data.images(), 64 * (step % 20), 64 * (step % 20 + 1));
        let logits = network.forward(&x, Mode::Train).unwrap().logits;
        sgd.step(&cross_entropy(&logits, &labels, None).unwrap().loss.backward().unwrap(), 0.1).unwrap();
    }
    Setting {
        network,
        parameters,
        noisy: batch(&data, data.images(), 1400, 1432),
        clean: batch(&data, &clean_images, 1500, 1524),
        wrong: (0..32).filter(|i| noisy.wrong[1400 + i]).collect(),
    }
}

impl Setting {
    fn alignments(&self) -> Vec<f64> {
        let Self { network, parameters, noisy, clean, .. } = self;
        alignment::alignments(network.as_ref(), parameters, (&noisy.0, &noisy.1), (&clean.0, &clean.1))
            .unwrap()
    }

    fn weights(&self) -> Vec<f32> {
        let Self { network, parameters, noisy, clean, .. } = self;
        alignment::weights(network.as_ref(), parameters, (&noisy.0, &noisy.1), (&clean.0, &clean.1)).unwrap()
    }

    /// A gradient as one vector: that of the mean loss, or that of one example's loss in its batch.
    fn gradient(&self, (x, labels): &(Tensor, Tensor), example: Option<usize>) -> Vec<f64> {
        let logits = self.network.forward(x, Mode::Train).unwrap().logits;
        let n = labels.dims1().unwrap();
        let only = example.map(|i| {
            let weights: Vec<f32> = (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect();
            Tensor::from_vec(weights, n, &Device::Cpu).unwrap()
        });
        let gradients = cross_entropy(&logits, labels, only.as_ref()).unwrap().loss.backward().unwrap();
        let mut flat = Vec::new();
        for var in self.parameters.trainable() {
            let values = gradients.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            flat.extend(values.into_iter().map(f64::from));
        }
        flat
    }

    fn brute_force(&self) -> Vec<f64> {
        let clean = self.gradient(&self.clean, None);
        let n = self.noisy.1.dims1().unwrap();
        (0..n)
            .map(|i| {
                let own = self.gradient(&self.noisy, Some(i));
                own.iter().zip(&clean).map(|(a, b)| a * b).sum()
            })
            .collect()
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let centred = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        v.iter().map(|v| v - mean).collect::<Vec<f64>>()
    };
    let (a, b) = (centred(a), centred(b));
    a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / (norm(&a) * norm(&b))
}

/// L2RW's weights from exact alignments.
fn weights_of(alignments: &[f64]) -> Vec<f64> {
    let sum: f64 = alignments.iter().map(|u| u.max(0.0)).sum();
    alignments.iter().map(|u| u.max(0.0) / sum).collect()
}

#[test]
fn alignments_equal_the_products_of_per_example_gradients() {
    for (name, steps) in
        ["resnet8", "six-conv", "wrn-10-1"].into_iter().flat_map(|name| [(name, 0), (name, 60)])
    {
        let setting = setting(name, steps);
        let (expected, found) = (setting.brute_force(), setting.alignments());
        let difference: Vec<f64> = expected.iter().zip(&found).map(|(e, f)| e - f).collect();
        let error = norm(&difference) / norm(&expected);
        let correlation = correlation(&expected, &found);
        println!(
            "{name} after {steps} steps: correlation 1 - {:e}, relative error {error}",
            1.0 - correlation
        );
        assert!(correlation > 0.999, "{name} after {steps} steps: correlation {correlation}");
        assert!(error < 0.05, "{name} after {steps} steps: relative error {error}");
        // An even share of the weight is 1/32.
        for (i, (e, f)) in weights_of(&expected).iter().zip(setting.weights()).enumerate() {
            let f = f64::from(f);
            assert!((e - f).abs() < 0.005, "{name} after {steps} steps, example {i}: {f}, exact {e}");
            let tiny = e.max(f) < 0.002;
            assert!(
                tiny || (*e > 0.0) == (f > 0.0),
                "{name} after {steps} steps, example {i}: {f}, exact {e}"
            );
        }
    }
}

#[test]
fn right_labels_have_more_weight_than_wrong_ones() {
    let setting = setting("resnet8", 60);
    let weights = setting.weights();
    let sum: f32 = weights.iter().sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    assert!(weights.iter().all(|w| *w >= 0.0));
    let of_wrong: f32 = setting.wrong.iter().map(|&i| weights[i]).sum();
    let share = setting.wrong.len() as f32 / weights.len() as f32;
    println!("{share} of the labels are wrong and have {of_wrong} of the weight");
    assert!(share > 0.25 && of_wrong < 0.5 * share, "{of_wrong} of the weight on {share} of the examples");
}

fn bits(parameters: &Parameters) -> BTreeMap<String, Vec<u32>> {
    let snapshot = parameters.snapshot().unwrap();
    let bits = |t: &Tensor| {
        t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    snapshot.tensors().iter().map(|(name, t)| (name.clone(), bits(t))).collect()
}

#[test]
fn nothing_is_left_changed() {
    let setting = setting("resnet8-4-8-8", 3);
    let before = bits(&setting.parameters);
    let first = setting.weights();
    assert_eq!(bits(&setting.parameters), before);
    assert_eq!(setting.weights(), first);
    // Nor after errors: in the clean batch, in a displaced forward.
    let Setting { network, parameters, noisy, clean, .. } = &setting;
    let weights = |noisy: &(Tensor, Tensor), clean: &(Tensor, Tensor)| {
        alignment::weights(network.as_ref(), parameters, (&noisy.0, &noisy.1), (&clean.0, &clean.1))
    };
    let broken = ((&noisy.0 * f64::NAN).unwrap(), noisy.1.clone());
    let error = weights(&broken, clean).unwrap_err().to_string();
    assert!(error.starts_with("loss of example 0"), "{error}");
    let error = weights(noisy, &broken).unwrap_err().to_string();
    assert!(error.starts_with("clean loss of example 0"), "{error}");
    let unknown = (noisy.0.clone(), (&noisy.1 + 10f64).unwrap());
    assert!(weights(&unknown, clean).is_err());
    assert_eq!(bits(&setting.parameters), before);
}

/// Logits `W x` of images of one pixel and two channels.
struct LinearModel(Linear);

impl Network for LinearModel {
    fn forward(&self, x: &Tensor, _: Mode) -> ss_models::Result<Output> {
        let hidden = x.flatten_from(1)?;
        Ok(Output { logits: self.0.forward(&hidden)?, hidden })
    }
}

/// A linear model whose weights `[2, 2]` are all `weight`.
fn linear(weight: f64) -> (LinearModel, Parameters) {
    let parameters = Parameters::new(Seed::new(0), Device::Cpu);
    let weight = parameters.var_builder().get_with_hints((2, 2), "weight", Init::Const(weight)).unwrap();
    (LinearModel(Linear::new(weight, None)), parameters)
}

fn pixels(rows: &[([f32; 2], u32)]) -> (Tensor, Tensor) {
    let (x, labels): (Vec<[f32; 2]>, Vec<u32>) = rows.iter().copied().unzip();
    let n = labels.len();
    let x = Tensor::from_vec(x.concat(), (n, 2, 1, 1), &Device::Cpu).unwrap();
    (x, Tensor::from_vec(labels, n, &Device::Cpu).unwrap())
}

#[test]
fn a_linear_model_has_the_weights_of_the_formula() {
    // Equal logits: p = 1/2, the gradient is (p - y) x^T, and examples i and j align by +-1/2 <x_i, x_j>, minus where their
    // labels differ.
    let clean = pixels(&[([2.0, 0.0], 0)]);
    let batch =
        pixels(&[([3.0, 1.0], 0), ([1.0, 5.0], 0), ([3.0, 0.0], 1), ([0.0, 4.0], 0), ([-2.0, 1.0], 1)]);
    for weight in [2.0, 0.0] {
        let (model, parameters) = linear(weight);
        let (batch, clean) = ((&batch.0, &batch.1), (&clean.0, &clean.1));
        let found = alignment::alignments(&model, &parameters, batch, clean).unwrap();
        for (found, expected) in found.iter().zip([3.0, 1.0, -3.0, 0.0, 2.0]) {
            assert!((found - expected).abs() < 0.06, "weight {weight}: {found}, by hand {expected}");
        }
        let found = alignment::weights(&model, &parameters, batch, clean).unwrap();
        for (found, expected) in found.iter().zip([1.0 / 2.0, 1.0 / 6.0, 0.0, 0.0, 1.0 / 3.0]) {
            assert!((found - expected).abs() < 0.01, "weight {weight}: {found}, by hand {expected}");
        }
    }
}

#[test]
fn without_any_agreement_all_weights_are_zero() {
    let (model, parameters) = linear(1.0);
    let clean = pixels(&[([2.0, 0.0], 0)]);
    let opposed = pixels(&[([1.0, 0.5], 1), ([3.0, -1.0], 1)]);
    let found =
        alignment::weights(&model, &parameters, (&opposed.0, &opposed.1), (&clean.0, &clean.1)).unwrap();
    assert_eq!(found, [0.0, 0.0]);
    // A clean loss of exactly zero has no gradient.
    let certain = Tensor::new(&[[200f32, 0.0], [-200.0, 0.0]], &Device::Cpu).unwrap();
    parameters.get("weight").unwrap().set(&certain).unwrap();
    let found =
        alignment::weights(&model, &parameters, (&opposed.0, &opposed.1), (&clean.0, &clean.1)).unwrap();
    assert_eq!(found, [0.0, 0.0]);
}

#[test]
fn bf16_is_refused_before_anything_is_computed() {
    use ss_baselines::{Error, L2rw, TrainingMethod};
    use ss_kernels::Backend;
    let mut setting = setting("resnet8-4-8-8", 0);
    // A network on the CPU cannot run in bf16: an error of another kind if it were tried.
    setting.parameters = Parameters::new(Seed::new(1), Device::Cpu).with_backend(Backend::CandleBf16);
    let input = InputShape { channels: 1, height: 8, width: 8 };
    setting.network =
        "resnet8-4-8-8".parse::<NetworkSpec>().unwrap().build(input, 10, &setting.parameters).unwrap();
    let Setting { network, parameters, noisy, clean, .. } = &setting;
    let found = alignment::weights(network.as_ref(), parameters, (&noisy.0, &noisy.1), (&clean.0, &clean.1));
    for error in [found.map(drop), L2rw.check_backend(Backend::CandleBf16)] {
        let error = error.unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { setting: "precision", .. }), "{error}");
        assert!(error.to_string().contains("--precision f32"), "{error}");
    }
    for backend in [Backend::Kernels, Backend::Candle] {
        L2rw.check_backend(backend).unwrap();
    }
}
