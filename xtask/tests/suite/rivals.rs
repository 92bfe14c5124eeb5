//! The rivals of Table 1 in the table.

use std::fs;

use tempfile::tempdir;

use crate::run::{key, smoke, table};

const ALL: &str =
    "baseline,oracle,reed-soft,reed-hard,mentornet-pd,mentornet-dd,l2rw,co-teaching,loss-threshold,ss";

/// The row of a method in the table, whose header speaks of the baseline too.
fn row_of<'a>(text: &'a str, method: &str) -> &'a str {
    text.lines().find(|line| line.contains("% |") && line.contains(&format!(" {method} |"))).unwrap()
}

#[test]
fn every_rival_has_a_row_that_says_what_it_is_told_and_costs() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    smoke(out, ["--methods", ALL, "--noise", "0.4"]).assert().success();
    let table = table(out);
    let cells = table["cells"].as_array().unwrap();
    // Beside the training: a second network; 20 clean images forward and backward and two forward passes of the batch
    // a step, of which there are 16 over 4 epochs of 200 images.
    let l2rw = (16.0 * 20.0 * 3.0 + 2.0 * 800.0) / (3.0 * 800.0);
    let expected = [
        ("baseline", "none", 0.0),
        ("oracle", "wrong labels", 0.0),
        ("reed-soft", "none", 0.0),
        ("reed-hard", "none", 0.0),
        ("mentornet-pd", "none", 0.0),
        ("mentornet-dd", "clean training subset", 0.0),
        ("l2rw", "clean training subset", l2rw),
        ("co-teaching", "noise rate", 1.0),
        ("loss-threshold", "noisy validation, noise rate", 0.0),
        ("ss", "noisy validation", 0.0),
    ];
    assert_eq!(cells.len(), expected.len());
    let text = fs::read_to_string(out.join("table1.md")).unwrap();
    for (cell, (method, told, extra)) in cells.iter().zip(expected) {
        assert_eq!(key(cell).0, method);
        let found = cell["extra_cost"].as_f64().unwrap();
        assert!((found - extra).abs() < 1e-9, "{method}: {found} against {extra}");
        assert!(cell["train_seconds"].as_f64().unwrap() > 0.0);
        let row = row_of(&text, method);
        assert!(row.contains(&format!(" {told} |")), "{row}");
    }
    // A method that reads the uniform run pays for the readings, and has it made when the baseline is not wanted.
    let threshold = cells.iter().find(|cell| cell["method"] == "loss-threshold").unwrap();
    assert!(threshold["feature_cost"].as_f64().unwrap() > 0.0);
    let alone = tempdir().unwrap();
    smoke(alone.path(), ["--methods", "loss-threshold", "--noise", "0.4"]).assert().success();
    let cells = crate::run::table(alone.path())["cells"].as_array().unwrap().clone();
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0]["top1_last"], threshold["top1_last"]);
}

#[test]
fn clean_validation_labels_are_knowledge_of_ss_alone() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    let flags = ["--val-labels", "clean", "--noise", "0.4", "--methods", "baseline,reed-soft,ss"];
    smoke(out, flags).assert().success();
    let text = fs::read_to_string(out.join("table1.md")).unwrap();
    for (method, told) in [("baseline", "none"), ("reed-soft", "none"), ("ss", "clean validation")] {
        let row = row_of(&text, method);
        assert!(row.contains(&format!(" {told} |")), "{row}");
    }
}
