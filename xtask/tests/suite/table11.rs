//! `reproduce-table11` of the smoke profile, and on small text files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;
use ss_data::text::grammar;
use ss_seed::Seed;
use tempfile::tempdir;

fn table11(out: &Path, flags: &[&str]) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("xtask");
    command.args(["reproduce-table11", "-q", "--device", "cpu", "--out"]).arg(out).args(flags);
    command
}

fn smoke(out: &Path, flags: &[&str]) -> Command {
    let mut command = table11(out, &["--profile", "smoke"]);
    command.args(flags);
    command
}

/// The cells without what a clock measured.
fn cells(out: &Path) -> Vec<Value> {
    let table: Value = serde_json::from_slice(&fs::read(out.join("table11.json")).unwrap()).unwrap();
    let mut cells = table["cells"].as_array().unwrap().clone();
    for cell in &mut cells {
        for clock in ["train_seconds", "search_seconds"] {
            assert!(cell.as_object_mut().unwrap().remove(clock).is_some());
        }
    }
    cells
}

#[test]
fn the_table_goes_on_where_it_was_and_ends_as_a_run_at_once() {
    let folder = tempdir().unwrap();
    let [at_once, in_parts] = ["at-once", "in-parts"].map(|name| folder.path().join(name));
    smoke(&at_once, &[]).assert().success().stdout(predicate::str::contains("Table 11: text"));
    smoke(&in_parts, &["--noise", "0.2"]).assert().success();
    assert_eq!(cells(&in_parts).len(), 3);
    // As a kill leaves it: without the last cell, Swift Sampler's, whose trials are in its journal.
    let journal = in_parts.join("cells.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.last().unwrap().contains("\"ss\""));
    fs::write(&journal, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    smoke(&in_parts, &["--noise", "0.2,0,0.2"]).assert().success();
    let all = cells(&at_once);
    assert_eq!(all, cells(&in_parts));
    let keys: Vec<(f64, &str)> =
        all.iter().map(|cell| (cell["noise"].as_f64().unwrap(), cell["method"].as_str().unwrap())).collect();
    let expected = [0.0, 0.2].map(|noise| ["baseline", "oracle", "ss"].map(|method| (noise, method)));
    assert_eq!(keys, expected.concat());
    for cell in &all {
        let perplexity = |of: &str| cell["perplexity"][of].as_f64().unwrap();
        // Of at most 64 words, and more is left open than nothing.
        for of in ["last", "best", "validation"] {
            assert!((1.0..64.0).contains(&perplexity(of)), "{of}: {cell}");
        }
        if cell["method"] == "ss" && cell["search"]["kept"] == false {
            let base = all.iter().find(|c| c["method"] == "baseline" && c["noise"] == cell["noise"]).unwrap();
            assert_eq!(cell["perplexity"], base["perplexity"]);
        }
    }
    // Without shuffled windows the oracle is the baseline, bit for bit, and there is nothing to detect.
    assert_eq!(all[0]["perplexity"], all[1]["perplexity"]);
    assert_ne!(all[3]["perplexity"], all[4]["perplexity"]);
    assert!(all[2].get("auroc").is_none());
    assert!(all[5]["auroc"]["loss"].as_f64().unwrap() > 0.5, "{}", all[5]["auroc"]);
    let rate = all[5]["realized_noise"].as_f64().unwrap();
    assert!((rate - 0.2).abs() < 0.01, "{rate}");
    let other = predicate::str::contains("other settings (context");
    smoke(&at_once, &["--context", "10"]).assert().failure().stderr(other);
    // As after a search with three finalists, two of which lost.
    let text = fs::read_to_string(&journal).unwrap();
    let (before, after) = ("\"extra_cost\":0.0,\"search\":", "\"extra_cost\":2.0,\"search\":");
    assert_eq!(text.matches(before).count(), 2, "one each noise");
    fs::write(&journal, text.replace(before, after)).unwrap();
    let printed = predicate::str::contains("| extra |").and(predicate::str::contains("|  2.00 |"));
    smoke(&in_parts, &["--noise", "0,0.2"]).assert().success().stdout(printed);
}

