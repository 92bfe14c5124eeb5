//! `features`: what a network said, in any format, becomes the features of NumPy's definitions.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float64Builder};
use arrow_array::{ArrayRef, Float64Array, Int64Array};
use ss_data::{NumericTable, Weights};
use tempfile::tempdir;

use crate::command::{assert_refused, file_names, swift_sampler};
use crate::fixtures::{ids, parquet};

const LOGITS: [[f64; 3]; 4] = [[2.0, -1.0, 0.5], [0.25, 3.0, -2.0], [-1.5, 0.0, 1.0], [8.0, 0.0, 7.5]];
const LABELS: [i64; 4] = [0, 2, 1, 2];
const HIDDEN: [f64; 4] = [0.0, 1.5, 2.0, 0.75];

/// NumPy 2.4.6 in float64: `tests/oracle/features.py`.
const EXPECTED: [(&str, [f64; 4]); 6] = [
    ("loss", [0.24131129665715703, 5.068280705615766, 1.371539031852683, 0.9742857742249555]),
    (
        "renormed_entropy",
        [0.47505156369228696, 0.22720587698171957, 0.26853518434565843, 0.0030182074166274875],
    ),
    ("grad_norm", [0.2796875873923884, 2.4608851530702287, 2.275732862354453, 1.100317887624197]),
    ("el2n", [0.2796875873923884, 1.365053477295809, 1.0177386757709457, 0.8802543100993576]),
    ("margin", [1.5, -5.0, -1.0, -0.5]),
    ("confidence", [0.7855970345892759, 0.006293230761125011, 0.2537161816350252, 0.3774618502935207]),
];

/// A NumPy file of float64.
fn npy(path: &Path, shape: &str, values: impl IntoIterator<Item = f64>) {
    npy_of("<f8", path, shape, values.into_iter().flat_map(f64::to_le_bytes));
}

/// A NumPy file, as the format says (version 1.0).
fn npy_of(kind: &str, path: &Path, shape: &str, data: impl IntoIterator<Item = u8>) {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let padded = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.bytes());
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

fn class(k: usize) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(LOGITS.iter().map(|row| row[k])))
}

fn as_parquet(path: &Path) {
    let mut vectors = FixedSizeListBuilder::new(Float64Builder::new(), 3);
    for row in &LOGITS {
        vectors.values().append_slice(row);
        vectors.append(true);
    }
    parquet(
        path,
        vec![
            ("id", ids([11, 5, 900, 2])),
            ("logits", Arc::new(vectors.finish())),
            // In an order that is not that of the classes.
            ("z_2", class(2)),
            ("z_0", class(0)),
            ("z_1", class(1)),
            ("y", Arc::new(Int64Array::from(LABELS.to_vec()))),
            ("h", Arc::new(Float64Array::from(HIDDEN.to_vec()))),
        ],
    );
}

fn as_csv(path: &Path) {
    let rows = LOGITS.iter().zip(LABELS).zip(HIDDEN);
    let lines = rows.map(|((z, y), h)| format!("{},{},{},{y},{h}\n", z[0], z[1], z[2]));
    fs::write(path, format!("z0,z1,z2,y,h\n{}", lines.collect::<String>())).unwrap();
}

#[track_caller]
fn assert_expected(path: &Path, ids: &[u64]) {
    let table = NumericTable::read_parquet(path, "id").unwrap();
    assert_eq!(table.ids, ids);
    assert_eq!(table.columns.len(), 6);
    for (name, expected) in EXPECTED {
        for (found, expected) in table.column(name).unwrap().iter().zip(expected) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 2e-7 * (1.0 + expected.abs()), "{name}: {found} for {expected}");
        }
    }
}

