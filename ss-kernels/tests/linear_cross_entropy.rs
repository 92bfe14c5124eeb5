//! Classifier and loss in one against the two in turn, in `f64` by candle's operations.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use ss_kernels::{Backend, cross_entropy, linear, linear_cross_entropy};
use support::*;

fn scaled(dims: &[usize], seed: u64, scale: f64) -> Var {
    Var::from_tensor(&(var(dims, seed).as_tensor() * scale).unwrap().detach()).unwrap()
}

fn targets(n: usize, k: usize) -> Tensor {
    // The first and the last class among them, and some several times.
    let target = |i: usize| if i == 0 { k - 1 } else { i / 2 * 7_919 % k };
    Tensor::from_vec((0..n).map(|i| target(i) as u32).collect::<Vec<_>>(), n, &Device::Cpu).unwrap()
}

/// Losses and gradients of `[n, d]` times `[k, d]`, against double precision.
fn compare((n, d, k): (usize, usize, usize), weighted: bool, scale: f64) {
    let (x, weight, targets) = (scaled(&[n, d], 1, scale), scaled(&[k, d], 2, 1.0), targets(n, k));
    let weights = weighted.then(|| (var(&[n], 3).abs().unwrap() + 0.01).unwrap());
    let (xd, wd) = (double(&x), double(&weight));
    let double_weights = weights.as_ref().map(|w| w.to_dtype(DType::F64).unwrap());
    let logits = linear(&xd, &wd).unwrap();
    let expected = cross_entropy(&logits, &targets, double_weights.as_ref()).unwrap();
    let e = (expected.loss.clone() * 3.0).unwrap().backward().unwrap();
    each_isa(|isa| {
        let shape = format!("{isa:?} {n} rows, {d} wide, {k} classes");
        let found = linear_cross_entropy(&x, &weight, &targets, weights.as_ref()).unwrap();
        assert_close(&found.loss, &expected.loss, 1e-5, &shape);
        assert_close(&found.per_example, &expected.per_example, 1e-5, &shape);
        let g = (found.loss * 3.0).unwrap().backward().unwrap();
        for (var, double) in [(&x, &xd), (&weight, &wd)] {
            let (found, expected) = (g.get(var).unwrap(), e.get(double).unwrap());
            // Relative to the largest value, which `assert_close` takes to be at least 0.001.
            let largest = expected.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            let to_one = 1.0 / largest.max(1e-9);
            assert_close(&(found * to_one).unwrap(), &(expected * to_one).unwrap(), 3e-5, &shape);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn agrees_with_the_two_in_turn(
        (n, d, k) in (1_usize..150, 1_usize..40, 1_usize..700),
        weighted: bool,
        scale in 0.1_f64..10.0,
    ) {
        compare((n, d, k), weighted, scale);
    }
}

#[test]
fn shapes_that_do_not_divide_evenly() {
    // Blocks of rows, tiles and strips of classes, vectors: whole ones, one more, one less.
    for shape in [
        (1, 3, 2),
        (1, 1, 1),
        (129, 3, 8191),
        (257, 2, 8193),
        (17, 5, 4097),
        (128, 33, 320),
        (127, 32, 65),
        (40, 64, 50_257),
    ] {
        for weighted in [false, true] {
            compare(shape, weighted, 1.0);
        }
    }
}

fn pattern(rows: usize, columns: usize, phase: f64, scale: f64) -> Var {
    let values = (0..rows * columns).map(|i| (scale * (0.7 * i as f64 + phase).sin()) as f32);
    Var::from_vec(values.collect::<Vec<_>>(), (rows, columns), &Device::Cpu).unwrap()
}

#[test]
fn losses_and_gradients_equal_pytorch() {
    // tests/oracle/linear_cross_entropy.py, PyTorch 2.15.0.
    let expected_each = [0.993_654_037, 1.054_942_492, 22.042_908_040, 1.110_914_405, 5.404_044_408];
    let expected_x = [
        [-4.028_442_178e-3, -5.110_078_043e-3, -3.788_364_357e-3],
        [0.0, 0.0, 0.0],
        [-7.584_501_101e-1, -1.061_511_131, -8.653_268_808e-1],
        [-2.143_025_648e-3, -1.140_851_078e-3, 3.978_835_799e-4],
        [1.119_580_581, 1.574_085_301, 1.288_273_108],
    ];
    let expected_weight = [
        [3.271_994_209e-1, -4.944_015_166e-2, -4.028_272_484e-1],
        [-1.493_861_632, -7.188_187_534e-1, 3.942_958_167e-1],
        [-3.668_799_801e-5, 1.795_731_075e-3, 2.783_589_765e-3],
        [1.207_968_859, 9.830_427_867e-1, 2.957_763_316e-1],
        [-4.472_539_035e-1, -4.715_992_681e-1, -2.741_441_281e-1],
        [8.979_332_129e-5, 2.251_996_513e-3, 3.355_050_556e-3],
        [4.058_941_504e-1, 2.527_676_589e-1, -1.923_941_22e-2],
    ];
    let (x, weight) = (pattern(5, 3, 0.1, 3.0), pattern(7, 3, 1.3, 2.0));
    let targets = Tensor::new(&[0u32, 6, 3, 3, 1], &Device::Cpu).unwrap();
    let weights = Tensor::new(&[1f32, 0.0, 2.0, 0.5, 3.0], &Device::Cpu).unwrap();
    let close = |found: &Tensor, expected: &Tensor| {
        assert_close(found, &expected.to_dtype(DType::F64).unwrap(), 2e-6, "PyTorch")
    };
    let device = &Device::Cpu;
    for backend in [Backend::Kernels, Backend::Candle] {
        let found = backend.linear_cross_entropy(&x, &weight, &targets, Some(&weights)).unwrap();
        close(&found.loss, &Tensor::new(9.514_932_391, device).unwrap());
        close(&found.per_example, &Tensor::new(&expected_each, device).unwrap());
        let g = found.loss.backward().unwrap();
        close(g.get(&x).unwrap(), &Tensor::new(&expected_x, device).unwrap());
        close(g.get(&weight).unwrap(), &Tensor::new(&expected_weight, device).unwrap());
    }
}

#[test]
fn threads_change_nothing() {
    let (n, d, k) = (150, 24, 2_050);
    let (x, weight, targets) = (var(&[n, d], 1), var(&[k, d], 2), targets(n, k));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let out = linear_cross_entropy(&x, &weight, &targets, None).unwrap();
            let g = out.loss.backward().unwrap();
            let values = [&out.loss, &out.per_example, g.get(&x).unwrap(), g.get(&weight).unwrap()];
            values.map(flat)
        })
    };
    let one = run(1);
    assert!(one.iter().flatten().all(|value| value.is_finite()));
    for threads in [2, 3, 5] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn only_what_is_tracked_is_differentiated_and_losses_are_the_same() {
    let (x, weight, targets) = (var(&[20, 6], 1), var(&[300, 6], 2), targets(20, 300));
    let both = linear_cross_entropy(&x, &weight, &targets, None).unwrap();
    let all = both.loss.backward().unwrap();
    let (fixed_x, fixed_weight) = (x.as_detached_tensor(), weight.as_detached_tensor());
    let only_x = linear_cross_entropy(&x, &fixed_weight, &targets, None).unwrap();
    let g = only_x.loss.backward().unwrap();
    assert!(g.get(&weight).is_none() && flat(g.get(&x).unwrap()) == flat(all.get(&x).unwrap()));
    let only_weight = linear_cross_entropy(&fixed_x, &weight, &targets, None).unwrap();
    let g = only_weight.loss.backward().unwrap();
    assert!(g.get(&x).is_none() && flat(g.get(&weight).unwrap()) == flat(all.get(&weight).unwrap()));
    let neither = linear_cross_entropy(&fixed_x, &fixed_weight, &targets, None).unwrap();
    assert!(!neither.loss.track_op());
    for other in [only_x, only_weight, neither] {
        assert_eq!(flat(&other.per_example), flat(&both.per_example));
        assert_eq!(flat(&other.loss), flat(&both.loss));
    }
}

/// One number a row, and classes whose weights are its logits.
#[test]
fn small_losses_keep_their_digits_and_extremes_stay_finite() {
    let mut column = vec![0f32; 600];
    (column[599], column[300]) = (30.0, 12.0);
    let weight = Var::from_vec(column, (600, 1), &Device::Cpu).unwrap();
    let x = Var::new(&[[1f32], [1.0], [1e4]], &Device::Cpu).unwrap();
    let targets = Tensor::new(&[599u32, 300, 0], &Device::Cpu).unwrap();
    let out = linear_cross_entropy(&x, &weight, &targets, None).unwrap();
    let each = flat(&out.per_example);
    let rest = 598.0 * (-30f64).exp() + (-18f64).exp();
    assert!((each[0] / rest - 1.0).abs() < 1e-6, "{} {rest}", each[0]);
    assert!((each[1] - 18.0).abs() < 1e-6 && each[2] == 3e5, "{each:?}");
    let g = out.loss.backward().unwrap();
    // Of the first row's target: the other probabilities, with their digits.
    let first = flat(g.get(&x).unwrap())[0] * 3.0;
    let expected = 12.0 * (-18f64).exp() - 30.0 * rest;
    assert!((first / expected - 1.0).abs() < 1e-5, "{first} {expected}");
    assert!(flat(g.get(&weight).unwrap()).iter().all(|value| value.is_finite()));
}

/// A network that has diverged must not look trained.
#[test]
fn nan_stays_in_its_row_and_in_the_loss() {
    let weight = var(&[700, 2], 1);
    for place in [0, 1] {
        let mut rows = vec![0.5f32; 6];
        rows[2 + place] = f32::NAN;
        let x = Var::from_vec(rows, (3, 2), &Device::Cpu).unwrap();
        let targets = Tensor::new(&[0u32, 699, 3], &Device::Cpu).unwrap();
        let out = linear_cross_entropy(&x, &weight, &targets, None).unwrap();
        let nan: Vec<bool> = flat(&out.per_example).iter().map(|loss| loss.is_nan()).collect();
        assert_eq!(nan, [false, true, false]);
        assert!(out.loss.to_scalar::<f32>().unwrap().is_nan());
        let g = out.loss.backward().unwrap();
        assert!(flat(g.get(&weight).unwrap()).iter().any(|value| value.is_nan()));
    }
    // One class of many.
    let mut column = vec![0f32; 700];
    column[650] = f32::NAN;
    let weight = Tensor::from_vec(column, (700, 1), &Device::Cpu).unwrap();
    let x = Tensor::ones((1, 1), DType::F32, &Device::Cpu).unwrap();
    let out = linear_cross_entropy(&x, &weight, &Tensor::new(&[3u32], &Device::Cpu).unwrap(), None).unwrap();
    assert!(out.loss.to_scalar::<f32>().unwrap().is_nan());
}

#[test]
fn views_are_taken_and_what_does_not_fit_is_refused() {
    let (x, weight, t) = (var(&[6, 4], 1), var(&[6, 9], 2), targets(4, 9));
    let (xt, wt) = (x.t().unwrap(), weight.t().unwrap());
    let found = linear_cross_entropy(&xt, &wt, &t, None).unwrap();
    let expected = cross_entropy(&xt.matmul(&weight).unwrap(), &t, None).unwrap();
    assert_close(&found.per_example, &expected.per_example, 1e-6, "views");
    let (g, e) = (found.loss.backward().unwrap(), expected.loss.backward().unwrap());
    assert_close(g.get(&x).unwrap(), e.get(&x).unwrap(), 1e-5, "rows");
    assert_close(g.get(&weight).unwrap(), e.get(&weight).unwrap(), 1e-5, "weight");

    let says = |x: &Tensor, weight: &Tensor, targets: &Tensor, weights: Option<&Tensor>, words: &[&str]| {
        let message = linear_cross_entropy(x, weight, targets, weights).err().unwrap().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    says(&x, &weight, &targets(6, 6), None, &["[6, 4]", "[6, 9]"]);
    says(&xt, &wt, &targets(3, 9), None, &["u32 [4]", "[3]"]);
    says(&xt, &wt, &targets(4, 30), None, &["target 29 of example 0", "classes 9"]);
    let weights = |values: [f32; 4]| Tensor::new(&values, &Device::Cpu).unwrap();
    says(&xt, &wt, &t, Some(&weights([1.0, -1.0, 1.0, 1.0])), &["weight -1 of example 1"]);
    says(&xt, &wt, &t, Some(&weights([0.0; 4])), &["sum to zero"]);
}
