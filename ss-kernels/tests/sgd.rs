//! The update against the definition, written out in `f64`.

#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use ss_kernels::{Sgd, SgdConfig};
use support::*;

proptest! {
    #[test]
    fn follows_the_definition(
        len in 1usize..300,
        momentum in prop_oneof![Just(0.0), 0.1f64..0.99],
        nesterov: bool,
        weight_decay in prop_oneof![Just(0.0), 1e-4f64..0.1],
        double_precision: bool,
    ) {
        let nesterov = nesterov && momentum > 0.0;
        let config = SgdConfig { momentum, nesterov, weight_decay };
        let p = if double_precision { double(&var(&[len], 1)) } else { var(&[len], 1) };
        let mut expected = flat(&p);
        let mut buffer = vec![0.0; len];
        let mut sgd = Sgd::new(vec![p.clone()], config).unwrap();
        for step in 0..4u64 {
            let lr = 0.1 / (step + 1) as f64;
            let grads = probe(&p.sqr().unwrap(), 10 + step).unwrap().backward().unwrap();
            let g = flat(grads.get(&p).unwrap());
            sgd.step(&grads, lr).unwrap();
            for i in 0..len {
                let g = g[i] + weight_decay * expected[i];
                buffer[i] = momentum * buffer[i] + g;
                expected[i] -= lr * if nesterov { g + momentum * buffer[i] } else { buffer[i] };
            }
        }
        for (f, e) in flat(&p).iter().zip(&expected) {
            prop_assert!((f - e).abs() < 1e-5, "{f} {e}");
        }
    }
}

#[test]
fn bad_settings_are_refused() {
    let d = SgdConfig::default();
    for config in [
        SgdConfig { momentum: 1.0, ..d },
        SgdConfig { momentum: -0.1, ..d },
        SgdConfig { nesterov: true, ..d },
        SgdConfig { weight_decay: f64::NAN, ..d },
    ] {
        assert!(Sgd::new(vec![], config).is_err());
    }
    let p = var(&[3], 1);
    let grads = p.sum_all().unwrap().backward().unwrap();
    let mut sgd = Sgd::new(vec![p], d).unwrap();
    assert!(sgd.step(&grads, f64::NAN).is_err());
}

#[test]
fn parameters_without_gradient_stay() {
    let (p, q) = (var(&[3], 1), var(&[3], 2));
    let before = flat(&q);
    let grads = p.sum_all().unwrap().backward().unwrap();
    let config = SgdConfig { momentum: 0.9, nesterov: false, weight_decay: 0.1 };
    Sgd::new(vec![p, q.clone()], config).unwrap().step(&grads, 0.1).unwrap();
    assert_eq!(flat(&q), before);
}