#[test]
fn every_format_gives_the_features_of_numpy() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    as_parquet(&at("t.parquet"));
    as_csv(&at("t.csv"));
    npy(&at("logits.npy"), "(4, 3)", LOGITS.concat());
    npy(&at("h.npy"), "(4,)", HIDDEN);
    fs::write(at("y.csv"), "labels\n0\n2\n1\n2\n").unwrap();
    let features = |flags: &[&str], stdin: Option<&str>| {
        let mut command = swift_sampler(["features", "--out", "f.parquet", "--hidden-norm", "h"]);
        command.current_dir(folder.path()).args(flags);
        if let Some(name) = stdin {
            command.pipe_stdin(at(name)).unwrap();
        }
        command.assert().success();
    };
    features(&["t.parquet", "--labels", "y", "--id", "id"], None);
    assert_expected(&at("f.parquet"), &[11, 5, 900, 2]);
    features(&["t.parquet", "--labels", "y", "--logits", "z"], None);
    assert_expected(&at("f.parquet"), &[0, 1, 2, 3]);
    features(&["t.csv", "--labels", "y", "--logits", "z"], None);
    assert_expected(&at("f.parquet"), &[0, 1, 2, 3]);
    features(&["logits.npy", "h.npy", "y.csv"], None);
    assert_expected(&at("f.parquet"), &[0, 1, 2, 3]);
    features(&["-", "--input-format", "csv", "--labels", "y", "--logits", "z"], Some("t.csv"));
    assert_expected(&at("f.parquet"), &[0, 1, 2, 3]);
    features(&["-", "--input-format", "parquet", "--labels", "y", "--id", "id"], Some("t.parquet"));
    assert_expected(&at("f.parquet"), &[11, 5, 900, 2]);
}

#[test]
fn many_rows_are_as_few_and_counted_over_the_whole_input() {
    // Rows 0 to 299,999 in batches of at most 65,536; the features of a row do not depend on its batch.
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let n = 300_000;
    let row = |i: usize| LOGITS[i % 4];
    npy(&at("logits.npy"), &format!("({n}, 3)"), (0..n).flat_map(row));
    let labels: String = (0..n).map(|i| format!("{}\n", LABELS[i % 4])).collect();
    fs::write(at("labels.csv"), format!("labels\n{labels}")).unwrap();
    let run = || {
        let mut command = swift_sampler(["features", "logits.npy", "labels.csv", "--out", "f.parquet"]);
        command.current_dir(folder.path());
        command
    };
    run().assert().success();
    let table = NumericTable::read_parquet(&at("f.parquet"), "id").unwrap();
    assert_eq!(table.ids.len(), n);
    let loss = table.column("loss").unwrap();
    assert!(loss.iter().enumerate().all(|(i, l)| l.to_bits() == loss[i % 4].to_bits()));

    fs::remove_file(at("f.parquet")).unwrap();
    let mut lines: Vec<&str> = labels.lines().collect();
    lines[200_001] = "3";
    fs::write(at("labels.csv"), format!("labels\n{}\n", lines.join("\n"))).unwrap();
    assert_refused(run(), &["label 3 in row 200001", "3 classes", "logits.npy"]);
    assert_eq!(file_names(folder.path()), ["labels.csv", "logits.npy"]);
}

