//! `search` end to end on every layout of data, and the files that it leaves.

use std::fs;
use std::path::Path;

use predicates::prelude::*;
use ss_data::{NumericTable, Weights};
use ss_sampler::Sampler;
use tempfile::tempdir;

use crate::command::{apply, file_names, search, swift_sampler};
use crate::fixtures::{cifar_batches, cifar_parquet, fashion_mnist};

const FILES: [&str; 4] = ["features.parquet", "sampler.json", "summary.md", "weights.parquet"];

/// `apply` of the sampler in `out` to the features in `out` gives the weights in `out`.
///
/// Up to 1,025 examples every point of the sampler's tables is kept, so only rounding is left: 1e-12 of a
/// probability.
#[track_caller]
fn assert_applies(out: &Path) {
    let again = out.join("again.parquet");
    apply(&out.join("sampler.json"), &out.join("features.parquet"), &again).assert().success();
    let found = Weights::read_parquet(&again).unwrap();
    let expected = Weights::read_parquet(&out.join("weights.parquet")).unwrap();
    assert_eq!(found.ids(), expected.ids());
    for (p, q) in found.probabilities().iter().zip(expected.probabilities()) {
        assert!((p - q).abs() <= 1e-12 * q, "{p} against {q}");
    }
    fs::remove_file(again).unwrap();
}

#[test]
fn digits_with_wrong_labels() {
    let folder = tempdir().unwrap();
    let run = |out: &Path, seed: &str, threads: &str| {
        swift_sampler(["search", "--dataset", "digits", "--train-size", "200", "--val-size", "100"])
            .args(["--epochs", "4", "--trials", "4", "--noise", "0.4", "-q", "--seed", seed, "--out"])
            .arg(out)
            .env("RAYON_NUM_THREADS", threads)
            .assert()
            .success()
            .stdout(predicate::str::contains("Written to"))
            .stderr(predicate::str::is_empty());
    };
    let (out, again, other) = (folder.path().join("a/b"), folder.path().join("c"), folder.path().join("d"));
    run(&out, "0", "2");
    assert_eq!(file_names(&out), FILES);
    assert_applies(&out);

    let features = NumericTable::read_parquet(&out.join("features.parquet"), "id").unwrap();
    assert_eq!(features.ids.len(), 200);
    for column in ["loss", "renormed_entropy", "grad_norm"] {
        assert!(features.column(column).unwrap().iter().all(|value| *value >= 0.0), "{column}");
    }
    let weights = Weights::read_parquet(&out.join("weights.parquet")).unwrap();
    assert_eq!(weights.ids(), features.ids);
    assert!((weights.probabilities().iter().sum::<f64>() - 1.0).abs() < 1e-12);

    let sampler = Sampler::from_json(&fs::read_to_string(out.join("sampler.json")).unwrap()).unwrap();
    assert_eq!(sampler.fitted_examples(), 200);
    let provenance = |key: &str| sampler.provenance()[key].as_str();
    assert_eq!([provenance("dataset"), provenance("seed")], ["digits", "0"]);
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    for part in ["200 training images", "100 validation images", "Chosen: ", "| baseline |", "| ss |"] {
        assert!(summary.contains(part), "{part:?} is not in:\n{summary}");
    }

    // The same seed gives the same bytes, whatever the number of threads; another seed does not.
    run(&again, "0", "1");
    run(&other, "1", "2");
    for name in FILES {
        let read = |folder: &Path| fs::read(folder.join(name)).unwrap();
        assert!(read(&out) == read(&again), "{name} depends on the number of threads");
        assert!(read(&out) != read(&other), "{name} does not depend on the seed");
    }
}

/// Searches the data that `write` makes.
#[track_caller]
fn finds_a_sampler(dataset: &str, write: impl Fn(&Path)) {
    let folder = tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    fs::create_dir(&data).unwrap();
    write(&data);
    search(&out, &["--dataset", dataset, "--data-dir", data.to_str().unwrap()]).assert().success();
    assert_eq!(file_names(&out), FILES);
    assert_applies(&out);
    let weights = Weights::read_parquet(&out.join("weights.parquet")).unwrap();
    assert_eq!(weights.ids().len(), 60);
    assert!(weights.ids().iter().all(|&id| id < 100), "identifiers are rows of the published training set");
}

#[test]
fn fashion_mnist_plain() {
    finds_a_sampler("fashion-mnist", |data| fashion_mnist(data, false));
}

#[test]
fn fashion_mnist_gzip() {
    finds_a_sampler("fashion-mnist", |data| fashion_mnist(data, true));
}

#[test]
fn cifar10_binary_batches() {
    finds_a_sampler("cifar10", cifar_batches);
}

#[test]
fn cifar10_parquet() {
    finds_a_sampler("cifar10", cifar_parquet);
}

#[test]
fn options_reach_the_search() {
    let folder = tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    fs::create_dir(&data).unwrap();
    fashion_mnist(&data, false);
    search(&out, &["--dataset", "fashion-mnist", "--data-dir", data.to_str().unwrap()])
        .args(["--transform", "cdf", "--noise", "0.2", "--noise-kind", "pair-flip", "--val-labels", "clean"])
        .args(["--score", "accuracy", "--trial-epochs", "0.5", "--train-size", "0", "--seed", "7"])
        .assert()
        .success();
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("sampler.json")).unwrap()).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["spec"]["transform"], "cdf");
    assert_eq!(json["provenance"]["noise"], "pair-flip 0.2");
    assert_eq!(json["provenance"]["network"], "resnet8-4-4-8");
    // --train-size 0 takes all that validation leaves.
    assert_eq!(json["provenance"]["train_size"], "70");
    assert_applies(&out);
}
