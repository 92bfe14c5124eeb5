//! The transformer against PyTorch, and what causality promises.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{Device, Tensor};
use ss_kernels::{Backend, cross_entropy};
use ss_models::{InputShape, Mode, Network, NetworkSpec, Parameters};
use ss_seed::Seed;

fn build(name: &str, context: usize, vocabulary: usize, backend: Backend) -> (Box<dyn Network>, Parameters) {
    let parameters = Parameters::new(Seed::new(0), Device::Cpu).with_backend(backend);
    let network = name.parse::<NetworkSpec>().unwrap();
    assert_eq!(network.to_string(), name);
    (network.build_language(context, vocabulary, &parameters).unwrap(), parameters)
}

/// The network of tests/oracle/gpt.py with its weights.
fn patterned(backend: Backend) -> (Box<dyn Network>, Parameters) {
    let (network, parameters) = build("gpt-2-8-2", 6, 11, backend);
    for (name, tensor) in parameters.snapshot().unwrap().tensors() {
        let dims = tensor.dims();
        let value = |i: usize| {
            let i = i as f64;
            match dims {
                [_] if name.ends_with("weight") => 1.0 + 0.1 * i.sin(),
                [_] => 0.1 * i.cos(),
                _ => (0.37 * i + 0.11 * name.len() as f64).sin() / (dims[1] as f64).sqrt(),
            }
        };
        let values: Vec<f32> = (0..tensor.elem_count()).map(|i| value(i) as f32).collect();
        let var = parameters.get(name).unwrap();
        var.set(&Tensor::from_vec(values, dims, &Device::Cpu).unwrap()).unwrap();
    }
    (network, parameters)
}

fn token(window: usize, place: usize) -> u32 {
    ((7 * window + 3 * place + window * place * place) % 11) as u32
}

/// Windows of five tokens, and what follows each token.
fn batch() -> (Tensor, Tensor) {
    let tokens = |from: usize| -> Vec<u32> {
        (0..3).flat_map(|w| (from..from + 5).map(move |t| token(w, t))).collect()
    };
    let device = &Device::Cpu;
    (Tensor::from_vec(tokens(0), (3, 5), device).unwrap(), Tensor::from_vec(tokens(1), 15, device).unwrap())
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 2e-5 * (1.0 + expected.abs()), "{found} {expected}");
}

#[test]
fn parameter_counts_equal_pytorch() {
    // tests/oracle/gpt.py, PyTorch 2.15.0.
    assert_eq!(build("gpt-2-128-4", 64, 8192, Backend::Kernels).1.count(), 1_453_568);
}

#[test]
fn logits_and_gradients_equal_pytorch() {
    // tests/oracle/gpt.py, PyTorch 2.15.0.
    let expected_logits = [
        0.443_331_220_6,
        -0.333_998_056_7,
        0.213_681_241_8,
        -0.086_337_439_4,
        -0.043_845_602_0,
        0.172_586_764_4,
        -0.295_652_346_6,
        0.408_995_190_7,
        -0.508_888_271_8,
        0.592_046_271_8,
        -0.655_734_608_7,
    ];
    // Norm, and sum of the values times sin(i).
    let expected_gradients = [
        ("transformer.wte.weight", 3.100_419_527, -0.223_402_114_1),
        ("transformer.wpe.weight", 2.396_838_658_7, 0.162_241_518_2),
        ("transformer.h.0.attn.c_attn.weight", 2.396_765_336_9, -0.332_291_237_3),
        ("transformer.h.1.mlp.c_proj.weight", 0.900_758_678_4, -0.246_289_409),
        ("transformer.h.0.ln_1.bias", 0.285_981_424_2, -0.116_181_142),
        ("transformer.ln_f.weight", 0.316_848_666_1, 0.081_631_363_5),
    ];
    for backend in [Backend::Kernels, Backend::Candle] {
        let (network, parameters) = patterned(backend);
        let (x, y) = batch();
        let eval = network.forward(&x, Mode::Eval).unwrap();
        let logits = eval.logits.get(9).unwrap().to_vec1::<f32>().unwrap();
        logits.iter().zip(expected_logits).for_each(|(&found, expected)| close(found.into(), expected));

        let out = network.forward(&x, Mode::Train).unwrap();
        close(out.hidden.sum_all().unwrap().to_scalar::<f32>().unwrap().into(), 3.520_201_324_5);
        let by_logits = cross_entropy(&out.logits, &y, None).unwrap().loss;
        let at_once = network.cross_entropy(&x, &y, Mode::Train, backend).unwrap().loss;
        for loss in [by_logits, at_once] {
            close(loss.to_scalar::<f32>().unwrap().into(), 2.772_613_243_4);
            let gradients = loss.backward().unwrap();
            for (name, norm, projection) in expected_gradients {
                let var = parameters.get(name).unwrap();
                let gradient = gradients.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                close(gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt(), norm);
                let sum: f64 =
                    gradient.iter().zip(0..).map(|(&g, i)| f64::from(g) * f64::from(i).sin()).sum();
                // Terms of both signs, of the size of the norm.
                assert!((sum - projection).abs() < 2e-5 * (1.0 + norm), "{name}: {sum} {projection}");
            }
        }
        let evaluated = network.cross_entropy(&x, &y, Mode::Eval, backend).unwrap();
        close(evaluated.loss.to_scalar::<f32>().unwrap().into(), 2.772_613_243_4);
        assert!(!evaluated.loss.track_op());
    }
}

#[test]
fn a_token_sees_none_that_follow_it() {
    let (network, _) = patterned(Backend::Kernels);
    let (x, _) = batch();
    let logits = |x: &Tensor| network.forward(x, Mode::Eval).unwrap().logits.to_vec2::<f32>().unwrap();
    let before = logits(&x);
    let mut tokens = x.flatten_all().unwrap().to_vec1::<u32>().unwrap();
    tokens[5 + 3] = (tokens[5 + 3] + 1) % 11;
    let after = logits(&Tensor::from_vec(tokens, (3, 5), &Device::Cpu).unwrap());
    for (row, (before, after)) in before.iter().zip(&after).enumerate() {
        // The fourth and fifth token of the second window.
        assert_eq!(before != after, row == 5 + 3 || row == 5 + 4, "row {row}");
    }
}

#[test]
fn networks_and_inputs_that_do_not_fit_are_refused() {
    let parameters = Parameters::new(Seed::new(0), Device::Cpu);
    let says = |name: &str, context, vocabulary, word: &str| {
        let spec = name.parse::<NetworkSpec>().unwrap();
        let error = spec.build_language(context, vocabulary, &parameters).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    };
    says("resnet8", 8, 50, "reads images");
    says("gpt-2-10-3", 8, 50, "multiple of the heads");
    says("gpt-2-8-2", 0, 50, "at least one token");
    says("gpt-2-8-2", 8, 1, "at least two");
    let image = InputShape { channels: 1, height: 8, width: 8 };
    let gpt = "gpt-2-8-2".parse::<NetworkSpec>().unwrap();
    let error = gpt.build(image, 10, &parameters).err().unwrap().to_string();
    assert!(error.contains("reads tokens"), "{error}");
    assert!("gpt-2-8".parse::<NetworkSpec>().is_err() && "gpt-0-8-2".parse::<NetworkSpec>().is_err());
    let (network, _) = patterned(Backend::Kernels);
    let long = Tensor::zeros((1, 7), candle_core::DType::U32, &Device::Cpu).unwrap();
    let error = network.forward(&long, Mode::Eval).err().unwrap().to_string();
    assert!(error.contains("7 tokens for a context of 6"), "{error}");
}
