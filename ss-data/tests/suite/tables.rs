//! Tables of numbers and weights: round trips, foreign types, and bad values.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float16Array, Float32Array, Float64Array, Int8Array, Int64Array, StringArray,
    UInt16Array, UInt64Array,
};
use half::f16;
use proptest::prelude::*;
use ss_data::{NumericTable, Weights};
use tempfile::tempdir;

use crate::fixtures::{assert_says, parquet};

fn table(ids: &[u64], columns: &[(&str, &[f32])]) -> NumericTable {
    let columns = columns.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect();
    NumericTable { ids: ids.to_vec(), columns }
}

/// Reads back a file of these columns.
fn read(columns: Vec<(&str, ArrayRef)>) -> ss_data::Result<NumericTable> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("features.parquet");
    parquet(&path, columns);
    NumericTable::read_parquet(&path, "id")
}

fn ids(values: &[u64]) -> ArrayRef {
    Arc::new(UInt64Array::from(values.to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tables_round_trip_to_the_bit(
        ids in prop::collection::hash_set(any::<u64>(), 1..60),
        bits in prop::collection::vec(any::<u32>(), 120),
    ) {
        let n = ids.len();
        let values: Vec<f32> =
            bits.iter().map(|&b| f32::from_bits(b)).map(|v| if v.is_finite() { v } else { -0.0 }).collect();
        let written =
            table(&ids.into_iter().collect::<Vec<_>>(), &[("loss", &values[..n]), ("E'", &values[60..60 + n])]);
        let folder = tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        written.write_parquet(&path).unwrap();
        let back = NumericTable::read_parquet(&path, "id").unwrap();
        prop_assert_eq!(&back.ids, &written.ids);
        for ((a, x), (b, y)) in back.columns.iter().zip(&written.columns) {
            prop_assert_eq!(a, b);
            prop_assert!(x.iter().zip(y).all(|(x, y)| x.to_bits() == y.to_bits()));
        }
        prop_assert_eq!(back.columns.len(), 2);
    }

    #[test]
    fn weights_round_trip_to_the_bit(
        rows in prop::collection::hash_map(any::<u64>(), 0.0..1e9_f64, 1..60),
    ) {
        let (ids, mut probabilities): (Vec<u64>, Vec<f64>) = rows.into_iter().unzip();
        probabilities[0] += 1e-300;
        let written = Weights::new(ids, probabilities).unwrap();
        let folder = tempdir().unwrap();
        let path = folder.path().join("weights.parquet");
        written.write_parquet(&path).unwrap();
        prop_assert_eq!(Weights::read_parquet(&path).unwrap(), written);
    }

    /// Damage anywhere in a file gives an error or a valid table, never a panic.
    #[test]
    fn damage_never_panics(at in 0.0..1.0_f64, byte: u8) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        table(&[1, 2, 3], &[("loss", &[0.5, 1.5, 2.5]), ("margin", &[1.0, 2.0, 3.0])]).write_parquet(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] = byte;
        fs::write(&path, &bytes).unwrap();
        if let Ok(table) = NumericTable::read_parquet(&path, "id") {
            prop_assert!(table.check().is_ok());
        }
        fs::write(&path, &bytes[..at]).unwrap();
        assert_says(NumericTable::read_parquet(&path, "id"), &["t.parquet", "Parquet"]);
    }
}

/// Every byte in turn, in a way that once made the Parquet decoder panic (it asks for a dictionary that is
/// not there, at three places of this file). Panics of the decoder, printed by the runtime, become errors
/// too.
#[test]
fn no_damaged_byte_panics() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let written = table(&[3, 1, 2], &[("loss", &[0.5, 1.5, 2.5]), ("margin", &[0.5, 1.5, 2.5])]);
    written.write_parquet(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(&path, &bytes).unwrap();
        match NumericTable::read_parquet(&path, "id") {
            Ok(table) => table.check().unwrap(),
            Err(error) => {
                assert!(error.to_string().contains("t.parquet"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > whole.len() / 3, "{refused} of {}", whole.len());
}

#[test]
fn many_rows_cross_batches() {
    let n = 150_000_u64;
    let values: Vec<f32> = (0..n).map(|i| i as f32 * 0.5).collect();
    let written = table(&(0..n).rev().collect::<Vec<_>>(), &[("x", &values)]);
    let folder = tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    written.write_parquet(&path).unwrap();
    assert_eq!(NumericTable::read_parquet(&path, "id").unwrap(), written);
    // A bad value far down is named by its row in the file.
    let mut doubles = vec![0.0; n as usize];
    doubles[140_001] = f64::NAN;
    parquet(&path, vec![("id", ids(&written.ids)), ("x", Arc::new(Float64Array::from(doubles)))]);
    assert_says(NumericTable::read_parquet(&path, "id"), &["`x`, row 140001: NaN"]);
}

#[test]
fn floats_and_integers_of_every_width_are_numbers() {
    let back = read(vec![
        ("a", Arc::new(Float64Array::from(vec![0.1, -1e30]))),
        ("id", Arc::new(Int64Array::from(vec![5, 3]))),
        ("b", Arc::new(Int8Array::from(vec![-128, 127]))),
        ("c", Arc::new(UInt16Array::from(vec![65535, 0]))),
        ("d", Arc::new(Float16Array::from(vec![f16::from_f32(0.1), f16::MAX]))),
        ("e", Arc::new(BooleanArray::from(vec![true, false]))),
    ])
    .unwrap();
    assert_eq!(
        back,
        table(
            &[5, 3],
            &[
                ("a", &[0.1_f32, -1e30]),
                ("b", &[-128., 127.]),
                ("c", &[65535., 0.]),
                // numpy.float16(0.1), exactly.
                ("d", &[0.099_975_586, 65504.]),
                ("e", &[1., 0.]),
            ]
        )
    );
    assert_eq!(back.column("b"), Some(&[-128.0, 127.0][..]));
    assert_eq!(back.column("f"), None);
}

#[test]
fn columns_are_chosen_by_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x.png", "y.png"]));
    let (a, b): (ArrayRef, ArrayRef) =
        (Arc::new(Float32Array::from(vec![1.0, 2.0])), Arc::new(Float32Array::from(vec![3.0, 4.0])));
    parquet(&path, vec![("a", a), ("path", text), ("b", b), ("key", ids(&[8, 9]))]);
    let chosen = NumericTable::read_parquet_columns(&path, "key", &["b", "a"]).unwrap();
    assert_eq!(chosen, table(&[8, 9], &[("b", &[3.0, 4.0]), ("a", &[1.0, 2.0])]));
    assert_says(NumericTable::read_parquet(&path, "key"), &["`path`", "Utf8", "leave it out"]);
    assert_says(
        NumericTable::read_parquet_columns(&path, "key", &["loss"]),
        &["t.parquet", "no column `loss`", "`a`, `path`, `b`, `key`"],
    );
    assert_says(NumericTable::read_parquet(&path, "id"), &["no column `id`", "`key`"]);
    assert_says(NumericTable::read_parquet_columns(&path, "key", &["a", "a"]), &["column `a`", "unique"]);
}

#[test]
fn bad_values_name_column_and_row() {
    let with = |values: Vec<Option<f64>>| {
        read(vec![("id", ids(&[4, 5, 6])), ("loss", Arc::new(Float64Array::from(values)))])
    };
    assert!(with(vec![Some(0.0); 3]).is_ok());
    assert_says(with(vec![Some(0.0), None, Some(1.0)]), &["features.parquet", "`loss`, row 1: null"]);
    assert_says(with(vec![Some(0.0), Some(0.0), Some(f64::NAN)]), &["`loss`, row 2: NaN", "drop the row"]);
    assert_says(with(vec![Some(f64::NEG_INFINITY), None, None]), &["`loss`, row 1: null"]);
    assert_says(with(vec![Some(f64::NEG_INFINITY), Some(0.0), Some(0.0)]), &["`loss`, row 0: -inf"]);
    assert_says(with(vec![Some(0.0), Some(1e39), Some(0.0)]), &["`loss`, row 1: 1e39", "float32"]);
    let loss: ArrayRef = Arc::new(Float32Array::from(vec![0.0, 1.0]));
    let signed: ArrayRef = Arc::new(Int64Array::from(vec![0, -7]));
    assert_says(read(vec![("id", signed), ("loss", loss.clone())]), &["`id`, row 1: -7", "2^64"]);
    assert_says(read(vec![("id", ids(&[9, 9])), ("loss", loss.clone())]), &["identifier 9", "0 and 1"]);
    assert_says(read(vec![("id", loss.clone()), ("loss", loss)]), &["`id`", "integer", "Float32"]);
    let none: ArrayRef = Arc::new(Float32Array::from(Vec::<f32>::new()));
    assert_says(read(vec![("id", ids(&[])), ("loss", none)]), &["features.parquet", "the table is empty"]);
}

#[test]
fn nothing_invalid_is_written() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let write = |table: NumericTable| table.write_parquet(&path);
    assert_says(write(table(&[], &[])), &["t.parquet", "the table is empty"]);
    assert_says(write(table(&[1, 2], &[("a", &[0.0])])), &["column `a`", "expected 2", "found 1"]);
    assert_says(write(table(&[1, 2], &[("a", &[0.0, f32::NAN])])), &["`a`, row 1: NaN"]);
    assert_says(write(table(&[3, 1, 3], &[])), &["identifier 3", "0 and 2"]);
    assert_says(write(table(&[1], &[("a", &[0.0]), ("a", &[1.0])])), &["column `a`"]);
    assert_says(write(table(&[1], &[("id", &[0.0])])), &["column `id`"]);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn weights_are_checked() {
    let new = |ids: &[u64], p: &[f64]| Weights::new(ids.to_vec(), p.to_vec());
    let good = new(&[2, 1], &[0.0, 0.5]).unwrap();
    assert_eq!((good.ids(), good.probabilities()), (&[2, 1][..], &[0.0, 0.5][..]));
    assert_says(new(&[], &[]), &["empty"]);
    assert_says(new(&[1, 2], &[1.0]), &["probabilities", "expected 2", "found 1"]);
    assert_says(new(&[1, 1], &[0.5, 0.5]), &["identifier 1"]);
    assert_says(new(&[1, 2], &[0.5, -0.1]), &["`probability`, row 1: -0.1", "not negative"]);
    assert_says(new(&[1, 2], &[f64::NAN, 0.1]), &["`probability`, row 0: NaN"]);
    assert_says(new(&[1, 2], &[0.0, 0.0]), &["sum of all probabilities = 0", "positive"]);
    assert_says(new(&[1, 2], &[f64::MAX, f64::MAX]), &["sum of all probabilities = inf"]);
}

#[test]
fn weight_files_are_checked() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("weights.parquet");
    let read = |probabilities: Vec<f64>| {
        parquet(
            &path,
            vec![("id", ids(&[1, 2])), ("probability", Arc::new(Float64Array::from(probabilities)))],
        );
        Weights::read_parquet(&path)
    };
    assert_eq!(read(vec![0.25, 0.75]).unwrap().probabilities(), [0.25, 0.75]);
    assert_says(read(vec![0.25, -1.0]), &["weights.parquet", "`probability`, row 1: -1"]);
    assert_says(read(vec![0.0, 0.0]), &["weights.parquet", "sum of all"]);
    parquet(&path, vec![("id", ids(&[1, 2]))]);
    assert_says(Weights::read_parquet(&path), &["weights.parquet", "no column `probability`"]);
    fs::write(&path, b"PAR1 but not really PAR1").unwrap();
    assert_says(Weights::read_parquet(&path), &["weights.parquet", "complete Parquet file"]);
    assert_says(Weights::read_parquet(Path::new("/nowhere/w.parquet")), &["cannot open /nowhere/w.parquet"]);
}
