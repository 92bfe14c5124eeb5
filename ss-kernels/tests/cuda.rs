//! The kernels for GPUs against those of the CPU: values and gradients, for shapes that do not divide evenly too. Skipped where there is no
//! GPU, unless `SS_REQUIRE_GPU=1` is set.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use candle_core::{Device, Result, Tensor, Var};
use ss_kernels::{
    Activation, Conv2dSpec, Sgd, SgdConfig, batch_norm_train, conv2d, conv2d_folded, cross_entropy,
    running_average,
};
use support::{assert_close, flat, var};

fn gpu() -> Option<Device> {
    match Device::new_cuda_with_stream(0) {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("SS_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{error}"),
        Err(error) => {
            println!("no GPU: {error}");
            None
        }
    }
}

fn on(device: &Device, var: &Var) -> Var {
    Var::from_tensor(&var.to_device(device).unwrap()).unwrap()
}

fn host(t: &Tensor) -> Tensor {
    t.to_device(&Device::Cpu).unwrap()
}

/// Value, and gradients in all `vars` of a scalar that weighs every value differently, on a device.
fn run(device: &Device, vars: &[&Var], f: &dyn Fn(&[Var]) -> Result<Tensor>) -> (Tensor, Vec<Tensor>) {
    let vars: Vec<Var> = vars.iter().map(|var| on(device, var)).collect();
    let y = f(&vars).unwrap();
    let weights = support::values(y.elem_count(), 9);
    let weights = Tensor::from_vec(weights, y.dims(), device).unwrap();
    let grads = y.mul(&weights).unwrap().sum_all().unwrap().backward().unwrap();
    (host(&y), vars.iter().map(|v| host(grads.get(v.as_tensor()).unwrap())).collect())
}

#[track_caller]
fn both(device: &Device, what: &str, vars: &[&Var], f: &dyn Fn(&[Var]) -> Result<Tensor>) {
    let (expected, expected_grads) = run(&Device::Cpu, vars, f);
    let (found, grads) = run(device, vars, f);
    assert_close(&found, &expected, 1e-5, what);
    for (i, (found, expected)) in grads.iter().zip(&expected_grads).enumerate() {
        assert_close(found, expected, 1e-4, &format!("{what}, gradient {i}"));
    }
    // The same bits again: no sum depends on which thread comes first.
    let (again, again_grads) = run(device, vars, f);
    assert_eq!(flat(&again), flat(&found), "{what}, again");
    for (again, found) in again_grads.iter().zip(&grads) {
        assert_eq!(flat(again), flat(found), "{what}, gradients again");
    }
}

#[test]
fn convolutions_are_those_of_the_cpu() {
    let Some(device) = gpu() else { return };
    // n, c, h, w, o, kernel, stride, padding, groups
    let cases = [
        [1, 1, 5, 5, 1, 3, 1, 1, 1],
        [3, 4, 9, 8, 8, 3, 1, 1, 1],
        [3, 4, 9, 8, 8, 3, 2, 1, 1],
        [3, 4, 9, 8, 8, 3, 2, 0, 2],
        [5, 6, 7, 10, 4, 1, 1, 0, 1],
        [5, 6, 7, 10, 4, 1, 2, 0, 2],
        [2, 3, 16, 16, 5, 7, 2, 3, 1],
        [4, 8, 9, 7, 8, 3, 1, 1, 8],
        [4, 8, 9, 7, 8, 3, 2, 1, 8],
        [2, 8, 6, 6, 16, 3, 1, 1, 8],
        [112, 16, 28, 28, 16, 3, 1, 1, 1],
        [96, 64, 8, 8, 128, 3, 2, 1, 1],
        [13, 3, 8, 8, 7, 2, 3, 1, 1],
        [3, 20, 12, 12, 20, 3, 1, 1, 1],
        [3, 20, 13, 11, 40, 3, 2, 1, 1],
        [9, 64, 8, 8, 64, 3, 1, 1, 1],
        [2, 16, 4, 4, 130, 3, 1, 1, 1],
        [2, 33, 40, 62, 9, 3, 1, 1, 1],
        [2, 33, 17, 70, 9, 3, 2, 1, 1],
        [1, 3, 64, 68, 4, 3, 1, 1, 1],
        [3, 1, 28, 28, 16, 3, 1, 1, 1],
    ];
    for [n, c, h, w, o, k, stride, padding, groups] in cases {
        let (x, weight) = (var(&[n, c, h, w], 1), var(&[o, c / groups, k, k], 2));
        let spec = Conv2dSpec { stride, padding, groups };
        let what = format!("{n}x{c}x{h}x{w} to {o}, {k}x{k}, {spec:?}");
        both(&device, &what, &[&x, &weight], &|v| conv2d(&v[0], &v[1], spec));
    }
    // A view that is not contiguous.
    let (x, weight) = (var(&[4, 6, 5, 3], 1), var(&[2, 3, 3, 3], 2));
    let spec = Conv2dSpec { padding: 1, ..Conv2dSpec::default() };
    both(&device, "transposed", &[&x, &weight], &|v| conv2d(&v[0].transpose(1, 3)?, &v[1], spec));
}

