//! Weights from features that were read again, later in training.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use ss_sampler::{RankedFeatures, Sampler, SamplerParams, SamplerSpec, TABLE_POINTS, Weights};
use ss_seed::Seed;

fn columns(n: usize, seed: u64) -> [Vec<f32>; 3] {
    let unit = |name: &str, i: usize| Seed::new(seed).stream(name).index(i as u64).unit() as f32;
    let loss: Vec<f32> = (0..n).map(|i| (unit("loss", i) * 8.0).floor() / 2.0 + unit("fine", i)).collect();
    let entropy = (0..n).map(|i| unit("entropy", i)).collect();
    let gradient = loss.iter().map(|l| l * l).collect();
    [loss, entropy, gradient]
}

/// The weights of the fit, and the fitted sampler; `None` for a rule without weight.
fn fit(n: usize, seed: u64, point: &[f64]) -> Option<([Vec<f32>; 3], Weights, Sampler)> {
    let data = columns(n, seed);
    let [loss, entropy, gradient] = &data;
    let spec = SamplerSpec::paper();
    let params = SamplerParams::from_unit(&spec, point).unwrap();
    let ranked = RankedFeatures::new(spec.clone(), &[loss, entropy], gradient).unwrap();
    let sampler = Sampler::fit(spec, &params, &[loss, entropy], gradient, BTreeMap::new()).unwrap();
    let weights = ranked.weights(&params).ok()?;
    Some((data, weights, sampler))
}

proptest! {
    #[test]
    fn only_the_order_of_the_new_features_counts(
        n in 1_usize..300,
        seed in any::<u64>(),
        point in prop::collection::vec(0.0_f64..=1.0, 10),
    ) {
        let Some(([loss, entropy, _], weights, sampler)) = fit(n, seed, &point) else { return Ok(()) };
        prop_assert_eq!(&sampler.reread(&[&loss, &entropy]).unwrap(), &weights);
        // Losses fall as training goes on, each column in its own way: powers of two keep order and ties exact.
        let fallen: Vec<f32> = loss.iter().map(|l| l / 64.0).collect();
        let risen: Vec<f32> = entropy.iter().map(|e| e * 4.0).collect();
        prop_assert_eq!(&sampler.reread(&[&fallen, &risen]).unwrap(), &weights);
    }
}

#[test]
fn examples_that_swap_places_swap_weights() {
    // The half with the larger loss is dropped.
    let point = [1.0, 0.5, 0.3, 0.5, 0.7, 1.0, 1.0, 0.5, 0.0, 0.0];
    let ([loss, entropy, _], weights, sampler) = fit(200, 1, &point).unwrap();
    let mut order: Vec<usize> = (0..200).collect();
    order.sort_by(|&a, &b| loss[a].total_cmp(&loss[b]));
    let (easy, hard) = (order[0], order[199]);
    assert!(weights.tau()[easy] > 0.0 && weights.tau()[hard] == 0.0);
    let mut swapped = loss.clone();
    swapped.swap(easy, hard);
    let reread = sampler.reread(&[&swapped, &entropy]).unwrap();
    assert!(reread.tau()[hard] > 0.0 && reread.tau()[easy] == 0.0);
}

#[test]
fn large_fits_reread_within_the_tables_resolution() {
    let n = 20 * TABLE_POINTS;
    let point = [1.0, 0.3, 0.3, 0.5, 0.7, 1.0, 0.9, 0.5, 0.2, 0.0];
    let ([loss, entropy, _], weights, sampler) = fit(n, 2, &point).unwrap();
    let reread = sampler.reread(&[&loss, &entropy]).unwrap();
    let worst = weights.tau().iter().zip(reread.tau()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // u is off by at most about 2/1024 here, and the rule's steepest slope is 2.5.
    assert!(worst < 5e-3, "{worst}");
}

#[test]
fn bad_columns_are_named() {
    let ([loss, entropy, _], _, sampler) = fit(50, 3, &[0.5; 10]).unwrap();
    assert!(sampler.reread(&[&loss]).is_err());
    let mut broken = loss.clone();
    broken[7] = f32::NAN;
    let message = sampler.reread(&[&broken, &entropy]).unwrap_err().to_string();
    assert!(message.contains("loss") && message.contains('7'), "{message}");
}
