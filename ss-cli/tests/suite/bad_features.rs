//! `apply` on feature files that cannot be used.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, StringArray};
use tempfile::tempdir;

use crate::command::{apply, assert_refused, file_names};
use crate::fixtures::{floats, ids, parquet, three_features, write_sampler};

/// `apply` to the file that `write` makes is refused with these words and leaves nothing.
#[track_caller]
fn refused(write: impl Fn(&Path), parts: &[&str]) {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_sampler(&at("sampler.json"));
    write(&at("f.parquet"));
    let before = file_names(folder.path());
    assert_refused(apply(&at("sampler.json"), &at("f.parquet"), &at("w.parquet")), parts);
    assert_eq!(file_names(folder.path()), before);
}

/// A file of three rows in which one column is another.
fn with(name: &'static str, column: ArrayRef) -> impl Fn(&Path) {
    move |path| {
        let good = [
            ("id", ids(7..10)),
            ("loss", floats([5.0, 50.0, 95.0])),
            ("renormed_entropy", floats([0.5, 1.0, 1.5])),
        ];
        let replace = |(key, array)| (key, if key == name { Arc::clone(&column) } else { array });
        parquet(path, good.map(replace).into_iter().collect());
    }
}

#[test]
fn numbers_that_are_none_are_named_by_column_and_row() {
    let loss = |value| with("loss", floats([1.0, 2.0, value]));
    refused(loss(f32::NAN), &["f.parquet", "`loss`, row 2: NaN", "finite", "drop the row"]);
    refused(loss(f32::INFINITY), &["f.parquet", "`loss`, row 2: inf", "finite", "drop the row"]);
    refused(loss(f32::NEG_INFINITY), &["f.parquet", "`loss`, row 2: -inf", "finite"]);
    let null = Arc::new(Float32Array::from(vec![Some(1.0), None, Some(2.0)]));
    refused(
        with("renormed_entropy", null),
        &["f.parquet", "`renormed_entropy`, row 1: null", "drop the row"],
    );
}

#[test]
fn columns_are_checked() {
    let three = || floats([1.0, 2.0, 3.0]);
    let without_loss = |path: &Path| {
        parquet(path, vec![("id", ids(0..3)), ("renormed_entropy", three()), ("los", three())]);
    };
    refused(without_loss, &["f.parquet", "no column `loss`", "`los`", "add the column"]);
    let without_id = |path: &Path| parquet(path, vec![("loss", three()), ("renormed_entropy", three())]);
    refused(without_id, &["f.parquet", "no column `id`", "`loss`"]);
    let text = Arc::new(StringArray::from(vec!["1", "2", "3"]));
    refused(with("loss", text), &["f.parquet", "`loss`", "Utf8", "convert the column"]);
    refused(with("id", ids([4, 5, 4])), &["f.parquet", "identifier 4", "0 and 2", "unique"]);
    let negative = Arc::new(Int64Array::from(vec![0, 1, -1]));
    refused(with("id", negative), &["f.parquet", "`id`, row 2: -1"]);
}

#[test]
fn no_rows_and_no_weight() {
    let empty = |path: &Path| {
        let columns = ["loss", "renormed_entropy"].map(|name| (name, floats([])));
        parquet(path, [("id", ids([]))].into_iter().chain(columns).collect());
    };
    refused(empty, &["f.parquet", "the table is empty", "at least one"]);
    // Every loss lies where the rule is zero.
    let hard = floats([99.0, 98.0, 1000.0]);
    refused(with("loss", hard), &["all 3 weights are zero", "f.parquet"]);
}

#[test]
fn damaged_files() {
    let folder = tempdir().unwrap();
    let good = folder.path().join("good.parquet");
    three_features(&good);
    let whole = fs::read(&good).unwrap();
    for keep in [0, 4, whole.len() / 2, whole.len() - 1] {
        let cut = |path: &Path| fs::write(path, &whole[..keep]).unwrap();
        refused(cut, &["f.parquet", "complete Parquet file", "get the file again"]);
    }
    let text = |path: &Path| fs::write(path, "id,loss\n0,1.5\n").unwrap();
    refused(text, &["f.parquet", "complete Parquet file"]);
    // The first page's header is damaged, the footer is whole.
    let scribbled = |path: &Path| {
        let mut bytes = whole.clone();
        bytes[4..24].fill(0xff);
        fs::write(path, bytes).unwrap();
    };
    refused(scribbled, &["f.parquet", "complete Parquet file", "get the file again"]);
    refused(|_| (), &["cannot open", "f.parquet", "check that the path exists"]);
    refused(|path| fs::create_dir(path).unwrap(), &["f.parquet"]);
}

#[test]
fn places_that_cannot_be_written() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_sampler(&at("sampler.json"));
    three_features(&at("f.parquet"));
    let before = file_names(folder.path());
    for out in ["no/such/folder/w.parquet", "sampler.json/w.parquet"] {
        let command = apply(&at("sampler.json"), &at("f.parquet"), &at(out));
        assert_refused(command, &["cannot write", out, "check that the path exists"]);
    }
    assert_eq!(file_names(folder.path()), before);
}
