//! Candle's own operations, forced on the CPU, against the kernels: values and gradients.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use candle_core::{DType, Device, Result, Tensor, Var};
use ss_kernels::{Activation, Backend, Conv2dSpec, SgdConfig};
use support::{assert_close, probe, var};

/// Value and gradients in all `vars` of the scalar that `f` makes of a backend.
fn both(vars: &[&Var], what: &str, f: impl Fn(Backend) -> Result<Tensor>) {
    let of = |backend| {
        let y = f(backend).unwrap();
        let grads = probe(&y, 9).unwrap().backward().unwrap();
        (y, vars.iter().map(|v| grads.get(v.as_tensor()).unwrap().clone()).collect::<Vec<_>>())
    };
    let ((y, grads), (expected, expected_grads)) = (of(Backend::Candle), of(Backend::Kernels));
    assert_close(&y, &expected, 1e-5, what);
    for (i, (found, expected)) in grads.iter().zip(&expected_grads).enumerate() {
        assert_close(found, expected, 1e-4, &format!("{what}, gradient {i}"));
    }
}

#[test]
fn a_forced_fallback_computes_what_the_kernels_do() {
    let x = var(&[3, 4, 9, 8], 1);
    let residual = var(&[3, 4, 9, 8], 2);
    let (scale, shift) = (var(&[4], 3), var(&[4], 4));
    for (stride, padding, groups) in [(1, 1, 1), (2, 1, 1), (2, 0, 2), (1, 0, 4)] {
        let w = var(&[8, 4 / groups, 3, 3], 5);
        let spec = Conv2dSpec { stride, padding, groups };
        both(&[&x, &w], &format!("{spec:?}"), |backend| backend.conv2d(&x, &w, spec));
    }
    for act in [Activation::Identity, Activation::Relu, Activation::Relu6] {
        both(&[&x, &residual, &scale, &shift], "batch norm, training", |backend| {
            Ok(backend.batch_norm_train(&x, &scale, &shift, Some(&residual), 1e-5, act)?.0)
        });
        let (mean, variance) = (var(&[4], 6), Tensor::new(&[0.5f32, 1., 2., 3.], &Device::Cpu).unwrap());
        both(&[&x, &residual, &scale, &shift], "batch norm, evaluation", |backend| {
            backend.batch_norm_eval(&x, &mean, &variance, &scale, &shift, Some(&residual), 1e-5, act)
        });
    }
    let gate = var(&[3, 4], 8);
    both(&[&x, &gate, &residual], "gate", |backend| {
        backend.channel_gate(&x, &gate, Some(&residual), Activation::Relu)
    });
    both(&[&x], "mean", |backend| backend.global_avg_pool2d(&x));
    both(&[&x], "maximum", |backend| backend.max_pool2d(&x, 3, 2, 1));
    both(&[&x], "average", |backend| backend.avg_pool2d(&x, 2, 2));
    let logits = var(&[5, 3], 7);
    let targets = Tensor::new(&[0u32, 2, 1, 1, 0], &Device::Cpu).unwrap();
    let weights = Tensor::new(&[1f32, 0., 2., 0.5, 1.], &Device::Cpu).unwrap();
    for weights in [None, Some(&weights)] {
        both(&[&logits], "cross-entropy", |backend| {
            Ok(backend.cross_entropy(&logits, &targets, weights)?.loss)
        });
    }
    let folded = |backend: Backend| {
        let w = var(&[4, 4, 3, 3], 8);
        let spec = Conv2dSpec { padding: 1, ..Conv2dSpec::default() };
        backend.conv2d_folded(&x, &w, spec, &scale, &shift, Some(&residual), Activation::Relu).unwrap()
    };
    assert_close(&folded(Backend::Candle), &folded(Backend::Kernels), 1e-5, "folded");
}

#[test]
fn a_forced_fallback_steps_as_the_kernels_do() {
    let stepped = |backend: Backend| {
        let v = var(&[40], 1);
        let config = SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 0.01 };
        let mut sgd = backend.sgd(vec![v.clone()], config).unwrap();
        for seed in 0..3 {
            sgd.step(&probe(&v.sqr().unwrap(), seed).unwrap().backward().unwrap(), 0.1).unwrap();
        }
        v.as_detached_tensor()
    };
    assert_close(&stepped(Backend::Candle), &stepped(Backend::Kernels), 1e-6, "steps");
}

