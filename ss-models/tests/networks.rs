//! Networks against PyTorch, and what evaluation mode promises.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use ss_models::{InputShape, Mode, Network, NetworkSpec, Parameters};
use ss_seed::Seed;

const COLOUR: InputShape = InputShape { channels: 3, height: 32, width: 32 };
const DIGIT: InputShape = InputShape { channels: 1, height: 8, width: 8 };

fn build(name: &str, input: InputShape, classes: usize) -> (Box<dyn Network>, Parameters) {
    let parameters = Parameters::new(Seed::new(0), Device::Cpu);
    let network = name.parse::<NetworkSpec>().unwrap().build(input, classes, &parameters).unwrap();
    (network, parameters)
}

#[test]
fn parameter_counts_equal_pytorch() {
    // tests/oracle/networks.py, PyTorch 2.15.0.
    for (name, input, count) in [
        ("six-conv", COLOUR, 288_746),
        ("resnet8", COLOUR, 78_042),
        ("resnet20", COLOUR, 272_474),
        ("resnet18", COLOUR, 11_173_962),
        ("wrn-16-4", COLOUR, 2_748_890),
        ("resnet8", DIGIT, 77_754),
        ("resnet8-8-16-32", DIGIT, 19_810),
    ] {
        assert_eq!(build(name, input, 10).1.count(), count, "{name}");
    }
}

/// The weights of tests/oracle/forward.py.
fn patterned() -> (Box<dyn Network>, Parameters) {
    let (network, parameters) = build("resnet8-4-8-8", DIGIT, 5);
    let snapshot = parameters.snapshot().unwrap();
    for (name, tensor) in snapshot.tensors() {
        let last = name.rsplit('.').next().unwrap();
        if last.starts_with("running") {
            continue;
        }
        let dims = tensor.dims();
        let fan = if dims.len() > 1 { dims[1..].iter().product() } else { dims[0] } as f64;
        let norm = dims.len() == 1 && !name.starts_with("fc");
        let value = |i: usize| {
            let i = i as f64;
            match last {
                "weight" if norm => 1.0 + 0.1 * i.sin(),
                "bias" if norm => 0.1 * i.cos(),
                _ => (0.37 * i + 0.11 * name.len() as f64).sin() / fan.sqrt(),
            }
        };
        let values: Vec<f32> = (0..tensor.elem_count()).map(|i| value(i) as f32).collect();
        let var = parameters.get(name).unwrap();
        var.set(&Tensor::from_vec(values, dims, &Device::Cpu).unwrap()).unwrap();
    }
    (network, parameters)
}

fn images() -> Tensor {
    let pixels: Vec<f32> = (0..3 * 64).map(|i| (0.05 * f64::from(i).powf(1.3)).sin() as f32).collect();
    Tensor::from_vec(pixels, (3, 1, 8, 8), &Device::Cpu).unwrap()
}

#[test]
fn loss_gradients_and_logits_equal_pytorch() {
    // tests/oracle/forward.py, PyTorch 2.15.0 in f64.
    let (network, parameters) = patterned();
    let labels = Tensor::new(&[0_u32, 3, 1], &Device::Cpu).unwrap();
    let out = network.forward(&images(), Mode::Train).unwrap();
    let loss = ss_kernels::cross_entropy(&out.logits, &labels, None).unwrap().loss;
    let value = f64::from(loss.to_scalar::<f32>().unwrap());
    assert!((value - 2.585_114_629_247_540_7).abs() < 1e-5, "{value}");
    let grads = loss.backward().unwrap();
    for (name, expected) in [
        ("conv1.weight", 2.477_923_020_126_473_5),
        ("layer2.0.downsample.0.weight", 2.387_479_577_807_984_5),
        ("layer3.0.bn2.weight", 0.273_142_288_739_397_4),
        ("fc.bias", 0.637_650_789_614_299),
    ] {
        let var: Var = parameters.get(name).unwrap();
        let grad = grads.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let norm = grad.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!((norm - expected).abs() < 2e-4 * expected, "{name}: {norm}, expected {expected}");
    }
    // One batch with momentum 0.1 has moved the running statistics.
    let logits = network.forward(&images(), Mode::Eval).unwrap().logits.flatten_all().unwrap();
    let expected = [
        0.415_721_022_120_157_1,
        0.278_386_459_731_401_5,
        0.593_712_827_259_361_3,
        0.264_165_728_742_364_2,
        0.518_995_887_168_172_8,
        0.465_139_345_328_410_84,
        0.207_276_817_980_024_15,
        0.684_175_320_394_703_6,
        0.157_325_277_136_642_24,
        0.638_700_809_042_162_6,
        0.445_598_163_697_717_8,
        0.226_935_237_404_994_08,
        0.665_046_137_649_698_8,
        0.175_296_152_874_099_16,
        0.622_479_219_280_765_1,
    ];
    for (found, expected) in logits.to_vec1::<f32>().unwrap().into_iter().zip(expected) {
        assert!((f64::from(found) - expected).abs() < 1e-4, "{found}, expected {expected}");
    }
}

