//! The whole chain against NumPy and SciPy: `tests/oracle/{sampler,sketch}.py`, NumPy 2.4.6, SciPy 1.17.1 (float64).
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use ss_sampler::{RankedFeatures, Sampler, SamplerParams, SamplerSpec, SketchPlan, Transform, mid_ranks};

const LOSS: [f32; 10] = [0.25, 2.0, 0.25, 4.0, 1.0, 0.5, 3.0, 0.25, 1.0, 6.0];
const ENTROPY: [f32; 10] = [0.5, 0.1, 1.5, 0.2, 0.5, 1.0, 1.2, 0.7, 0.5, 0.1];
const GRADIENT: [f32; 10] = [0.1, 1.2, 0.3, 1.3, 0.7, 0.4, 1.1, 0.0, 0.9, 1.4];

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-12, "row {i}: {found}, expected {expected}");
    }
}

#[test]
fn mid_ranks_match_scipy() {
    let loss = [0.15, 0.65, 0.15, 0.85, 0.5, 0.35, 0.75, 0.15, 0.5, 0.95];
    let entropy = [0.45, 0.1, 0.95, 0.25, 0.45, 0.75, 0.85, 0.65, 0.45, 0.1];
    assert_close(&mid_ranks(&LOSS).unwrap(), &loss);
    assert_close(&mid_ranks(&ENTROPY).unwrap(), &entropy);
}

fn check(transform: Transform, u: &[f64], p: &[f64], effective: f64) {
    let spec = SamplerSpec::new(["loss", "entropy"], transform).unwrap();
    let knots = vec![0.15, 0.4, 0.85];
    let params = SamplerParams::new(&spec, vec![0.8, -0.3], knots, vec![0.6, 0.9, 0.75, 0.2, 0.05]).unwrap();
    let ranked = RankedFeatures::new(spec, &[&LOSS, &ENTROPY], &GRADIENT).unwrap();
    assert_close(&ranked.coordinate(&params).unwrap(), u);
    let weights = ranked.weights(&params).unwrap();
    assert_close(&weights.probabilities(), p);
    assert!((weights.effective_sample_size() - effective).abs() < 1e-9);
}

#[test]
fn cdf_sampler_matches_numpy() {
    let u = [0.25, 0.75, 0.05, 0.85, 0.5, 0.35, 0.65, 0.15, 0.5, 0.95];
    let p = [
        0.151563753007217,
        0.0581395348837209,
        0.126303127506014,
        0.0360866078588613,
        0.11327185244587,
        0.140737770649559,
        0.0801924619085806,
        0.162389735364876,
        0.11327185244587,
        0.0180433039294306,
    ];
    check(Transform::Cdf, &u, &p, 8.18320807527981);
}

#[test]
fn cgf_sampler_matches_numpy() {
    let u = [
        0.0472972991136825,
        0.554054059510013,
        0.0202702711206379,
        0.722972978803093,
        0.21621621689651,
        0.0810810834757162,
        0.398648648927569,
        0.0405405422412757,
        0.21621621689651,
        0.905405406806811,
    ];
    let p = [
        0.110055861227322,
        0.0890010743213036,
        0.101491202504722,
        0.0562888372414692,
        0.13630653863355,
        0.12076168443116,
        0.118963105378342,
        0.107914696586554,
        0.13630653863355,
        0.0229104610420273,
    ];
    check(Transform::Cgf, &u, &p, 8.96319159720789);
}

/// Exact ranks and masses by NumPy; sketches are off by up to half a cell, and by what tables leave out.
#[test]
fn sketches_match_numpy() {
    const ROWS: usize = 100_003;
    let share = |i: usize, step: usize| (i * step % ROWS) as f64 / ROWS as f64;
    let loss: Vec<f32> = (0..ROWS).map(|i| (10.0 * share(i, 7_919).powi(3)) as f32).collect();
    let entropy: Vec<f32> = (0..ROWS).map(|i| ((share(i, 104_729) * 50.0).floor() / 25.0) as f32).collect();
    let gradient: Vec<f32> =
        (0..ROWS).map(|i| ((0.1 + f64::from(loss[i])) * (1.0 + (i % 10) as f64 / 10.0)) as f32).collect();
    let spec = SamplerSpec::new(["loss", "entropy"], Transform::Cgf).unwrap();
    let knots = vec![0.15, 0.4, 0.85];
    let params = SamplerParams::new(&spec, vec![1.0, -0.4], knots, vec![0.6, 0.9, 0.75, 0.2, 0.05]).unwrap();
    let sampler = Sampler::fit(spec, &params, &[&LOSS, &ENTROPY], &GRADIENT, BTreeMap::new()).unwrap();
    let columns: [&[f32]; 2] = [&loss, &entropy];
    let mut plan = Arc::new(SketchPlan::refit(sampler));
    while let Some(mut sketch) = plan.sketch() {
        sketch.add(&columns, &gradient, 0).unwrap();
        plan = Arc::new(plan.after(&sketch).unwrap());
    }
    let (fitted, totals) = plan.scoring().unwrap();
    let tau = fitted.taus(&columns).unwrap();
    let expected = [
        (0, 0.96318491579),
        (1, 0.986485743776),
        (777, 1.14224671238),
        (50_000, 0.967326974478),
        (100_002, 1.19326443568),
    ];
    for (row, expected) in expected {
        let found = ROWS as f64 * tau[row] / totals.sum();
        assert!((found - expected).abs() < 1e-3, "row {row}: {found}, expected {expected}");
    }
    assert!((totals.effective_sample_size() - 92_631.0116634).abs() < 20.0);
}
