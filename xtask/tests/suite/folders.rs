//! Table 2 and figure 2 of the smoke profile: images in folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use scraper::{Html, Selector};
use serde_json::Value;
use tempfile::tempdir;

/// Two small sources and a network that uses their samplers.
const NETWORKS: &str = "six-conv,resnet18-2-2-4-4,resnet50-2-2-2-2";

fn smoke(task: &str, out: &Path, flags: &[&str]) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    command.args([task, "--profile", "smoke", "-q", "--device", "cpu", "--out"]).arg(out).args(flags);
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The cells without what a clock measured.
fn cells(out: &Path) -> Vec<Value> {
    let mut cells = json(&out.join("table2.json"))["cells"].as_array().unwrap().clone();
    for cell in &mut cells {
        for clock in ["train_seconds", "search_seconds"] {
            assert!(cell.as_object_mut().unwrap().remove(clock).is_some());
        }
    }
    cells
}

#[test]
fn table_2_goes_on_where_it_was_and_ends_as_a_run_at_once() {
    let folder = tempdir().unwrap();
    let [at_once, in_parts] = ["at-once", "in-parts"].map(|name| folder.path().join(name));
    let flags = ["--networks", NETWORKS, "--noise", "0,0.4"];
    smoke("reproduce-table2", &at_once, &flags)
        .assert()
        .success()
        .stdout(predicate::str::contains("## 40% wrong labels").and(predicate::str::contains("as self")));
    smoke("reproduce-table2", &in_parts, &["--networks", "resnet18-2-2-4-4", "--noise", "0.4"])
        .assert()
        .success();
    assert_eq!(cells(&in_parts).len(), 2);
    // As a kill leaves it: without the last cell, the network's own sampler, whose trials are in its study.
    let journal = in_parts.join("cells.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.last().unwrap().contains("ss-self"));
    fs::write(&journal, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    smoke("reproduce-table2", &in_parts, &flags).assert().success();
    let all = cells(&at_once);
    assert_eq!(all, cells(&in_parts));
    assert_eq!(fs::read(at_once.join("table2.md")).unwrap(), fs::read(in_parts.join("table2.md")).unwrap());
    // Two columns of its own each, and those of the sources: two of the network that is none, one of each source.
    assert_eq!(all.len(), 2 * (4 + 3 + 3));
    let column = |cell: &Value| cell["column"].as_str().map(str::to_owned);
    for cell in &all {
        let top = |k: &str| cell[k].as_f64().unwrap();
        assert!(top("top1_last") <= top("top5_last") && top("top5_last") <= 100.0);
        // A rule that is not kept leaves the baseline of the same network.
        if cell["kept"] == false {
            let base = all.iter().find(|other| {
                column(other).as_deref() == Some("baseline")
                    && (&other["network"], &other["noise"]) == (&cell["network"], &cell["noise"])
            });
            assert_eq!(cell["top1_last"], base.unwrap()["top1_last"]);
        }
        assert_eq!(
            cell.get("rule").is_some(),
            column(cell).as_deref() == Some("ss-self") && cell["kept"] == true
        );
    }
    let other = predicate::str::contains("other settings (crops: 0 there, 2 asked for");
    smoke("reproduce-table2", &at_once, &["--crops", "2"]).assert().failure().stderr(other);
}

#[test]
fn table_2_has_the_four_networks_of_the_paper() {
    let folder = tempdir().unwrap();
    let flags = ["--noise", "0.4", "--epochs", "1", "--trials", "1", "--crops", "2", "--train-size", "40"];
    smoke("reproduce-table2", folder.path(), &flags).assert().success();
    let cells = cells(folder.path());
    let networks: BTreeSet<&str> = cells.iter().map(|cell| cell["network"].as_str().unwrap()).collect();
    let beginnings: Vec<&str> = networks.iter().map(|name| name.split('-').next().unwrap()).collect();
    assert_eq!(beginnings, ["mobilenet", "resnet18", "resnet50", "seresnext50"]);
    assert_eq!(cells.len(), 4 + 3 + 3 + 4);
}

#[test]
fn a_rule_that_is_kept_is_used_elsewhere_and_survives_a_kill() {
    let folder = tempdir().unwrap();
    // Whole images that never change: the source learns the wrong labels, and its rule gains 16 points of validation accuracy.
    let flags = [
        "--networks",
        "six-conv,resnet8",
        "--sources",
        "resnet8",
        "--noise",
        "0.4",
        "--epochs",
        "20",
        "--trials",
        "8",
        "--train-size",
        "200",
        "--val-size",
        "100",
        "--val-labels",
        "clean",
        "--crops",
        "1",
        "--crop-scale",
        "1",
    ];
    let run = || smoke("reproduce-table2", folder.path(), &flags).assert().success();
    run();
    let all = cells(folder.path());
    let column = |name: &str, network: &str| {
        all.iter().find(|cell| cell["column"] == name && cell["network"] == network).unwrap()
    };
    let own = column("ss-self", "resnet8");
    assert_eq!((&own["kept"], &own["search"]["kept"]), (&true.into(), &true.into()));
    assert!(own["rule"]["coefficients"].is_array());
    assert_ne!(own["top1_last"], column("baseline", "resnet8")["top1_last"]);
    // The journal ends with the network that uses the rule: computed again, from the rule in the journal, it is the same.
    let journal = folder.path().join("cells.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.last().unwrap().contains(r#"{"ss-from":"resnet8"}"#));
    fs::write(&journal, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    run();
    assert_eq!(all, cells(folder.path()));
}

#[test]
fn folders_are_read_and_what_is_missing_is_said() {
    let folder = tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let run = |flags: &[&str]| {
        let mut all = vec!["--networks", "six-conv", "--epochs", "1", "--trials", "1", "--noise", "0.2"];
        all.extend(flags);
        smoke("reproduce-table2", &out, &all)
    };
    run(&[]).assert().success();
    let made = out.join("digits-folder-300-100");
    fs::rename(&made, &data).unwrap();
    let given = data.to_str().unwrap();
    // The same images from elsewhere: nothing is left to compute.
    let before = fs::read(out.join("cells.jsonl")).unwrap();
    run(&["--data-dir", given]).assert().success();
    assert_eq!(before, fs::read(out.join("cells.jsonl")).unwrap());
    fs::write(data.join("train/3/bad.png"), b"no image").unwrap();
    let located =
        || predicate::str::contains("train/3/bad.png").and(predicate::str::contains("cannot be decoded"));
    run(&["--data-dir", given]).assert().failure().stderr(located());
    let left_out = located().and(predicate::str::contains("images left out: 1"));
    run(&["--data-dir", given, "--skip-bad"]).assert().success().stderr(left_out);
    let refused = |flags: &[&str], what: &str| {
        let mut all = vec!["--networks", "six-conv", "--epochs", "1", "--trials", "1"];
        all.extend(flags);
        let refused = smoke("reproduce-table2", &folder.path().join("refused"), &all).assert().failure();
        refused.stderr(predicate::str::contains(what.to_owned()));
    };
    refused(&["--network", "resnet8"], "--networks");
    refused(&["--sources", "resnet8"], "--sources resnet8");
    refused(&["--crop-scale", "0"], "--crop-scale: crop scale = 0");
    refused(&["--noise", "1"], "noise rate = 1");
    refused(&["--train-size", "1000"], "train 1000");
    refused(&["--side", "2"], "six-conv");
    let mut none = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    none.args(["reproduce-table2", "-q"]).assert().failure().stderr(predicate::str::contains("--cifar10"));
}

#[test]
fn figure_2_shows_the_least_sampled_crops() {
    let folder = tempdir().unwrap();
    let flags = ["--networks", "resnet18-2-2-4-4,six-conv", "--crops", "2", "--shown", "9", "--bins", "10"];
    smoke("reproduce-figure2", folder.path(), &flags).assert().success();
    let figure = json(&folder.path().join("figure2.json"));
    let least = figure["least"].as_array().unwrap();
    assert_eq!(least.len(), 9);
    let relative: Vec<f64> = least.iter().map(|i| i["relative_probability"].as_f64().unwrap()).collect();
    assert!(relative.is_sorted() && relative[0] <= 1.0, "{relative:?}");
    let wrong = least.iter().filter(|i| i["label"] != i["truth"]).count();
    let svg = fs::read_to_string(folder.path().join("figure2a.svg")).unwrap();
    let page = Html::parse_fragment(&svg);
    let all = |what: &str| page.select(&Selector::parse(what).unwrap()).count();
    // A picture and a box each, and the ground.
    assert_eq!((all("g image"), all("g rect"), all("svg > rect")), (9, 9, 1));
    assert_eq!(svg.matches("(wrong)").count(), wrong);
    assert!(!svg.contains("NaN") && svg.matches("data:image/png;base64,").count() == 9);
    for curve in figure["curves"].as_array().unwrap() {
        for of in ["own", "first"] {
            let bins = curve[of].as_array().unwrap();
            let mean = |name: &str| {
                bins.iter().map(|bin| bin[name].as_f64().unwrap()).sum::<f64>() / bins.len() as f64
            };
            // 240 crops in ten parts of 24: probabilities add up to one, the cdf to one half.
            assert!((mean("mean") - 1.0).abs() < 1e-9 && (mean("cdf") - 0.5).abs() < 1e-9, "{bins:?}");
        }
    }
    let svg = fs::read_to_string(folder.path().join("figure2b.svg")).unwrap();
    for text in ["cdf of the loss", "own rule", "the rule of resnet18-2-2-4-4, by ranks", "uniform"] {
        assert!(svg.contains(text), "{text}");
    }
    // The searches are recorded; drawn again it is the same.
    let before = fs::read(folder.path().join("figure2.json")).unwrap();
    smoke("reproduce-figure2", folder.path(), &flags).assert().success();
    assert_eq!(before, fs::read(folder.path().join("figure2.json")).unwrap());
    smoke("reproduce-figure2", folder.path(), &["--shown", "0"]).assert().failure();
}
