//! Rows times a matrix: against candle's product, and by finite differences through it.

#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;
use ss_kernels::Backend;

/// Values in (-1, 1) that are a function of their number.
fn pattern(dims: (usize, usize), phase: f64) -> Tensor {
    let values = (0..dims.0 * dims.1).map(|i| (0.7 * i as f64 + phase).sin() as f32);
    Tensor::from_iter(values, &Device::Cpu).unwrap().reshape(dims).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

proptest! {
    #[test]
    fn product_and_gradients_are_candles(rows in 1_usize..200, inputs in 1_usize..70, outputs in 1_usize..90) {
        let x = Var::from_tensor(&pattern((rows, inputs), 0.1)).unwrap();
        let w = Var::from_tensor(&pattern((outputs, inputs), 1.3)).unwrap();
        let upstream = pattern((rows, outputs), 2.9);
        let run = |backend: Backend| {
            let y = backend.linear(&x, &w).unwrap();
            let grads = (&y * &upstream).unwrap().sum_all().unwrap().backward().unwrap();
            [y.detach(), grads.get(&x).unwrap().clone(), grads.get(&w).unwrap().clone()]
        };
        for (ours, candles) in run(Backend::Kernels).iter().zip(&run(Backend::Candle)) {
            prop_assert_eq!(ours.dims(), candles.dims());
            prop_assert!(largest_difference(ours, candles) < 2e-4);
        }
    }
}

proptest! {
    #[test]
    fn a_bias_is_added_to_every_row(rows in 1_usize..300, inputs in 1_usize..40, outputs in 1_usize..70) {
        let x = Var::from_tensor(&pattern((rows, inputs), 0.1)).unwrap();
        let w = Var::from_tensor(&pattern((outputs, inputs), 1.3)).unwrap();
        let b = Var::from_tensor(&pattern((1, outputs), 2.1).squeeze(0).unwrap()).unwrap();
        let upstream = pattern((rows, outputs), 2.9);
        let run = |backend: Backend| {
            let y = backend.linear_with_bias(&x, &w, &b).unwrap();
            let grads = (&y * &upstream).unwrap().sum_all().unwrap().backward().unwrap();
            [&x, &w, &b].map(|var| grads.get(var).unwrap().clone()).into_iter().chain([y.detach()]).collect::<Vec<_>>()
        };
        let ours = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let ours = ours.install(|| run(Backend::Kernels));
        for (ours, candles) in ours.iter().zip(&run(Backend::Candle)) {
            prop_assert_eq!(ours.dims(), candles.dims());
            prop_assert!(largest_difference(ours, candles) < 2e-4);
        }
        for (three, one) in ours.iter().zip(&run(Backend::Kernels)) {
            prop_assert_eq!(largest_difference(three, one), 0.0);
        }
    }
}

#[test]
fn views_are_taken_and_what_does_not_fit_is_refused() {
    let x = pattern((6, 5), 0.0);
    let turned = x.t().unwrap();
    let w = pattern((3, 6), 1.0);
    let found = ss_kernels::linear(&turned, &w).unwrap();
    let expected = turned.matmul(&w.t().unwrap()).unwrap();
    assert!(largest_difference(&found, &expected) < 1e-5);
    let message = ss_kernels::linear(&x, &w).unwrap_err().to_string();
    assert!(message.contains("[6, 5]") && message.contains("[3, 6]"), "{message}");
    let message = ss_kernels::linear_with_bias(
        &turned,
        &w,
        &Tensor::zeros(4, candle_core::DType::F32, &Device::Cpu).unwrap(),
    );
    let message = message.unwrap_err().to_string();
    assert!(message.contains("bias must be [3], found [4]"), "{message}");
}

#[test]
fn only_what_is_asked_for_is_differentiated() {
    let (x, w) = (Var::from_tensor(&pattern((4, 3), 0.0)).unwrap(), pattern((2, 3), 1.0));
    let grads = ss_kernels::linear(&x, &w).unwrap().sum_all().unwrap().backward().unwrap();
    // The sum's gradient in a row is the sum of the weight's rows.
    let expected = w.sum_keepdim(0).unwrap().broadcast_as((4, 3)).unwrap();
    assert!(largest_difference(grads.get(&x).unwrap(), &expected) < 1e-6);
    assert!(grads.get(&w).is_none());
}
