//! Sketches: the same bits from any division, and the exact weights to within the stated error.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use ss_sampler::{
    Error, Pass, RankedFeatures, Sampler, SamplerParams, SamplerSpec, Sketch, SketchInput, SketchPlan,
    Totals, Transform,
};
use ss_seed::Seed;

const TRANSFORMS: [Transform; 2] = [Transform::Cgf, Transform::Cdf];

/// A sampler fitted elsewhere, on rows of another scale: only its rule may matter. The rule is a straight ramp, so that
/// an error of tau is one of `u`.
fn sampler(transform: Transform, coefficients: [f64; 2]) -> Sampler {
    let spec = SamplerSpec::new(["loss", "entropy"], transform).unwrap();
    let values = vec![1.0, 0.75, 0.5, 0.25, 0.0];
    let params = SamplerParams::new(&spec, coefficients.to_vec(), vec![0.25, 0.5, 0.75], values).unwrap();
    Sampler::fit(spec, &params, &[&[900.0, 800.0], &[-3.0, 5.0]], &[1.0, 2.0], BTreeMap::new()).unwrap()
}

type Rows = [Vec<f32>; 3];

/// Counts a pass of rows `from..to`.
fn count(plan: &Arc<SketchPlan>, rows: &Rows, from: usize, to: usize) -> Sketch {
    let mut sketch = plan.sketch().unwrap();
    sketch.add(&[&rows[0][from..to], &rows[1][from..to]], &rows[2][from..to], from).unwrap();
    sketch
}

/// All passes, each by `sketch_of`; the passes made.
fn run(sampler: Sampler, sketch_of: impl Fn(&Arc<SketchPlan>) -> Sketch) -> (SketchPlan, Vec<Pass>) {
    let (mut plan, mut passes) = (Arc::new(SketchPlan::refit(sampler)), Vec::new());
    while let Some(pass) = plan.pass() {
        passes.push(pass);
        assert!(passes.len() < 12, "{passes:?}");
        plan = Arc::new(plan.after(&sketch_of(&plan)).unwrap());
    }
    (Arc::unwrap_or_clone(plan), passes)
}

fn whole(sampler: Sampler, rows: &Rows) -> (SketchPlan, Vec<Pass>) {
    run(sampler, |plan| count(plan, rows, 0, rows[0].len()))
}

/// As [`whole`], but for the errors of passes.
fn run_checked(sampler: Sampler, rows: &Rows) -> Result<SketchPlan, Error> {
    let mut plan = Arc::new(SketchPlan::refit(sampler));
    while plan.pass().is_some() {
        plan = Arc::new(plan.after(&count(&plan, rows, 0, rows[0].len()))?);
    }
    Ok(Arc::unwrap_or_clone(plan))
}

fn outcome(plan: &SketchPlan) -> (String, Totals) {
    let (sampler, totals) = plan.scoring().unwrap();
    (sampler.to_json().unwrap(), *totals)
}

/// A column of one of several kinds that sketches may find hard.
fn column(kind: usize, n: usize, seed: u64) -> Vec<f32> {
    let stream = Seed::new(seed).stream("column");
    let unit = |i: usize| stream.index(i as u64).unit();
    (0..n)
        .map(|i| match kind {
            // Continuous, skewed.
            0 => (-(1.0 - unit(i)).ln()) as f32,
            // All equal.
            1 => 0.25,
            // Within 1e-6 of 1: eight values, or so.
            2 => 1.0 + (unit(i) * 8.0) as f32 * f32::EPSILON,
            // Subnormal, both signs of zero among them.
            3 => f32::from_bits((unit(i) * 3_000.0) as u32) * if i % 3 == 0 { -1.0 } else { 1.0 },
            // Negative, of all magnitudes.
            4 => -(10.0_f64.powf(unit(i) * 60.0 - 30.0)) as f32,
            // Nine tenths tied, the others within a cell.
            5 if unit(i) < 0.9 => 2.0,
            5 => 2.0 + (unit(i) * 200.0) as f32 * 2.0 * f32::EPSILON,
            // Evenly within one power of two: every cell is as heavy as the others.
            6 => 1.0 + unit(i) as f32 * 0.125,
            _ => f32::MAX * (unit(i) * 2.0 - 1.0) as f32,
        })
        .collect()
}

