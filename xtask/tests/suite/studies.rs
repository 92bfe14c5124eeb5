//! `reproduce-fidelity` and `reproduce-figure3`: their files, their journals, and what they say about bad input.

use std::fs;
use std::path::Path;

use predicates::prelude::*;
use serde_json::Value;
use tempfile::tempdir;

fn study(task: &str, out: &Path, flags: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    command.args([task, "--profile", "smoke", "-q", "--out"]).arg(out).args(flags);
    command
}

/// Standard output of a run that succeeds.
fn output(task: &str, out: &Path, flags: &[&str]) -> String {
    let assert = study(task, out, flags).assert().success().stderr(predicate::str::is_empty());
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The lines of the journal, sorted: workers append as they finish.
fn journal(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(out.join("cells.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

const FIDELITY: [&str; 8] = ["--seeds", "2", "--budgets", "0.25,0.5", "--starts", "0.5", "--rates", "1"];

#[test]
fn fidelity_makes_its_files_and_continues_a_torn_journal() {
    let (whole, torn) = (tempdir().unwrap(), tempdir().unwrap());
    let printed = output("reproduce-fidelity", whole.path(), &FIDELITY);
    let markdown = fs::read_to_string(whole.path().join("fidelity.md")).unwrap();
    assert!(printed.starts_with(&markdown) && printed.contains("fidelity.svg"));

    let document = json(&whole.path().join("fidelity.json"));
    let panel = document["panel"].as_array().unwrap();
    assert!(panel.len() >= 20);
    // A header, and for each seed and sampler a full training and two trials.
    assert_eq!(journal(whole.path()).len(), 1 + 2 * panel.len() * (1 + 2));
    for row in panel {
        // 200 test images; the mean of two seeds.
        let images = row["test"].as_f64().unwrap() * 400.0;
        assert!((0.0..=400.0).contains(&images) && (images - images.round()).abs() < 1e-9, "{row}");
        assert_eq!(row["test_by_seed"].as_array().unwrap().len(), 2);
    }
    assert_eq!(panel.iter().filter(|row| row["better_half"] == true).count(), panel.len().div_ceil(2));
    // Two settings, three scores, two kinds of labels.
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * 3 * 2);
    for row in rows {
        let whole = &row["whole"];
        let seeds: Vec<f64> =
            whole["by_seed"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(seeds.len() == 2 && seeds.iter().all(|r| r.abs() <= 1.0 + 1e-12), "{row}");
        assert!((whole["mean"].as_f64().unwrap() - (seeds[0] + seeds[1]) / 2.0).abs() < 1e-12);
        assert!(row["separation"].as_f64().unwrap() > 0.0 && row["choice_loss"].as_f64().unwrap() >= 0.0);
        // Four epochs of training and four trials: a search costs E_f full trainings.
        assert_eq!(row["search_cost"], row["epochs"]);
        assert_eq!(row["default"], false, "the default is a trial of one epoch");
    }

    // A journal that lost its end is completed, and the result is the same.
    let text = fs::read_to_string(whole.path().join("cells.jsonl")).unwrap();
    fs::write(torn.path().join("cells.jsonl"), &text[..text.len() / 2]).unwrap();
    output("reproduce-fidelity", torn.path(), &FIDELITY);
    assert_eq!(journal(torn.path()), journal(whole.path()));
    for file in ["fidelity.json", "fidelity.md", "fidelity.svg"] {
        assert!(
            fs::read(torn.path().join(file)).unwrap() == fs::read(whole.path().join(file)).unwrap(),
            "{file}"
        );
    }

    // A part of what is there: nothing is computed.
    let printed =
        output("reproduce-fidelity", torn.path(), &["--budgets", "0.5", "--starts", "0.5", "--rates", "1"]);
    assert!(!printed.contains("| 0.25 |"));
    let few = [&FIDELITY[..], &["--samplers", "oracle,uniform,tent"]].concat();
    output("reproduce-fidelity", torn.path(), &few);
    let document = json(&torn.path().join("fidelity.json"));
    let mut names: Vec<&str> =
        document["panel"].as_array().unwrap().iter().map(|row| row["sampler"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["oracle", "tent", "uniform"]);
    assert_eq!(journal(torn.path()), journal(whole.path()));
}

const FIGURE3: [&str; 6] = [
    "--seeds",
    "2",
    "--trials",
    "3",
    "--arms",
    "canonical-rules,canonical-rules-cdf,canonical-sobol-cdf,random",
];

#[test]
fn figure3_makes_its_files_and_does_not_depend_on_threads() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    study("reproduce-figure3", one.path(), &FIGURE3).env("RAYON_NUM_THREADS", "1").assert().success();
    let printed = output("reproduce-figure3", two.path(), &FIGURE3);
    assert!(printed.contains("With simple rules, cgf is"));
    // A header, and for each seed its references and four searches.
    assert_eq!(journal(one.path()).len(), 1 + 2 * (1 + 4));
    assert_eq!(journal(one.path()), journal(two.path()));
    for file in ["figure3.json", "figure3.md", "figure3.svg"] {
        assert!(
            fs::read(one.path().join(file)).unwrap() == fs::read(two.path().join(file)).unwrap(),
            "{file}"
        );
    }

    let document = json(&two.path().join("figure3.json"));
    let arms = document["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 4);
    for arm in arms {
        let after = arm["score"]["after"].as_array().unwrap();
        let medians: Vec<f64> = after.iter().map(|q| q["median"].as_f64().unwrap()).collect();
        assert!(medians.len() == 3 && medians.is_sorted(), "{medians:?}");
        assert!((0.0..=1.0).contains(&arm["truth"]["last"]["mean"].as_f64().unwrap()));
    }
    // The simple rules begin with uniform sampling, of which gains are measured.
    assert_eq!(arms[0]["score"]["after"][0]["median"], 0.0);
    assert_eq!(arms[0]["score"]["after"][0], arms[1]["score"]["after"][0]);
    let area = |arm: &Value| arm["score"]["area"]["mean"].as_f64().unwrap();
    let difference = &document["differences"][0];
    assert_eq!(
        (&difference["arm"], &difference["from"]),
        (&"canonical-rules-cdf".into(), &"canonical-rules".into())
    );
    assert!(
        (difference["score_area"]["mean"].as_f64().unwrap() - (area(&arms[1]) - area(&arms[0]))).abs()
            < 1e-12
    );

    // Continued from a torn journal, and with one more arm: what is there is kept.
    let text = fs::read_to_string(two.path().join("cells.jsonl")).unwrap();
    fs::write(two.path().join("cells.jsonl"), &text[..text.len() - 40]).unwrap();
    assert_eq!(output("reproduce-figure3", two.path(), &FIGURE3), printed);
    assert_eq!(journal(two.path()), journal(one.path()));
}

#[test]
fn flags_that_cannot_be_used_are_refused() {
    for (task, flags, part) in [
        ("reproduce-fidelity", &["--noise", "1"][..], "below 1"),
        ("reproduce-fidelity", &["--samplers", "uniform,drop-15"], "drop-10, drop-20"),
        ("reproduce-fidelity", &["--samplers", "uniform,oracle"], "at least 3"),
        ("reproduce-fidelity", &["--budgets", "1,0"], "--budgets 0"),
        ("reproduce-fidelity", &["--rates", "NaN"], "--rates NaN"),
        ("reproduce-fidelity", &["--starts", "1.5"], "--starts 1.5"),
        ("reproduce-fidelity", &["--seeds", "0"], "--seeds 0"),
        ("reproduce-figure3", &["--noise", "1"], "below 1"),
        ("reproduce-figure3", &["--arms", "bo"], "canonical-rules-cdf"),
        ("reproduce-figure3", &["--transform", "cdf"], "--arms"),
        ("reproduce-figure3", &["--val-labels", "clean"], "noisy"),
        ("reproduce-figure3", &["--trials", "0"], "at least 1"),
    ] {
        let folder = tempdir().unwrap();
        let assert = study(task, folder.path(), flags).assert().code(2).stdout(predicate::str::is_empty());
        assert.stderr(predicate::str::contains(part)).stderr(predicate::str::contains("panicked").not());
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "{flags:?} left a file");
    }
}

#[test]
fn finalists_are_refused_where_none_is_trained() {
    for task in ["reproduce-fidelity", "reproduce-figure1", "reproduce-figure2", "reproduce-figure3"] {
        let out = tempdir().unwrap();
        let refused = study(task, out.path(), &["--finalists", "2"]).assert().code(2);
        refused.stderr(
            predicate::str::contains("--finalists").and(predicate::str::contains("leave the flag out")),
        );
        assert!(fs::read_dir(out.path()).unwrap().next().is_none());
    }
}
