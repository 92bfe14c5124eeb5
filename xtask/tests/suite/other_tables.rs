//! Table 9, transfer and figure 1 of the smoke profile.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::tempdir;

fn smoke(task: &str, out: &Path, flags: &[&str]) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    command.args([task, "--profile", "smoke", "-q", "--out"]).arg(out).args(flags);
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn table_9_goes_on_where_it_was_and_ends_as_a_run_at_once() {
    let folder = tempdir().unwrap();
    let [at_once, in_parts, downwards] =
        ["at-once", "in-parts", "downwards"].map(|name| folder.path().join(name));
    smoke("reproduce-table9", &at_once, &["--steps", "0,2,4"]).assert().success();
    smoke("reproduce-table9", &in_parts, &["--steps", "2"]).assert().success();
    // The cell of 2 trials is there; 4 trials go on with the recorded ones.
    smoke("reproduce-table9", &in_parts, &["--steps", "4,0,2,2"]).assert().success();
    // The record of 4 trials is of no use for 2.
    smoke("reproduce-table9", &downwards, &["--steps", "4,0"]).assert().success();
    smoke("reproduce-table9", &downwards, &["--steps", "2,4,0"]).assert().success();
    let cells = |out: &Path| -> Vec<Value> {
        let mut cells = json(&out.join("table9.json"))["cells"].as_array().unwrap().clone();
        for cell in &mut cells {
            for clock in ["train_seconds", "search_seconds"] {
                assert!(cell.as_object_mut().unwrap().remove(clock).is_some());
            }
        }
        cells
    };
    assert_eq!(cells(&at_once), cells(&in_parts));
    assert_eq!(cells(&at_once), cells(&downwards));
    let steps: Vec<u64> = cells(&at_once).iter().map(|cell| cell["steps"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 2, 4]);
    let costs: Vec<f64> = cells(&at_once).iter().map(|cell| cell["search_cost"].as_f64().unwrap()).collect();
    // Trials of 1 epoch against 4 epochs of training.
    assert_eq!(costs, [0.0, 0.5, 1.0]);
    assert_eq!(fs::read(at_once.join("table9.md")).unwrap(), fs::read(in_parts.join("table9.md")).unwrap());
    smoke("reproduce-table9", &at_once, &["--noise", "0.3"]).assert().failure();
    // As after searches with three finalists, two of which lost.
    let journal = at_once.join("cells.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let told = text.replace("\"extra_cost\":0.0,\"search\":", "\"extra_cost\":2.0,\"search\":");
    fs::write(&journal, told).unwrap();
    smoke("reproduce-table9", &at_once, &["--steps", "0,2,4"]).assert().success();
    let table = json(&at_once.join("table9.json"));
    let extra: Vec<&Value> =
        table["summary"].as_array().unwrap().iter().map(|row| &row["extra_cost"]).collect();
    assert_eq!(extra, [0.0, 2.0, 2.0]);
    let text = fs::read_to_string(at_once.join("table9.md")).unwrap();
    assert!(text.contains("| trials | extra |") && text.contains("|   1.00 |  2.00 |"), "{text}");
}

#[test]
fn table_5_has_curves_and_goes_on_where_it_was() {
    let folder = tempdir().unwrap();
    let [at_once, in_parts] = ["at-once", "in-parts"].map(|name| folder.path().join(name));
    let flags = ["--noise", "0,0.4", "--seeds", "2"];
    smoke("reproduce-table5", &at_once, &flags).assert().success();
    smoke("reproduce-table5", &in_parts, &["--noise", "0.4", "--seeds", "1"]).assert().success();
    smoke("reproduce-table5", &in_parts, &flags).assert().success();
    let cells = |out: &Path| -> Vec<Value> {
        let mut cells = json(&out.join("table5.json"))["cells"].as_array().unwrap().clone();
        for cell in &mut cells {
            let cell = cell.as_object_mut().unwrap();
            for clock in ["train_seconds", "search_seconds", "seconds_before"] {
                assert!(cell.remove(clock).is_some(), "{clock}");
            }
            assert!(
                cell["curve"].as_object_mut().unwrap().remove("epoch_seconds").unwrap().as_f64().unwrap()
                    > 0.0
            );
        }
        cells
    };
    let whole = cells(&at_once);
    assert_eq!(whole, cells(&in_parts));
    assert_eq!(whole.len(), 8);
    for cell in &whole {
        let curve = cell["curve"]["top1"].as_array().unwrap();
        assert_eq!(curve.len(), 4);
        // The curve ends with the finished model.
        assert_eq!(curve[3], cell["top1_last"]);
    }
    let table = fs::read_to_string(at_once.join("table5.md")).unwrap();
    // The baseline reaches its own accuracy.
    assert!(table.lines().any(|line| line.contains(" baseline |") && line.contains(" 2/2 |")), "{table}");
    assert!(fs::read_to_string(at_once.join("table5.svg")).unwrap().contains("40% wrong labels"));
    smoke("reproduce-table5", &at_once, &["--noise", "1.5"]).assert().failure();
}

