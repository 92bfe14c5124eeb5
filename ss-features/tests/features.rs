//! Features against an independent source, their ranges, and bad input.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::approx_constant, reason = "numbers as the oracle printed them")]

use proptest::prelude::*;
use ss_features::{Error, ExampleFeatures, Logits, compute};

/// loss, renormed_entropy, grad_norm, el2n, margin, confidence.
fn rows(features: &ExampleFeatures) -> Vec<[f64; 6]> {
    let f = features;
    (0..f.loss.len())
        .map(|i| {
            [f.loss[i], f.renormed_entropy[i], f.grad_norm[i], f.el2n[i], f.margin[i], f.confidence[i]]
                .map(f64::from)
        })
        .collect()
}

/// Within the rounding of f32.
fn assert_matches(found: [f64; 6], expected: [f64; 6]) {
    for (k, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        let tolerance = 1.2e-7 * expected.abs();
        assert!((found - expected).abs() <= tolerance, "value {k}: {found:e}, expected {expected:e}");
    }
}

/// `tests/oracle/features.py`, PyTorch 2.15.0 float64 autograd through a linear layer, SciPy 1.17.1.
#[test]
fn ordinary_rows_match_pytorch() {
    let cases: [([f32; 4], u32, f32, [f64; 6]); 5] = [
        (
            [0.875, 3.5, -2.75, -2.25],
            0,
            5.25,
            [2.699_692_722, 3.531_205_440e-2, 3.289_487_089, 1.315_794_836, -2.625, 6.722_616_667e-2],
        ),
        (
            [-0.6875, 1.1875, 1.4375, -1.5],
            1,
            2.375,
            [9.184_608_704e-1, 5.083_339_297e-1, 1.456_057_165, 7.925_771_314e-1, -0.25, 3.991_328_858e-1],
        ),
        (
            [0.5, -0.25, 0.125, 0.0],
            3,
            0.0,
            [1.517_469_654, 1.053_331_245, 9.116_618_607e-1, 9.116_618_607e-1, -0.5, 2.192_660_045e-1],
        ),
        (
            [5.25, -3.75, 2.625, 3.75],
            1,
            14.0,
            [9.259_045_940, 6.640_616_716e-1, 4.942_034_878, 1.276_027_919, -9.0, 9.524_615_240e-5],
        ),
        (
            [0.9375, 0.1875, 0.375, -0.1875],
            2,
            0.1875,
            [1.424_039_611, 9.865_194_675e-1, 9.829_532_509e-1, 9.020_197_656e-1, -0.5625, 2.407_395_558e-1],
        ),
    ];
    let logits: Vec<f32> = cases.iter().flat_map(|c| c.0).collect();
    let labels: Vec<u32> = cases.iter().map(|c| c.1).collect();
    let norms: Vec<f32> = cases.iter().map(|c| c.2).collect();
    let found = rows(&compute(&logits, 4, &labels, Some(&norms)).unwrap());
    for (found, case) in found.into_iter().zip(cases) {
        assert_matches(found, case.3);
    }
}

/// `tests/oracle/features.py`, mpmath 1.3.0 at 60 digits, from the definitions: none of these survives
/// `1 - p` in float64.
#[test]
fn extreme_rows_match_high_precision() {
    let cases: [(&[f32], u32, f32, [f64; 6]); 5] = [
        (
            &[40.0, 0.0, 1.0],
            0,
            3.0,
            [1.579_657_843e-17, 5.822_031_089e-1, 4.004_706_658e-17, 2.002_353_329e-17, 39.0, 1.0],
        ),
        (
            &[80.0, -1.0, -1.0],
            0,
            0.0,
            [1.327_935_440e-35, 6.931_471_806e-1, 1.626_382_120e-35, 1.626_382_120e-35, 81.0, 1.0],
        ),
        (
            &[-40.0, 30.0, 0.0],
            0,
            8.0,
            [70.0, 2.900_863_120e-12, 4.242_640_687, 1.414_213_562, -70.0, 3.975_449_736e-31],
        ),
        (
            &[0.0, 50.0, 0.0, 0.0],
            0,
            1.0,
            [50.0, 1.967_324_845e-20, 2.0, 1.414_213_562, -50.0, 1.928_749_848e-22],
        ),
        (
            &[-90.0, 0.0, -60.0],
            1,
            0.0,
            [8.756_510_763e-27, 2.900_863_120e-12, 1.238_357_628e-26, 1.238_357_628e-26, 60.0, 1.0],
        ),
    ];
    for (logits, label, norm, expected) in cases {
        let found = compute(logits, logits.len(), &[label], Some(&[norm])).unwrap();
        assert_matches(rows(&found)[0], expected);
    }
}

