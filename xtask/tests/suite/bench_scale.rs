//! `bench scale` at a small size: one line a case, JSON as documented, and flags that cannot be used.

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;

fn bench_scale(flags: &[&str]) -> Command {
    let mut command = Command::cargo_bin("xtask").unwrap();
    command.args(["bench", "scale"]).args(flags);
    command
}

#[test]
fn every_case_is_one_line_with_the_documented_fields() {
    let folder = tempfile::tempdir().unwrap();
    let mut flags = vec!["--rows", "2e5", "--json", "--out", folder.path().to_str().unwrap()];
    let mut expected =
        "stream weights candidate score multinomial systematic without-replacement shuffled frequencies"
            .to_owned();
    // A test of this package alone does not build the other program.
    if assert_cmd::cargo::cargo_bin("xtask").with_file_name("swift-sampler").exists() {
        expected += " apply";
    } else {
        eprintln!("the case `apply` is skipped: swift-sampler is not built");
        flags.extend(["--case"]);
        flags.extend(expected.split(' '));
    }
    let assert = bench_scale(&flags).assert().success();
    let output = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let rows: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cases: Vec<&str> = rows.iter().map(|row| row["case"].as_str().unwrap()).collect();
    assert_eq!(cases.join(" "), expected);
    for row in &rows {
        let drawn = if row["case"] == "without-replacement" { 20_000 } else { 200_000 };
        assert_eq!(row["rows"], drawn, "{row}");
        let seconds = row["seconds"].as_f64().unwrap();
        let speed = row["rows_per_second"].as_f64().unwrap();
        assert!(seconds > 0.0 && (speed * seconds / f64::from(drawn) - 1.0).abs() < 1e-9, "{row}");
        assert!(row["peak_rss_mib"].is_null() || row["peak_rss_mib"].as_f64().unwrap() > 1.0, "{row}");
        for field in ["peer", "peer_seconds", "ratio"] {
            assert!(row.as_object().unwrap().contains_key(field), "{row}");
        }
        // Reading was measured in the same run; other peers need a Python.
        let beside = ["weights", "candidate", "score", "apply"].contains(&row["case"].as_str().unwrap());
        assert_eq!(row["ratio"].is_number(), beside, "{row}");
    }
    let frequencies = rows.iter().find(|row| row["case"] == "frequencies").unwrap();
    assert!(frequencies["note"].as_str().unwrap().contains("chi-square z"));
}

#[test]
fn flags_that_cannot_be_used_are_refused() {
    for (flags, part) in [
        (&["--rows", "0"][..], "1e3"),
        (&["--rows", "many"], "1e8"),
        (&["--case", "sorting"], "without-replacement"),
        (&["--reps", "0"], "at least 1"),
        (&["--rows", "1e3", "--case", "stream", "--python", "no-such-python"], "--python"),
    ] {
        bench_scale(flags).assert().code(2).stderr(predicate::str::contains(part));
    }
}
