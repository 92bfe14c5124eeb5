//! `inspect`: samplers, studies and weights as users have them, told by their content.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::Float64Array;
use serde_json::Value;

use crate::command::{assert_refused, file_names, search, swift_sampler};
use crate::external_study::{folder, new_flags, says as study_says};
use crate::fixtures::{floats, ids, parquet, write_sampler};

fn inspect(folder: &Path, args: &[&str]) -> assert_cmd::Command {
    let mut command = swift_sampler(["inspect"]);
    command.current_dir(folder).args(args);
    command
}

#[track_caller]
fn says(folder: &Path, args: &[&str]) -> String {
    let output = inspect(folder, args).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

#[track_caller]
fn facts(folder: &Path, args: &[&str]) -> Value {
    let text = says(folder, &[args, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1);
    serde_json::from_str(&text).unwrap()
}

#[track_caller]
fn is_svg(path: &Path, words: &[&str]) {
    let svg = fs::read_to_string(path).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));
    for word in words {
        assert!(svg.contains(word), "{word}");
    }
}

#[test]
fn a_sampler_is_told_in_words_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // A name that says nothing.
    write_sampler(&path.join("s.bin"));
    assert_eq!(says(path, &["s.bin", "--ascii"]), include_str!("inspect_sampler.txt"));
    let facts = facts(path, &["s.bin"]);
    assert_eq!((&facts["kind"], &facts["fitted_examples"]), (&"sampler".into(), &100.into()));
    assert_eq!(facts["rule"]["values"], serde_json::json!([1.0, 1.0, 1.0, 0.0, 0.0]));
    assert_eq!(facts["provenance"]["made_by"], "a test");
    says(path, &["s.bin", "--svg", "rule.svg"]);
    is_svg(&path.join("rule.svg"), &["(a) The learned rule", "(b) The weight", "rank of the loss"]);
}

#[test]
fn a_sampler_is_shown_on_examples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_sampler(&path.join("sampler.json"));
    let rows: String = (1..=100).map(|i| format!("{i}.0,0.5\n")).collect();
    fs::write(path.join("f.csv"), format!("mine,renormed_entropy\n{rows}")).unwrap();
    let args = ["sampler.json", "--features", "f.csv", "--rename", "mine=loss", "--svg", "r.svg"];
    let on = &facts(path, &args)["on"];
    assert_eq!((&on["examples"], &on["never_drawn"]), (&100.into(), &25.into()));
    is_svg(&path.join("r.svg"), &["(b) How often each example is drawn"]);
    assert!(says(path, &args).contains("On these 100 examples: Moves"));
    assert_refused(inspect(path, &["sampler.json", "--features", "f.csv"]), &["no column `loss`", "`mine`"]);
    assert_refused(inspect(path, &["sampler.json", "--column", "x"]), &["--column", "weights"]);
}

/// Ten weights, not normalised, with identifiers in no order, beside features in another order and with more rows.
fn weights(path: &Path) {
    let weights = [0.0, 2.0, 1.0, 0.0, 4.0, 1.0, 0.0, 0.0, 2.0, 0.0];
    parquet(
        &path.join("w.parquet"),
        vec![
            ("id", ids([19, 18, 17, 16, 15, 14, 13, 12, 11, 10])),
            ("weight", Arc::new(Float64Array::from(weights.to_vec()))),
        ],
    );
    let rows = (5..25).map(|id| format!("{id},{id}.5,0.{id}\n")).collect::<String>();
    fs::write(path.join("f.csv"), format!("id,loss,hardness\n{rows}")).unwrap();
}

