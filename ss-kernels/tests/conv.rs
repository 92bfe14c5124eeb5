//! Convolutions against candle's own in `f64`, over random shapes and every instruction set.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use ss_kernels::{Activation, Conv2dSpec, conv2d, conv2d_folded};
use support::*;

/// f32 sums of up to a few thousand products of values in [-1, 1], relative to the largest result.
const TOLERANCE: f64 = 2e-5;

#[derive(Debug, Clone)]
struct Case {
    n: usize,
    h: usize,
    w: usize,
    groups: usize,
    cg: usize,
    og: usize,
    kh: usize,
    kw: usize,
    stride: usize,
    padding: usize,
}

impl Case {
    fn spec(&self) -> Conv2dSpec {
        Conv2dSpec { stride: self.stride, padding: self.padding, groups: self.groups }
    }
    fn fits(&self) -> bool {
        self.h + 2 * self.padding >= self.kh && self.w + 2 * self.padding >= self.kw
    }
}

fn check(case: &Case) {
    let spec = case.spec();
    let x = var(&[case.n, case.cg * case.groups, case.h, case.w], 1);
    let w = var(&[case.og * case.groups, case.cg, case.kh, case.kw], 2);
    let (xd, wd) = (double(&x), double(&w));
    let expected = conv2d(&xd, &wd, spec).unwrap();
    let expected_grads = probe(&expected, 3).unwrap().backward().unwrap();
    each_isa(|isa| {
        let what = format!("{isa:?} {case:?}");
        let y = conv2d(&x, &w, spec).unwrap();
        assert_close(&y, &expected, TOLERANCE, &what);
        let grads = probe(&y, 3).unwrap().backward().unwrap();
        let (dx, dw) = (grads.get(&x).unwrap(), grads.get(&w).unwrap());
        assert_close(dx, expected_grads.get(&xd).unwrap(), TOLERANCE, &format!("dx {what}"));
        assert_close(dw, expected_grads.get(&wd).unwrap(), TOLERANCE, &format!("dw {what}"));
    });
}