const KINDS: usize = 8;

fn rows(kinds: [usize; 2], gradient: usize, n: usize, seed: u64) -> Rows {
    let [loss, entropy] = [0, 1].map(|k| column(kinds[k], n, seed + k as u64));
    let norms = column(0, n, seed + 2);
    let norms = match gradient {
        0 => norms,
        1 => vec![0.0; n],
        // One row has nearly all of the gradient.
        2 => norms.iter().enumerate().map(|(i, norm)| if i == n / 2 { 1e9 } else { *norm }).collect(),
        _ => norms.iter().map(|norm| norm.powi(8)).collect(),
    };
    [loss, entropy, norms]
}

/// Checks every row against exact ranks, by the bound that the documentation gives.
fn assert_within_bound(rows: &Rows, transform: Transform, coefficients: [f64; 2]) {
    let n = rows[0].len();
    let sampler = sampler(transform, coefficients);
    let canonical = sampler.params().clone();
    let (plan, _) = whole(sampler, rows);
    let ranked = RankedFeatures::new(plan.sampler().spec().clone(), &[&rows[0], &rows[1]], &rows[2]).unwrap();
    let exact_tau = ranked.weights(&canonical);
    let (fitted, totals) = plan.scoring().unwrap();
    assert!(plan.rank_error() <= 0.5 / 4096.0);
    let found = fitted.taus(&[&rows[0], &rows[1]]).unwrap();
    assert_eq!(totals.rows(), n as u64);
    let sum: f64 = found.iter().sum();
    assert!((totals.sum() - sum).abs() <= 1e-12 * sum);
    if let Ok(exact) = exact_tau {
        assert!((exact.total() - sum).abs() <= 0.05 * n as f64);
    }

    let error = plan.rank_error() + 1.5 / 4096.0;
    let c = canonical.coefficients();
    let ranks: Vec<Vec<f64>> = (0..2).map(|k| ranked.mid_ranks(k).collect()).collect();
    let z: Vec<f64> = (0..n).map(|i| c[0] * ranks[0][i] + c[1] * ranks[1][i]).collect();
    // A score moves by the error of its ranks, and so do those it is compared with.
    let sweep = 2.0 * (c[0].abs() + c[1].abs()) * error + 1e-9;
    let equal = transform == Transform::Cdf || rows[2].iter().all(|&norm| norm == 0.0);
    let mut sorted: Vec<(f64, f64)> =
        (0..n).map(|i| (z[i], if equal { 1.0 } else { rows[2][i].into() })).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut upto = vec![0.0];
    for (_, mass) in &sorted {
        upto.push(upto[upto.len() - 1] + mass);
    }
    let share = |end: usize| upto[end] / upto[n];
    for i in 0..n {
        let low = share(sorted.partition_point(|(z_j, _)| *z_j < z[i] - sweep)) - error - 1e-9;
        let high = share(sorted.partition_point(|(z_j, _)| *z_j <= z[i] + sweep)) + error + 1e-9;
        let u = 1.0 - found[i];
        assert!((low..=high).contains(&u), "row {i}: u {u} outside {low}..={high}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_division_gives_the_same_bits(
        kinds in [0..KINDS, 0..KINDS],
        gradient in 0_usize..4,
        n in 1_usize..2_000,
        cuts in prop::collection::vec(0.0_f64..1.0, 0..6),
        order in any::<u64>(),
        cdf in any::<bool>(),
        coefficients in [-1.0_f64..1.0, -1.0..1.0],
    ) {
        let rows = rows(kinds, gradient, n, 7);
        let sampler = sampler(TRANSFORMS[usize::from(cdf)], coefficients);
        let (expected, passes) = whole(sampler.clone(), &rows);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| (cut * n as f64) as usize).chain([0, n]).collect();
        ends.sort_unstable();
        let (found, again) = run(sampler, |plan| {
            let mut parts: Vec<Sketch> = ends
                .windows(2)
                .enumerate()
                .map(|(i, ends)| {
                    let mut part = count(plan, &rows, ends[0], ends[1]);
                    part.record(SketchInput { name: format!("part {i}"), digest: i as u64 }).unwrap();
                    // Some parts are counted by another process.
                    if i % 2 == 1 { part } else { Sketch::from_json(&part.to_json().unwrap()).unwrap() }
                })
                .collect();
            let by = Seed::new(order).stream("order");
            let pick = |i: usize, n: usize| (by.index(i as u64).unit() * n as f64) as usize;
            while parts.len() > 1 {
                let part = parts.swap_remove(pick(parts.len(), parts.len()));
                let into = pick(100 + parts.len(), parts.len());
                parts[into].merge(part).unwrap();
            }
            parts.remove(0)
        });
        prop_assert_eq!(again, passes);
        prop_assert_eq!(outcome(&found), outcome(&expected));
    }

    #[test]
    fn few_rows_get_exactly_the_weights_of_memory(
        kinds in [0..KINDS, 0..KINDS],
        gradient in 0_usize..4,
        n in 1_usize..1_000,
        cdf in any::<bool>(),
        coefficients in [-1.0_f64..1.0, -1.0..1.0],
    ) {
        let rows = rows(kinds, gradient, n, 11);
        let sampler = sampler(TRANSFORMS[usize::from(cdf)], coefficients);
        let ranked = RankedFeatures::new(sampler.spec().clone(), &[&rows[0], &rows[1]], &rows[2]).unwrap();
        let exact = ranked.weights(sampler.params());
        let sketched = run_checked(sampler, &rows);
        match (exact, sketched) {
            (Ok(exact), Ok(plan)) => {
                let (fitted, _) = plan.scoring().unwrap();
                let found = fitted.taus(&[&rows[0], &rows[1]]).unwrap();
                // A few rows may have next to no gradient together: these cells are left as they are, and a row between their
                // ends is interpolated, which rounds.
                let bound = plan.rank_error() + if plan.rank_error() > 0.0 { 1e-14 } else { 0.0 };
                for i in 0..n {
                    let (found, exact) = (found[i], exact.tau()[i]);
                    prop_assert!((found - exact).abs() <= bound, "row {}: {} {} {}", i, found, exact, bound);
                }
                if cdf || gradient == 1 {
                    prop_assert_eq!(plan.rank_error(), 0.0);
                }
            }
            (exact, sketched) => prop_assert_eq!(exact.unwrap_err(), sketched.unwrap_err()),
        }
    }

    #[test]
    fn hard_columns_are_within_the_bound(
        kinds in [0..KINDS, 0..KINDS],
        gradient in 0_usize..4,
        n in 1_usize..6_000,
        cdf in any::<bool>(),
        coefficients in prop_oneof![
            Just([1.0, 0.0]), Just([1.0, -1.0]), Just([-0.3, 1.0]), Just([1e-7, 1.0]), Just([0.0, 0.0]),
        ],
    ) {
        assert_within_bound(&rows(kinds, gradient, n, 3), TRANSFORMS[usize::from(cdf)], coefficients);
    }
}

