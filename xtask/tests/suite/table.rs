//! The table: its fields, their units and its form for readers.

use std::fs;
use std::path::Path;

use predicates::prelude::*;
use serde_json::Value;
use tempfile::tempdir;

use crate::run::{journal, key, smoke, table};

const TABLE_FIELDS: [&str; 4] = ["profile", "dataset", "cells", "summary"];
const CELL_FIELDS: [&str; 11] = [
    "method",
    "noise",
    "realized_noise",
    "seed",
    "top1_last",
    "top1_best",
    "top5_last",
    "val_top1",
    "train_seconds",
    "search_seconds",
    "search_cost",
];
const SUMMARY_FIELDS: [&str; 10] = [
    "mean_top5",
    "relative_time",
    "method",
    "noise",
    "mean",
    "std",
    "n",
    "diff_vs_baseline",
    "ci95_low",
    "ci95_high",
];

#[track_caller]
fn assert_fields(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "no field {field:?} in {value}");
    }
}

/// Checks a number of percent that is a count out of `of` images.
#[track_caller]
fn assert_percent_of(value: &Value, of: f64) {
    let percent = value.as_f64().unwrap();
    let count = percent / 100.0 * of;
    assert!((0.0..=100.0).contains(&percent) && (count - count.round()).abs() < 1e-9, "{percent}");
}

/// The cells of the rows of the Markdown table, header and rule left out.
fn markdown_rows(out: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(out.join("table1.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    text.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

#[test]
fn the_smoke_profile_makes_the_documented_table() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("runs/smoke");
    let assert = smoke(&out, [""; 0])
        .assert()
        .success()
        .stderr(predicate::str::is_empty())
        .stdout(predicate::str::contains("table1.json"));
    let markdown = fs::read_to_string(out.join("table1.md")).unwrap();
    assert!(String::from_utf8_lossy(&assert.get_output().stdout).starts_with(&markdown));

    let table = table(&out);
    assert_fields(&table, &TABLE_FIELDS);
    assert_eq!((&table["profile"], &table["dataset"]), (&"smoke".into(), &"digits".into()));
    let cells = table["cells"].as_array().unwrap();
    let expected: Vec<_> = ["0.0", "0.4"]
        .iter()
        .flat_map(|noise| ["baseline", "oracle", "ss"].map(|m| (m.to_owned(), (*noise).to_owned(), 0)))
        .collect();
    assert_eq!(cells.iter().map(key).collect::<Vec<_>>(), expected);
    for cell in cells {
        assert_fields(cell, &CELL_FIELDS);
        // 200 test and 100 validation images.
        assert_percent_of(&cell["top1_last"], 200.0);
        assert_percent_of(&cell["top1_best"], 200.0);
        assert_percent_of(&cell["top5_last"], 200.0);
        assert!(cell["top5_last"].as_f64() >= cell["top1_last"].as_f64());
        assert_percent_of(&cell["val_top1"], 100.0);
        // Symmetric noise moves labels to other classes only: nominal is realised.
        assert_eq!(cell["realized_noise"], cell["noise"]);
        assert!(cell["train_seconds"].as_f64().unwrap() > 0.0);
        // 4 trials of 1 epoch against 4 epochs of training.
        let searched = cell["method"] == "ss";
        assert_eq!(cell["search_cost"], if searched { 1.0 } else { 0.0 });
        assert_eq!(cell["search_seconds"].as_f64().unwrap() > 0.0, searched);
    }
    // Percent, not shares: clean digits are learned well enough within four epochs.
    assert!(cells[0]["top1_last"].as_f64().unwrap() > 20.0);

    let summary = table["summary"].as_array().unwrap();
    let rows = markdown_rows(&out);
    assert_eq!((summary.len(), rows.len()), (6, 6));
    for ((row, cell), shown) in summary.iter().zip(cells).zip(rows) {
        assert_fields(row, &SUMMARY_FIELDS);
        assert_eq!((&row["method"], &row["noise"]), (&cell["method"], &cell["noise"]));
        assert_eq!((&row["mean"], &row["n"]), (&cell["top1_last"], &1.into()));
        // One seed says nothing about deviations.
        assert!(row["std"].is_null() && row["ci95_low"].is_null() && row["ci95_high"].is_null());
        let percent = format!("{:.0}%", 100.0 * row["noise"].as_f64().unwrap());
        assert!(shown.contains(&percent), "{shown:?}");
        assert!(shown.iter().any(|text| *text == row["method"]), "{shown:?}");
        assert!(shown.contains(&format!("{:.2}", row["mean"].as_f64().unwrap())), "{shown:?}");
    }
}

#[test]
fn summaries_are_those_of_the_cells() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    smoke(out, ["--seeds", "3", "--noise", "0.4", "--methods", "oracle,baseline"]).assert().success();
    let table = table(out);
    let top1 = |method: &str| -> Vec<f64> {
        let cells = table["cells"].as_array().unwrap().iter();
        cells.filter(|c| c["method"] == method).map(|c| c["top1_last"].as_f64().unwrap()).collect()
    };
    let (baseline, oracle) = (top1("baseline"), top1("oracle"));
    assert_eq!((baseline.len(), oracle.len()), (3, 3));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / 3.0;
    let deviation =
        |values: &[f64]| (values.iter().map(|v| (v - mean(values)).powi(2)).sum::<f64>() / 2.0).sqrt();
    let differences: Vec<f64> = oracle.iter().zip(&baseline).map(|(a, b)| a - b).collect();
    // Student's t with two degrees of freedom at 97.5%: scipy 1.16, stats.t.ppf(0.975, 2).
    let reach = 4.302_652_729_696_142 * deviation(&differences) / 3_f64.sqrt();
    let row = table["summary"].as_array().unwrap().iter().find(|row| row["method"] == "oracle").unwrap();
    for (field, expected) in [
        ("mean", mean(&oracle)),
        ("std", deviation(&oracle)),
        ("diff_vs_baseline", mean(&differences)),
        ("ci95_low", mean(&differences) - reach),
        ("ci95_high", mean(&differences) + reach),
    ] {
        let found = row[field].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-6, "{field}: {found} against {expected}");
    }
    assert_eq!(markdown_rows(out).len(), 2);
}