#[test]
fn evaluation_records_no_graph_and_changes_nothing() {
    for name in [
        "resnet8-4-8-8",
        "resnet50-4-4-8-8",
        "mobilenet-v2-0.1",
        "seresnext50-2x16d-4-4-8-8",
        "resnet8-4-8-8+embedding-6",
        "wrn-10-1",
        "six-conv",
    ] {
        let (network, parameters) = build(name, DIGIT, 5);
        let before = parameters.snapshot().unwrap();
        let logits = network.forward(&images(), Mode::Eval).unwrap().logits;
        assert!(!logits.track_op(), "{name}: no op is recorded");
        let single = images().narrow(0, 1, 1).unwrap();
        let alone = network.forward(&single, Mode::Eval).unwrap().logits;
        let (a, b) = (logits.to_vec2::<f32>().unwrap(), alone.to_vec2::<f32>().unwrap());
        for (together, alone) in a[1].iter().zip(&b[0]) {
            assert!((together - alone).abs() < 1e-5, "{name}: images do not see each other");
        }
        for (key, value) in parameters.snapshot().unwrap().tensors() {
            let change = (value - &before.tensors()[key]).unwrap().abs().unwrap().sum_all().unwrap();
            assert_eq!(change.to_scalar::<f32>().unwrap(), 0.0, "{name}: {key}");
        }
    }
}

#[test]
fn bad_specs_name_what_is_wrong() {
    let parse = |name: &str| name.parse::<NetworkSpec>().unwrap_err().to_string();
    for name in [
        "resnet9",
        "resnet8-1-2",
        "resnet8-0-1-2",
        "resnet50-16-32-64",
        "resnet-imagenet",
        "seresnext50",
        "seresnext50-32x4",
        "seresnext101-32x4d",
        "mobilenet-v2-",
        "mobilenet-v2-0",
        "mobilenet-v2-9",
        "mobilenet-v2-0.1234",
        "mobilenet-v2-imagenet-0.5",
        "mobilenet-v3",
        "resnet18+embedding",
        "resnet18+embedding-0",
        "resnet18+embedding-8+embedding-8",
        "wrn-16",
        "wrn-x-4",
        "",
    ] {
        assert!(parse(name).contains("six-conv"), "{name}: names the alternatives");
    }
    assert!(parse("wrn-17-4").contains("6k + 4"));
    assert!(parse("seresnext50-8x4d-8-16-32-64").contains("width 8 has 8 * 4 / 64 < 1"));
    let parameters = Parameters::new(Seed::new(0), Device::Cpu);
    let tiny = InputShape { channels: 1, height: 2, width: 2 };
    let spec: NetworkSpec = "resnet8".parse().unwrap();
    assert!(spec.build(tiny, 10, &parameters).is_err_and(|e| e.to_string().contains("total stride of 4")));
    for (name, stride) in
        [("resnet18", 8), ("mobilenet-v2", 8), ("resnet18-imagenet", 32), ("mobilenet-v2-imagenet", 32)]
    {
        let error = name.parse::<NetworkSpec>().unwrap().build(tiny, 10, &parameters).err().unwrap();
        assert!(error.to_string().contains(&format!("total stride of {stride}")), "{error}");
    }
    assert!(spec.build(DIGIT, 1, &parameters).is_err_and(|e| e.to_string().contains("two classes")));
    assert!(parameters.trainable().is_empty(), "nothing half-built");
}

#[test]
fn names_survive_a_round_trip() {
    for name in [
        "resnet8",
        "resnet8-4-8-16",
        "resnet20",
        "resnet18",
        "resnet34",
        "resnet50-imagenet",
        "resnet101",
        "seresnext50-32x4d",
        "mobilenet-v2",
        "mobilenet-v2-0.25-imagenet",
        "resnet50+embedding-512",
        "wrn-16-4+embedding-64-s16",
        "wrn-16-4",
        "six-conv",
    ] {
        assert_eq!(name.parse::<NetworkSpec>().unwrap().to_string(), name);
    }
    for (long, short) in [
        ("resnet8-16-32-64", "resnet8"),
        ("seresnext50-32x4d-64-128-256-512", "seresnext50-32x4d"),
        ("mobilenet-v2-0.50", "mobilenet-v2-0.5"),
        ("mobilenet-v2-1.0", "mobilenet-v2"),
        ("six-conv+embedding-8-s30", "six-conv+embedding-8"),
    ] {
        assert_eq!(long.parse::<NetworkSpec>().unwrap().to_string(), short);
    }
}

