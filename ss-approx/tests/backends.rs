//! Every network on candle's own operations, as on a GPU, against the kernels of the CPU.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{Device, Tensor};
use ss_kernels::Backend;
use ss_models::{InputShape, Mode, NetworkSpec, Parameters};
use ss_seed::Seed;

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Logits in training, gradients of all trained values, logits at evaluation, flat.
fn everything(name: &str, backend: Backend, device: &Device) -> Vec<(String, Vec<f32>)> {
    let parameters = Parameters::new(Seed::new(0), device.clone()).with_backend(backend);
    let large = name.ends_with("-imagenet");
    let (height, width) = if large { (48, 64) } else { (8, 12) };
    let input = InputShape { channels: 3, height, width };
    let network = name.parse::<NetworkSpec>().unwrap().build(input, 5, &parameters).unwrap();
    let pixels: Vec<f32> =
        (0..(4 * 3 * height * width) as i32).map(|i| (0.05 * f64::from(i).powf(1.3)).sin() as f32).collect();
    let x = Tensor::from_vec(pixels, (4, 3, height, width), device).unwrap();
    let labels = Tensor::new(&[0_u32, 3, 1, 4], device).unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let out = network.forward(&x, Mode::Train).unwrap();
    let grads = backend.cross_entropy(&out.logits, &labels, None).unwrap().loss.backward().unwrap();
    let mut found = vec![("logits".to_owned(), flat(&out.logits)), ("hidden".to_owned(), flat(&out.hidden))];
    for name in parameters.snapshot().unwrap().tensors().keys() {
        let var = parameters.get(name).unwrap();
        match grads.get(&var) {
            Some(grad) => found.push((format!("gradient of {name}"), flat(grad))),
            None => found.push((name.clone(), flat(&var))),
        }
    }
    let out = network.forward(&x, Mode::Eval).unwrap();
    assert!(!out.logits.track_op());
    found.push(("logits at evaluation".to_owned(), flat(&out.logits)));
    found
}

#[test]
fn every_network_computes_the_same_on_candles_operations() {
    // The GPU too, where there is one: on candle's operations and on the kernels for it.
    let gpu = ss_approx::Device::first_gpu().unwrap().inspect_err(|reason| println!("no GPU: {reason}")).ok();
    let mut ways = vec![(Backend::Candle, Device::Cpu)];
    if let Some(gpu) = gpu {
        ways.extend([Backend::Candle, Backend::Kernels].map(|backend| (backend, gpu.tensors().clone())));
    }
    for name in [
        "resnet8-4-8-8",
        "resnet8",
        "resnet20",
        "resnet18",
        "resnet18-8-8-16-16-imagenet",
        "resnet50-4-8-8-16",
        "mobilenet-v2-0.25",
        "seresnext50-4x16d-4-8-8-16",
        "resnet8-4-8-8+embedding-6",
        "wrn-10-1",
        "six-conv",
    ] {
        let expected = everything(name, Backend::Kernels, &Device::Cpu);
        for (backend, device) in &ways {
            let found = everything(name, *backend, device);
            // Rounding in another order, through up to fifty normalised layers of four images; on a GPU in yet another one.
            let (tolerance, floor) = if device.is_cuda() { (1e-2, 0.1) } else { (2e-3, 1e-2) };
            for ((what, found), (_, expected)) in found.iter().zip(&expected) {
                let gap = found.iter().zip(expected).fold(0_f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(
                    // Below the floor: gradients of what the next normalisation takes away, which are rounding alone.
                    gap <= tolerance * largest(expected).max(floor),
                    "{name}, {what}, {backend:?} on {:?}: {gap} of {}",
                    device.location(),
                    largest(expected)
                );
            }
        }
    }
}
