//! `search` with settings out of range: refused before any work.

use std::fs;
use std::time::Instant;

use tempfile::tempdir;

use crate::command::{Out, assert_refused, search, swift_sampler};

/// `search` on digits with these flags is refused with these words, at once, and leaves nothing.
#[track_caller]
fn refused(flags: &[&str], parts: &[&str]) {
    let out = Out::new();
    assert_refused(search_digits(&out, flags), parts);
    out.assert_untouched();
}

fn search_digits(out: &Out, flags: &[&str]) -> assert_cmd::Command {
    let mut command = swift_sampler(["search", "-q", "--dataset", "digits", "--out"]);
    // No size is given: a search that does start runs into the limit.
    command.arg(out.path()).args(flags).timeout(std::time::Duration::from_secs(10));
    command
}

#[test]
fn numbers_out_of_range() {
    for rate in ["1.5", "nan", "1", "-0.1", "inf"] {
        let found = format!("noise rate = {}", if rate == "nan" { "NaN" } else { rate });
        let flag = format!("--noise={rate}");
        refused(&[&flag], &["--noise", &found, "at least 0 and below 1"]);
    }
    refused(&["--noise", "much"], &["--noise", "'much'", "invalid float"]);
    refused(&["--trials", "0"], &["--trials = 0", "at least 1"]);
    refused(&["--epochs", "0"], &["epochs = 0", "at least 1"]);
    for epochs in ["0", "-1", "nan", "inf"] {
        let flag = format!("--trial-epochs={epochs}");
        refused(&[&flag], &["--trial-epochs", "a positive number"]);
    }
    for share in ["0", "1", "-0.5", "nan"] {
        let flag = format!("--prune-after={share}");
        refused(&["--prune", &flag], &["--prune-after", "above 0 and below 1"]);
    }
    for tolerance in ["0", "-1", "nan", "inf"] {
        let flag = format!("--converged-below={tolerance}");
        refused(&["--stop-when-converged", &flag], &["--converged-below", "a positive number"]);
    }
    refused(&["--converged-below", "0.1"], &["required", "--stop-when-converged"]);
    refused(&["--prune-after", "0.5"], &["required", "--prune"]);
    // A trial of one step has no middle.
    refused(&["--prune", "--trial-epochs", "0.05"], &["epochs = 0.05", "at least two steps"]);
    refused(&["--trials=-3"], &["--trials", "'-3'", "invalid digit"]);
}

#[test]
fn sizes_beyond_the_data() {
    refused(&["--train-size", "2000"], &["train 2000", "at most", "images", "digits"]);
    refused(&["--val-size", "1297"], &["validation 1297", "at most", "digits"]);
    refused(&["--val-size", "0"], &["validation 0", "each at least 1"]);
    refused(&["--train-size", "18446744073709551615"], &["train 18446744073709551615", "at most"]);
    // A single image has a single class.
    refused(&["--train-size", "1"], &["training part", "one class only", "at least two"]);
    refused(&["--val-size", "1"], &["validation part", "one class only"]);
}

#[test]
fn unknown_names_list_the_known_ones() {
    refused(&["--network", "resnet9000"], &["--network", "resnet9000", "resnet20", "wrn-DEPTH-WIDTH"]);
    refused(&["--network", "wrn-17-2"], &["--network", "depth 17", "6k + 4"]);
    refused(&["--transform", "pdf"], &["--transform", "`pdf`", "cgf or cdf"]);
    refused(&["--score", "f1"], &["--score", "f1", "accuracy", "calibrated"]);
    refused(&["--noise-kind", "salt"], &["--noise-kind", "`salt`", "symmetric", "pair-flip"]);
    refused(&["--val-labels", "wrong"], &["--val-labels", "wrong", "clean", "noisy"]);
    refused(&["--sede", "1"], &["--sede", "--seed"]);
    let out = Out::new();
    assert_refused(
        search(&out.path(), &["--dataset", "mnist"]),
        &["--dataset", "`mnist`", "digits", "cifar10"],
    );
    assert_refused(search(&out.path(), &[]), &["required", "--dataset"]);
    out.assert_untouched();
}

#[test]
fn a_network_too_deep_for_the_images() {
    let folder = tempdir().unwrap();
    // Images of 2x3 pixels.
    let (images, labels) = (crate::fixtures::idx(&[100, 2, 3], &[7; 600]), crate::fixtures::idx_labels(100));
    for part in ["train", "t10k"] {
        fs::write(folder.path().join(format!("{part}-images-idx3-ubyte")), &images).unwrap();
        fs::write(folder.path().join(format!("{part}-labels-idx1-ubyte")), &labels).unwrap();
    }
    let out = Out::new();
    let data = folder.path().to_str().unwrap();
    let command = search(&out.path(), &["--dataset", "fashion-mnist", "--data-dir", data]);
    assert_refused(command, &["resnet8-4-4-8", "1x2x3", "use larger images"]);
    out.assert_untouched();
}

#[test]
fn a_place_that_cannot_be_written_is_noticed_before_the_work() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for out in [file.clone(), file.join("out")] {
        let clock = Instant::now();
        let mut command = swift_sampler(["search", "-q", "--dataset", "digits", "--epochs", "1000", "--out"]);
        command.arg(&out).timeout(std::time::Duration::from_secs(10));
        assert_refused(
            command,
            &["cannot write to the folder", out.to_str().unwrap(), "choose another folder"],
        );
        assert!(clock.elapsed().as_secs() < 10);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}