proptest! {
    #[test]
    fn ranges_hold_for_logits_of_any_size(
        classes in 2_usize..8,
        scale in prop_oneof![Just(1.0_f32), Just(50.0), Just(1e4), Just(f32::MAX)],
        unit in prop::collection::vec(-1.0_f32..=1.0, 8 * 20),
        label in any::<u32>(),
        norm in prop_oneof![Just(0.0_f32), 0.0_f32..100.0, Just(f32::MAX)],
    ) {
        let logits: Vec<f32> = unit[..classes * 20].iter().map(|u| u * scale).collect();
        let labels: Vec<u32> = (0..20).map(|i| label.wrapping_add(i) % classes as u32).collect();
        let features = compute(&logits, classes, &labels, Some(&[norm; 20])).unwrap();
        let top_entropy = ((classes - 1) as f64).ln() as f32;
        for (i, [loss, entropy, grad_norm, el2n, margin, confidence]) in rows(&features).into_iter().enumerate() {
            prop_assert!(loss.is_finite() && loss >= 0.0);
            prop_assert!((0.0..=f64::from(top_entropy)).contains(&entropy));
            prop_assert!(el2n.is_finite() && (0.0..=1.414_213_7).contains(&el2n));
            prop_assert!(grad_norm.is_finite() && grad_norm >= el2n * (1.0 - 1e-6));
            prop_assert!(margin.is_finite());
            prop_assert!((0.0..=1.0).contains(&confidence));
            if classes == 2 {
                prop_assert_eq!(entropy, 0.0);
            }
            // -ln p = loss, where p has not underflowed.
            if loss < 80.0 {
                prop_assert!(((-loss).exp() - confidence).abs() <= 1e-6);
            }
            // The margin bounds the loss: ln(1 + e^-margin) <= loss <= ln(1 + (k-1) e^-margin).
            let softplus = |d: f64| d.max(0.0) + (-d.abs()).exp().ln_1p();
            let slack = 1e-6 * (1.0 + loss);
            prop_assert!(loss >= softplus(-margin) - slack, "row {}: {} {}", i, loss, margin);
            prop_assert!(loss <= softplus(((classes - 1) as f64).ln() - margin) + slack);
        }
    }

    #[test]
    fn a_common_shift_and_the_order_of_the_other_classes_do_not_matter(
        logits in prop::collection::vec((-64_i32..64).prop_map(|v| v as f32 / 8.0), 6),
        shift in (-800_i32..800).prop_map(|v| v as f32 / 8.0),
        rotate in 0_usize..5,
    ) {
        // Multiples of 1/8 add exactly.
        let mut moved: Vec<f32> = logits.iter().map(|z| z + shift).collect();
        moved[1..].rotate_left(rotate);
        let a = rows(&compute(&logits, 6, &[0], None).unwrap())[0];
        let b = rows(&compute(&moved, 6, &[0], None).unwrap())[0];
        for (a, b) in a.into_iter().zip(b) {
            prop_assert!((a - b).abs() <= 3e-7 * (1.0 + a.abs()));
        }
    }
}

#[test]
fn entropy_reaches_both_ends() {
    // Evenly spread over the others: ln(k-1), wherever the label is. One other class only: 0.
    for label_logit in [-1e4, -3.0, 0.0, 20.0, 1e4] {
        let even = compute(&[label_logit, 2.0, 2.0, 2.0], 4, &[0], None).unwrap();
        assert_eq!(even.renormed_entropy[0], 3.0_f64.ln() as f32);
        let sure = compute(&[label_logit, 1e4, -1e4, -1e4], 4, &[0], None).unwrap();
        assert_eq!(sure.renormed_entropy[0], 0.0);
    }
}

#[test]
fn without_norms_the_gradient_is_that_of_the_logits() {
    let features = compute(&[1.0, 2.0, 0.5, 0.0], 2, &[0, 1], None).unwrap();
    assert_eq!(features.grad_norm, features.el2n);
}

#[test]
fn thread_count_does_not_change_a_bit() {
    let logits: Vec<f32> = (0..50_000).map(|i| ((i * 7919) % 1000) as f32 / 50.0 - 10.0).collect();
    let labels: Vec<u32> = (0..10_000).map(|i| i % 5).collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| compute(&logits, 5, &labels, None).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn bad_input_names_the_place() {
    let ok = [0.0_f32; 6];
    let message = |result: Result<ExampleFeatures, Error>| result.unwrap_err().to_string();
    assert!(message(compute(&ok, 1, &[0; 6], None)).contains("1 class(es)"));
    assert!(message(compute(&ok, 0, &[], None)).contains("0 class(es)"));
    assert!(message(compute(&[], 3, &[], None)).contains("logits has no rows"));
    assert!(message(compute(&ok[..5], 3, &[0], None)).contains("5 entries where 6"));
    assert!(message(compute(&ok, 3, &[0], None)).contains("labels has 1 entries where 2"));
    assert!(message(compute(&ok, 3, &[0, 3], None)).contains("label 3 in row 1"));
    assert!(message(compute(&ok, 3, &[0, 1], Some(&[1.0]))).contains("squared hidden norms has 1"));
    assert!(message(compute(&ok, 3, &[0, 1], Some(&[1.0, -1.0]))).contains("-1 in row 1"));
    assert!(message(compute(&ok, 3, &[0, 1], Some(&[f32::NAN, 1.0]))).contains("NaN in row 0"));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let logits = [0.0, 0.0, 0.0, 0.0, bad, 0.0];
        let message = Logits::new(&logits, 3).unwrap_err().to_string();
        assert!(message.contains("in row 1"), "{message}");
    }
}
