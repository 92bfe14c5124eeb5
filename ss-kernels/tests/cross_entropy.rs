//! Cross-entropy against candle's operations in `f64` and against finite differences.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use ss_kernels::{Backend, cross_entropy};
use support::*;

proptest! {
    #[test]
    fn agrees_with_stock((n, k) in (1usize..20, 1usize..30), weighted: bool, scale in 0.1f64..50.0) {
        let x = Var::from_tensor(&(var(&[n, k], 1).as_tensor() * scale).unwrap().detach()).unwrap();
        let xd = double(&x);
        let targets: Vec<u32> = (0..n).map(|i| (i * 7 % k) as u32).collect();
        let targets = Tensor::from_vec(targets, n, &Device::Cpu).unwrap();
        let weights = weighted.then(|| (var(&[n], 2).abs().unwrap() + 0.01).unwrap());
        let ours = cross_entropy(&x, &targets, weights.as_ref()).unwrap();
        let wd = weights.map(|w| w.to_dtype(DType::F64).unwrap());
        let stock = cross_entropy(&xd, &targets, wd.as_ref()).unwrap();
        assert_close(&ours.loss, &stock.loss, 1e-5, "loss");
        assert_close(&ours.per_example, &stock.per_example, 1e-5, "per example");
        let g = (ours.loss * 3.0).unwrap().backward().unwrap();
        let e = (stock.loss * 3.0).unwrap().backward().unwrap();
        assert_close(g.get(&x).unwrap(), e.get(&xd).unwrap(), 1e-5, "gradient");
    }
}

/// Reference: torch 2.15.0 `F.cross_entropy(reduction="none")`, see `tests/oracle/cross_entropy.py`.
#[test]
fn extreme_logits_stay_finite() {
    let logits = Tensor::new(&[[1e4f32, -1e4, 0.0], [-500.0, 80.0, 88.0]], &Device::Cpu).unwrap();
    let targets = Tensor::new(&[1u32, 2], &Device::Cpu).unwrap();
    let out = cross_entropy(&logits, &targets, None).unwrap();
    let each = out.per_example.to_vec1::<f32>().unwrap();
    assert_eq!(each[0], 20000.0);
    assert!((each[1] - 3.354_063_7e-4).abs() < 1e-7, "{}", each[1]);
}

#[test]
fn bad_targets_and_weights_are_refused() {
    let logits = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    let t = |v: [u32; 2]| Tensor::new(&v, &Device::Cpu).unwrap();
    let w = |v: [f32; 2]| Tensor::new(&v, &Device::Cpu).unwrap();
    let message = cross_entropy(&logits, &t([0, 3]), None).err().unwrap().to_string();
    assert!(message.contains("target 3 of example 1"), "{message}");
    assert!(cross_entropy(&logits, &t([0, 1]), Some(&w([0.0, 0.0]))).is_err());
    assert!(cross_entropy(&logits, &t([0, 1]), Some(&w([1.0, -1.0]))).is_err());
    assert!(cross_entropy(&logits, &t([0, 1]), Some(&w([1.0, f32::NAN]))).is_err());
    assert!(cross_entropy(&logits, &w([0.0, 1.0]), None).is_err());
}

#[test]
fn many_classes_agree_with_stock_and_threads_change_nothing() {
    // Enough for several tasks, and for sums in parts.
    let (n, k) = (70, 1_003);
    let value = |i: usize| ((i * 2_654_435_761) % 10_007) as f32 / 700.0 - 7.0;
    let logits = Var::from_vec((0..n * k).map(value).collect::<Vec<_>>(), (n, k), &Device::Cpu).unwrap();
    let targets: Vec<u32> = (0..n as u32).map(|i| (i * 97) % k as u32).collect();
    let targets = Tensor::from_vec(targets, n, &Device::Cpu).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let out = cross_entropy(&logits, &targets, None).unwrap();
            let gradient = out.loss.backward().unwrap().get(&logits).unwrap().to_vec2::<f32>().unwrap();
            (out.loss.to_scalar::<f32>().unwrap(), out.per_example.to_vec1::<f32>().unwrap(), gradient)
        })
    };
    let (loss, each, gradient) = run(1);
    assert_eq!((loss, each.clone(), gradient.clone()), run(3));
    let stock = Backend::Candle.cross_entropy(&logits, &targets, None).unwrap();
    let stock_gradient = stock.loss.backward().unwrap().get(&logits).unwrap().to_vec2::<f32>().unwrap();
    assert!((loss - stock.loss.to_scalar::<f32>().unwrap()).abs() < 1e-5 * loss);
    for (a, b) in each.iter().zip(stock.per_example.to_vec1::<f32>().unwrap()) {
        assert!((a - b).abs() < 1e-5 * a, "{a} {b}");
    }
    for (a, b) in gradient.iter().flatten().zip(stock_gradient.iter().flatten()) {
        assert!((a - b).abs() < 1e-8, "{a} {b}");
    }
}