#[test]
fn large_columns_are_within_the_bound() {
    for (kinds, gradient) in [([0, 6], 0), ([5, 0], 3), ([2, 2], 2), ([7, 4], 1)] {
        assert_within_bound(&rows(kinds, gradient, 60_000, 5), Transform::Cgf, [1.0, -0.5]);
    }
}

#[test]
fn opposite_features_make_scores_that_need_fine_cells() {
    // The second feature undoes the first but for a little: all of z lies within a few cells.
    let n = 20_000;
    let loss = column(0, n, 1);
    let entropy = loss.iter().enumerate().map(|(i, v)| v * (1.0 + 1e-4 * (i % 7) as f32)).collect();
    let rows = [loss, entropy, column(0, n, 2)];
    let (plan, passes) = whole(sampler(Transform::Cgf, [1.0, -1.0]), &rows);
    assert!(passes.contains(&Pass::RefineOrder), "{passes:?}");
    assert!(plan.rank_error() <= 0.5 / 4096.0);
}

#[test]
fn ordinary_columns_need_three_passes() {
    let sampler = sampler(Transform::Cdf, [1.0, -0.3]);
    let (plan, passes) = whole(sampler.clone(), &rows([0, 0], 0, 50_000, 9));
    assert_eq!(passes, [Pass::Features, Pass::Order, Pass::Total]);
    assert!(plan.rank_error() > 0.0);
    assert!(whole(sampler, &rows([5, 0], 0, 50_000, 9)).1.contains(&Pass::RefineFeatures));
}

