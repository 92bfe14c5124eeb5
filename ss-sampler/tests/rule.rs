//! Properties of specs, parameters, the rule, ranks, transforms and weights.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use proptest::prelude::*;
use ss_sampler::{
    PiecewiseLinear, RankedFeatures, SamplerParams, SamplerSpec, Transform, Weights, canonicalize_unit,
    mid_ranks,
};

const TRANSFORMS: [Transform; 2] = [Transform::Cgf, Transform::Cdf];

fn spec(features: usize, transform: Transform, segments: usize) -> SamplerSpec {
    let names = (0..features).map(|k| format!("f{k}"));
    SamplerSpec::new(names, transform).unwrap().with_segments(segments).unwrap()
}

/// Columns with ties: few distinct values.
fn columns(features: usize) -> impl Strategy<Value = (Vec<Vec<f32>>, Vec<f32>)> {
    (2_usize..60).prop_flat_map(move |n| {
        let value = prop_oneof![(-4_i8..4).prop_map(f32::from), -1e3_f32..1e3];
        let gradient = prop_oneof![4 => 1e-3_f32..10.0, 1 => Just(0.0_f32)];
        (prop::collection::vec(prop::collection::vec(value, n), features), prop::collection::vec(gradient, n))
    })
}

fn unit_point(dim: usize) -> impl Strategy<Value = Vec<f64>> {
    let coordinate = prop_oneof![6 => 0.0_f64..=1.0, 1 => Just(0.0), 1 => Just(1.0), 1 => Just(0.5)];
    prop::collection::vec(coordinate, dim)
}

fn refs(columns: &[Vec<f32>]) -> Vec<&[f32]> {
    columns.iter().map(Vec::as_slice).collect()
}

