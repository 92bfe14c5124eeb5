//! The start-up shapes and the words about a sampler.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use proptest::prelude::*;
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Transform, describe, shapes};
use ss_seed::Seed;

fn ranked(n: usize, seed: u64, spec: SamplerSpec) -> RankedFeatures {
    let unit = |name: &str, i: usize| Seed::new(seed).stream(name).index(i as u64).unit();
    let loss: Vec<f32> = (0..n).map(|i| -unit("loss", i).mul_add(-0.999, 1.0).ln() as f32).collect();
    let entropy: Vec<f32> = (0..n).map(|i| unit("entropy", i) as f32).collect();
    let columns: Vec<&[f32]> = [&loss[..], &entropy[..]][..spec.features().len()].to_vec();
    RankedFeatures::new(spec.clone(), &columns, &loss).unwrap()
}

fn shape(all: &[(String, SamplerParams)], name: &str) -> SamplerParams {
    all.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1.clone()
}

#[test]
fn depths_are_counted_in_examples() {
    for transform in [Transform::Cgf, Transform::Cdf] {
        let spec =
            SamplerSpec::new(["loss", "renormed_entropy"], transform).unwrap().with_min_gap(0.002).unwrap();
        let ranked = ranked(20_000, 1, spec);
        let all = shapes::startup(&ranked).unwrap();
        assert_eq!(all.len(), 13);
        for depth in [10, 20, 30, 40, 50, 60] {
            let weights = ranked.weights(&shape(&all, &format!("drop-{depth}"))).unwrap();
            let depth = f64::from(depth) / 100.0;
            let ranks: Vec<f64> = ranked.mid_ranks(0).collect();
            // Half weight is crossed at the depth; the examples on the step are few.
            let below_half = weights.tau().iter().filter(|&&t| t < 0.5).count() as f64 / 20_000.0;
            assert!((below_half - depth).abs() < 0.002, "{transform:?} {depth}: {below_half}");
            let on_step = weights.tau().iter().filter(|&&t| t > 0.0 && t < 1.0).count() as f64 / 20_000.0;
            assert!(on_step < 0.02, "{on_step}");
            for (rank, &tau) in ranks.iter().zip(weights.tau()) {
                assert!(tau == if *rank < 0.5 - depth { 1.0 } else { tau });
                assert!(*rank < 1.0 - depth + 0.02 || tau == 0.0, "{rank} {tau}");
                assert!(*rank > 1.0 - depth - 0.02 || tau == 1.0, "{rank} {tau}");
            }
        }
        // Ramps fall linearly in the rank, up to the four segments.
        let tau = ranked.weights(&shape(&all, "ramp")).unwrap().tau().to_vec();
        for (rank, tau) in ranked.mid_ranks(0).zip(tau) {
            assert!((tau - (1.0 - rank)).abs() < 0.15, "{rank} {tau}");
        }
        let middle = ranked.weights(&shape(&all, "middle")).unwrap().tau().to_vec();
        for (rank, tau) in ranked.mid_ranks(0).zip(middle) {
            assert!(tau == 1.0 || !(0.21..0.68).contains(&rank), "{rank} {tau}");
            assert!(tau == 0.0 || rank < 0.72, "{rank} {tau}");
        }
        // High loss with low entropy goes first.
        let contrast = ranked.weights(&shape(&all, "drop-20-contrast")).unwrap();
        let ranks: Vec<(f64, f64)> = ranked.mid_ranks(0).zip(ranked.mid_ranks(1)).collect();
        let dropped = |high_entropy: bool| {
            let corner = ranks.iter().zip(contrast.tau());
            let corner = corner.filter(|((l, e), _)| *l > 0.8 && (*e > 0.5) == high_entropy);
            let (mut zero, mut all) = (0, 0);
            corner.for_each(|(_, &tau)| {
                all += 1;
                zero += usize::from(tau == 0.0);
            });
            f64::from(zero as u32) / f64::from(all)
        };
        assert!(dropped(false) > 0.85 && dropped(true) < 0.45, "{} {}", dropped(false), dropped(true));
    }
}

