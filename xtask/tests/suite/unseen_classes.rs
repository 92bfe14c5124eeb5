//! `reproduce-table3` and `reproduce-table6`: the smoke profile, and small files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;
use tempfile::tempdir;

fn table(number: u32, out: &Path, flags: &[&str]) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    let task = format!("reproduce-table{number}");
    command.args([&task, "-q", "--device", "cpu", "--out"]).arg(out).args(flags);
    command
}

fn smoke(number: u32, out: &Path, flags: &[&str]) -> Command {
    let mut command = table(number, out, &["--profile", "smoke"]);
    command.args(flags);
    command
}

fn written(number: u32, out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join(format!("table{number}.json"))).unwrap()).unwrap()
}

/// The cells without what a clock measured.
fn cells(number: u32, out: &Path) -> Vec<Value> {
    let mut cells = written(number, out)["cells"].as_array().unwrap().clone();
    for cell in &mut cells {
        for clock in ["train_seconds", "search_seconds"] {
            assert!(cell.as_object_mut().unwrap().remove(clock).is_some());
        }
    }
    cells
}

/// Runs a table at once and in parts, the last cell being computed again; returns the cells, which are the same.
fn run_in_parts(number: u32, folder: &Path) -> Vec<Value> {
    let [at_once, in_parts] = ["at-once", "in-parts"].map(|name| folder.join(name));
    let title = predicate::str::contains(format!("# Table {number}:"));
    smoke(number, &at_once, &[]).assert().success().stdout(title);
    smoke(number, &in_parts, &["--noise", "0.2"]).assert().success();
    // As a kill leaves it: without the last cell, Swift Sampler's, whose trials are in its journal.
    let journal = in_parts.join("cells.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 4 && lines[3].contains("\"ss\""));
    fs::write(&journal, lines[..3].join("\n") + "\n").unwrap();
    smoke(number, &in_parts, &["--noise", "0.2,0,0.2"]).assert().success();
    let all = cells(number, &at_once);
    assert_eq!(all, cells(number, &in_parts));
    let keys: Vec<(f64, &str)> =
        all.iter().map(|cell| (cell["noise"].as_f64().unwrap(), cell["method"].as_str().unwrap())).collect();
    let expected = [0.0, 0.2].map(|noise| ["baseline", "oracle", "ss"].map(|method| (noise, method)));
    assert_eq!(keys, expected.concat());
    assert!((all[5]["realized_noise"].as_f64().unwrap() - 0.2).abs() < 0.01);
    assert!(all[5]["auroc"]["loss"].as_f64().unwrap() > 0.5, "{}", all[5]["auroc"]);
    let other = predicate::str::contains("other settings (");
    smoke(number, &at_once, &["--epochs", "3"]).assert().failure().stderr(other);
    finalists_are_in_the_table(number, &in_parts);
    all
}

/// As after a search with three finalists: the cells of Swift Sampler say what the two that lost have cost.
fn finalists_are_in_the_table(number: u32, out: &Path) {
    let journal = out.join("cells.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let (before, after) = ("\"extra_cost\":0.0,\"search\":", "\"extra_cost\":2.0,\"search\":");
    assert_eq!(text.matches(before).count(), 2, "one each noise");
    fs::write(&journal, text.replace(before, after)).unwrap();
    let printed = predicate::str::contains("| extra |").and(predicate::str::contains("|  2.00 |"));
    smoke(number, out, &["--noise", "0,0.2"]).assert().success().stdout(printed);
    for row in written(number, out)["summary"].as_array().unwrap() {
        if row["method"] == "ss" {
            assert_eq!(row["search"]["extra_cost"], 2.0, "{row}");
        }
    }
}

#[test]
fn table_3_goes_on_where_it_was_and_ends_as_a_run_at_once() {
    let folder = tempdir().unwrap();
    let all = run_in_parts(3, folder.path());
    for cell in &all {
        let seen = &cell["verification"];
        // 10 people of 6 images.
        assert_eq!((seen["positives"].as_u64(), seen["negatives"].as_u64()), (Some(150), Some(1620)));
        assert!(seen["accuracy"]["mean"].as_f64().unwrap() > 0.6, "{cell}");
        assert_eq!(seen["tar"][0]["far"], 0.01);
    }
    // Without wrong labels the oracle is the baseline, bit for bit.
    assert_eq!(all[0]["verification"], all[1]["verification"]);
    assert_ne!(all[3]["verification"], all[4]["verification"]);
    let svg = fs::read_to_string(folder.path().join("at-once/table3-roc.svg")).unwrap();
    assert!(svg.contains("20% wrong labels") && svg.contains("Swift Sampler") && !svg.contains("NaN"));
    let text = fs::read_to_string(folder.path().join("at-once/table3.md")).unwrap();
    assert!(text.contains("TAR@FAR 0.001") && text.contains("15 of 30 people"), "{text}");
}

