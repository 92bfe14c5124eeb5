//! What a transformer has between its linear layers, against candle's operations in `f64`: the softmax of its scores, its
//! activation.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use ss_kernels::{Backend, gelu, masked_softmax};
use support::*;

/// Minus infinity above the diagonal, some number elsewhere.
fn mask(t: usize, s: usize) -> Tensor {
    let value = |i: usize| if i % s > i / s { f32::NEG_INFINITY } else { (i as f32).sin() };
    Tensor::from_iter((0..t * s).map(value), &Device::Cpu).unwrap().reshape((t, s)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn softmax_agrees_with_stock(
        (n, t, s) in (1_usize..70, 1_usize..40, 1_usize..40),
        size in 0.1_f64..30.0,
        scale in 0.05_f64..2.0,
    ) {
        let x = Var::from_tensor(&(var(&[n, t, s], 1).as_tensor() * size).unwrap().detach()).unwrap();
        let (xd, mask) = (double(&x), mask(t, s));
        let expected = masked_softmax(&xd, &mask.to_dtype(DType::F64).unwrap(), scale).unwrap();
        let e = probe(&expected, 4).unwrap().backward().unwrap();
        each_isa(|isa| {
            let found = masked_softmax(&x, &mask, scale).unwrap();
            assert_close(&found, &expected, 2e-5, &format!("{isa:?} shares"));
            let g = probe(&found, 4).unwrap().backward().unwrap();
            // scale * share * (p - mean of p): beside the terms that it may be a small difference of, which are at most 1 each.
            let (found, wanted) = (flat(g.get(&x).unwrap()), flat(e.get(&xd).unwrap()));
            for ((f, e), share) in found.iter().zip(&wanted).zip(flat(&expected)) {
                // Below 1e-36 exponentials run out of f32.
                assert!((f - e).abs() <= 2e-5 * scale * (2.0 * share) + 1e-36, "{isa:?} gradient {f}, expected {e}");
            }
        });
    }

    #[test]
    fn gelu_agrees_with_candles((n, d) in (1_usize..200, 1_usize..200), size in 1e-5_f64..12.0) {
        let x = Var::from_tensor(&(var(&[n, d], 1).as_tensor() * size).unwrap().detach()).unwrap();
        let xd = double(&x);
        let expected = gelu(&xd).unwrap();
        let e = probe(&expected, 4).unwrap().backward().unwrap();
        each_isa(|isa| {
            let found = gelu(&x).unwrap();
            assert_close(&found, &expected, 1e-6, &format!("{isa:?} result"));
            let g = probe(&found, 4).unwrap().backward().unwrap();
            // Candle's derivative has six digits of 1 / sqrt(2 pi).
            assert_close(g.get(&x).unwrap(), e.get(&xd).unwrap(), 3e-6, &format!("{isa:?} gradient"));
        });
    }
}

/// `0.5 x (1 + erf(x / sqrt 2))` and its derivative by torch 2.15.0, in double precision:
/// `F.gelu(x).sum().backward()` at these `x`.
#[test]
fn gelu_equals_pytorch() {
    let at = [-6f32, -2.5, -0.75, -1e-5, 0.0, 3e-4, 0.5, 1.0, 4.0];
    let expected = [
        -5.919525869480e-09,
        -1.552416331444e-02,
        -1.699705142827e-01,
        -4.999959979463e-06,
        0.000000000000e+00,
        1.500359119327e-04,
        3.457312306370e-01,
        8.413447460685e-01,
        3.999873315033e+00,
    ];
    let slopes = [
        -3.546870945403e-08,
        -3.761108590815e-02,
        7.742782607648e-04,
        4.999920211546e-01,
        5.000000000000e-01,
        5.002393653724e-01,
        8.674951246562e-01,
        1.083315470588e+00,
        1.000503649661e+00,
    ];
    let x = Var::new(&at, &Device::Cpu).unwrap();
    let y = gelu(&x).unwrap();
    let g = y.sum_all().unwrap().backward().unwrap();
    for (found, expected) in flat(&y).iter().zip(expected) {
        assert!((found - expected).abs() < 3e-7 * (1.0 + expected.abs()), "{found} {expected}");
    }
    for (found, expected) in flat(g.get(&x).unwrap()).iter().zip(slopes) {
        assert!((found - expected).abs() < 5e-7, "{found} {expected}");
    }
}

#[test]
fn threads_change_nothing_and_nan_stays_in_its_row() {
    let (x, mask) = (var(&[40, 33, 33], 1), mask(33, 33));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let y = gelu(&masked_softmax(&x, &mask, 0.7).unwrap()).unwrap();
            let g = probe(&y, 4).unwrap().backward().unwrap();
            [flat(&y), flat(g.get(&x).unwrap())]
        })
    };
    assert!(run(1) == run(3));
    let x = Tensor::new(&[[1f32, f32::NAN], [1.0, 2.0]], &Device::Cpu).unwrap();
    let open = Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap();
    let nan: Vec<bool> = flat(&masked_softmax(&x, &open, 1.0).unwrap()).iter().map(|v| v.is_nan()).collect();
    assert_eq!(nan, [true, true, false, false]);
}

#[test]
fn backends_agree_and_what_does_not_fit_is_refused() {
    let (x, m) = (var(&[3, 5, 5], 1), mask(5, 5));
    for backend in [Backend::Kernels, Backend::Candle] {
        let shares = backend.masked_softmax(&x, &m, 0.5).unwrap();
        assert_close(&shares, &masked_softmax(&x, &m, 0.5).unwrap(), 1e-6, "shares");
        assert_close(
            &shares.sum(2).unwrap(),
            &Tensor::ones((3, 5), DType::F32, &Device::Cpu).unwrap(),
            1e-6,
            "sums",
        );
        assert_close(&backend.gelu(&x).unwrap(), &gelu(&x).unwrap(), 1e-6, "gelu");
        let message = backend.masked_softmax(&x, &mask(5, 4), 1.0).unwrap_err().to_string();
        assert!(message.contains("[3, 5, 5]") && message.contains("[5, 4]"), "{message}");
    }
}