fn cases() -> impl Strategy<Value = Case> {
    let groups = prop_oneof![4 => Just(1usize), 1 => 2usize..4];
    let channels = || prop_oneof![1usize..6, Just(8), Just(16), Just(17), Just(32), Just(40)];
    (
        (1usize..5, 1usize..12, 1usize..12),
        (groups, channels(), channels()),
        (1usize..5, 1usize..5, 1usize..4, 0usize..3),
    )
        .prop_map(|((n, h, w), (groups, cg, og), (kh, kw, stride, padding))| Case {
            n,
            h,
            w,
            groups,
            cg,
            og,
            kh,
            kw,
            stride,
            padding,
        })
        .prop_filter("kernel larger than the input", Case::fits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn agrees_with_stock(case in cases()) {
        check(&case);
    }

    #[test]
    fn depthwise_agrees_with_stock(
        (n, h, w) in (1usize..4, 1usize..14, 1usize..14),
        (groups, k) in (2usize..40, prop_oneof![Just(3usize), 1usize..4]),
        (stride, padding) in (1usize..4, 0usize..3),
    ) {
        let case =
            Case { n, h, w, groups, cg: 1, og: 1, kh: k, kw: k, stride, padding };
        prop_assume!(case.fits());
        check(&case);
    }

    // The shapes that residual networks are made of.
    #[test]
    fn residual_network_layers_agree_with_stock(
        n in prop_oneof![1usize..4, Just(9), Just(33)],
        size in prop_oneof![Just(1usize), Just(2), Just(3), Just(4), Just(7), Just(8), Just(14)],
        (c, o) in (
            prop_oneof![Just(1usize), Just(3), Just(16), Just(32), Just(64)],
            prop_oneof![Just(16usize), Just(32), Just(64), Just(96)],
        ),
        (k, stride) in (prop_oneof![Just(1usize), Just(3)], 1usize..3),
    ) {
        check(&Case {
            n, h: size, w: size, groups: 1, cg: c, og: o, kh: k, kw: k, stride, padding: k / 2,
        });
    }
}

/// Residual joins, foreign operations between ours, the same tensor used twice.
#[test]
fn gradients_flow_through_any_graph() {
    let spec = Conv2dSpec { stride: 1, padding: 1, groups: 1 };
    let run = |x: &Tensor, w: &Tensor| -> Tensor {
        let a = conv2d(x, w, spec).unwrap();
        let b = conv2d(&a.relu().unwrap(), w, spec).unwrap();
        let c = conv2d(&a, w, spec).unwrap();
        let d = ((b + c).unwrap() + &a).unwrap();
        let e = conv2d(&d.narrow(2, 1, 4).unwrap(), w, spec).unwrap();
        (probe(&e, 5).unwrap() + probe(&a, 6).unwrap()).unwrap()
    };
    let (x, w) = (var(&[2, 4, 6, 5], 1), var(&[4, 4, 3, 3], 2));
    let (xd, wd) = (double(&x), double(&w));
    let (ours, stock) = (run(&x, &w), run(&xd, &wd));
    assert_close(&ours, &stock, TOLERANCE, "value");
    for _ in 0..2 {
        // Twice: the backward pass leaves nothing behind.
        let (g, e) = (ours.backward().unwrap(), stock.backward().unwrap());
        assert_close(g.get(&x).unwrap(), e.get(&xd).unwrap(), TOLERANCE, "dx");
        assert_close(g.get(&w).unwrap(), e.get(&wd).unwrap(), TOLERANCE, "dw");
    }
}

#[test]
fn folded_is_conv_scale_shift_residual_relu() {
    for (c, o, size, stride) in [(3, 16, 9, 1), (16, 40, 8, 2), (5, 7, 4, 1), (64, 64, 8, 1)] {
        let spec = Conv2dSpec { stride, padding: 1, groups: 1 };
        let (x, w) = (var(&[3, c, size, size], 1), var(&[o, c, 3, 3], 2));
        let (scale, shift) = (var(&[o], 3), var(&[o], 4));
        let out = (size - 1) / stride + 1;
        let residual = var(&[3, o, out, out], 5);
        for (residual, act) in [
            (None, Activation::Identity),
            (None, Activation::Relu),
            (Some(&residual), Activation::Relu),
            (Some(&residual), Activation::Identity),
            (Some(&residual), Activation::Relu6),
        ] {
            let double_residual = residual.map(double);
            let expected = conv2d_folded(
                &double(&x),
                &double(&w),
                spec,
                &double(&scale),
                &double(&shift),
                double_residual.as_deref(),
                act,
            )
            .unwrap();
            each_isa(|isa| {
                let r = residual.map(|r| r.as_tensor());
                let y = conv2d_folded(&x, &w, spec, &scale, &shift, r, act).unwrap();
                assert!(!y.track_op());
                // ReLU6 cuts off the largest values, to which rounding is relative.
                let tolerance = if act == Activation::Relu6 { 5.0 * TOLERANCE } else { TOLERANCE };
                assert_close(&y, &expected, tolerance, &format!("{isa:?} {c} {o} {act:?}"));
            });
        }
    }
}

#[test]
fn bad_shapes_are_refused() {
    let t = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let d = Conv2dSpec::default();
    for (x, w, spec) in [
        (t(&[1, 3, 4, 4]), t(&[2, 4, 3, 3]), d),
        (t(&[1, 3, 2, 2]), t(&[2, 3, 3, 3]), d),
        (t(&[1, 3, 4, 4]), t(&[2, 3, 3, 3]), Conv2dSpec { stride: 0, ..d }),
        (t(&[1, 4, 4, 4]), t(&[3, 2, 3, 3]), Conv2dSpec { groups: 2, ..d }),
        (t(&[0, 3, 4, 4]), t(&[2, 3, 3, 3]), d),
    ] {
        let message = conv2d(&x, &w, spec).unwrap_err().to_string();
        assert!(message.contains("conv2d:"), "{message}");
    }
}