#[test]
fn inputs_that_give_no_features_are_refused_and_leave_nothing() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    as_parquet(&at("t.parquet"));
    npy(&at("nan.npy"), "(4, 3)", [f64::NAN].into_iter().chain([0.0; 11]));
    npy(&at("three.npy"), "(3, 4)", [0.5; 12]);
    npy(&at("huge.npy"), "(4, 3)", [1e39; 12]);
    fs::write(at("gap.csv"), "z0,z2,y\n1,2,0\n").unwrap();
    fs::write(at("y.csv"), "y\n0\n-1\n1\n2\n").unwrap();
    fs::write(at("empty.csv"), "").unwrap();
    fs::write(at("h.csv"), "h\n1\n1\n-0.5\n1\n").unwrap();
    npy_of("<i8", &at("hot.npy"), "(4, 3)", [0; 96]);
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ss-data/tests/suite/numpy_files/stored.npz");
    fs::copy(archive, at("a.npz")).unwrap();
    let before = file_names(folder.path());
    let refused = |flags: &[&str], parts: &[&str]| {
        let mut command = swift_sampler(["features", "--out", "f.parquet"]);
        command.current_dir(folder.path()).args(flags);
        assert_refused(command, parts);
        assert_eq!(file_names(folder.path()), before);
    };
    refused(&["t.parquet"], &["t.parquet", "no column `labels`", "`y`"]);
    refused(&["t.parquet", "--labels", "h"], &["t.parquet", "`h`", "integer type"]);
    refused(&["t.parquet", "--labels", "y", "--logits", "w"], &["t.parquet", "`w0`", "--logits"]);
    refused(&["gap.csv", "--labels", "y", "--logits", "z"], &["gap.csv", "`z1` exactly once"]);
    refused(
        &["nan.npy", "t.parquet", "--labels", "y", "--logits", "nan"],
        &["nan.npy", "`nan[0]`, row 0: NaN"],
    );
    refused(&["huge.npy", "t.parquet", "--labels", "y", "--logits", "huge"], &["`huge`, row 0", "float32"]);
    refused(
        &["three.npy", "t.parquet", "--labels", "y", "--logits", "three"],
        &["expected 3 values, found 4"],
    );
    refused(&["t.parquet", "y.csv", "--labels", "y"], &["column `y`", "unique"]);
    refused(&["t.parquet", "y.csv", "--rename", "y=t", "--labels", "y"], &["column `y`", "unique"]);
    refused(
        &["t.parquet", "h.csv", "--logits", "z", "--labels", "y", "--hidden-norm", "h"],
        &["column `h`", "unique"],
    );
    refused(&["empty.csv"], &["empty.csv", "names of the columns"]);
    refused(&["-"], &["--input-format"]);
    // Integers, but three a row.
    refused(
        &["t.parquet", "hot.npy", "--labels", "hot"],
        &["hot.npy", "one integer a row", "3 numbers a row"],
    );
    // The array is there, and cannot be read.
    refused(&["a.npz", "t.parquet", "--labels", "y", "--logits", "note"], &["a.npz", "`note`", "float32"]);
    refused(&["absent.npy"], &["absent.npy", "check that the path exists"]);
}

#[test]
fn features_of_any_format_are_applied() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    crate::fixtures::write_sampler(&at("sampler.json"));
    npy(&at("l.npy"), "(3,)", [5.0, 62.5, 95.0]);
    fs::write(at("f.csv"), "renormed_entropy,key\n0.5,9\n1,8\n1.5,7\n").unwrap();
    let apply = |flags: &[&str]| {
        let mut command = swift_sampler(["apply", "sampler.json", "--features", "l.npy", "f.csv"]);
        command.current_dir(folder.path()).args(["--rename", "l=loss"]).args(flags);
        command
    };
    apply(&["--id-column", "key"]).assert().success();
    let weights = Weights::read_parquet(&at("weights.parquet")).unwrap();
    assert_eq!(weights.ids(), [9, 8, 7]);
    // The rule of `write_sampler`: 1, (0.75 - 0.62) / 0.25 at rank 62 of 100, 0.
    let ratio = weights.probabilities()[1] / weights.probabilities()[0];
    assert!((ratio - 0.52).abs() < 1e-12, "{ratio}");
    apply(&["--row-ids", "--out", "w.npy"]).assert().success();
    let input = ss_data::TableInput::open(&[at("w.npy")], None).unwrap();
    assert_eq!(input.numbers("w").unwrap(), weights.probabilities());
    assert_refused(apply(&[]), &["no column `id`", "`key`"]);
    assert_refused(apply(&["--row-ids", "--out", "w.txt"]), &["w.txt", ".parquet or .npy"]);
}

#[test]
fn an_input_is_not_written_over() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    // The default of --out.
    as_parquet(&path.join("features.parquet"));
    let before = fs::read(path.join("features.parquet")).unwrap();
    let mut features = swift_sampler(["features", "./features.parquet", "--labels", "y"]);
    features.current_dir(path);
    assert_refused(features, &["--out", "is read as well"]);
    // The next command would read it as what its name says.
    let mut features = swift_sampler(["features", "features.parquet", "--labels", "y", "--out", "f.csv"]);
    features.current_dir(path);
    assert_refused(features, &["--out f.csv", ".parquet"]);
    assert_eq!(fs::read(path.join("features.parquet")).unwrap(), before);
}
