//! Channel gates against candle's operations in `f64`, over random shapes.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Var;
use proptest::prelude::*;
use ss_kernels::{Activation, channel_gate};
use support::*;

const TOLERANCE: f64 = 2e-5;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn agrees_with_stock(
        n in 1usize..5,
        c in prop_oneof![1usize..6, Just(8), Just(16), Just(17), Just(40)],
        (h, w) in (1usize..7, 1usize..7),
        residual: bool,
        act in prop::sample::select(vec![Activation::Identity, Activation::Relu, Activation::Relu6]),
    ) {
        let (x, gate) = (var(&[n, c, h, w], 1), var(&[n, c], 2));
        let r = residual.then(|| var(&[n, c, h, w], 3));
        let (xd, gd, rd) = (double(&x), double(&gate), r.as_ref().map(double));
        let expected = channel_gate(&xd, &gd, rd.as_deref(), act).unwrap();
        let eg = probe(&expected, 7).unwrap().backward().unwrap();
        each_isa(|isa| {
            let what = format!("{isa:?} {n} {c} {h} {w} residual {residual} {act:?}");
            let y = channel_gate(&x, &gate, r.as_deref(), act).unwrap();
            assert_close(&y, &expected, TOLERANCE, &what);
            let g = probe(&y, 7).unwrap().backward().unwrap();
            let mut pairs: Vec<(&Var, &Var, &str)> = vec![(&x, &xd, "dx"), (&gate, &gd, "dgate")];
            pairs.extend(r.as_ref().zip(rd.as_ref()).map(|(r, rd)| (r, rd, "dresidual")));
            for (ours, theirs, name) in pairs {
                let (f, e) = (g.get(ours).unwrap(), eg.get(theirs).unwrap());
                assert_close(f, e, TOLERANCE, &format!("{name} {what}"));
            }
        });
    }
}

#[test]
fn bad_arguments_are_refused() {
    let (x, gate) = (var(&[2, 3, 2, 2], 1), var(&[2, 3], 2));
    for (x, gate, residual) in [(&x, &var(&[3, 2], 2), None), (&gate, &gate, None), (&x, &gate, Some(&gate))]
    {
        let residual = residual.map(|r: &Var| r.as_tensor());
        assert!(channel_gate(x, gate, residual, Activation::Identity).is_err());
    }
}