/// Names of all families, from their numbers.
fn names() -> impl Strategy<Value = String> {
    let width = 1usize..=4096;
    let widths = |count| {
        prop::collection::vec(width.clone(), count)
            .prop_map(|w: Vec<usize>| w.iter().map(|w| format!("-{w}")).collect::<String>())
    };
    let stem = || prop_oneof![Just(""), Just("-imagenet")];
    let three =
        (prop_oneof![Just(8), Just(20)], widths(3), stem()).prop_map(|(d, w, s)| format!("resnet{d}{w}{s}"));
    let four = (prop::sample::select(vec![18, 34, 50, 101]), widths(4), stem())
        .prop_map(|(d, w, s)| format!("resnet{d}{w}{s}"));
    // From 64 on every group has a channel.
    let grouped = (1usize..=64, 64usize..=128, widths(4), stem())
        .prop_map(|(g, d, w, s)| format!("seresnext50-{g}x{d}d{w}{s}"));
    let mobile =
        (1usize..=8000, stem()).prop_map(|(m, s)| format!("mobilenet-v2-{}.{:03}{s}", m / 1000, m % 1000));
    let wide = (1usize..100, 1usize..=4096).prop_map(|(k, w)| format!("wrn-{}-{w}", 6 * k + 4));
    let plain = prop_oneof![three, four, grouped, mobile, wide, Just("six-conv".to_owned())];
    let embedding = prop::option::of((1usize..=4096, any::<bool>(), 1usize..=4096));
    (plain, embedding).prop_map(|(name, embedding)| match embedding {
        Some((dim, true, scale)) => format!("{name}+embedding-{dim}-pixels-s{scale}"),
        Some((dim, false, scale)) => format!("{name}+embedding-{dim}-s{scale}"),
        None => name,
    })
}

proptest! {
    #[test]
    fn any_name_survives_a_round_trip(name in names()) {
        let spec: NetworkSpec = name.parse().unwrap();
        let printed = spec.to_string();
        prop_assert_eq!(printed.parse::<NetworkSpec>().unwrap(), spec);
        prop_assert!(printed.len() <= name.len(), "{} for {}", printed, name);
    }

    #[test]
    fn no_name_panics(name in "(resnet|seresnext50-|mobilenet-v2|wrn-|\\+embedding-|-|[0-9x.d]|imagenet){0,8}") {
        if let Ok(spec) = name.parse::<NetworkSpec>() {
            prop_assert_eq!(spec.to_string().parse::<NetworkSpec>().unwrap(), spec);
        }
    }
}

#[test]
fn an_embedding_of_pixels_fits_maps_of_any_size() {
    for trunk in ["resnet8-4-4-8", "six-conv", "wrn-10-1", "mobilenet-v2-0.1", "resnet18-4-4-4-4-imagenet"] {
        for (height, width) in [(33, 37), (40, 35), (64, 32)] {
            let input = InputShape { channels: 1, height, width };
            let (network, _) = build(&format!("{trunk}+embedding-3-pixels"), input, 4);
            let x = Tensor::ones((2, 1, height, width), DType::F32, &Device::Cpu).unwrap();
            let out = network.forward(&x, Mode::Train).unwrap();
            assert_eq!((out.hidden.dims(), out.logits.dims()), (&[2, 3][..], &[2, 4][..]), "{trunk}");
        }
    }
    // Of maps of one pixel it is that of the means.
    let smallest = InputShape { channels: 1, height: 4, width: 4 };
    let x = Tensor::arange(0f32, 48., &Device::Cpu).unwrap().reshape((3, 1, 4, 4)).unwrap();
    let logits = |name| {
        let (network, _) = build(name, smallest, 5);
        network.forward(&x, Mode::Train).unwrap().logits.to_vec2::<f32>().unwrap()
    };
    assert_eq!(logits("resnet8-4-4-8+embedding-6"), logits("resnet8-4-4-8+embedding-6-pixels"));
}

#[test]
fn an_embedding_has_length_one_and_its_logits_are_scaled_cosines() {
    let (network, parameters) = build("resnet8-4-8-8+embedding-6-s16", DIGIT, 5);
    let out = network.forward(&images(), Mode::Train).unwrap();
    assert_eq!((out.hidden.dims(), out.logits.dims()), (&[3, 6][..], &[3, 5][..]));
    let directions = parameters.get("cosine.weight").unwrap().to_vec2::<f32>().unwrap();
    let (hidden, logits) = (out.hidden.to_vec2::<f32>().unwrap(), out.logits.to_vec2::<f32>().unwrap());
    for (e, logits) in hidden.iter().zip(&logits) {
        let length = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((length(e) - 1.0).abs() < 1e-5);
        for (direction, logit) in directions.iter().zip(logits) {
            let cosine = e.iter().zip(direction).map(|(a, b)| a * b).sum::<f32>() / length(direction);
            assert!((16.0 * cosine - logit).abs() < 1e-4, "{logit}, {cosine}");
        }
    }
    assert!(parameters.get("fc.weight").is_none(), "no classifier beside the embedding");
}
