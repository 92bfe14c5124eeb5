//! Finished cells are kept: by a second run, by a larger one, and through kills.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use crate::run::{journal, key, smoke, table, timeless_cells};

const RESULTS: [&str; 3] = ["cells.jsonl", "table1.json", "table1.md"];

#[test]
fn a_second_run_computes_nothing() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    let contents = || RESULTS.map(|name| fs::read(out.join(name)).unwrap());
    smoke(out, [""; 0]).assert().success();
    let first = contents();
    smoke(out, [""; 0]).assert().success();
    assert!(contents() == first);
    // The table is made from the journal alone.
    fs::remove_file(out.join("table1.json")).unwrap();
    fs::remove_file(out.join("table1.md")).unwrap();
    smoke(out, ["--jobs", "1"]).assert().success();
    assert!(contents() == first);
}

#[test]
fn a_larger_run_computes_what_is_missing() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    smoke(out, ["--methods", "baseline,oracle"]).assert().success();
    let before = journal(out);
    assert_eq!(before.len(), 1 + 2 * 2);
    let first = timeless_cells(out);

    smoke(out, ["--noise", "0,0.2,0.4", "--seeds", "2"]).assert().success();
    let after = journal(out);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.len(), 1 + 3 * 3 * 2);
    let cells = timeless_cells(out);
    assert_eq!(cells.iter().map(key).collect::<BTreeSet<_>>().len(), 3 * 3 * 2);
    assert!(first.iter().all(|cell| cells.contains(cell)));

    // What was computed in two steps is what one step computes.
    let fresh = tempdir().unwrap();
    smoke(fresh.path(), ["--noise", "0,0.2,0.4", "--seeds", "2"]).assert().success();
    assert_eq!(timeless_cells(fresh.path()), cells);

    // A smaller table is a part of the larger one, and the journal keeps the rest.
    smoke(out, ["--noise", "0.2", "--methods", "ss"]).assert().success();
    assert_eq!(journal(out), after);
    assert_eq!(table(out)["cells"].as_array().unwrap().len(), 1);
}

#[test]
fn a_torn_line_is_computed_again() {
    let whole = tempdir().unwrap();
    smoke(whole.path(), [""; 0]).assert().success();
    let expected = timeless_cells(whole.path());
    let text = fs::read_to_string(whole.path().join("cells.jsonl")).unwrap();
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let last = ends.len() - 1;
    // Within the last line, just before its end, within the second, and within the header.
    for keep in [ends[last] - 40, ends[last] - 1, ends[0] + 1, ends[0] - 1, 5] {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("cells.jsonl"), &text[..keep]).unwrap();
        smoke(folder.path(), [""; 0]).assert().success();
        assert_eq!(timeless_cells(folder.path()), expected, "cut after {keep} bytes");
        let resumed = journal(folder.path());
        assert_eq!(resumed.len(), 1 + expected.len());
        let kept = text[..keep].matches('\n').count();
        assert_eq!(resumed[..kept], journal(whole.path())[..kept]);
    }
}

#[test]
fn a_killed_run_ends_as_one_that_was_not() {
    let flags = ["--seeds", "2", "--epochs", "8", "--jobs", "1"];
    let (killed, whole) = (tempdir().unwrap(), tempdir().unwrap());
    let cells = killed.path().join("cells.jsonl");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("xtask"))
        .args(["reproduce-table1", "--profile", "smoke", "-q", "--out"])
        .arg(killed.path())
        .args(flags)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let clock = Instant::now();
    // The header and one cell.
    while fs::read_to_string(&cells).map_or(0, |text| text.lines().count()) < 2 {
        assert!(clock.elapsed() < Duration::from_secs(60), "no cell within a minute");
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let finished = fs::read_to_string(&cells).unwrap().matches('\n').count() - 1;
    assert!(finished < 2 * 2 * 3, "the run had ended before it was killed");
    assert!(!killed.path().join("table1.json").exists());

    smoke(killed.path(), flags).assert().success();
    smoke(whole.path(), flags).assert().success();
    assert_eq!(timeless_cells(killed.path()), timeless_cells(whole.path()));
}