#[test]
fn stored_distributions_take_one_pass() {
    let sampler = sampler(Transform::Cgf, [1.0, 0.5]);
    let rows = rows([0, 0], 0, 1_000, 1);
    let plan = Arc::new(SketchPlan::stored(sampler.clone()));
    let done = plan.after(&count(&plan, &rows, 0, 1_000)).unwrap();
    let (scoring, totals) = done.scoring().unwrap();
    let exact = sampler.score(&[&rows[0], &rows[1]]).unwrap();
    assert_eq!(scoring, &sampler);
    assert!((totals.sum() / exact.total() - 1.0).abs() < 1e-14);
    assert!((totals.effective_sample_size() / exact.effective_sample_size() - 1.0).abs() < 1e-12);
    assert_eq!(totals.positive(), exact.positive() as u64);
}

#[test]
fn sketches_that_do_not_belong_together_are_refused() {
    let rows = rows([0, 0], 0, 100, 1);
    let plan = Arc::new(SketchPlan::refit(sampler(Transform::Cgf, [1.0, 0.5])));
    let other = Arc::new(SketchPlan::refit(sampler(Transform::Cgf, [1.0, 0.25])));
    let input = |name: &str| SketchInput { name: name.into(), digest: 1 };
    let part = |plan: &Arc<SketchPlan>, from, to, name: &str| {
        let mut part = count(plan, &rows, from, to);
        part.record(input(name)).unwrap();
        part
    };
    let says = |result: Result<(), Error>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let mut sketch = part(&plan, 0, 50, "a");
    says(sketch.clone().merge(part(&other, 50, 100, "b")), &["two samplers"]);
    says(sketch.clone().merge(part(&plan, 0, 50, "a")), &["a has been counted twice"]);
    says(sketch.clone().record(input("a")), &["a has been counted twice"]);
    sketch.merge(part(&plan, 50, 100, "b")).unwrap();
    let next = Arc::new(plan.after(&sketch).unwrap());
    says(sketch.clone().merge(part(&next, 0, 50, "a")), &["`features` and `order`"]);
    says(next.after(&part(&next, 0, 50, "a")).map(drop), &["`order` has not seen b"]);
    let mut strange = part(&next, 0, 50, "a");
    strange.merge(part(&next, 50, 100, "b")).unwrap();
    says(strange.record(input("c")), &["has not seen c"]);
    // Other rows under the same names.
    let mut other_rows = part(&next, 0, 50, "a");
    other_rows.merge(part(&next, 50, 99, "b")).unwrap();
    says(next.after(&other_rows).map(drop), &["99 rows", "100"]);
    let half = Arc::new(plan.after(&part(&plan, 0, 50, "a")).unwrap());
    says(part(&next, 0, 50, "a").merge(part(&half, 0, 50, "a")), &["after different passes", "--after"]);
    says(plan.after(&plan.sketch().unwrap()).map(drop), &["the dataset is empty"]);
}