#[test]
fn table_6_goes_on_where_it_was_and_ends_as_a_run_at_once() {
    let folder = tempdir().unwrap();
    let all = run_in_parts(6, folder.path());
    for cell in &all {
        let [one, five] = &cell["few_shot"].as_array().unwrap()[..] else { panic!("{cell}") };
        // 12 images a class: 5 shots leave 7 queries.
        let asked = |seen: &Value, what: &str| seen["of"][what].as_u64().unwrap();
        assert_eq!((asked(one, "shots"), asked(one, "queries")), (1, 11));
        assert_eq!((asked(five, "shots"), asked(five, "queries"), asked(five, "episodes")), (5, 7, 50));
        assert!(five["mean"].as_f64().unwrap() > 0.4, "{cell}");
    }
    assert_eq!(all[0]["few_shot"], all[1]["few_shot"]);
    let rows = written(6, &folder.path().join("at-once"))["summary"].as_array().unwrap().len();
    assert_eq!(rows, 2 * 2 * 3);
}

/// `people` folders of `each` grey images, person `p` the brighter in column `p`.
fn faces(root: &Path, people: usize, each: usize) {
    for person in 0..people {
        let folder = root.join(format!("person-{person:02}"));
        fs::create_dir_all(&folder).unwrap();
        for image in 0..each {
            let mut bytes = b"P5\n12 12\n255\n".to_vec();
            bytes.extend((0..144).map(|i| {
                let (row, column) = (i / 12, i % 12);
                let bright = if column == person % 12 { 120 } else { 0 };
                (40 + bright + (31 * row + 17 * image + 7 * column) % 60) as u8
            }));
            fs::write(folder.join(format!("{image}.pgm")), bytes).unwrap();
        }
    }
}

fn with<'a>(defaults: &[(&'a str, &'a str)], flags: &[&'a str]) -> Vec<&'a str> {
    let mut all: BTreeMap<&str, &str> = defaults.iter().copied().collect();
    all.extend(flags.chunks(2).map(|pair| (pair[0], pair[1])));
    all.into_iter().flat_map(|(flag, value)| [flag, value]).collect()
}

#[test]
fn faces_and_pairs_are_read_from_files() {
    let folder = tempdir().unwrap();
    let [data, others] = ["people", "others"].map(|name| folder.path().join(name));
    faces(&data, 9, 4);
    faces(&others, 2, 4);
    for person in 0..2 {
        let name = |of: &str| others.join(format!("{of}-{person:02}"));
        fs::rename(name("person"), name("other")).unwrap();
    }
    let list = others.join("pairs.txt");
    let mut lines = String::new();
    for image in 0..4 {
        for (other, same) in [("other-00", 1), ("other-01", 0)] {
            let (next, fold) = ((image + 1) % 4, image % 2);
            lines += &format!("other-00/{image}.pgm {other}/{next}.pgm {same} {fold}\n");
        }
    }
    fs::write(&list, lines).unwrap();
    fs::write(data.join("person-03/9.pgm"), b"P5 broken").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (people, pairs) = (path(&data), path(&list));
    let defaults = [
        ("--data", people.as_str()),
        ("--network", "resnet8-4-4-8+embedding-4"),
        ("--epochs", "2"),
        ("--trials", "1"),
        ("--seeds", "1"),
        ("--noise", "0.2"),
        ("--height", "12"),
        ("--width", "12"),
        ("--val-people", "3"),
        ("--batch", "8"),
    ];
    let run = |name: &str, bad: bool, flags: &[&str]| {
        let mut command = table(3, &folder.path().join(name), &with(&defaults, flags));
        if bad {
            command.arg("--skip-bad");
        }
        command
    };
    let broken = predicate::str::contains("9.pgm").and(predicate::str::contains("decoded"));
    run("refused", false, &["--test-people", "3"]).assert().failure().stderr(broken);
    let named = predicate::str::contains("left out:").and(predicate::str::contains("9.pgm"));
    run("split", true, &["--test-people", "3"]).assert().success().stderr(named);
    assert_eq!(written(3, &folder.path().join("split"))["skipped"].as_array().unwrap().len(), 1);
    assert_eq!(cells(3, &folder.path().join("split"))[0]["verification"]["positives"], 18);
    run("pairs", true, &["--pairs", &pairs]).assert().success();
    let seen = &cells(3, &folder.path().join("pairs"))[0]["verification"];
    assert_eq!((seen["positives"].as_u64(), seen["negatives"].as_u64()), (Some(4), Some(4)));
    assert_eq!(seen["accuracy"]["folds"], 2);
    let refused = |flags: &[&str], what: &str| {
        run("refused", true, flags).assert().failure().stderr(predicate::str::contains(what.to_owned()));
    };
    refused(&[], "validation 3 + test 10 of 9");
    refused(&["--pairs", &pairs, "--test-people", "3"], "leave one of the two out");
    refused(&["--pairs-root", &people], "there is no --pairs");
    // The people of the list are trained on.
    let known = list.with_file_name("known.txt");
    let lines = fs::read_to_string(&list).unwrap();
    fs::write(&known, lines.replace("other-", "person-")).unwrap();
    let known = path(&known);
    for root in [&path(&others), &people] {
        let flags = ["--pairs", &known, "--pairs-root", root];
        refused(&flags, "known.txt: expected pairs of other people than those of");
        refused(&flags, "found 2 who are there too: person-00 (line 1), person-01 (line 2);");
    }
    refused(&["--test-people", "3", "--far", "0"], "--far 0");
    refused(&["--test-people", "3", "--noise", "1"], "--noise");
    refused(&["--test-people", "3", "--score", "accuracy"], "verification or nearest-centroid");
    refused(&["--data", "nowhere"], "nowhere");
    // A person with one image is in the validation part of some seeds.
    for image in [0, 1, 3] {
        fs::remove_file(data.join(format!("person-02/{image}.pgm"))).unwrap();
    }
    refused(
        &["--test-people", "3", "--seeds", "20"],
        "people/person-02: 1 image, but 2 are needed for pairs of one person; add images",
    );
    table(3, folder.path(), &[])
        .assert()
        .failure()
        .stderr(predicate::str::contains("--data: expected a folder"));
    let paper = ["--profile", "paper", "--data", &people];
    table(3, folder.path(), &paper).assert().failure().stderr(predicate::str::contains("--pairs: the paper"));
    let generated = predicate::str::contains("generates its faces");
    smoke(3, folder.path(), &["--data", &people]).assert().failure().stderr(generated);
}

