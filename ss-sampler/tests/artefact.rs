//! The sampler as a file: identity, agreement with the in-memory weights, bad files.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use ss_sampler::{Error, RankedFeatures, Sampler, SamplerParams, SamplerSpec, TABLE_POINTS, Transform};
use ss_seed::Seed;

const TRANSFORMS: [Transform; 2] = [Transform::Cgf, Transform::Cdf];

fn spec(transform: Transform) -> SamplerSpec {
    SamplerSpec::new(["loss", "renormed_entropy"], transform).unwrap()
}

fn provenance() -> BTreeMap<String, String> {
    BTreeMap::from([("dataset".into(), "test".into())])
}

/// A skewed loss with ties at zero, an entropy that is discrete in part, a gradient that grows with the loss.
fn columns(n: usize, seed: u64) -> [Vec<f32>; 3] {
    let unit = |name: &str, i: usize| Seed::new(seed).stream(name).index(i as u64).unit();
    let loss: Vec<f32> = (0..n).map(|i| (-(1.0 - unit("loss", i)).ln() - 0.3).max(0.0) as f32).collect();
    let entropy =
        (0..n).map(|i| if unit("tie", i) < 0.3 { 0.5 } else { unit("entropy", i) as f32 * 2.0 }).collect();
    let gradient = (0..n).map(|i| loss[i] * (0.5 + unit("gradient", i) as f32)).collect();
    [loss, entropy, gradient]
}

proptest! {
    #[test]
    fn small_fits_score_their_own_rows_exactly(
        n in 1_usize..300,
        seed in any::<u64>(),
        point in prop::collection::vec(0.0_f64..=1.0, 10),
    ) {
        let [loss, entropy, gradient] = columns(n, seed);
        for transform in TRANSFORMS {
            let spec = spec(transform);
            let params = SamplerParams::from_unit(&spec, &point).unwrap();
            let ranked = RankedFeatures::new(spec.clone(), &[&loss, &entropy], &gradient).unwrap();
            let sampler = Sampler::fit(spec, &params, &[&loss, &entropy], &gradient, provenance()).unwrap();
            let json = sampler.to_json().unwrap();
            let loaded = Sampler::from_json(&json).unwrap();
            prop_assert_eq!(&loaded, &sampler);
            prop_assert_eq!(loaded.to_json().unwrap(), json);
            match ranked.weights(&params) {
                Ok(weights) => prop_assert_eq!(&loaded.score(&[&loss, &entropy]).unwrap(), &weights),
                Err(error) => prop_assert_eq!(loaded.score(&[&loss, &entropy]).unwrap_err(), error),
            }
        }
    }
}

proptest! {
    #[test]
    fn ranks_give_the_weights_of_the_rows_that_have_them(
        n in 1_usize..300,
        seed in any::<u64>(),
        point in prop::collection::vec(0.0_f64..=1.0, 10),
    ) {
        let [loss, entropy, gradient] = columns(n, seed);
        for transform in TRANSFORMS {
            let spec = spec(transform);
            let params = SamplerParams::from_unit(&spec, &point).unwrap();
            let ranked = RankedFeatures::new(spec.clone(), &[&loss, &entropy], &gradient).unwrap();
            let sampler = Sampler::fit(spec, &params, &[&loss, &entropy], &gradient, provenance()).unwrap();
            let taus = sampler.taus(&[&loss, &entropy]).unwrap();
            let ranks: Vec<(f64, f64)> = ranked.mid_ranks(0).zip(ranked.mid_ranks(1)).collect();
            for (row, &(a, b)) in ranks.iter().enumerate() {
                prop_assert_eq!(sampler.tau_at_ranks(&[a, b]).unwrap(), taus[row]);
                // The middle of a row's own mass lies at its value.
                prop_assert_eq!(sampler.quantile(0, a), f64::from(loss[row]));
                prop_assert_eq!(sampler.quantile(1, b), f64::from(entropy[row]));
            }
        }
    }
}

#[test]
fn ranks_must_be_ranks_of_all_features() {
    let [loss, entropy, gradient] = columns(20, 1);
    let params = SamplerParams::uniform(&spec(Transform::Cgf));
    let sampler =
        Sampler::fit(spec(Transform::Cgf), &params, &[&loss, &entropy], &gradient, provenance()).unwrap();
    assert!(sampler.tau_at_ranks(&[0.5]).unwrap_err().to_string().contains("renormed_entropy"));
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(sampler.tau_at_ranks(&[0.5, bad]).unwrap_err().to_string().contains("renormed_entropy"));
    }
}

#[test]
fn the_largest_exact_fit_is_exact() {
    let [loss, entropy, gradient] = columns(TABLE_POINTS, 3);
    let spec = spec(Transform::Cgf);
    let params =
        SamplerParams::from_unit(&spec, &[0.9, 0.2, 0.2, 0.5, 0.6, 1.0, 0.9, 0.3, 0.1, 0.0]).unwrap();
    let exact =
        RankedFeatures::new(spec.clone(), &[&loss, &entropy], &gradient).unwrap().weights(&params).unwrap();
    let sampler = Sampler::fit(spec, &params, &[&loss, &entropy], &gradient, provenance()).unwrap();
    assert_eq!(sampler.score(&[&loss, &entropy]).unwrap(), exact);
    assert_eq!(sampler.fitted_examples(), TABLE_POINTS as u64);
}