#[test]
fn weights_are_told_with_who_is_drawn_most_and_least() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    weights(path);
    let args = ["w.parquet", "--features", "f.csv", "--columns", "loss,hardness", "--top", "2", "--ascii"];
    let text = says(path, &args);
    assert_eq!(text, include_str!("inspect_weights.txt"));
    assert!(!text.contains('\x1b'), "no colours in a pipe");

    let facts = facts(path, &args);
    // (sum w)^2 / sum w^2.
    let effective = facts["effective_sample_size"].as_f64().unwrap();
    assert!((effective - 100.0 / 26.0).abs() < 1e-12);
    let found = |list: &str| {
        let list = facts[list].as_array().unwrap().iter();
        list.map(|drawn| (drawn["id"].as_u64().unwrap(), drawn["draws"].as_f64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(found("most"), [(15, 4.0), (11, 2.0)]);
    assert_eq!(found("least"), [(14, 1.0), (17, 1.0)]);
    assert_eq!(found("never"), [(10, 0.0), (12, 0.0)]);
    assert_eq!(facts["most"][0]["features"][0], 15.5);
    says(path, &["w.parquet", "--features", "f.csv", "--columns", "loss,hardness", "--svg", "w.svg"]);
    is_svg(
        &path.join("w.svg"),
        &["Draws an epoch", "How often examples are drawn", "never", "rank of the hardness"],
    );
    // Known features are found without being named.
    assert_eq!(self::facts(path, &["w.parquet", "--features", "f.csv"])["features"][0], "loss");
}

#[test]
fn weights_without_identifiers_are_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let weights = ss_data::Weights::new(vec![7, 8, 9], vec![0.5, 0.0, 0.5]).unwrap();
    weights.write_npy(&path.join("trial.npy")).unwrap();
    let found = facts(path, &["trial.npy"]);
    assert_eq!((&found["has_ids"], &found["most"][1]["id"]), (&false.into(), &2.into()));
    // Identifiers come with the features, whose rows are the same.
    parquet(&path.join("f.parquet"), vec![("id", ids([7, 8, 9])), ("loss", floats([0.5, 9.0, 0.25]))]);
    let found = facts(path, &["trial.npy", "--features", "f.parquet"]);
    assert_eq!((&found["never"][0]["id"], &found["never"][0]["features"][0]), (&8.into(), &9.0.into()));
    parquet(&path.join("f.parquet"), vec![("id", ids([7, 8])), ("loss", floats([0.5, 9.0]))]);
    assert_refused(
        inspect(path, &["trial.npy", "--features", "f.parquet"]),
        &["f.parquet", "2 rows beside 3 weights"],
    );
    weights.write_parquet(&path.join("w.parquet")).unwrap();
    assert_refused(
        inspect(path, &["w.parquet", "--features", "f.parquet"]),
        &["f.parquet", "identifier 9", "all examples"],
    );
}

#[test]
fn a_study_is_told_while_it_goes_on() {
    let folder = folder();
    let path = folder.path();
    study_says(path, &new_flags("4"));
    assert!(says(path, &["s"]).contains("0 of 4 trials"));
    for (id, score) in ["0.5", "0.25", "0.75"].iter().enumerate() {
        study_says(path, &["suggest", "s"]);
        study_says(path, &["observe", "s", &id.to_string(), score]);
    }
    study_says(path, &["suggest", "s", "--worker", "w7", "--lease", "500"]);
    let journal = fs::read(path.join("s/study.log")).unwrap();
    // The folder and the journal in it are the same study.
    let text = says(path, &["s/study.log"]);
    assert_eq!(text.lines().next(), Some("s/study.log"));
    for words in [
        "A study made by `study`: 4 of 4 trials, 3 with a score, 0 stopped on the way, 0 failed, 1 running.",
        "trial 3   drop-30            w7, asked for ",
        "lent for another ",
        "  trial 0   uniform            0.5000\n  trial 2   drop-20            0.7500\n",
        "uniform sampling: uniform (trial 0), score 0.5",
        "The model of 3 scores",
        "A sampler of loss and renormed_entropy, fitted on 80 examples",
        "On these 80 examples:",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let facts = facts(path, &["s", "--caution", "0", "--svg", "s.svg"]);
    assert_eq!((&facts["kind"], &facts["budget"]), (&"study".into(), &4.into()));
    let best: Value =
        serde_json::from_str(&study_says(path, &["best", "s", "--caution", "0", "--json"])).unwrap();
    assert_eq!(facts["best"], best);
    let age = facts["in_flight"][0]["age"].as_f64().unwrap();
    assert!((0.0..300.0).contains(&age), "{age}");
    assert_eq!(facts["model"]["length_scales"].as_array().unwrap().len(), 10);
    is_svg(&path.join("s.svg"), &["(a) The learned rule", "(b) How often each example is drawn"]);
    assert_eq!(fs::read(path.join("s/study.log")).unwrap(), journal, "nothing was written");
    // A copy of the journal is a study of its own, without the features: here one of two trials.
    let begun = String::from_utf8(journal).unwrap();
    let told = begun.lines().position(|line| line.contains("[0.25]")).unwrap();
    let begun: String = begun.lines().take(told + 1).map(|line| line.to_owned() + "\n").collect();
    fs::write(path.join("s/copy.log"), begun).unwrap();
    let copy = self::facts(path, &["s/copy.log"]);
    assert_eq!(
        (&copy["made_by"], &copy["trials"], &copy["complete"]),
        (&"study".into(), &2.into(), &2.into())
    );
    assert_eq!((&copy["budget"], &copy["sampler"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_search_is_told_when_it_has_ended_and_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    search(&path.join("out"), &["--dataset", "digits", "--noise", "0.4"]).assert().success();
    let ended = facts(path, &["out", "--svg", "out.svg"]);
    assert_eq!((&ended["made_by"], &ended["complete"]), (&"search".into(), &2.into()));
    assert_eq!(ended["sampler"]["on"]["examples"], 60);
    is_svg(&path.join("out.svg"), &["(a) The learned rule"]);
    let weights = facts(path, &["out/weights.parquet", "--features", "out/features.parquet"]);
    let effective = |facts: &Value| facts["effective_sample_size"].as_f64().unwrap();
    assert!((effective(&weights) - effective(&ended["sampler"]["on"])).abs() < 1e-9);
    // What there is of it before it has ended: the journal.
    let journal = fs::read_to_string(path.join("out/study.log")).unwrap();
    fs::create_dir(path.join("begun")).unwrap();
    let begun: String = journal.lines().map(|line| line.to_owned() + "\n").collect();
    fs::write(path.join("begun/log.txt"), begun).unwrap();
    let before = facts(path, &["begun/log.txt"]);
    for same in ["best_so_far", "recommended", "uniform"] {
        let (mut a, mut b) = (before[same].clone(), ended[same].clone());
        // Without features the simple rules have no names.
        for value in [&mut a, &mut b] {
            match value {
                Value::Array(list) => list.iter_mut().for_each(|v| drop(v["name"].take())),
                value => drop(value["name"].take()),
            }
        }
        assert_eq!(a, b, "{same}");
    }
    assert!(says(path, &["begun/log.txt"]).contains("Below: the best rule so far"));
    assert_refused(inspect(path, &["begun/log.txt", "--svg", "no.svg"]), &["--svg", "features"]);
    assert_eq!(file_names(&path.join("begun")), ["log.txt"]);
}

#[test]
fn what_cannot_be_inspected_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_refused(inspect(path, &["nothing"]), &["cannot read nothing"]);
    fs::create_dir(path.join("empty")).unwrap();
    assert_refused(inspect(path, &["empty"]), &["empty", "without study.log", "expected a sampler.json"]);
    fs::write(path.join("sampler.json"), b"\x89PNG\r\n\x1a\n").unwrap();
    assert_refused(inspect(path, &["sampler.json"]), &["neither text nor Parquet"]);
    fs::write(path.join("sampler.json"), "{\"format_version\": 9}").unwrap();
    assert_refused(inspect(path, &["sampler.json"]), &["sampler.json", "9"]);
    fs::write(path.join("README"), "# Notes\n\nNothing here.\n").unwrap();
    assert_refused(inspect(path, &["README"]), &["README", "neither JSON nor a table"]);
    parquet(
        &path.join("f.parquet"),
        vec![("id", ids([1, 2])), ("loss", floats([0.5, 9.0])), ("margin", floats([0.5, 9.0]))],
    );
    assert_refused(
        inspect(path, &["f.parquet"]),
        &["no column `probability`", "id, loss, margin", "--column"],
    );
    fs::write(path.join("w.csv"), "weight\n0.5\n-1\n").unwrap();
    assert_refused(inspect(path, &["w.csv"]), &["w.csv", "-1"]);
    fs::write(path.join("w.csv"), "weight\n0\n0\n").unwrap();
    assert_refused(inspect(path, &["w.csv"]), &["w.csv"]);
    let other = "{\"op_code\":0,\"worker_id\":\"a\",\"study_name\":\"other\",\"directions\":[2]}\n";
    fs::write(path.join("study.log"), other).unwrap();
    assert_refused(inspect(path, &["study.log"]), &["study.log", "no study of this program"]);
}
