//! `apply`: probabilities for examples that no search has seen.

use std::sync::Arc;

use arrow_array::{Float64Array, Int64Array, StringArray};
use predicates::prelude::*;
use ss_data::Weights;
use tempfile::tempdir;

use crate::command::{apply, file_names};
use crate::fixtures::{ids, parquet, write_sampler};

/// The rule of [`write_sampler`] at `loss`, from its definition: the mid-rank among 1, 2, ..., 100, then 1 up
/// to a half, falling to 0 at three quarters.
fn tau(loss: f64) -> f64 {
    let below = (1..=100).filter(|&i| f64::from(i) < loss).count() as f64;
    let ties = (1..=100).filter(|&i| f64::from(i) == loss).count() as f64;
    let u = (below + 0.5 * ties) / 100.0;
    ((0.75 - u) / 0.25).clamp(0.0, 1.0)
}

#[test]
fn unseen_examples_get_the_probabilities_of_the_rule() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_sampler(&at("sampler.json"));
    // Losses seen, between seen ones and outside them; an integer column, a text column that is not needed,
    // and identifiers in no order under a name of the user's.
    let losses = [3.0, 1e6, 62.5, -4.0, 100.0, 55.0, 74.0, 12.25];
    let keys = [9_u64, 2, u64::MAX, 4, 11, 0, 70, 3];
    parquet(
        &at("features.parquet"),
        vec![
            ("renormed_entropy", Arc::new(Int64Array::from(vec![0, 1, 2, -3, 1, 1, 0, 9]))),
            ("path", Arc::new(StringArray::from(vec!["a.png"; 8]))),
            ("loss", Arc::new(Float64Array::from(losses.to_vec()))),
            ("key", ids(keys)),
        ],
    );
    apply(&at("sampler.json"), &at("features.parquet"), &at("weights.parquet"))
        .args(["--id-column", "key"])
        .assert()
        .success()
        .stdout(predicate::str::contains("8 examples").and(predicate::str::contains("2 never drawn")));

    let weights = Weights::read_parquet(&at("weights.parquet")).unwrap();
    assert_eq!(weights.ids(), keys);
    let taus = losses.map(tau);
    assert_eq!(taus.iter().filter(|tau| **tau == 0.0).count(), 2);
    let total: f64 = taus.iter().sum();
    for ((loss, tau), p) in losses.iter().zip(taus).zip(weights.probabilities()) {
        assert!((p - tau / total).abs() < 1e-12, "loss {loss}: {p} against {}", tau / total);
    }
    assert_eq!(file_names(folder.path()), ["features.parquet", "sampler.json", "weights.parquet"]);
}

#[test]
fn an_example_weighs_the_same_in_any_company() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_sampler(&at("sampler.json"));
    let ratio = |others: std::ops::Range<u64>| {
        let n = 2 + others.clone().count();
        let losses = [20.0, 65.0].into_iter().chain(others.clone().map(|i| i as f64));
        parquet(
            &at("features.parquet"),
            vec![
                ("id", ids([1000, 1001].into_iter().chain(others.clone()))),
                ("loss", Arc::new(Float64Array::from_iter_values(losses))),
                ("renormed_entropy", Arc::new(Float64Array::from(vec![0.5; n]))),
            ],
        );
        apply(&at("sampler.json"), &at("features.parquet"), &at("weights.parquet")).assert().success();
        let weights = Weights::read_parquet(&at("weights.parquet")).unwrap();
        assert!((weights.probabilities().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        weights.probabilities()[1] / weights.probabilities()[0]
    };
    // The rule at a loss of 65, rank 64.5: (0.75 - 0.645) / 0.25.
    for others in [0..0, 0..10, 80..100, 0..500] {
        assert!((ratio(others) - 0.42).abs() < 1e-12);
    }
}