#[test]
fn alphabets_that_training_has_seen_are_left_out() {
    let folder = tempdir().unwrap();
    let (base, novel) = (folder.path().join("base"), folder.path().join("novel"));
    // Folders alphabet/character of PNG files, made of those of people.
    for (root, alphabets) in [(&base, ["Greek", "Latin"]), (&novel, ["Latin", "Tagalog"])] {
        for alphabet in alphabets {
            let characters = root.join(alphabet);
            faces(&characters, 5, 4);
            for pgm in walk(&characters) {
                // The content decides, not the name.
                fs::rename(&pgm, pgm.with_extension("png")).unwrap();
            }
        }
    }
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (base, novel) = (path(&base), path(&novel));
    let defaults = [
        ("--base", base.as_str()),
        ("--novel", novel.as_str()),
        ("--network", "resnet8-4-4-8+embedding-4"),
        ("--epochs", "2"),
        ("--trials", "1"),
        ("--seeds", "1"),
        ("--noise", "0.2"),
        ("--side", "8"),
        ("--val-characters", "3"),
        ("--episodes", "20"),
        ("--shots", "1"),
    ];
    let run = |name: &str, flags: &[&str]| table(6, &folder.path().join(name), &with(&defaults, flags));
    run("out", &[]).assert().success().stdout(predicate::str::contains("5 novel classes (Tagalog)"));
    let asked = &cells(6, &folder.path().join("out"))[0]["few_shot"][0]["of"];
    assert_eq!((asked["way"].as_u64(), asked["queries"].as_u64()), (Some(5), Some(3)));
    let refused = |flags: &[&str], what: &str| {
        run("refused", flags).assert().failure().stderr(predicate::str::contains(what.to_owned()));
    };
    refused(&["--shots", "4"], "novel/Tagalog/person-00: 4 images, but 5 are needed for the shots");
    refused(&["--way", "6"], "5 classes, but 6 are needed");
    refused(&["--val-characters", "9"], "validation 9 + test 0 of 10");
    refused(&["--novel", &base], "alphabets that --base has too");
    // A character with one drawing is in the validation part of some seeds.
    for image in 1..4 {
        fs::remove_file(Path::new(&base).join(format!("Greek/person-01/{image}.png"))).unwrap();
    }
    refused(
        &["--seeds", "20"],
        "base/Greek/person-01: 1 image, but 2 are needed for a centroid of the others; add images",
    );
    table(6, folder.path(), &[]).assert().failure().stderr(predicate::str::contains("--base and --novel"));
    let generated = predicate::str::contains("generates its patterns");
    smoke(6, folder.path(), &["--base", &base]).assert().failure().stderr(generated);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    inside(folder).iter().flat_map(|folder| inside(folder)).collect()
}