/// The definition, in O(n²), in plain floats and without canonical form.
fn coordinate_by_definition(
    columns: &[Vec<f32>],
    gradient: &[f32],
    spec: &SamplerSpec,
    c: &[f64],
) -> Vec<f64> {
    let n = columns[0].len();
    let rank = |column: &[f32], i: usize| {
        let below = column.iter().filter(|&&v| v < column[i]).count() as f64;
        let tied = column.iter().filter(|&&v| v == column[i]).count() as f64;
        (below + tied / 2.0) / n as f64
    };
    let z: Vec<f64> =
        (0..n).map(|i| columns.iter().zip(c).map(|(column, c)| c * rank(column, i)).sum()).collect();
    let no_gradient = gradient.iter().all(|&g| g == 0.0);
    let mass = |i: usize| match spec.transform() {
        Transform::Cgf if !no_gradient => f64::from(gradient[i]),
        _ => 1.0,
    };
    let total: f64 = (0..n).map(mass).sum();
    (0..n)
        .map(|i| {
            (0..n)
                .map(|j| {
                    if (z[j] - z[i]).abs() < 1e-9 {
                        mass(j) / 2.0
                    } else if z[j] < z[i] {
                        mass(j)
                    } else {
                        0.0
                    }
                })
                .sum::<f64>()
                / total
        })
        .collect()
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

proptest! {
    #[test]
    fn mid_ranks_follow_their_definition((columns, _) in columns(1)) {
        let spec = spec(1, Transform::Cdf, 4);
        let expected = coordinate_by_definition(&columns, &[], &spec, &[1.0]);
        let ranks = mid_ranks(&columns[0]).unwrap();
        prop_assert!(close(&ranks, &expected, 1e-12));
        prop_assert!(ranks.iter().all(|&r| r > 0.0 && r < 1.0));
        prop_assert!((ranks.iter().sum::<f64>() / ranks.len() as f64 - 0.5).abs() < 1e-12);
    }

    #[test]
    fn coordinate_and_weights_follow_their_definition(
        (columns, gradient) in columns(2),
        point in unit_point(10),
    ) {
        for transform in TRANSFORMS {
            let spec = spec(2, transform, 4);
            let ranked = RankedFeatures::new(spec.clone(), &refs(&columns), &gradient).unwrap();
            let params = SamplerParams::from_unit(&spec, &point).unwrap();
            let expected = coordinate_by_definition(&columns, &gradient, &spec, params.coefficients());
            let u = ranked.coordinate(&params).unwrap();
            prop_assert!(close(&u, &expected, 1e-9), "{u:?} {expected:?}");

            let rule = params.rule();
            let flat = params.coefficients().iter().all(|&c| c == 0.0);
            let tau: Vec<f64> = expected.iter().map(|&u| if flat { 1.0 } else { rule.eval(u) }).collect();
            let total: f64 = tau.iter().sum();
            if total > 1e-6 {
                let p: Vec<f64> = tau.iter().map(|t| t / total).collect();
                prop_assert!(close(&ranked.weights(&params).unwrap().probabilities(), &p, 1e-6));
            }
        }
    }

    #[test]
    fn cgf_with_equal_gradients_is_cdf(
        (columns, _) in columns(2), point in unit_point(10), norm in 1e-6_f32..1e6,
    ) {
        let n = columns[0].len();
        let build = |transform| RankedFeatures::new(spec(2, transform, 4), &refs(&columns), &vec![norm; n]).unwrap();
        let params = SamplerParams::from_unit(&spec(2, Transform::Cgf, 4), &point).unwrap();
        let cgf = build(Transform::Cgf).coordinate(&params).unwrap();
        prop_assert_eq!(cgf, build(Transform::Cdf).coordinate(&params).unwrap());
    }

    #[test]
    fn no_gradient_at_all_means_equal_gradients((columns, _) in columns(1), point in unit_point(9)) {
        let zeros = vec![0.0; columns[0].len()];
        let build = |transform| RankedFeatures::new(spec(1, transform, 4), &refs(&columns), &zeros).unwrap();
        let params = SamplerParams::from_unit(&spec(1, Transform::Cgf, 4), &point).unwrap();
        let cgf = build(Transform::Cgf).coordinate(&params).unwrap();
        prop_assert_eq!(cgf, build(Transform::Cdf).coordinate(&params).unwrap());
    }

    #[test]
    fn u_is_monotone_in_z((columns, gradient) in columns(2), point in unit_point(10)) {
        for transform in TRANSFORMS {
            let spec = spec(2, transform, 4);
            let ranked = RankedFeatures::new(spec.clone(), &refs(&columns), &gradient).unwrap();
            let params = SamplerParams::from_unit(&spec, &point).unwrap();
            let u = ranked.coordinate(&params).unwrap();
            let (r0, r1): (Vec<f64>, Vec<f64>) = (ranked.mid_ranks(0).collect(), ranked.mid_ranks(1).collect());
            let c = params.coefficients();
            let z: Vec<f64> = r0.iter().zip(&r1).map(|(a, b)| c[0] * a + c[1] * b).collect();
            for i in 0..z.len() {
                prop_assert!((0.0..=1.0).contains(&u[i]));
                for j in 0..z.len() {
                    if z[i] > z[j] + 1e-9 {
                        prop_assert!(u[i] >= u[j]);
                    }
                    if r0[i] == r0[j] && r1[i] == r1[j] {
                        prop_assert_eq!(u[i], u[j]);
                    }
                }
            }
        }
    }

    #[test]
    fn order_of_the_data_does_not_matter(
        (columns, gradient) in columns(2), point in unit_point(10), seed in any::<u64>(),
    ) {
        let n = columns[0].len();
        let mut order: Vec<usize> = (0..n).collect();
        let stream = ss_seed::Seed::new(seed).stream("permute");
        order.sort_by_key(|&i| stream.index(i as u64).hash());
        let permute = |column: &Vec<f32>| order.iter().map(|&i| column[i]).collect::<Vec<_>>();
        for transform in TRANSFORMS {
            let spec = spec(2, transform, 4);
            let params = SamplerParams::from_unit(&spec, &point).unwrap();
            let u = RankedFeatures::new(spec.clone(), &refs(&columns), &gradient).unwrap().coordinate(&params).unwrap();
            let permuted: Vec<Vec<f32>> = columns.iter().map(permute).collect();
            let v = RankedFeatures::new(spec, &refs(&permuted), &permute(&gradient)).unwrap().coordinate(&params).unwrap();
            prop_assert_eq!(order.iter().map(|&i| u[i]).collect::<Vec<_>>(), v);
        }
    }

    #[test]
    fn probabilities_sum_to_one_and_ignore_positive_scale(
        (columns, gradient) in columns(2), point in unit_point(10), c_scale in 0.01_f64..1.0, v_scale in 0.01_f64..1.0,
    ) {
        for transform in TRANSFORMS {
            let spec = spec(2, transform, 4);
            let ranked = RankedFeatures::new(spec.clone(), &refs(&columns), &gradient).unwrap();
            let params = SamplerParams::from_unit(&spec, &point).unwrap();
            let scaled = SamplerParams::new(
                &spec,
                params.coefficients().iter().map(|c| c * c_scale).collect(),
                params.inner_knots().to_vec(),
                params.values().iter().map(|v| v * v_scale).collect(),
            ).unwrap();
            let Ok(weights) = ranked.weights(&params) else {
                prop_assert!(ranked.weights(&scaled).is_err());
                continue;
            };
            let p = weights.probabilities();
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(close(&p, &ranked.weights(&scaled).unwrap().probabilities(), 1e-9));
        }
    }

    #[test]
    fn canonical_form_keeps_probabilities_and_is_idempotent(
        (columns, gradient) in columns(2), point in unit_point(10),
    ) {
        for transform in TRANSFORMS {
            let spec = spec(2, transform, 4);
            let ranked = RankedFeatures::new(spec.clone(), &refs(&columns), &gradient).unwrap();
            let params = SamplerParams::from_unit(&spec, &point).unwrap();
            let canonical = params.canonical();
            prop_assert_eq!(&canonical.canonical(), &canonical);
            canonical.check(&spec).unwrap();

            let projected = canonicalize_unit(&spec, &point).unwrap();
            prop_assert_eq!(&canonicalize_unit(&spec, &projected).unwrap(), &projected);
            let again = SamplerParams::from_unit(&spec, &projected).unwrap();
            prop_assert!(close(again.coefficients(), canonical.coefficients(), 0.0));
            prop_assert!(close(again.inner_knots(), canonical.inner_knots(), 1e-12));
            prop_assert!(close(again.values(), canonical.values(), 1e-12));

            let Ok(weights) = ranked.weights(&params) else { continue };
            // The mirrored and scaled rule at the mirrored coordinate, without the library's own canonical
            // step.
            let u = coordinate_by_definition(&columns, &gradient, &spec, canonical.coefficients());
            let rule = canonical.rule();
            let tau: Vec<f64> = u.iter().map(|&u| rule.eval(u)).collect();
            let total: f64 = tau.iter().sum();
            if total > 1e-6 {
                let p: Vec<f64> = tau.iter().map(|t| t / total).collect();
                prop_assert!(close(&weights.probabilities(), &p, 1e-6));
            }
            for other in [&canonical, &again] {
                prop_assert!(close(&weights.probabilities(), &ranked.weights(other).unwrap().probabilities(), 1e-9));
            }
        }
    }

    #[test]
    fn mirror_images_and_permuted_knots_share_one_representative(point in unit_point(10)) {
        let spec = spec(2, Transform::Cgf, 4);
        let mut mirror = point.clone();
        mirror[..5].iter_mut().for_each(|x| *x = 1.0 - *x);
        mirror[5..].reverse();
        // Knot coordinates are a set: any order means the same.
        mirror[2..5].rotate_left(1);
        let (a, b) = (canonicalize_unit(&spec, &point).unwrap(), canonicalize_unit(&spec, &mirror).unwrap());
        prop_assert!(close(&a, &b, 1e-12), "{a:?} {b:?}");
    }

    #[test]
    fn unit_cube_and_parameters_are_inverse(
        segments in 1_usize..8, features in 1_usize..4, seed in unit_point(19),
    ) {
        let spec = spec(features, Transform::Cgf, segments);
        let mut point = seed[..spec.dim()].to_vec();
        point[features..features + segments - 1].sort_by(f64::total_cmp);
        let params = SamplerParams::from_unit(&spec, &point).unwrap();
        params.check(&spec).unwrap();
        if point[features + segments - 1..].iter().any(|&v| v > 0.0) {
            prop_assert!(close(&params.to_unit(&spec).unwrap(), &point, 1e-12));
        } else {
            prop_assert_eq!(params, SamplerParams::uniform(&spec));
        }
    }

    #[test]
    fn the_rule_is_lipschitz_and_passes_through_its_points(
        point in unit_point(9), a in -0.1_f64..1.1, b in -0.1_f64..1.1,
    ) {
        let spec = spec(1, Transform::Cgf, 4);
        let rule = SamplerParams::from_unit(&spec, &point).unwrap().rule();
        let bound = 1.0 / spec.min_gap();
        prop_assert!(rule.lipschitz() <= bound * (1.0 + 1e-9));
        let rise = (rule.eval(a) - rule.eval(b)).abs();
        prop_assert!(rise <= rule.lipschitz() * (a - b).abs() + 1e-12);
        prop_assert!((0.0..=1.0).contains(&rule.eval(a)));
        for (&knot, &value) in rule.knots().iter().zip(rule.values()) {
            prop_assert!((rule.eval(knot) - value).abs() < 1e-12);
        }
    }
}

#[test]
fn canonical_special_cases() {
    let spec = spec(2, Transform::Cgf, 4);
    let uniform = SamplerParams::uniform(&spec);
    let knots = vec![0.1, 0.2, 0.3];
    let flat = SamplerParams::new(&spec, vec![0.3, -0.2], knots.clone(), vec![0.4; 5]).unwrap();
    assert_eq!(flat.canonical(), uniform);
    let blind =
        SamplerParams::new(&spec, vec![0.0, 0.0], knots.clone(), vec![1.0, 0.0, 0.0, 0.0, 0.2]).unwrap();
    assert_eq!(blind.canonical(), uniform);

    let ramp = SamplerParams::new(&spec, vec![-0.4, 0.2], knots, vec![0.0, 0.1, 0.2, 0.3, 0.5]).unwrap();
    let canonical = ramp.canonical();
    assert_eq!(canonical.coefficients(), [1.0, -0.5]);
    assert_eq!(canonical.values(), [1.0, 0.6, 0.4, 0.2, 0.0]);
    assert!(close(canonical.inner_knots(), &[0.7, 0.8, 0.9], 1e-15));

    // The rule of a blind sampler may be zero at 1/2; it still draws everything alike.
    let ranked = RankedFeatures::new(spec.clone(), &[&[1.0, 2.0, 3.0], &[1.0, 5.0, 2.0]], &[1.0; 3]).unwrap();
    assert_eq!(ranked.weights(&blind).unwrap(), Weights::uniform(3).unwrap());
    assert_eq!(ranked.coordinate(&blind).unwrap(), [0.5; 3]);
}

#[test]
fn even_a_tiny_coefficient_orders_the_examples() {
    let spec = spec(1, Transform::Cdf, 1);
    let ranked = RankedFeatures::new(spec.clone(), &[&[3.0, 1.0, 2.0]], &[]).unwrap();
    let tiny = SamplerParams::new(&spec, vec![-1e-300], vec![], vec![0.0, 1.0]).unwrap();
    let tau = ranked.weights(&tiny).unwrap().tau().to_vec();
    assert!(close(&tau, &[1.0 / 6.0, 5.0 / 6.0, 0.5], 1e-15), "{tau:?}");
}

#[test]
fn bad_parameters_name_the_field() {
    let spec = spec(1, Transform::Cgf, 2);
    let make = |c: f64, e: f64, v: [f64; 3]| SamplerParams::new(&spec, vec![c], vec![e], v.to_vec());
    let message = |result: Result<SamplerParams, ss_sampler::Error>| result.unwrap_err().to_string();
    assert!(message(make(1.1, 0.5, [1.0; 3])).contains("coefficients[0] is 1.1"));
    assert!(message(make(f64::NAN, 0.5, [1.0; 3])).contains("coefficients[0]"));
    for knot in [0.0, 0.01, 0.99, 1.0, -1.0, f64::NAN] {
        assert!(message(make(1.0, knot, [1.0; 3])).contains("inner_knots[0]"), "{knot}");
    }
    assert!(message(make(1.0, 0.5, [1.0, 2.0, 0.0])).contains("values[1] is 2"));
    assert!(message(make(1.0, 0.5, [1.0, f64::NAN, 0.0])).contains("values[1]"));
    assert!(message(make(1.0, 0.5, [0.0; 3])).contains("all zero"));
    assert!(
        message(SamplerParams::new(&spec, vec![], vec![0.5], vec![1.0; 3])).contains("coefficients has 0")
    );
    assert!(message(SamplerParams::from_unit(&spec, &[0.5; 4])).contains("has 4 entries, expected 5"));
    assert!(
        message(SamplerParams::from_unit(&spec, &[0.5, 0.5, 1.5, 0.5, 0.5]))
            .contains("unit coordinate 2 is 1.5")
    );
    assert!(canonicalize_unit(&spec, &[f64::NAN; 5]).is_err());
}

#[test]
fn parameters_are_checked_when_read() {
    let read = |json: &str| serde_json::from_str::<SamplerParams>(json).map_err(|e| e.to_string());
    let good = r#"{"coefficients":[1.0],"inner_knots":[0.5],"values":[1.0,0.5,0.0]}"#;
    assert_eq!(serde_json::to_string(&read(good).unwrap()).unwrap(), good);
    assert!(read(&good.replace("[1.0]", "[]")).unwrap_err().contains("coefficients is empty"));
    assert!(read(&good.replace("[0.5]", "[]")).unwrap_err().contains("values has 3 entries, expected 2"));
    assert!(read(&good.replace("[0.5]", "[1.0]")).unwrap_err().contains("inner_knots[0]"));
    assert!(read(&good.replace("0.5,0.0]", "1.5,0.0]")).unwrap_err().contains("values[1]"));
}

#[test]
fn thread_count_does_not_change_a_bit() {
    let column = |k: u32| -> Vec<f32> { (0..50_000_u32).map(|i| (i.wrapping_mul(k) >> 12) as f32).collect() };
    let (a, b, g) = (column(2_654_435_761), column(2_246_822_519), column(3_266_489_917));
    let spec = spec(2, Transform::Cgf, 4);
    let params =
        SamplerParams::new(&spec, vec![0.9, -0.31], vec![0.2, 0.3, 0.9], vec![0.1, 0.7, 1.0, 0.3, 0.0])
            .unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let ranked = RankedFeatures::new(spec.clone(), &[&a, &b], &g).unwrap();
            let weights = ranked.weights(&params).unwrap();
            (weights.effective_sample_size().to_bits(), weights)
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn bad_columns_name_the_feature_and_the_row() {
    let new = |columns: &[&[f32]], g: &[f32]| {
        RankedFeatures::new(spec(2, Transform::Cgf, 4), columns, g).unwrap_err().to_string()
    };
    let good = [1.0, 2.0, 3.0];
    assert!(new(&[&good], &good).contains("columns for the features f0, f1 has 1"));
    assert!(new(&[&good, &good[..2]], &good).contains("feature `f1` has 2 entries, expected 3"));
    assert!(new(&[&good, &[1.0, f32::NAN, 0.0]], &good).contains("feature `f1` is NaN in row 1"));
    assert!(new(&[&[1.0, 0.0, f32::INFINITY], &good], &good).contains("feature `f0` is inf in row 2"));
    assert!(new(&[&[], &[]], &[]).contains("feature `f0` is empty"));
    assert!(new(&[&good, &good], &[1.0]).contains("gradient norms has 1"));
    assert!(new(&[&good, &good], &[1.0, -2.0, 0.0]).contains("gradient norm is -2 in row 1"));
    assert!(new(&[&good, &good], &[1.0, f32::NAN, 0.0]).contains("gradient norm is NaN in row 1"));
    assert!(mid_ranks(&[]).is_err());
    assert_eq!(mid_ranks(&[0.0, -0.0]).unwrap(), [0.5, 0.5]);
}

#[test]
fn a_rule_without_mass_at_any_example_is_an_error() {
    let spec = spec(1, Transform::Cdf, 2);
    let ranked = RankedFeatures::new(spec.clone(), &[&[1.0, 2.0]], &[]).unwrap();
    // Examples sit at 1/4 and 3/4; the rule is positive below 0.1 only.
    let params = SamplerParams::new(&spec, vec![1.0], vec![0.1], vec![1.0, 0.0, 0.0]).unwrap();
    assert_eq!(ranked.weights(&params).unwrap_err(), ss_sampler::Error::NoMass { examples: 2 });
}

#[test]
fn bad_weights_and_rules() {
    let message = |tau: &[f64]| Weights::new(tau.to_vec()).unwrap_err().to_string();
    assert!(message(&[]).contains("empty"));
    assert!(message(&[1.0, -0.5]).contains("-0.5 in row 1"));
    assert!(message(&[1.0, f64::NAN]).contains("NaN in row 1"));
    assert!(message(&[f64::INFINITY]).contains("inf in row 0"));
    assert!(message(&[0.0, 0.0]).contains("all 2 weights are zero"));
    assert!(message(&[f64::MAX, f64::MAX]).contains("sum of the weights"));
    assert!(Weights::uniform(0).is_err());

    for knots in
        [vec![0.0], vec![0.0, 0.5], vec![0.1, 1.0], vec![0.0, 0.7, 0.7, 1.0], vec![0.0, f64::NAN, 1.0]]
    {
        let values = vec![1.0; knots.len()];
        assert!(PiecewiseLinear::new(knots, values).is_err());
    }
    assert!(PiecewiseLinear::new(vec![0.0, 1.0], vec![1.0]).is_err());
    assert!(PiecewiseLinear::new(vec![0.0, 1.0], vec![1.0, f64::NAN]).is_err());
}

#[test]
fn effective_sample_size_is_kishs() {
    assert!((Weights::uniform(7).unwrap().effective_sample_size() - 7.0).abs() < 1e-12);
    let one = Weights::new(vec![0.0, 5.0, 0.0]).unwrap();
    assert_eq!((one.effective_sample_size(), one.positive(), one.total()), (1.0, 1, 5.0));
    // (1 + 3)² / (1 + 9)
    assert!((Weights::new(vec![1.0, 3.0]).unwrap().effective_sample_size() - 1.6).abs() < 1e-15);
}
