//! One run of `reproduce-table1` and what it left.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// `reproduce-table1` of the smoke profile with these flags.
pub(crate) fn smoke<I: AsRef<OsStr>>(out: &Path, flags: impl IntoIterator<Item = I>) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    command.args(["reproduce-table1", "--profile", "smoke", "-q", "--out"]).arg(out).args(flags);
    command
}

/// The lines of the journal.
pub(crate) fn journal(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(out.join("cells.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

/// `table1.json`.
pub(crate) fn table(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("table1.json")).unwrap()).unwrap()
}

/// The cells of `table1.json` without what a clock measured.
pub(crate) fn timeless_cells(out: &Path) -> Vec<Value> {
    let mut cells = table(out)["cells"].as_array().unwrap().clone();
    for cell in &mut cells {
        for clock in ["train_seconds", "search_seconds"] {
            assert!(cell.as_object_mut().unwrap().remove(clock).is_some());
        }
    }
    cells
}

/// `table1.md` without its last column, the relative time.
pub(crate) fn timeless_markdown(out: &Path) -> String {
    let text = fs::read_to_string(out.join("table1.md")).unwrap();
    let cut = |line: &str| match line.strip_suffix('|').and_then(|line| line.rsplit_once('|')) {
        Some((rest, _)) => rest.to_owned(),
        None => line.to_owned(),
    };
    assert!(text.lines().any(|line| line.trim_end_matches(['|', ' ']).ends_with("time")));
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

/// What tells cells apart: method, noise and seed.
pub(crate) fn key(cell: &Value) -> (String, String, u64) {
    (cell["method"].as_str().unwrap().to_owned(), cell["noise"].to_string(), cell["seed"].as_u64().unwrap())
}