#[test]
fn changed_rows_are_noticed_where_cells_are_refined() {
    let mut rows = rows([2, 0], 0, 100, 1);
    let plan = Arc::new(SketchPlan::refit(sampler(Transform::Cgf, [1.0, 0.5])));
    let next = Arc::new(plan.after(&count(&plan, &rows, 0, 100)).unwrap());
    assert_eq!(next.pass(), Some(Pass::RefineFeatures));
    rows[0][5] = 3.0;
    let error = next.after(&count(&next, &rows, 0, 100)).unwrap_err().to_string();
    assert!(error.contains("changed between passes"), "{error}");
}

#[test]
fn bad_rows_are_named_by_their_number() {
    let plan = Arc::new(SketchPlan::refit(sampler(Transform::Cgf, [1.0, 0.5])));
    let says = |columns: [&[f32]; 2], norms: &[f32], words: &[&str]| {
        let message = plan.sketch().unwrap().add(&columns, norms, 1_000).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    says([&[1.0, f32::NAN], &[1.0, 2.0]], &[1.0, 1.0], &["feature `loss` is NaN in row 1001"]);
    says([&[1.0, 1.0], &[1.0, f32::INFINITY]], &[1.0, 1.0], &["feature `entropy` is inf in row 1001"]);
    says([&[1.0, 1.0], &[1.0, 2.0]], &[1.0, -2.0], &["gradient norm is -2 in row 1001"]);
    says([&[1.0, 1.0], &[1.0, 2.0]], &[1.0], &["gradient norms has 1 entries, expected 2"]);
    says([&[1.0, 1.0], &[1.0]], &[1.0, 1.0], &["feature `entropy` has 1 entries"]);
}

#[test]
fn broken_sketch_files_say_what_is_wrong() {
    let plan = Arc::new(SketchPlan::refit(sampler(Transform::Cgf, [1.0, 0.5])));
    let rows = rows([1, 2], 0, 100, 1);
    let good = count(&plan, &rows, 0, 100).to_json().unwrap();
    assert_eq!(Sketch::from_json(&good).unwrap().to_json().unwrap(), good);
    for (from, to, word) in [
        ("\"sketch_version\":1", "\"sketch_version\":2", "version"),
        ("\"rows\":100", "\"rows\":101", "every row once"),
        ("\"mass\":[100]", "\"mass\":[0]", "mass"),
        ("\"mass\":[100]", "\"mass\":[100,1]", "same length"),
        ("\"top_norm\":", "\"top_norm\":-", "gradient norm"),
        ("\"stage\":\"features\"", "\"stage\":\"order\"", "not valid"),
        ("{", "", "not valid"),
    ] {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good, "{from}");
        let message = Sketch::from_json(&broken).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn sums_that_no_weights_have_are_refused() {
    let fitted = Sampler::fit(
        sampler(Transform::Cdf, [1.0, 0.5]).spec().clone(),
        sampler(Transform::Cdf, [1.0, 0.5]).params(),
        &[&[0.0, 1.0, 2.0], &[0.0, 2.0, 1.0]],
        &[],
        BTreeMap::new(),
    );
    let plan = Arc::new(SketchPlan::stored(fitted.unwrap()));
    let mut sketch = plan.sketch().unwrap();
    sketch.add(&[&[0.0, 1.0, 2.0], &[0.0, 2.0, 1.0]], &[], 0).unwrap();
    let good = sketch.to_json().unwrap();
    Sketch::from_json(&good).unwrap();
    for (field, value) in [("positive", "4"), ("sum", "[9000000000,0]"), ("squares", "[9000000000,0]")] {
        let mut file: serde_json::Value = serde_json::from_str(&good).unwrap();
        file["counted"]["total"][field] = serde_json::from_str(value).unwrap();
        let message = Sketch::from_json(&file.to_string()).unwrap_err().to_string();
        assert!(message.contains("cannot have these sums"), "{field}: {message}");
    }
    let rows = (1_u64 << 40) + 1;
    let mut file: serde_json::Value = serde_json::from_str(&good).unwrap();
    file["rows"] = rows.into();
    file["counted"]["total"]["rows"] = rows.into();
    assert!(Sketch::from_json(&file.to_string()).is_err());
}
