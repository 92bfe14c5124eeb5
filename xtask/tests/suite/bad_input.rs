//! Settings and folders that cannot be used: refused with the remedy, and without a trace.

use std::fs;
use std::path::Path;
use std::time::Duration;

use predicates::prelude::*;
use tempfile::tempdir;

use crate::run::smoke;

/// Checks a refusal: exit code 2, each of `parts` on standard error, no panic, no table.
#[track_caller]
fn refused(out: &Path, flags: &[&str], parts: &[&str]) {
    let mut assert = smoke(out, flags)
        .timeout(Duration::from_secs(20))
        .assert()
        .code(2)
        .stdout(predicate::str::is_empty())
        .stderr(predicate::str::starts_with("error: "))
        .stderr(predicate::str::contains("panicked").not());
    for part in parts {
        assert = assert.stderr(predicate::str::contains(*part));
    }
}

/// As [`refused`], into a new folder in which no file may be left.
#[track_caller]
fn refused_without_trace(flags: &[&str], parts: &[&str]) {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    refused(&out, flags, parts);
    let left: Vec<_> = fs::read_dir(&out).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn numbers_out_of_range() {
    let refused = refused_without_trace;
    refused(&["--noise", "1.5"], &["--noise", "1.5", "at least 0 and below 1"]);
    refused(&["--noise", "0,nan"], &["--noise", "NaN", "at least 0 and below 1"]);
    refused(&["--noise=-0.1"], &["--noise", "-0.1", "at least 0 and below 1"]);
    refused(&["--noise", "0;0.4"], &["--noise", "'0;0.4'", "invalid float"]);
    refused(&["--trials", "0"], &["--trials = 0", "at least 1"]);
    refused(&["--trial-epochs", "0"], &["--trial-epochs = 0", "a positive number"]);
    refused(&["--trial-epochs", "nan"], &["--trial-epochs = NaN", "a positive number"]);
    refused(&["--epochs", "0"], &["epochs = 0", "at least 1"]);
    refused(&["--seeds", "0"], &["--seeds 0", "at least 1"]);
    refused(&["--jobs", "0"], &["--jobs 0", "at least 1"]);
    refused(&["--seeds=-1"], &["--seeds", "'-1'"]);
}

#[test]
fn sizes_beyond_the_data() {
    let refused = refused_without_trace;
    refused(&["--train-size", "5000"], &["train 5000", "at most", "images", "digits"]);
    // 0 takes all that validation leaves.
    refused(&["--train-size", "0", "--val-size", "1600"], &["validation 1600", "at most"]);
    refused(&["--val-size", "1600"], &["validation 1600", "at most"]);
    refused(&["--val-size", "0"], &["validation 0", "each at least 1"]);
    refused(&["--val-size", "1"], &["validation part", "one class only", "at least two"]);
}

#[test]
fn unknown_names_list_the_known_ones() {
    let refused = refused_without_trace;
    refused(&["--dataset", "mnist"], &["--dataset", "`mnist`", "digits", "fashion-mnist", "cifar10"]);
    refused(&["--network", "vgg"], &["--network", "vgg", "resnet8", "six-conv"]);
    refused(&["--transform", "pdf"], &["--transform", "`pdf`", "cgf or cdf"]);
    refused(&["--score", "f1"], &["--score", "f1", "accuracy", "calibrated"]);
    refused(&["--methods", "ss,sgd"], &["--methods", "sgd", "baseline", "oracle"]);
    refused(&["--noise-kind", "salt"], &["--noise-kind", "`salt`", "symmetric", "pair-flip"]);
    refused(&["--noise-file", "x", "--noise", "0.1"], &["--noise-file", "--noise", "cannot be used"]);
    refused(&["--noise-file", "/no/such"], &["/no/such"]);
    refused(&["--val-labels", "some"], &["--val-labels", "some", "clean", "noisy"]);
    refused(&["--sede", "1"], &["--sede", "--seeds"]);
}

#[test]
fn missing_data_say_how_to_get_them() {
    let none = "/no/such/folder";
    refused_without_trace(
        &["--dataset", "fashion-mnist", "--data-dir", none],
        &["Fashion-MNIST not found", none, "apt-get install dataset-fashion-mnist"],
    );
    let archive = "cifar-10-binary.tar.gz";
    refused_without_trace(
        &["--dataset", "cifar10", "--data-dir", none],
        &["CIFAR-10 not found", none, archive],
    );
    refused_without_trace(&["--dataset", "cifar10"], &["none was given", archive, "--data-dir"]);
}

#[test]
fn cells_of_other_settings_are_left_alone() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    smoke(out, ["--noise", "0", "--methods", "baseline"]).assert().success();
    let contents = || {
        ["cells.jsonl", "table1.json", "table1.md", "report.html"]
            .map(|name| fs::read(out.join(name)).unwrap())
    };
    let before = contents();
    let remedy = "choose another --out";
    refused(out, &["--trials", "3"], &["cells.jsonl", "other settings", "trials", "3", remedy]);
    refused(out, &["--transform", "cdf"], &["cells.jsonl", "other settings", "spec", "cdf", remedy]);
    refused(out, &["--val-labels", "clean"], &["cells.jsonl", "other settings", "clean", remedy]);
    assert!(contents() == before);
    assert_eq!(fs::read_dir(out).unwrap().count(), contents().len());
}

#[test]
fn files_that_are_no_journal_are_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("cells.jsonl");
    for (text, problem) in [
        ("{\"cell\": 1}\n{\"cell\": 2}\n", "not a journal"),
        ("notes of mine", "not a journal"),
        ("{\"table1_journal\": 99, \"config\": {}}\n", "journal version 99"),
    ] {
        fs::write(&path, text).unwrap();
        refused(folder.path(), &[], &["cells.jsonl", problem, "choose another --out"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    fs::write(&path, [0xff, 0xfe, b'\n']).unwrap();
    refused(folder.path(), &[], &["cells.jsonl", "UTF-8"]);
}

#[test]
fn a_damaged_line_is_named() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    smoke(out, ["--noise", "0", "--methods", "baseline,oracle"]).assert().success();
    let path = out.join("cells.jsonl");
    let text =
        fs::read_to_string(&path).unwrap().replacen("\"method\":\"baseline\"", "\"method\":\"bosaline\"", 1);
    fs::write(&path, &text).unwrap();
    refused(out, &["--noise", "0"], &["cells.jsonl:", ": not a finished cell", "bosaline"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_place_that_cannot_be_written_is_noticed_before_the_work() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for out in [file.clone(), file.join("out")] {
        let place = out.to_str().unwrap();
        refused(
            &out,
            &["--epochs", "10000"],
            &["cannot write to the folder", place, "choose another folder"],
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}
