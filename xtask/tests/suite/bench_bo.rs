//! `bench bo`: its fields, and the protocol that other programs speak.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use predicates::prelude::*;
use serde_json::{Value, json};

fn bench_bo(flags: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    command.args(["bench", "bo"]).args(flags);
    command
}

/// The answers to these lines, all sent at once.
fn answers(lines: &[&str]) -> Vec<Value> {
    let input = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
    let assert = bench_bo(&["--serve"]).write_stdin(input).assert().success();
    let output = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A conversation in which a request may depend on the answers before it.
struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Every answer so far.
    transcript: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["bench", "bo", "--serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout, transcript: String::new() }
    }

    fn request(&mut self, request: &Value) -> Value {
        writeln!(self.stdin, "{request}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        self.transcript.push_str(&line);
        serde_json::from_str(&line).unwrap()
    }

    /// Ends the input; the transcript.
    fn finish(mut self) -> String {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
        self.transcript
    }
}

/// The smallest value, 3, is at (1, -4).
fn quadratic(x: &[f64]) -> f64 {
    3.0 + (x[0] - 1.0).powi(2) + (x[1] + 4.0).powi(2) / 4.0
}

/// Fifteen trials on the quadratic times `sign`: the recommendation and all answers.
fn optimise(opening: &Value, sign: f64) -> (Vec<f64>, f64, String) {
    let mut server = Server::start();
    assert_eq!(server.request(opening), json!({"ok": true}));
    for id in 0..15 {
        let asked = server.request(&json!({"ask": true}));
        assert_eq!(asked["id"], id);
        let x: Vec<f64> = serde_json::from_value(asked["x"].clone()).unwrap();
        assert!((-2.0..=3.0).contains(&x[0]) && (-10.0..=0.0).contains(&x[1]), "{x:?}");
        let told = server.request(&json!({"tell": [x, sign * quadratic(&x)]}));
        assert_eq!(told, json!({"ok": true, "id": id}));
    }
    let best = server.request(&json!({"best": true}));
    let x: Vec<f64> = serde_json::from_value(best["x"].clone()).unwrap();
    (x, best["y"].as_f64().unwrap(), server.finish())
}

#[test]
fn rows_have_the_documented_fields() {
    let flags = ["--only", "branin2", "--budgets", "5,3", "--seeds", "2", "--methods", "random,bo"];
    let assert = bench_bo(&flags).arg("--json").assert().success();
    let output = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let rows: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys = rows.iter().map(|row| (row["method"].as_str().unwrap(), row["budget"].as_u64().unwrap()));
    assert_eq!(keys.collect::<Vec<_>>(), [("random", 3), ("random", 5), ("bo", 3), ("bo", 5)]);
    for row in &rows {
        let mut fields: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        let mut expected =
            ["problem", "method", "budget", "seeds", "median_regret", "q25", "q75", "suggest_ms"];
        expected.sort_unstable();
        assert_eq!(fields, expected);
        assert_eq!((&row["problem"], &row["seeds"]), (&json!("branin2"), &json!(2)));
        let [low, middle, high] = ["q25", "median_regret", "q75"].map(|field| row[field].as_f64().unwrap());
        // With two seeds the quartiles lie evenly about the median.
        assert!(0.0 <= low && low < middle && (high - 2.0 * middle + low).abs() < 1e-9, "{row}");
        assert!(row["suggest_ms"].as_f64().unwrap() >= 0.0);
    }
    // The table shows the same regrets.
    let assert = bench_bo(&flags).assert().success();
    let table = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert_eq!(table.lines().count(), 5);
    for (line, row) in table.lines().skip(1).zip(&rows) {
        assert!(line.contains(&format!("{:.6}", row["median_regret"].as_f64().unwrap())), "{line}");
    }
}

#[test]
fn flags_that_cannot_be_used_are_refused() {
    for (flags, part) in [
        (&["--only", "sphere"][..], "branin2"),
        (&["--methods", "bo,annealing"], "evolution"),
        (&["--seeds", "0"], "at least 1"),
        (&["--budgets", "0,40"], "at least 1"),
        (&["--config", "{\"startup\": 3}"], "--config"),
        (&["--serve", "--json"], "--json"),
    ] {
        let assert = bench_bo(flags).assert().code(2).stdout(predicate::str::is_empty());
        assert.stderr(predicate::str::contains(part));
    }
}

#[test]
fn the_server_finds_the_optimum_and_repeats_itself() {
    let opening = json!({"bounds": [[-2, 3], [-10, 0]], "seed": 7});
    let (x, y, transcript) = optimise(&opening, 1.0);
    assert!((x[0] - 1.0).abs() < 0.2 && (x[1] + 4.0).abs() < 0.4, "{x:?}");
    assert!(y == quadratic(&x) && y < 3.05, "{y}");
    assert_eq!(optimise(&opening, 1.0).2, transcript);

    let other = json!({"bounds": [[-2, 3], [-10, 0]], "seed": 8});
    assert_ne!(optimise(&other, 1.0).2, transcript);

    let contrary = json!({"bounds": [[-2, 3], [-10, 0]], "seed": 7, "direction": "maximize"});
    assert_eq!(optimise(&contrary, -1.0).0, x);
}

#[test]
fn points_that_were_not_asked_for_count() {
    let found = answers(&[
        r#"{"bounds": [[0, 10]], "seed": 1}"#,
        r#"{"ask": true}"#,
        r#"{"tell": [[2.5], 4.0]}"#,
        r#"{"tell": [[0.1], -1.0]}"#,
        r#"{"tell": [[2.5], 4.0]}"#,
        r#"{"tell": [[10.0], null]}"#,
        r#"{"best": true}"#,
        r#"{"bounds": [[0, 10]]}"#,
        r#"{"best": true}"#,
    ]);
    let ids: Vec<_> = found[1..6].iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    assert_eq!(found[6], json!({"x": [0.1], "y": -1.0}));
    // A second study starts from nothing.
    assert_eq!(found[7], json!({"ok": true}));
    assert!(found[8]["error"].as_str().unwrap().contains("no value"));
}

#[test]
fn bad_requests_are_answered_and_survived() {
    let bad = [
        (r#"{"ask": true"#, "EOF"),
        ("", "EOF"),
        (r#"{"sak": true}"#, "sak"),
        (r#"{"ask": true, "best": true}"#, "exactly one"),
        (r#"{"ask": false}"#, "exactly one"),
        (r#"{"tell": [[0.5, 0.5], 1.0]}"#, "2 coordinates, expected 1"),
        (r#"{"tell": [[1.5], 1.0]}"#, "expected a number in [0, 1]"),
        (r#"{"tell": [[0.5]]}"#, "length"),
        (r#"{"tell": [[0.5], NaN]}"#, "expected value"),
        (r#"{"bounds": [[1, 0]]}"#, "the lower first"),
        (r#"{"bounds": []}"#, "at least one dimension"),
        (r#"{"bounds": [[0, 1]], "direction": "up"}"#, "up"),
    ];
    let mut lines = vec![r#"{"ask": true}"#, r#"{"bounds": [[0, 1]], "seed": 1}"#];
    lines.extend(bad.map(|(line, _)| line));
    lines.push(r#"{"ask": true}"#);
    let found = answers(&lines);
    assert_eq!(found.len(), lines.len());
    assert!(found[0]["error"].as_str().unwrap().contains("no study is open"), "{}", found[0]);
    for ((line, part), answer) in bad.iter().zip(&found[2..]) {
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{line}: {answer}");
    }
    // None of them left a trace in the study.
    assert_eq!(found[found.len() - 1]["id"], 0);
}
