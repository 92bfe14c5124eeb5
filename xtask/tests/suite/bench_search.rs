//! `bench search`: its rows, its journal, and what it says about bad input.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use predicates::prelude::*;
use serde_json::Value;
use tempfile::tempdir;

fn bench_search(out: &Path, flags: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    command.args(["bench", "search", "-q", "--out"]).arg(out).args(flags);
    command
}

/// Standard output of a run that succeeds.
fn output(out: &Path, flags: &[&str]) -> String {
    let assert = bench_search(out, flags).assert().success().stderr(predicate::str::is_empty());
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn rows(out: &Path, flags: &[&str]) -> Vec<Value> {
    let text = output(out, &[flags, &["--json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn find<'a>(rows: &'a [Value], key: &str, value: &str) -> &'a Value {
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("no {key} {value} in {rows:?}"))
}

/// Seconds: 20 trials, simple rules and the model's.
const SYNTHETIC: [&str; 6] =
    ["--seeds", "2", "--trials", "20", "--methods", "canonical-rules,raw-sobol,random"];
/// Trials on the digits, few of them.
const DIGITS: [&str; 8] = [
    "--objective",
    "digits",
    "--seeds",
    "2",
    "--trials",
    "4",
    "--methods",
    "canonical-rules,raw-rules,canonical-sobol",
];

#[test]
fn the_synthetic_objective_gives_the_documented_rows() {
    let folder = tempdir().unwrap();
    let rows = rows(folder.path(), &SYNTHETIC);
    let names: Vec<_> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    let drops = [10, 20, 30, 35, 40, 50, 60].map(|depth| format!("drop-{depth}"));
    let expected: Vec<&str> = ["uniform"]
        .into_iter()
        .chain(drops.iter().map(String::as_str))
        .chain(["oracle", "optimum"])
        .collect();
    assert_eq!(names, expected);
    let arms: Vec<_> = rows.iter().filter_map(|row| row["arm"].as_str()).collect();
    assert_eq!(arms, ["canonical-rules", "raw-sobol", "random"]);
    let truth = |row: &Value| row["truth"]["median"].as_f64().unwrap();
    let optimum = truth(find(&rows, "name", "optimum"));
    assert!(truth(find(&rows, "name", "oracle")) < optimum);
    for arm in arms {
        let row = find(&rows, "arm", arm);
        assert_eq!(row["seeds"], serde_json::json!([0, 1]));
        let marks: Vec<_> = row["best"].as_array().unwrap().iter().map(|b| &b["trials"]).collect();
        assert_eq!(marks, [10, 20]);
        assert!(row["best"][0]["median"].as_f64() <= row["best"][1]["median"].as_f64());
        let regret = row["regret"]["median"].as_f64().unwrap();
        assert!(regret > 0.0 && row["recommended_truth"]["median"].as_f64().unwrap() < optimum);
        assert_eq!(row["trials_to_bar"].as_array().unwrap().len(), 2);
        assert!(row["recommended_test"].is_null());
    }
    // Of these arms only two are to be compared.
    let effects: Vec<_> = rows.iter().filter(|row| row["kind"] == "effect").collect();
    assert_eq!(effects.len(), 1);
    let gain = |arm: &str| find(&rows, "arm", arm)["recommended_truth"]["median"].as_f64().unwrap();
    // With two seeds medians are means.
    let expected = gain("canonical-rules") - gain("raw-sobol");
    assert_eq!((&effects[0]["buys"], &effects[0]["seeds"]), (&"both".into(), &2.into()));
    assert!((effects[0]["truth"]["mean"].as_f64().unwrap() - expected).abs() < 1e-9);
    // Simple rules are within reach of the bar, thirteen trials in at the latest.
    let reached = find(&rows, "arm", "canonical-rules")["trials_to_bar"].as_array().unwrap();
    assert!(reached.iter().all(|trials| trials.as_u64().unwrap() <= 20), "{reached:?}");
}

#[test]
fn a_command_repeats_itself_and_continues_itself() {
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    let expected = output(first.path(), &SYNTHETIC);
    assert_eq!(output(second.path(), &SYNTHETIC), expected);
    let path = first.path().join("synthetic.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    assert_eq!(journal, fs::read_to_string(second.path().join("synthetic.jsonl")).unwrap());
    assert_eq!(journal.lines().count(), 1 + 2 * (1 + 3));
    // All there: nothing is computed, nothing is written.
    assert_eq!(output(first.path(), &SYNTHETIC), expected);
    assert_eq!(fs::read_to_string(&path).unwrap(), journal);
    // Another number of seeds is a part of it.
    let one = output(first.path(), &["--seeds", "1", "--trials", "20", "--methods", "random"]);
    assert!(one.contains("random") && !one.contains("raw-sobol"));
    assert_eq!(fs::read_to_string(&path).unwrap(), journal);
    // Other seeds are other numbers.
    assert_ne!(output(first.path(), &[&SYNTHETIC[..], &["--first-seed", "7"]].concat()), expected);
}

#[test]
fn threads_do_not_change_a_trial() {
    let mut outcomes = Vec::new();
    for threads in ["1", "2"] {
        let folder = tempdir().unwrap();
        bench_search(folder.path(), &DIGITS).env("RAYON_NUM_THREADS", threads).assert().success();
        outcomes.push(fs::read_to_string(folder.path().join("digits.jsonl")).unwrap());
    }
    assert!(outcomes[0] == outcomes[1]);
}

#[test]
fn a_killed_run_ends_as_one_that_was_not() {
    let (killed, whole) = (tempdir().unwrap(), tempdir().unwrap());
    let path = killed.path().join("digits.jsonl");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("xtask"))
        .args(["bench", "search", "-q", "--out"])
        .arg(killed.path())
        .args(DIGITS)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let clock = Instant::now();
    // The header, the references of a seed and a search.
    while fs::read_to_string(&path).map_or(0, |text| text.matches('\n').count()) < 3 {
        assert!(clock.elapsed() < Duration::from_secs(120), "no search within two minutes");
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = fs::read_to_string(&path).unwrap().matches('\n').count();
    assert!(lines < 1 + 2 * (1 + 3), "the run had ended before it was killed");

    let expected = output(whole.path(), &DIGITS);
    assert_eq!(output(killed.path(), &DIGITS), expected);
    let sorted = |path: &Path| {
        let mut lines: Vec<String> =
            fs::read_to_string(path.join("digits.jsonl")).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(sorted(killed.path()) == sorted(whole.path()));

    // A torn line is computed again, from the trials of the lines before it.
    let text = fs::read_to_string(whole.path().join("digits.jsonl")).unwrap();
    fs::write(whole.path().join("digits.jsonl"), &text[..text.len() - 30]).unwrap();
    assert_eq!(output(whole.path(), &DIGITS), expected);
    assert_eq!(fs::read_to_string(whole.path().join("digits.jsonl")).unwrap(), text);
}

#[test]
fn flags_that_cannot_be_used_are_refused() {
    for (flags, part) in [
        (&["--noise", "1"][..], "below 1"),
        (&["--noise=-0.1"], "below 1"),
        (&["--noise", "0.9999"], "--noise 0.9999"),
        (&["--trials", "0"], "--trials 0"),
        (&["--objective", "digits", "--trials", "100001"], "at most 100000"),
        (&["--seeds", "0"], "--seeds 0"),
        (&["--methods", "canonical"], "canonical-rules"),
        (&["--objective", "mnist"], "fashion-mnist"),
        (&["--score", "f1"], "calibrated"),
        (&["--score", "likelihood"], "backwards"),
        (&["--score", "calibrated"], "accuracy only"),
        (&["--objective", "fashion-mnist", "--data-dir", "/no/such/folder"], "dataset-fashion-mnist"),
    ] {
        let folder = tempdir().unwrap();
        let assert = bench_search(folder.path(), flags).assert().code(2).stdout(predicate::str::is_empty());
        assert.stderr(predicate::str::contains(part)).stderr(predicate::str::contains("panicked").not());
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "{flags:?} left a file");
    }
}

#[test]
fn searches_of_other_settings_are_left_alone() {
    let folder = tempdir().unwrap();
    let flags = ["--seeds", "1", "--trials", "3", "--methods", "random"];
    output(folder.path(), &flags);
    let path = folder.path().join("synthetic.jsonl");
    let before = fs::read(&path).unwrap();
    for other in [&["--trials", "4", "--seeds", "1"], &["--noise", "0.3", "--trials", "3"]] {
        let assert = bench_search(folder.path(), other).assert().code(2);
        assert.stderr(predicate::str::contains("other settings"));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}