#[test]
fn large_fits_score_their_own_rows_within_the_tables_resolution() {
    let [loss, entropy, gradient] = columns(100_000, 4);
    for transform in TRANSFORMS {
        let spec = spec(transform);
        // Straight ramps of slope 1, so that an error of tau is one of u.
        for c in [[1.0, 0.0], [1.0, -0.5], [0.3, 1.0]] {
            let params =
                SamplerParams::new(&spec, c.to_vec(), vec![0.25, 0.5, 0.75], vec![1.0, 0.75, 0.5, 0.25, 0.0])
                    .unwrap();
            let ranked = RankedFeatures::new(spec.clone(), &[&loss, &entropy], &gradient).unwrap();
            let exact = ranked.weights(&params).unwrap();
            let sampler =
                Sampler::fit(spec.clone(), &params, &[&loss, &entropy], &gradient, provenance()).unwrap();
            let scored = sampler.score(&[&loss, &entropy]).unwrap();
            let worst = exact.tau().iter().zip(scored.tau()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{transform:?} {c:?}: largest error of u {worst:.2e}");
            assert!(worst < 2e-3, "{transform:?} {c:?}: {worst}");
        }
    }
}

#[test]
fn tables_hold_the_values_of_the_column() {
    let spec = SamplerSpec::new(["x"], Transform::Cdf).unwrap();
    let column = [f32::MAX, -0.0, f32::MIN, 1e-45, -1e-45, 0.0, -2.5, 2.5];
    let sampler =
        Sampler::fit(spec.clone(), &SamplerParams::uniform(&spec), &[&column], &[], provenance()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&sampler.to_json().unwrap()).unwrap();
    let keys: Vec<f64> = serde_json::from_value(json["marginals"][0]["keys"].clone()).unwrap();
    let mut expected = column.map(f64::from).to_vec();
    expected.sort_by(f64::total_cmp);
    expected.retain(|v| v.to_bits() != (-0.0_f64).to_bits());
    assert_eq!(keys, expected);
}

#[test]
fn unseen_rows_fall_between_those_seen() {
    let spec = SamplerSpec::new(["loss"], Transform::Cdf).unwrap().with_segments(1).unwrap();
    let params = SamplerParams::new(&spec, vec![1.0], vec![], vec![0.0, 1.0]).unwrap();
    let sampler = Sampler::fit(spec, &params, &[&[1.0, 2.0, 2.0, 4.0]], &[], provenance()).unwrap();
    // tau = u: ranks 1/8, 1/2, 1/2, 7/8 at the training values; beyond them 0 and 1.
    assert_eq!(sampler.taus(&[&[0.5, 1.0, 2.0, 4.0, 9.0]]).unwrap(), [0.0, 0.125, 0.5, 0.875, 1.0]);
    let between = sampler.taus(&[&[1.5, 3.0]]).unwrap();
    assert_eq!(between, [0.25, 0.75]);
    assert!(sampler.taus(&[&[]]).unwrap().is_empty());
    assert!(sampler.score(&[&[0.5]]).is_err(), "no weight at all");
    assert!(sampler.taus(&[&[f32::NAN]]).unwrap_err().to_string().contains("feature `loss` is NaN in row 0"));
    assert!(sampler.taus(&[]).unwrap_err().to_string().contains("columns"));
}

fn small() -> String {
    let [loss, entropy, gradient] = columns(5, 1);
    let spec = spec(Transform::Cgf);
    let params =
        SamplerParams::from_unit(&spec, &[0.9, 0.2, 0.2, 0.5, 0.6, 1.0, 0.9, 0.3, 0.1, 0.0]).unwrap();
    Sampler::fit(spec, &params, &[&loss, &entropy], &gradient, provenance()).unwrap().to_json().unwrap()
}

#[test]
fn other_versions_are_refused_by_number() {
    let json = small();
    assert!(json.starts_with("{\"format_version\":1,"), "{json}");
    for found in ["2", "0", "\"1\"", "null"] {
        let other = json.replace("\"format_version\":1", &format!("\"format_version\":{found}"));
        assert_eq!(
            Sampler::from_json(&other).unwrap_err(),
            Error::FormatVersion { found: found.into(), supported: 1 }
        );
    }
    // The version speaks first, whatever else a later format may hold.
    let error = Sampler::from_json("{\"format_version\": 7, \"net\": []}").unwrap_err().to_string();
    assert!(error.contains("format_version 7") && error.contains("version 1"), "{error}");
}

#[test]
fn broken_files_say_what_is_wrong() {
    let json = small();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let broken = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut value = value.clone();
        edit(&mut value);
        Sampler::from_json(&value.to_string()).unwrap_err().to_string()
    };
    assert!(Sampler::from_json("").is_err());
    assert!(Sampler::from_json(&json[..json.len() / 2]).unwrap_err().to_string().contains("not valid"));
    assert!(Sampler::from_json("{}").unwrap_err().to_string().contains("format_version"));
    assert!(broken(&|v| v["extra"] = 1.into()).contains("extra"));
    assert!(broken(&|v| v["spec"]["segments"] = 0.into()).contains("segments"));
    assert!(broken(&|v| v["params"]["values"][0] = 2.into()).contains("values[0]"));
    assert!(broken(&|v| v["params"]["coefficients"][0] = 0.5.into()).contains("canonical"));
    assert!(broken(&|v| v["marginals"][1]["keys"][0] = 1e9.into()).contains("`renormed_entropy`"));
    assert!(broken(&|v| v["marginals"][0]["upto"][1] = 0.into()).contains("`loss`"));
    assert!(broken(&|v| v["marginals"] = serde_json::json!([])).contains("0 marginals for 2"));
    assert!(broken(&|v| v["transform"]["keys"] = serde_json::json!([])).contains("`transform`"));
    assert!(broken(&|v| v["transform"]["upto"][4] = 0.into()).contains("`transform`"));
}