proptest! {
    #[test]
    fn every_shape_is_valid_for_every_spec(
        segments in 1_usize..9, gap in 0.001_f64..0.999, n in 1_usize..50, features in 1_usize..3, seed in any::<u64>(),
    ) {
        let spec = SamplerSpec::new(["loss", "renormed_entropy"].into_iter().take(features), Transform::Cgf).unwrap()
            .with_min_gap(1e-5).unwrap()
            .with_segments(segments).unwrap()
            .with_min_gap(gap / segments as f64).unwrap();
        let ranked = ranked(n, seed, spec.clone());
        let all = shapes::startup(&ranked).unwrap();
        prop_assert_eq!(&all[0].1, &SamplerParams::uniform(&spec));
        let complete = if features == 1 { 11 } else { 13 };
        prop_assert!(segments < 4 || all.len() == complete);
        for (name, params) in all {
            params.check(&spec).unwrap();
            params.to_unit(&spec).unwrap();
            if n > 10 && gap < 0.1 {
                prop_assert!(ranked.weights(&params).is_ok(), "{}", name);
            }
        }
    }
}

#[test]
fn words_say_where_the_mass_went() {
    let spec = SamplerSpec::paper().with_min_gap(0.002).unwrap();
    let ranked = ranked(10_000, 2, spec.clone());
    let all = shapes::startup(&ranked).unwrap();

    let uniform = describe(&ranked, &shape(&all, "uniform")).unwrap();
    assert_eq!(uniform.to_string(), "Draws all examples alike. Effective sample size 10000 of 10000 (100%).");
    assert!(uniform.features[0].probability.iter().all(|p| (p - 0.1).abs() < 1e-12));

    let drop = describe(&ranked, &shape(&all, "drop-40")).unwrap();
    println!("{drop}");
    assert!(
        drop.to_string().starts_with("Moves 40% of the mass off the 40% of examples with the largest loss.")
    );
    assert!((drop.zero_share - 0.4).abs() < 0.01);
    assert!((drop.effective_sample_size / 10_000.0 - 0.6).abs() < 0.01);
    for (feature, name) in drop.features.iter().zip(["loss", "renormed_entropy"]) {
        assert_eq!(feature.feature, name);
        assert!((feature.probability.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((feature.examples.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    let middle = describe(&ranked, &shape(&all, "middle")).unwrap().to_string();
    println!("{middle}");
    assert!(middle.contains("largest loss") && middle.contains("smallest loss"), "{middle}");
    let contrast = describe(&ranked, &shape(&all, "drop-40-contrast")).unwrap().to_string();
    println!("{contrast}");
    assert!(
        contrast.contains("largest loss") && contrast.contains("smallest renormed_entropy"),
        "{contrast}"
    );
}

#[test]
fn unevenly_tied_deciles_are_reported_as_they_are() {
    let spec = SamplerSpec::new(["loss"], Transform::Cdf).unwrap().with_segments(1).unwrap();
    let loss: Vec<f32> = (0..100).map(|i| if i < 75 { 0.0 } else { 1.0 }).collect();
    let ranked = RankedFeatures::new(spec.clone(), &[&loss], &[]).unwrap();
    let params = SamplerParams::new(&spec, vec![1.0], vec![], vec![1.0, 0.0]).unwrap();
    let summary = describe(&ranked, &params).unwrap();
    // Mid-ranks 0.375 and 0.875, tau 0.625 and 0.125: probability 0.9375 and 0.0625.
    assert_eq!((summary.features[0].examples[3], summary.features[0].examples[8]), (0.75, 0.25));
    assert!((summary.features[0].probability[3] - 0.9375).abs() < 1e-12);
    assert!(
        summary
            .to_string()
            .starts_with("Moves 19% of the mass off the 25% of examples with the largest loss.")
    );
}
