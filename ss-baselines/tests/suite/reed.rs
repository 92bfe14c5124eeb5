//! The bootstrapped loss and its gradient.

use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;
use ss_baselines::{PseudoTarget, Reed};
use ss_kernels::Backend;

const LABELS: [u32; 4] = [0, 0, 1, 2];
const LOGITS: [f32; 12] = [2.0, 0.0, -1.0, 0.5, 1.5, 0.0, 3.0, -2.0, 1.0, 0.1, 0.2, 0.3];

fn labels() -> Tensor {
    Tensor::new(&LABELS, &Device::Cpu).unwrap()
}

fn loss_and_gradient(method: &Reed, logits: &[f32]) -> (f32, Vec<f32>) {
    let logits = Var::from_vec(logits.to_vec(), (4, 3), &Device::Cpu).unwrap();
    let loss = method.loss(Backend::Kernels, &logits, &labels()).unwrap();
    let grads = loss.backward().unwrap();
    let grad = grads.get(logits.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (loss.to_scalar().unwrap(), grad)
}

#[test]
fn loss_and_gradient_agree_with_pytorch() {
    // tests/oracle/losses.py, PyTorch 2.15.0.
    let stopped = Reed::new(PseudoTarget::Soft, 0.95, true).unwrap();
    let cases = [
        (
            Reed::SOFT,
            1.881_698_9,
            [
                -0.040836978,
                0.029470326,
                0.011366653,
                -0.180970354,
                0.145806863,
                0.035163491,
                0.205038318,
                -0.235749728,
                0.03071141,
                0.071795552,
                0.078931075,
                -0.150726628,
            ],
        ),
        (
            stopped,
            1.881_698_9,
            [
                -0.037098751,
                0.02712136,
                0.009977391,
                -0.182584324,
                0.149276283,
                0.033308041,
                0.207955141,
                -0.236098809,
                0.028143668,
                0.071394781,
                0.078903436,
                -0.150298217,
            ],
        ),
        (
            Reed::HARD,
            1.642_250_7,
            [
                -0.039051316,
                0.0285488,
                0.010502517,
                -0.142194026,
                0.10713293,
                0.035061096,
                0.168900149,
                -0.198525062,
                0.029624914,
                0.075152401,
                0.083056248,
                -0.15820865,
            ],
        ),
    ];
    for (method, loss, grad) in cases {
        let found = loss_and_gradient(&method, &LOGITS);
        assert!((found.0 - loss).abs() < 1e-6, "{method:?}: {}", found.0);
        for (a, b) in found.1.iter().zip(grad) {
            assert!((f64::from(*a) - b).abs() < 1e-6, "{method:?}: {a} {b}");
        }
    }
}

#[test]
fn the_share_of_the_label_lies_in_the_unit_interval() {
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(Reed::new(PseudoTarget::Soft, bad, false).unwrap_err().to_string().contains("beta"));
    }
    assert_eq!(Reed::new(PseudoTarget::Hard, 0.8, false).unwrap(), Reed::HARD);
}

proptest! {
    /// In f64, where differences are exact enough. The labels stay on the plain path of the kernels.
    #[test]
    fn the_gradient_agrees_with_finite_differences(
        logits in prop::collection::vec(-4.0_f64..4.0, 12),
        beta in 0.0_f64..=1.0,
        hard in any::<bool>(),
    ) {
        let target = if hard { PseudoTarget::Hard } else { PseudoTarget::Soft };
        let method = Reed::new(target, beta, false).unwrap();
        // Away from ties of the two largest logits, where the hard target jumps.
        let margins = logits.chunks_exact(3).map(|row| {
            let mut row = row.to_vec();
            row.sort_by(f64::total_cmp);
            row[2] - row[1]
        });
        prop_assume!(margins.fold(f64::INFINITY, f64::min) > 1e-3);
        let value = |logits: &[f64]| {
            let logits = Tensor::from_vec(logits.to_vec(), (4, 3), &Device::Cpu).unwrap();
            method.loss(Backend::Kernels, &logits, &labels()).unwrap().to_scalar::<f64>().unwrap()
        };
        let at = Var::from_vec(logits.clone(), (4, 3), &Device::Cpu).unwrap();
        let grads = method.loss(Backend::Kernels, &at, &labels()).unwrap().backward().unwrap();
        let exact: Vec<f64> = grads.get(at.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        for k in 0..12 {
            let (mut up, mut down) = (logits.clone(), logits.clone());
            up[k] += 1e-5;
            down[k] -= 1e-5;
            let numeric = (value(&up) - value(&down)) / 2e-5;
            prop_assert!((numeric - exact[k]).abs() < 1e-7, "{} {}", numeric, exact[k]);
        }
    }
}