#[test]
fn normalisations_are_those_of_the_cpu() {
    let Some(device) = gpu() else { return };
    for shape in [[1, 1, 1, 3], [3, 4, 9, 8], [112, 16, 28, 28], [64, 100, 1, 1], [2, 513, 3, 5]] {
        let (x, residual) = (var(&shape, 1), var(&shape, 2));
        let (scale, shift) = (var(&shape[1..2], 3), var(&shape[1..2], 4));
        for act in [Activation::Identity, Activation::Relu, Activation::Relu6] {
            let what = format!("{shape:?}, {act:?}");
            both(&device, &what, &[&x, &scale, &shift], &|v| {
                // Far from zero: the variance must not lose its digits.
                let x = v[0].affine(2.0, 30.0)?;
                Ok(batch_norm_train(&x, &v[1], &v[2], None, 1e-5, act)?.0)
            });
            both(&device, &format!("{what}, residual"), &[&x, &scale, &shift, &residual], &|v| {
                Ok(batch_norm_train(&v[0], &v[1], &v[2], Some(&v[3]), 1e-5, act)?.0)
            });
        }
        let stats = |device: &Device| {
            let [x, scale, shift] = [&x, &scale, &shift].map(|v| on(device, v));
            let (_, stats) = batch_norm_train(&x, &scale, &shift, None, 1e-5, Activation::Identity).unwrap();
            let running = on(device, &var(&shape[1..2], 5));
            running_average(&running, &stats.var, 0.1, 1.25).unwrap();
            [host(&stats.mean), host(&stats.var), host(&running)]
        };
        for (found, expected) in stats(&device).iter().zip(&stats(&Device::Cpu)) {
            assert_close(found, expected, 1e-5, &format!("{shape:?}, statistics"));
        }
    }
}

#[test]
fn a_convolution_with_what_follows_it_is_that_of_the_cpu() {
    let Some(device) = gpu() else { return };
    let (x, weight) = (var(&[5, 3, 9, 8], 1), var(&[4, 3, 3, 3], 2));
    let (scale, shift, residual) = (var(&[4], 3), var(&[4], 4), var(&[5, 4, 9, 8], 5));
    let spec = Conv2dSpec { padding: 1, ..Conv2dSpec::default() };
    for with in [false, true] {
        let folded = |device: &Device| {
            let [x, weight, scale, shift, residual] =
                [&x, &weight, &scale, &shift, &residual].map(|v| on(device, v));
            let residual = with.then_some(residual.as_tensor());
            let y = conv2d_folded(&x, &weight, spec, &scale, &shift, residual, Activation::Relu).unwrap();
            assert!(!y.track_op());
            host(&y)
        };
        assert_close(&folded(&device), &folded(&Device::Cpu), 1e-5, "folded");
    }
}

#[test]
fn losses_are_those_of_the_cpu() {
    let Some(device) = gpu() else { return };
    for (n, k) in [(1, 1), (5, 3), (128, 10), (7, 100), (3, 129), (33, 5000)] {
        let logits = var(&[n, k], 7);
        let targets: Vec<u32> = (0..n).map(|i| (i * 7 % k) as u32).collect();
        for weighted in [false, true] {
            let weights: Vec<f32> = (0..n).map(|i| (i % 3) as f32 + f32::from(n < 2)).collect();
            let of = |logits: &Tensor, what: usize| {
                let device = logits.device();
                let targets = Tensor::new(&targets[..], device)?;
                let weights = Tensor::new(&weights[..], device)?;
                let found = cross_entropy(&(logits * 8.0)?, &targets, weighted.then_some(&weights))?;
                Ok(if what == 0 { found.loss } else { found.per_example })
            };
            if weighted && n == 1 {
                continue;
            }
            let what = format!("{n} of {k}, weighted: {weighted}");
            both(&device, &what, &[&logits], &|v| of(&v[0], 0));
            let each = |device: &Device| host(&of(&on(device, &logits), 1).unwrap());
            assert_close(&each(&device), &each(&Device::Cpu), 1e-5, &what);
        }
    }
    // Not a number for a target that is no class, without reading beyond the row.
    let loss = cross_entropy(
        &Tensor::zeros((2, 3), candle_core::DType::F32, &device).unwrap(),
        &Tensor::new(&[3u32, 0], &device).unwrap(),
        None,
    );
    let each = host(&loss.unwrap().per_example).to_vec1::<f32>().unwrap();
    assert!(each[0].is_nan() && (each[1] - 3f32.ln()).abs() < 1e-6);
}

#[test]
fn steps_are_those_of_the_cpu() {
    let Some(device) = gpu() else { return };
    let all = [
        SgdConfig::default(),
        SgdConfig { weight_decay: 0.01, ..SgdConfig::default() },
        SgdConfig { momentum: 0.9, nesterov: false, weight_decay: 0.01 },
        SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 0.01 },
    ];
    for config in all {
        let stepped = |device: &Device| {
            let v = on(device, &var(&[70_001], 1));
            let mut sgd = Sgd::new(vec![v.clone()], config).unwrap();
            for _ in 0..3 {
                let loss = v.sqr().unwrap().sum_all().unwrap();
                sgd.step(&loss.backward().unwrap(), 0.1).unwrap();
            }
            host(&v)
        };
        assert_close(&stepped(&device), &stepped(&Device::Cpu), 5e-6, &format!("{config:?}"));
    }
}