#[test]
fn a_value_given_twice_counts_once() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    smoke(out, ["--noise", "0.2,0,0.2,0.0", "--methods", "baseline,baseline"]).assert().success();
    let table = table(out);
    assert_eq!(table["cells"].as_array().unwrap().len(), 2);
    assert!(table["summary"].as_array().unwrap().iter().all(|row| row["n"] == 1));
    assert_eq!(journal(out).len(), 3);
}

#[test]
fn annotated_labels_are_one_row_at_the_rate_of_the_file() {
    let folder = tempdir().unwrap();
    let digits = ss_data::load(ss_data::DatasetKind::Digits, None).unwrap();
    // Every label of class 3 is an 8, as of an annotator who cannot tell them apart.
    let labels: Vec<String> =
        digits.train.labels().iter().map(|&label| if label == 3 { 8 } else { label }.to_string()).collect();
    let threes = digits.train.labels().iter().filter(|&&label| label == 3).count();
    let (file, out) = (folder.path().join("labels.txt"), folder.path().join("out"));
    fs::write(&file, labels.join("\n")).unwrap();
    let flags = ["--noise-file", file.to_str().unwrap(), "--methods", "baseline,oracle"];
    smoke(&out, flags).assert().success().stdout(predicate::str::contains("from-file label noise"));
    let cells = table(&out)["cells"].as_array().unwrap().clone();
    assert_eq!(cells.len(), 2);
    let rate = threes as f64 / digits.train.len() as f64;
    for cell in &cells {
        assert!((cell["noise"].as_f64().unwrap() - rate).abs() < 1e-12);
        // That of the 200 training images is near it.
        assert!((cell["realized_noise"].as_f64().unwrap() - rate).abs() < 0.06, "{cell}");
    }
    // Another file is another table.
    fs::write(&file, labels.join("\n").replacen('0', "1", 1)).unwrap();
    smoke(&out, flags).assert().failure().stderr(predicate::str::contains("noise_file"));
    fs::write(&file, "1\n2\n").unwrap();
    let short = predicate::str::contains("2 labels, but digits has 1797 published training images");
    smoke(&folder.path().join("other"), flags).assert().failure().stderr(short);
}

#[test]
fn kinds_of_noise_differ() {
    let folder = tempdir().unwrap();
    let realized = |kind: &str| {
        let out = folder.path().join(kind);
        smoke(&out, ["--noise", "0.4", "--noise-kind", kind, "--methods", "baseline"]).assert().success();
        table(&out)["cells"][0]["realized_noise"].as_f64().unwrap()
    };
    assert_eq!(realized("pair-flip"), 0.4);
    // A tenth of the redrawn labels are right by chance: 0.36 expected, 0.02 its deviation.
    let inclusive = realized("symmetric-inclusive");
    assert!(inclusive < 0.4 && inclusive > 0.29, "{inclusive}");
    let other = ["--noise", "0.4", "--noise-kind", "symmetric", "--methods", "baseline"];
    let refusal = predicate::str::contains("noise_kind");
    smoke(&folder.path().join("pair-flip"), other).assert().failure().stderr(refusal);
}

#[test]
fn all_that_validation_leaves_is_trained_on() {
    let folder = tempdir().unwrap();
    // 1,797 digits, 200 of them to test on.
    let flags = ["--train-size", "0", "--val-size", "1397", "--epochs", "1", "--methods", "baseline"];
    smoke(folder.path(), flags).assert().success();
    assert_eq!(table(folder.path())["config"]["recipe"]["train_size"], Value::Null);
    let markdown = fs::read_to_string(folder.path().join("table1.md")).unwrap();
    assert!(markdown.contains("on all training images"), "{markdown}");
}