#[test]
fn bf16_keeps_weights_statistics_and_loss_in_f32() {
    let backend = Backend::CandleBf16;
    let x = var(&[2, 3, 4, 4], 1);
    let (scale, shift) = (var(&[3], 3), var(&[3], 4));
    let run = |backend: Backend| backend.batch_norm_train(&x, &scale, &shift, None, 1e-5, Activation::Relu);
    let ((y, stats), (expected, expected_stats)) = (run(backend).unwrap(), run(Backend::Kernels).unwrap());
    assert_eq!((y.dtype(), stats.mean.dtype(), stats.var.dtype()), (DType::BF16, DType::F32, DType::F32));
    // 8 binary digits.
    assert_close(&y, &expected, 1.0 / 256.0, "batch norm");
    assert_close(&stats.var, &expected_stats.var, 1e-5, "variance");
    let pooled = backend.global_avg_pool2d(&y).unwrap();
    assert_eq!(pooled.dtype(), DType::F32);
    let targets = Tensor::new(&[0u32, 2], &Device::Cpu).unwrap();
    let loss = backend.cross_entropy(&pooled, &targets, None).unwrap().loss;
    assert_eq!(loss.dtype(), DType::F32);
    let grads = loss.backward().unwrap();
    assert_eq!(grads.get(scale.as_tensor()).unwrap().dtype(), DType::F32);
}

/// The gradients are those of PyTorch 2.15.0: `f(x).sum().backward(); x.grad` with `torch.relu`, `torch.nn.functional.relu6` and
/// `max_pool2d(x, 2, 1)` or `max_pool2d(x, 3, 3)` of the same values.
#[test]
fn a_forced_fallback_has_the_gradients_of_the_kernels_at_bends_and_ties() {
    let device = Device::Cpu;
    // The normalisation below changes nothing but the last digits: mean 0, variance 1, no epsilon to speak of.
    let at = [-1.0f32, 0.0, 3.0, 6.0, 7.0, -0.0];
    let x = Var::from_tensor(&Tensor::new(&at, &device).unwrap().reshape((1, 1, 2, 3)).unwrap()).unwrap();
    let (zero, one) =
        (Tensor::zeros(1, DType::F32, &device).unwrap(), Tensor::ones(1, DType::F32, &device).unwrap());
    for (act, values, gradient) in [
        (Activation::Relu, [0.0f32, 0.0, 3.0, 6.0, 7.0, 0.0], [0.0f32, 0.0, 1.0, 1.0, 1.0, 0.0]),
        (Activation::Relu6, [0.0, 0.0, 3.0, 6.0, 6.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    ] {
        for backend in [Backend::Candle, Backend::Kernels] {
            let y =
                backend.batch_norm_eval(&x, &zero, &one, &one, &zero, None, f64::MIN_POSITIVE, act).unwrap();
            let grads = y.sum_all().unwrap().backward().unwrap();
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(flat(&y), values, "{act:?} on {backend:?}");
            assert_eq!(flat(grads.get(x.as_tensor()).unwrap()), gradient, "{act:?} on {backend:?}");
        }
        // Without candle's gradients: not a number, and infinities.
        let odd = Tensor::new(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &device).unwrap();
        let odd = act.apply(&odd).unwrap().to_vec1::<f32>().unwrap();
        assert!(odd[0].is_nan() && odd[1] > 5.0 && odd[2] == 0.0, "{odd:?}");
    }
    // Windows of 2 by 2, every pixel: whole ties, ties in a row, NaN.
    let tied = [1.0f32, 1.0, 0.0, 1.0, 1.0, 2.0, 0.0, 2.0, 2.0];
    let x = Var::from_tensor(&Tensor::new(&tied, &device).unwrap().reshape((1, 1, 3, 3)).unwrap()).unwrap();
    both(&[&x], "ties", |backend| backend.max_pool2d(&x, 2, 1, 0));
    both(&[&x], "ties at a border", |backend| backend.max_pool2d(&x, 2, 1, 1));
    for (kernel, stride, expected) in [
        (2, 1, [1.0f32, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 1.0, 0.0]),
        (3, 3, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    ] {
        let y = Backend::Candle.max_pool2d(&x, kernel, stride, 0).unwrap();
        let grads = y.sum_all().unwrap().backward().unwrap();
        let gradient = grads.get(x.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(gradient, expected);
    }
    let mut poisoned = tied;
    poisoned[0] = f32::NAN;
    let x = Tensor::new(&poisoned, &device).unwrap().reshape((1, 1, 3, 3)).unwrap();
    let nans = |backend: Backend| -> Vec<bool> {
        let y = backend.max_pool2d(&x, 2, 1, 0).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        y.into_iter().map(f32::is_nan).collect()
    };
    assert_eq!(nans(Backend::Candle), [true, false, false, false]);
    assert_eq!(nans(Backend::Candle), nans(Backend::Kernels));
}