#[test]
fn texts_are_read_and_split() {
    let folder = tempdir().unwrap();
    let file = |name: &str, words, seed| {
        let path = folder.path().join(name);
        fs::write(&path, grammar::text(words, Seed::new(seed)).unwrap().as_str()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (train, valid, test) = (file("train", 600, 0), file("valid", 900, 1), file("test", 300, 2));
    let run = |name: &str, flags: &[&str]| {
        let mut all = BTreeMap::from([
            ("--network", "gpt-1-8-2"),
            ("--context", "8"),
            ("--epochs", "2"),
            ("--trials", "2"),
            ("--seeds", "1"),
            ("--noise", "0.2"),
            ("--valid", &valid),
            ("--test", &test),
        ]);
        all.extend(flags.chunks(2).map(|pair| (pair[0], pair[1])));
        let all: Vec<&str> = all.into_iter().flat_map(|(flag, value)| [flag, value]).collect();
        table11(&folder.path().join(name), &all)
    };
    run("split", &["--split", "0.4"]).assert().success();
    run("whole", &["--train", &train, "--val-text", "noisy"]).assert().success();
    let sizes = |name: &str| -> Vec<u64> {
        let out = folder.path().join(name).join("table11.json");
        let table: Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
        let recipe = &table["config"]["recipe"];
        ["train_size", "validation_size", "test_size"].map(|size| recipe[size].as_u64().unwrap()).to_vec()
    };
    // Windows of 9 tokens: words, and an end of each line of about 9.5.
    let (split, whole) = (sizes("split"), sizes("whole"));
    assert!(
        split[0] > split[1] && split[0] + split[1] <= whole[1] && split[2] == whole[2],
        "{split:?} {whole:?}"
    );
    let refused = |flags: &[&str], what: &str| {
        run("refused", flags).assert().failure().stderr(predicate::str::contains(what.to_owned()));
    };
    refused(&["--train", &train, "--split", "0.4"], "--split");
    refused(&["--split", "1.5"], "share of lines = 1.5");
    refused(&["--context", "5000"], "the training text: context = 5000");
    refused(&["--vocabulary", "1"], "vocabulary = 1");
    refused(&["--noise", "1"], "corruption rate = 1");
    refused(&["--network", "resnet8"], "resnet8");
    refused(&["--score", "calibrated"], "calibrated for text: expected likelihood or accuracy");
    let latin = folder.path().join("latin");
    fs::write(&latin, b"ab \xe9").unwrap();
    refused(&["--train", latin.to_str().unwrap()], "0xe9 at offset 3");
    let tokenizer = |name: &str, words: [&str; 2]| {
        let path = folder.path().join(name);
        let vocab: BTreeMap<&str, usize> = ["[UNK]", words[0], words[1]].into_iter().zip(0..).collect();
        let model = serde_json::json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": null, "decoder": null, "truncation": null, "padding": null,
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
        });
        fs::write(&path, model.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let text = fs::read_to_string(&valid).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let second = words.iter().copied().find(|&word| word != words[0]).unwrap();
    let (first, other) =
        (tokenizer("first.json", [words[0], second]), tokenizer("other.json", [second, words[0]]));
    let flags = |path| ["--split", "0.4", "--tokenizer", path];
    run("tokens", &flags(&first)).assert().success();
    run("tokens", &flags(&first)).assert().success();
    // Of the same text and as many tokens, but not the same ones.
    run("tokens", &flags(&other))
        .assert()
        .failure()
        .stderr(predicate::str::contains("other settings (tokenizer"));
}

#[test]
fn what_a_profile_needs_is_said() {
    let folder = tempdir().unwrap();
    let needs = predicate::str::contains("--valid and --test");
    table11(folder.path(), &[]).assert().failure().stderr(needs);
    let generated = predicate::str::contains("generates its text");
    smoke(folder.path(), &["--valid", "some.txt"]).assert().failure().stderr(generated);
    smoke(folder.path(), &["--seeds", "0"]).assert().failure().stderr(predicate::str::contains("--seeds 0"));
}
