//! `search` end to end on every layout of data, and the files that it leaves.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use predicates::prelude::*;
use scraper::{Html, Selector};
use ss_data::{NumericTable, Weights};
use ss_sampler::Sampler;
use tempfile::tempdir;

use crate::command::{apply, file_names, search, swift_sampler};
use crate::fixtures::{cifar_batches, cifar_parquet, fashion_mnist};

/// The results; beside them lie the record of the trials, `study.log`, and `report.html`, which tell the time.
pub(crate) const FILES: [&str; 5] =
    ["features.parquet", "rule.svg", "sampler.json", "summary.md", "weights.parquet"];

/// The promised files are there, and none that is temporary.
#[track_caller]
fn assert_complete(out: &Path) {
    let names = file_names(out);
    let expected = FILES.iter().chain(["report.html"].iter());
    assert!(expected.into_iter().all(|file| names.iter().any(|name| name == file)), "{names:?}");
    let temporary =
        |name: &String| name.starts_with('.') || name.ends_with(".partial") || name.contains(".lock");
    assert!(!names.iter().any(temporary), "{names:?}");
}

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
    assert_complete(&out);
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
    let read = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    assert_eq!(file_names(&out), file_names(&again));
    for name in FILES {
        assert!(read(&out, name) == read(&again, name), "{name} depends on the number of threads");
    }
    for name in FILES {
        assert!(read(&out, name) != read(&other, name), "{name} does not depend on the seed");
    }
}

/// The report of a search that found a rule: its figures, and the images with the pixels of digits.
#[track_caller]
fn assert_page(out: &Path) {
    let page = Html::parse_document(&fs::read_to_string(out.join("report.html")).unwrap());
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    let shown = |selector: &str| page.select(&Selector::parse(selector).unwrap()).count();
    assert_eq!([shown("figure"), shown(".thumbnails img")], [5, 2 * 24]);
    for image in page.select(&Selector::parse("img").unwrap()) {
        let png = image.value().attr("src").unwrap().strip_prefix("data:image/png;base64,").unwrap();
        let image = image::load_from_memory(&STANDARD.decode(png).unwrap()).unwrap();
        assert_eq!((image.width(), image.height()), (8, 8));
    }
}

/// The mid-mass coordinate of each key: the share of the mass that lies below it, and half of that at it.
fn coordinates(keys: &[f64], masses: &[f64]) -> Vec<f64> {
    let total: f64 = masses.iter().sum();
    let share = |key: f64| {
        let mass = |(other, mass): (&f64, &f64)| if *other < key { *mass } else { 0.5 * mass };
        keys.iter().zip(masses).filter(|(other, _)| **other <= key).map(mass).sum::<f64>() / total
    };
    keys.iter().map(|&key| share(key)).collect()
}

/// The height at `u` of the piecewise linear rule through these points.
fn height(knots: &[f64], values: &[f64], u: f64) -> f64 {
    let right = knots.iter().position(|&knot| u <= knot).unwrap_or(knots.len() - 1).max(1);
    let t = (u - knots[right - 1]) / (knots[right] - knots[right - 1]);
    values[right - 1] + t * (values[right] - values[right - 1])
}

/// A rule is found, and its weights are those that its definition (ranks of the features, weighted sum, share
/// of the gradient mass, piecewise linear height) gives for the features in the file, computed here anew.
#[test]
fn the_weights_are_those_of_the_rule() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    swift_sampler(["search", "--dataset", "digits", "--train-size", "600", "--val-size", "297", "-q"])
        .args(["--epochs", "20", "--trials", "12", "--noise", "0.4", "--out"])
        .arg(out)
        .assert()
        .success();
    assert_applies(out);
    let features = NumericTable::read_parquet(&out.join("features.parquet"), "id").unwrap();
    let column = |name: &str| -> Vec<f64> {
        features.column(name).unwrap().iter().map(|&value| f64::from(value)).collect()
    };
    let sampler = Sampler::from_json(&fs::read_to_string(out.join("sampler.json")).unwrap()).unwrap();
    let (params, n) = (sampler.params(), features.ids.len());
    let mut z = vec![0.0; n];
    for (name, c) in sampler.spec().features().iter().zip(params.coefficients()) {
        let ranks = coordinates(&column(name), &vec![1.0; n]);
        z.iter_mut().zip(ranks).for_each(|(z, rank)| *z += c * rank);
    }
    let u = coordinates(&z, &column("grad_norm"));
    let knots = [&[0.0], params.inner_knots(), &[1.0]].concat();
    let tau: Vec<f64> = u.iter().map(|&u| height(&knots, params.values(), u)).collect();
    let total: f64 = tau.iter().sum();
    let weights = Weights::read_parquet(&out.join("weights.parquet")).unwrap();
    // Gradient masses are integers of 40 bits in the sampler and the rule is at most 50 steep: 1e-8 of the
    // uniform probability covers the difference.
    for (p, tau) in weights.probabilities().iter().zip(tau) {
        assert!((p - tau / total).abs() * (n as f64) < 1e-8, "{p} against {}", tau / total);
    }
    assert_page(out);
    let never = weights.probabilities().iter().filter(|p| **p == 0.0).count();
    assert!(never > n / 10, "40% of the labels are wrong and only {never} of {n} examples are left out");
}

/// Searches the data that `write` makes.
#[track_caller]
fn finds_a_sampler(dataset: &str, write: impl Fn(&Path)) {
    let folder = tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    fs::create_dir(&data).unwrap();
    write(&data);
    search(&out, &["--dataset", dataset, "--data-dir", data.to_str().unwrap()]).assert().success();
    assert_complete(&out);
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
    swift_sampler(["search", "-q", "--dataset", "fashion-mnist", "--data-dir", data.to_str().unwrap()])
        .args(["--epochs", "2", "--trials", "2", "--network", "resnet8-4-4-8", "--val-size", "30", "--out"])
        .arg(&out)
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