#[test]
fn transfer_has_every_network_and_column() {
    let folder = tempdir().unwrap();
    let flags = ["--targets", "six-conv,wrn-10-1,six-conv"];
    smoke("reproduce-transfer", folder.path(), &flags).assert().success();
    let table = json(&folder.path().join("transfer.json"));
    let keys: Vec<(String, String)> = table["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| {
            let text = |field: &str| cell[field].as_str().unwrap().to_owned();
            (text("network"), text("column"))
        })
        .collect();
    let mut expected = Vec::new();
    for (network, columns) in [("resnet8-8-16-32", 3), ("six-conv", 4), ("wrn-10-1", 4)] {
        let all = ["baseline", "oracle", "ss-self", "ss-source"];
        expected.extend(all[..columns].iter().map(|column| (network.to_owned(), (*column).to_owned())));
    }
    assert_eq!(keys, expected);
    for cell in table["cells"].as_array().unwrap() {
        // A rule that is not kept leaves the baseline of the same network.
        if cell["kept"] == false {
            let base = table["cells"].as_array().unwrap().iter();
            let mut base = base.filter(|c| c["network"] == cell["network"] && c["column"] == "baseline");
            assert_eq!(cell["top1_last"], base.next().unwrap()["top1_last"]);
        }
    }
    // Everything is there: nothing is computed, and the text is the same.
    let before = fs::read(folder.path().join("transfer.md")).unwrap();
    smoke("reproduce-transfer", folder.path(), &flags).assert().success();
    assert_eq!(fs::read(folder.path().join("transfer.md")).unwrap(), before);
}

#[test]
fn figure_1_counts_every_example_once() {
    let folder = tempdir().unwrap();
    smoke("reproduce-figure1", folder.path(), &["--bins", "8"]).assert().success();
    let figure = json(&folder.path().join("figure1.json"));
    let sum = |field: &str| -> u64 {
        figure["grid"][field].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum()
    };
    assert_eq!((sum("right"), sum("wrong")), (120, 80));
    // Probabilities add up to one, so relative ones to the number of examples.
    let field = |name: &str| figure["grid"][name].as_array().unwrap().clone();
    let mass: f64 = field("right")
        .iter()
        .zip(field("wrong"))
        .zip(field("probability"))
        .map(|((right, wrong), p)| {
            (right.as_f64().unwrap() + wrong.as_f64().unwrap()) * p.as_f64().unwrap_or(0.0)
        })
        .sum();
    assert!((mass - 200.0).abs() < 1e-6, "{mass}");
    let svg = fs::read_to_string(folder.path().join("figure1.svg")).unwrap();
    for text in ["wrong labels", "sampling probability", "loss (nats)"] {
        assert!(svg.contains(text), "{text}");
    }
    // Each map draws all its cells.
    let fills: BTreeSet<&str> = svg.lines().filter(|line| line.starts_with("<rect")).collect();
    assert!(fills.len() > 3 * 64, "{}", fills.len());
    smoke("reproduce-figure1", folder.path(), &["--noise", "0"]).assert().failure();
}

#[test]
fn a_search_of_figure_1_on_two_devices_is_not_continued_on_one() {
    let folder = tempdir().unwrap();
    let figure = |devices| smoke("reproduce-figure1", folder.path(), &["--bins", "8", "--devices", devices]);
    figure("cpu,cpu").assert().success();
    assert_eq!(json(&folder.path().join("figure1.json"))["config"]["candidates_side_by_side"], 2);
    let refused = figure("cpu").assert().failure();
    let said = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(said.contains("candidates_side_by_side"), "{said}");
    figure("cpu,cpu").assert().success();
}
