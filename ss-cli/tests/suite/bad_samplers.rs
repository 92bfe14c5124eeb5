//! `apply` with files that hold no sampler of this version.

use std::fs;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::command::{apply, assert_refused, file_names};
use crate::fixtures::{three_features, write_sampler};

/// `apply` with a `sampler.json` that `damage` changed is refused with these words and leaves nothing.
#[track_caller]
fn refused(damage: impl Fn(String) -> Option<String>, parts: &[&str]) {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    three_features(&at("f.parquet"));
    write_sampler(&at("sampler.json"));
    match damage(fs::read_to_string(at("sampler.json")).unwrap()) {
        Some(text) => fs::write(at("sampler.json"), text).unwrap(),
        None => fs::remove_file(at("sampler.json")).unwrap(),
    }
    let before = file_names(folder.path());
    let command = apply(&at("sampler.json"), &at("f.parquet"), &at("w.parquet"));
    assert_refused(command, &[parts, &["sampler.json"]].concat());
    assert_eq!(file_names(folder.path()), before);
}

/// Changes one field of the JSON.
fn set(field: &'static str, value: Value) -> impl Fn(String) -> Option<String> {
    move |text| {
        let mut json: Value = serde_json::from_str(&text).unwrap();
        json[field] = value.clone();
        Some(json.to_string())
    }
}

#[test]
fn unknown_versions_say_who_reads_them() {
    for (version, shown) in [(json!(2), "2"), (json!(99), "99"), (json!("1"), "\"1\""), (json!(-1), "-1")] {
        let found = format!("format_version {shown},");
        refused(set("format_version", version), &[&found, "reads version 1", "the release that wrote it"]);
    }
    // A later version is recognised whatever else it holds.
    refused(
        |_| Some(r#"{"format_version": 3, "rule": {}}"#.into()),
        &["format_version 3", "reads version 1"],
    );
    refused(|_| Some(r#"{"spec": {}}"#.into()), &["not valid", "format_version"]);
}

#[test]
fn text_that_is_no_sampler() {
    let remedy = "swift-sampler search";
    refused(|_| Some("probability = 0.5".into()), &["not valid", "line 1", remedy]);
    refused(|_| Some(String::new()), &["not valid", "EOF", remedy]);
    refused(|text| Some(text[..text.len() / 2].into()), &["not valid", "EOF", remedy]);
    refused(|_| Some("[1, 2]".into()), &["not valid", remedy]);
    refused(|_| None, &["cannot read", "check that the path is right"]);
}

#[test]
fn fields_that_contradict_each_other() {
    refused(set("marginals", json!([])), &["not valid", "0 marginals for 2 features"]);
    refused(set("comment", json!("hello")), &["not valid", "unknown field `comment`"]);
    let params = json!({"coefficients": [1.0], "inner_knots": [0.2, 0.4, 0.6], "values": [1, 1, 1, 1, 0]});
    refused(set("params", params), &["not valid", "coefficients"]);
    let table = json!({"keys": [1.0, 1.0], "below": [0, 1], "upto": [1, 2]});
    refused(set("transform", table), &["not valid", "transform", "increasing"]);
}

#[test]
fn bytes_that_are_no_text() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    three_features(&at("f.parquet"));
    fs::write(at("sampler.json"), [0x1f, 0x8b, 0xff, 0xfe]).unwrap();
    assert_refused(
        apply(&at("sampler.json"), &at("f.parquet"), &at("w.parquet")),
        &["sampler.json", "UTF-8", "check that the path is right"],
    );
}
