//! Batch normalisation against candle's operations in `f64`, over random shapes.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;
use ss_kernels::{Activation, batch_norm_eval, batch_norm_train};
use support::*;

const TOLERANCE: f64 = 2e-5;
/// Gradients pass through differences of large sums.
const GRAD_TOLERANCE: f64 = 2e-4;

fn check(n: usize, c: usize, h: usize, w: usize, residual: bool, act: Activation, train: bool) {
    let x = var(&[n, c, h, w], 1);
    // Shifts to 8, so that some values are above the six of ReLU6.
    let shift = if act == Activation::Relu6 {
        (var(&[c], 3).as_tensor() * 8.0).unwrap()
    } else {
        var(&[c], 3).as_tensor().clone()
    };
    let (scale, shift) = (var(&[c], 2), Var::from_tensor(&shift).unwrap());
    let r = residual.then(|| var(&[n, c, h, w], 4));
    let (mean, variance) = (var(&[c], 5), var(&[c], 6).sqr().unwrap());
    let run = |x: &Tensor, scale: &Tensor, shift: &Tensor, r: Option<&Tensor>| {
        if train {
            batch_norm_train(x, scale, shift, r, 1e-5, act).unwrap()
        } else {
            let mean = mean.to_dtype(x.dtype()).unwrap();
            let var = variance.to_dtype(x.dtype()).unwrap();
            let y = batch_norm_eval(x, &mean, &var, scale, shift, r, 1e-5, act).unwrap();
            (y, ss_kernels::BatchStats { mean, var })
        }
    };
    let (xd, sd, bd) = (double(&x), double(&scale), double(&shift));
    let rd = r.as_ref().map(double);
    let (expected, expected_stats) = run(&xd, &sd, &bd, rd.as_deref());
    let eg = probe(&expected, 7).unwrap().backward().unwrap();
    each_isa(|isa| {
        let what = format!("{isa:?} {n} {c} {h} {w} residual {residual} {act:?} train {train}");
        let (y, stats) = run(&x, &scale, &shift, r.as_deref());
        assert_close(&y, &expected, TOLERANCE, &what);
        assert_close(&stats.mean, &expected_stats.mean, TOLERANCE, &what);
        assert_close(&stats.var, &expected_stats.var, TOLERANCE, &what);
        let g = probe(&y, 7).unwrap().backward().unwrap();
        let pairs: [(&Var, &Var, &str); 3] =
            [(&x, &xd, "dx"), (&scale, &sd, "dscale"), (&shift, &bd, "dshift")];
        for (ours, theirs, name) in pairs {
            let (f, e) = (g.get(ours).unwrap(), eg.get(theirs).unwrap());
            assert_close(f, e, GRAD_TOLERANCE, &format!("{name} {what}"));
        }
        if let (Some(r), Some(rd)) = (&r, &rd) {
            let (f, e) = (g.get(r).unwrap(), eg.get(rd).unwrap());
            assert_close(f, e, GRAD_TOLERANCE, &format!("dresidual {what}"));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn agrees_with_stock(
        n in 1usize..9,
        c in prop_oneof![1usize..6, Just(8), Just(16), Just(17), Just(32), Just(64), Just(100)],
        (h, w) in (1usize..9, 1usize..9),
        residual: bool,
        act in prop::sample::select(vec![Activation::Identity, Activation::Relu, Activation::Relu6]),
        train in prop::bool::weighted(0.8),
    ) {
        // The gradient of nearly constant channels is rounding alone.
        prop_assume!(!train || n * h * w >= 8);
        check(n, c, h, w, residual, act, train);
    }
}

#[test]
fn a_large_mean_does_not_cancel() {
    let dims = [16, 20, 8, 8];
    let x = Tensor::from_vec(values(16 * 20 * 64, 1), &dims, &Device::Cpu).unwrap();
    let x = (x + 1000.0).unwrap();
    let one = Tensor::ones(20, candle_core::DType::F32, &Device::Cpu).unwrap();
    let zero = one.zeros_like().unwrap();
    let xd = x.to_dtype(candle_core::DType::F64).unwrap();
    let (od, zd) =
        (one.to_dtype(candle_core::DType::F64).unwrap(), zero.to_dtype(candle_core::DType::F64).unwrap());
    let act = Activation::Identity;
    let (_, expected) = batch_norm_train(&xd, &od, &zd, None, 1e-5, act).unwrap();
    each_isa(|isa| {
        let (_, stats) = batch_norm_train(&x, &one, &zero, None, 1e-5, act).unwrap();
        assert_close(&stats.var, &expected.var, 1e-3, &format!("{isa:?}"));
        assert_close(&stats.mean, &expected.mean, 1e-6, &format!("{isa:?}"));
    });
}

#[test]
fn a_nan_is_not_hidden_by_relu() {
    let mut v = values(4 * 3 * 4, 1);
    v[5] = f32::NAN;
    let x = Tensor::from_vec(v, &[4, 3, 2, 2], &Device::Cpu).unwrap();
    let one = Tensor::ones(3, candle_core::DType::F32, &Device::Cpu).unwrap();
    each_isa(|_| {
        for act in [Activation::Relu, Activation::Relu6] {
            let (y, _) = batch_norm_train(&x, &one, &one, None, 1e-5, act).unwrap();
            let nans = flat(&y).iter().filter(|v| v.is_nan()).count();
            assert_eq!(nans, 16, "all values of the poisoned channel");
        }
    });
}

#[test]
fn bad_arguments_are_refused() {
    let x = var(&[2, 3, 2, 2], 1);
    let (three, four) = (var(&[3], 1), var(&[4], 1));
    let act = Activation::Relu;
    assert!(batch_norm_train(&x, &four, &three, None, 1e-5, act).is_err());
    assert!(batch_norm_train(&x, &three, &three, Some(&three), 1e-5, act).is_err());
    assert!(batch_norm_train(&x, &three, &three, None, 0.0, act).is_err());
    assert!(batch_norm_train(&three, &three, &three, None, 1e-5, act).is_err());
}
