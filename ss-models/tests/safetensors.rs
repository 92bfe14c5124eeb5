//! Weights as safetensors: round trip, other types, and what does not fit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use ss_models::{Error, InputShape, Mode, Network, NetworkSpec, Parameters};
use ss_seed::Seed;

fn build(name: &str, seed: u64, classes: usize) -> (Box<dyn Network>, Parameters) {
    let parameters = Parameters::new(Seed::new(seed), Device::Cpu);
    let input = InputShape { channels: 3, height: 16, width: 16 };
    let network = name.parse::<NetworkSpec>().unwrap().build(input, classes, &parameters).unwrap();
    (network, parameters)
}

fn logits(network: &dyn Network, mode: Mode) -> Vec<f32> {
    let pixels: Vec<f32> = (0..2 * 768).map(|i| (0.1 * f64::from(i)).sin() as f32).collect();
    let x = Tensor::from_vec(pixels, (2, 3, 16, 16), &Device::Cpu).unwrap();
    network.forward(&x, mode).unwrap().logits.flatten_all().unwrap().to_vec1().unwrap()
}

const SMALL: [&str; 4] =
    ["resnet8-4-8-8", "mobilenet-v2-0.1", "seresnext50-2x16d-4-4-8-8", "resnet18-4-4-4-4+embedding-6"];

#[test]
fn a_round_trip_keeps_every_bit_with_running_statistics() {
    for name in SMALL {
        let (network, from) = build(name, 1, 3);
        logits(&*network, Mode::Train);
        let bytes = from.to_safetensors().unwrap();
        let (other, to) = build(name, 2, 3);
        assert_ne!(logits(&*other, Mode::Eval), logits(&*network, Mode::Eval));
        to.load_safetensors(&bytes).unwrap();
        assert_eq!(logits(&*other, Mode::Eval), logits(&*network, Mode::Eval), "{name}");
        assert_eq!(to.to_safetensors().unwrap(), bytes, "{name}");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), from.snapshot().unwrap().tensors().len());
    }
}

/// The values of a network with one change.
fn changed(parameters: &Parameters, change: impl Fn(&mut BTreeMap<String, Tensor>)) -> Vec<u8> {
    let mut tensors = parameters.snapshot().unwrap().tensors().clone();
    change(&mut tensors);
    safetensors::serialize(&tensors, None::<HashMap<String, String>>).unwrap()
}

#[test]
fn what_pytorch_writes_beside_the_weights_and_in_other_types_is_taken() {
    let (_, parameters) = build("resnet8-4-8-8", 1, 3);
    let count = Tensor::new(7_i64, &Device::Cpu).unwrap();
    let bytes = changed(&parameters, |tensors| {
        for value in tensors.values_mut() {
            *value = value.to_dtype(DType::F16).unwrap();
        }
        tensors.insert("bn1.num_batches_tracked".into(), count.clone());
    });
    let before = parameters.get("fc.weight").unwrap().as_detached_tensor().copy().unwrap();
    parameters.load_safetensors(&bytes).unwrap();
    let after = parameters.get("fc.weight").unwrap();
    assert_eq!(after.dtype(), DType::F32);
    let gap = (before - after.as_tensor()).unwrap().abs().unwrap().max_all().unwrap();
    let gap = gap.to_scalar::<f32>().unwrap();
    assert!(gap > 0.0 && gap < 1e-3, "{gap}");
}

#[test]
fn what_does_not_fit_is_named_and_changes_nothing() {
    let (_, parameters) = build("resnet8-4-8-8", 1, 3);
    let before = parameters.to_safetensors().unwrap();
    let zero = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let bytes = changed(&parameters, |tensors| {
        tensors.remove("conv1.weight");
        tensors.insert("head.bias".into(), zero.clone());
        tensors.insert("fc.bias".into(), Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap());
        tensors.insert("bn1.bias".into(), Tensor::zeros(4, DType::U32, &Device::Cpu).unwrap());
    });
    let error = parameters.load_safetensors(&bytes).unwrap_err();
    let Error::WeightsMismatch { missing, unexpected, mis_shaped } = &error else { panic!("{error}") };
    assert_eq!(missing, &["conv1.weight"]);
    assert_eq!(unexpected, &["head.bias"]);
    assert_eq!(mis_shaped, &["bn1.bias U32 instead of F32", "fc.bias [4] instead of [3]"]);
    let message = error.to_string();
    for part in ["missing: conv1.weight", "unexpected: head.bias", "fc.bias [4] instead of [3]"] {
        assert!(message.contains(part), "{message}");
    }
    let (_, deeper) = build("resnet20", 1, 3);
    let message = deeper.load_safetensors(&before).unwrap_err().to_string();
    assert!(message.contains("more"), "a long list is cut: {message}");
    let cut = parameters.load_safetensors(&before[..before.len() - 1]).unwrap_err();
    assert!(matches!(cut, Error::Safetensors(_)) && cut.to_string().contains("whole"), "{cut}");
    assert!(parameters.load_safetensors(b"").is_err());
    assert_eq!(parameters.to_safetensors().unwrap(), before);
}
