//! Every gradient against central finite differences of the operation itself.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Device, Result, Tensor, Var};
use ss_kernels::{
    Activation, Conv2dSpec, avg_pool2d, batch_norm_eval, batch_norm_train, channel_gate, conv2d,
    cross_entropy, global_avg_pool2d, layer_norm, linear_cross_entropy, max_pool2d,
};
use support::*;

/// Compares the gradients of `probe(op(vars))` with difference quotients of step `h`, at every
/// `stride`-th value, relative to the largest.
fn check(vars: &[Var], h: f32, tolerance: f64, stride: usize, op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    // Summed in f64, so that the quotient is not drowned in rounding.
    let value = |at: &[Tensor]| -> f64 {
        let y = op(at).unwrap().to_dtype(DType::F64).unwrap();
        probe(&y, 99).unwrap().to_scalar().unwrap()
    };
    let at: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    each_isa(|isa| {
        let grads = probe(&op(&at).unwrap(), 99).unwrap().backward().unwrap();
        for (which, var) in vars.iter().enumerate() {
            let grad = flat(grads.get(var).unwrap());
            let scale = grad.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
            let base: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
            for i in (0..base.len()).step_by(stride) {
                let moved = |delta: f32| {
                    let mut values = base.clone();
                    values[i] += delta;
                    let mut at = at.clone();
                    at[which] = Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap();
                    value(&at)
                };
                let slope = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
                assert!(
                    (slope - grad[i]).abs() < tolerance * scale,
                    "{isa:?} argument {which}, value {i}: {slope} {} (scale {scale})",
                    grad[i]
                );
            }
        }
    });
}

/// Linear in each argument: a large step has no truncation error.
#[test]
fn convolutions() {
    for (x, w, stride, padding, groups) in [
        ([2, 3, 5, 4], [4, 3, 3, 3], 2, 1, 1),
        ([1, 5, 4, 7], [2, 5, 2, 3], 1, 0, 1),
        ([2, 6, 5, 5], [4, 3, 3, 3], 1, 1, 2),
        ([2, 5, 6, 5], [5, 1, 3, 3], 2, 1, 5),
        ([2, 5, 6, 7], [5, 1, 3, 3], 1, 1, 5),
        ([2, 16, 9, 8], [16, 16, 3, 3], 1, 1, 1),
        ([3, 16, 2, 2], [20, 16, 3, 3], 1, 1, 1),
        ([2, 16, 5, 5], [8, 16, 1, 1], 2, 0, 1),
    ] {
        let spec = Conv2dSpec { stride, padding, groups };
        check(&[var(&x, 1), var(&w, 2)], 0.25, 1e-4, 7, |v| conv2d(&v[0], &v[1], spec));
    }
}

#[test]
fn batch_normalisation() {
    let vars = [var(&[4, 5, 3, 4], 1), var(&[5], 2), var(&[5], 3), var(&[4, 5, 3, 4], 4)];
    check(&vars, 1e-2, 2e-3, 3, |v| {
        Ok(batch_norm_train(&v[0], &v[1], &v[2], Some(&v[3]), 1e-5, Activation::Identity)?.0)
    });
    let (mean, variance) = (var(&[5], 5), (var(&[5], 6).sqr().unwrap() + 0.1).unwrap());
    check(&vars, 1e-2, 2e-3, 3, |v| {
        let act = Activation::Identity;
        batch_norm_eval(&v[0], &mean, &variance, &v[1], &v[2], Some(&v[3]), 1e-5, act)
    });
}

/// ReLU's kink: with a shift of 5 or -5 on alternate channels no value comes near it.
#[test]
fn batch_normalisation_with_relu() {
    let shift = Tensor::new(&[5f32, -5.0, 5.0], &Device::Cpu).unwrap();
    let vars =
        [var(&[4, 3, 3, 4], 1), var(&[3], 2), Var::from_tensor(&shift).unwrap(), var(&[4, 3, 3, 4], 4)];
    for residual in [false, true] {
        let vars = if residual { &vars[..] } else { &vars[..3] };
        check(vars, 1e-2, 2e-3, 3, |v| {
            Ok(batch_norm_train(&v[0], &v[1], &v[2], v.get(3), 1e-5, Activation::Relu)?.0)
        });
    }
}

/// Linear in each argument but for the kinks, which a shift of the residual keeps away.
#[test]
fn channel_gates() {
    let shift = Tensor::new(&[3f32, -5.0, 20.0], &Device::Cpu).unwrap().reshape((1, 3, 1, 1)).unwrap();
    let residual = var(&[4, 3, 3, 4], 4).broadcast_add(&shift).unwrap();
    let vars = [var(&[4, 3, 3, 4], 1), var(&[4, 3], 2), Var::from_tensor(&residual).unwrap()];
    for act in [Activation::Identity, Activation::Relu, Activation::Relu6] {
        check(&vars, 0.25, 1e-3, 1, |v| channel_gate(&v[0], &v[1], Some(&v[2]), act));
    }
}

#[test]
fn layer_normalisation() {
    check(&[var(&[4, 19], 1), var(&[19], 2), var(&[19], 3)], 1e-2, 2e-3, 1, |v| {
        layer_norm(&v[0], &v[1], &v[2], 1e-5)
    });
}

#[test]
fn pooling() {
    // Distinct values 0.01 apart, in a scrambled order: a step of 0.001 changes no maximum.
    let dims = [2, 3, 6, 5];
    let scrambled: Vec<f32> = (0..180).map(|i| (i * 77 % 180) as f32 * 0.01).collect();
    let x = [Var::from_tensor(&Tensor::from_vec(scrambled, &dims, &Device::Cpu).unwrap()).unwrap()];
    check(&x, 1e-3, 2e-3, 1, |v| max_pool2d(&v[0], 3, 2, 1));
    check(&x, 1e-3, 2e-3, 1, |v| max_pool2d(&v[0], 2, 1, 0));
    check(&x, 0.1, 1e-3, 1, |v| avg_pool2d(&v[0], 2, 1));
    check(&x, 0.1, 1e-3, 1, |v| global_avg_pool2d(&v[0]));
}

#[test]
fn cross_entropies() {
    let targets = Tensor::new(&[0u32, 3, 1], &Device::Cpu).unwrap();
    let weights = Tensor::new(&[0.5f32, 2.0, 0.0], &Device::Cpu).unwrap();
    for w in [None, Some(&weights)] {
        check(&[var(&[3, 4], 1)], 1e-2, 1e-3, 1, |v| Ok(cross_entropy(&v[0], &targets, w)?.loss));
    }
    // Rows and weight together.
    for w in [None, Some(&weights)] {
        check(&[var(&[3, 5], 2), var(&[4, 5], 3)], 1e-2, 1e-3, 1, |v| {
            Ok(linear_cross_entropy(&v[0], &v[1], &targets, w)?.loss)
        });
    }
}
