//! Layer normalisation against candle's operations in `f64` and against PyTorch.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use ss_kernels::{Backend, layer_norm};
use support::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn agrees_with_stock((n, d) in (1_usize..200, 1_usize..70), mean in -20.0_f64..20.0) {
        let x = Var::from_tensor(&(var(&[n, d], 1).as_tensor() + mean).unwrap().detach()).unwrap();
        let (scale, shift) = (var(&[d], 2), var(&[d], 3));
        let doubles = [double(&x), double(&scale), double(&shift)];
        // Of rows of one value, and of small variance, eps decides.
        let eps = 1e-2;
        let y = layer_norm(&x, &scale, &shift, eps).unwrap();
        let expected = layer_norm(&doubles[0], &doubles[1], &doubles[2], eps).unwrap();
        assert_close(&y, &expected, 5e-5, "result");
        let g = probe(&y, 4).unwrap().backward().unwrap();
        let e = probe(&expected, 4).unwrap().backward().unwrap();
        for (var, double) in [&x, &scale, &shift].into_iter().zip(&doubles) {
            assert_close(g.get(var).unwrap(), e.get(double).unwrap(), 2e-4, "gradient");
        }
    }
}

fn pattern(dims: &[usize], phase: f64, scale: f64, plus: f64) -> Var {
    let values = (0..dims.iter().product::<usize>())
        .map(|i| (scale * (0.7 * i as f64 + phase).sin() + plus) as f32)
        .collect::<Vec<_>>();
    Var::from_vec(values, dims, &Device::Cpu).unwrap()
}

#[test]
fn results_and_gradients_equal_pytorch() {
    // tests/oracle/layer_norm.py, PyTorch 2.15.0.
    let expected = [
        [-1.738_332_189, 1.193_191_173, 0.800_423_469, -1.168_890_935, 0.589_058_728],
        [1.443_295_594, -1.282_224_893, -1.152_995_014, -0.817_835_629, -3.800_866_033],
    ];
    let expected_x = [
        [-0.263_863_726, -0.628_918_156, -0.217_142_927, 0.752_824_514, 0.357_100_295],
        [0.041_390_263, 0.420_537_608, -0.034_852_214, -0.629_383_211, 0.202_307_554],
    ];
    let expected_scale = [-0.296_404_803, -0.871_626_85, -2.180_244_658, -0.658_533_249, 0.915_398_471];
    let expected_shift = [0.355_798_534, 0.286_448_597, 0.082_377_409, -0.160_437_162, -0.327_795_628];
    let x = pattern(&[2, 5], 0.1, 3.0, 1.0);
    let (scale, shift) = (pattern(&[5], 1.3, 2.0, 0.0), pattern(&[5], 2.0, 1.0, 0.0));
    let device = &Device::Cpu;
    for backend in [Backend::Kernels, Backend::Candle] {
        let y = backend.layer_norm(&x, &scale, &shift, 1e-5).unwrap();
        let upstream = pattern(&[2, 5], 2.9, 1.0, 0.0);
        let g = (&y * upstream.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        assert_close(&y, &Tensor::new(&expected, device).unwrap(), 2e-6, "result");
        assert_close(g.get(&x).unwrap(), &Tensor::new(&expected_x, device).unwrap(), 2e-6, "x");
        assert_close(g.get(&scale).unwrap(), &Tensor::new(&expected_scale, device).unwrap(), 2e-6, "scale");
        assert_close(g.get(&shift).unwrap(), &Tensor::new(&expected_shift, device).unwrap(), 2e-6, "shift");
    }
}

#[test]
fn threads_change_nothing() {
    let (x, scale, shift) = (var(&[700, 64], 1), var(&[64], 2), var(&[64], 3));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let y = layer_norm(&x, &scale, &shift, 1e-5).unwrap();
            let g = probe(&y, 4).unwrap().backward().unwrap();
            [&y, g.get(&x).unwrap(), g.get(&scale).unwrap(), g.get(&shift).unwrap()].map(flat)
        })
    };
    let one = run(1);
    assert!(one.iter().flatten().all(|value| value.is_finite()));
    assert!(run(3) == one);
}

#[test]
fn views_are_taken_and_what_does_not_fit_is_refused() {
    let (x, scale, shift) = (var(&[6, 4], 1), var(&[6], 2), var(&[6], 3));
    let y = layer_norm(&x.t().unwrap(), &scale, &shift, 1e-5).unwrap();
    let expected = layer_norm(&x.t().unwrap().contiguous().unwrap(), &scale, &shift, 1e-5).unwrap();
    assert_eq!(flat(&y), flat(&expected));
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(grads.get(&x).unwrap().dims(), [6, 4]);
    let says = |x: &Tensor, scale: &Tensor, eps: f64, word: &str| {
        let message = layer_norm(x, scale, &shift, eps).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    };
    says(&x, &scale, 1e-5, "each of 4 columns, found [6]");
    says(&x.t().unwrap(), &scale, 0.0, "eps must be positive");
    says(&Tensor::zeros((0, 6), DType::F32, &Device::Cpu).unwrap(), &scale, 1e-5, "at least one value");
}
