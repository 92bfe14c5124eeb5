//! Tables of other programs: NumPy's own files, every format round trip, and files that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float64Builder, ListBuilder};
use arrow_array::{Float64Array, Int32Array};
use proptest::prelude::*;
use ss_data::{
    Error, IndexFormat, Kind, NumericTable, NumericTableWriter, Shape, TableFormat, TableInput, Values,
    Weights, write_indices,
};
use tempfile::tempdir;

use crate::fixtures::{assert_says, parquet};

/// A file that NumPy wrote (`tests/oracle/npy.py`).
fn numpy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/numpy_files").join(name)
}

fn open(path: &Path) -> ss_data::Result<TableInput> {
    TableInput::open(&[path.to_owned()], None)
}

/// All rows of columns.
fn read(input: &TableInput, columns: &[(&str, Kind)]) -> ss_data::Result<Vec<Vec<f64>>> {
    let mut all = vec![Vec::new(); columns.len()];
    input.read(columns, |values, first_row| {
        for (all, values) in all.iter_mut().zip(values) {
            assert_eq!(all.len() % first_row.max(1), 0);
            match values {
                Values::Integers(integers) => all.extend(integers.iter().map(|&v| v as f64)),
                Values::Numbers { values, .. } => all.extend_from_slice(values),
            }
        }
        Ok::<_, Error>(())
    })?;
    Ok(all)
}

#[test]
fn arrays_of_numpy_are_read_to_the_bit() {
    let column =
        |name: &str| open(&numpy(name)).unwrap().numbers(name.strip_suffix(".npy").unwrap()).unwrap();
    assert_eq!(column("f4.npy"), [0.5, -1.25, f64::from(3e38_f32)]);
    assert_eq!(column("f8_big_endian.npy"), [1e-300, 2.0, -7.5]);
    // numpy.float16(0.1) and numpy.float16(-6e-8), exactly.
    assert_eq!(column("f2.npy"), [0.0999755859375, 65504.0, -5.960464477539063e-08]);
    let mut integers = Vec::new();
    let big = open(&numpy("i8_big_endian.npy")).unwrap();
    big.read(&[("i8_big_endian", Kind::Integer)], |values, _| {
        integers.extend_from_slice(values[0].integers());
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(integers, [(1 << 53) + 1, -5, 0]);
    assert_eq!(column("bool.npy"), [1.0, 0.0, 1.0]);
    assert_eq!(
        read(&open(&numpy("bool.npy")).unwrap(), &[("bool", Kind::Integer)]).unwrap(),
        [[1.0, 0.0, 1.0]]
    );
    let matrix = open(&numpy("u1_matrix.npy")).unwrap();
    assert_eq!(matrix.shape("u1_matrix"), Some(Shape::Vector(Some(2))));
    assert_eq!(read(&matrix, &[("u1_matrix", Kind::Vector)]).unwrap(), [[1.0, 2.0, 3.0, 255.0, 0.0, 4.0]]);
}

#[test]
fn archives_of_numpy_are_read_by_name() {
    let columns = [("labels", Kind::Integer), ("logits", Kind::Vector)];
    let stored = open(&numpy("stored.npz")).unwrap();
    assert_eq!(stored.column_names(), ["logits", "labels", "note"]);
    let rows = read(&stored, &columns).unwrap();
    assert_eq!(rows, [vec![2.0, 0.0], vec![1.0, 2.0, 4.0, 0.5, 0.25, 8.0]]);
    // 2,000 rows, deflated.
    let rows = read(&open(&numpy("deflated.npz")).unwrap(), &columns).unwrap();
    assert_eq!(rows[0], (0..2000).map(|i| f64::from(i % 3)).collect::<Vec<_>>());
    assert_eq!(rows[1], [0.0, 1.0, 2.0].repeat(2000));
    assert_says(stored.numbers("note"), &["`note`", "U", "float32", "stored.npz"]);
}

#[test]
fn arrays_that_are_no_table_are_refused() {
    let refused = |name: &str, parts: &[&str]| {
        assert_says(open(&numpy(name)), &[&[name], parts].concat());
    };
    refused("fortran.npy", &["Fortran order", "C order", "ascontiguousarray"]);
    refused("complex.npy", &["c16", "float32"]);
    refused("cube.npy", &["shape [3, 1, 2]", "two (rows, vector)"]);
    refused("records.npy", &["loss", "float32"]);
    assert_says(
        read(&open(&numpy("f4.npy")).unwrap(), &[("f4", Kind::Integer)]),
        &["f4.npy", "integer type"],
    );
    let matrix = open(&numpy("u1_matrix.npy")).unwrap();
    assert_says(matrix.numbers("u1_matrix"), &["u1_matrix.npy", "one number a row", "2 numbers"]);
    assert_says(matrix.numbers("loss"), &["no column `loss`", "`u1_matrix`"]);
}

#[test]
fn damaged_files_are_named_and_never_half_read() {
    let folder = tempdir().unwrap();
    for name in ["f4.npy", "u1_matrix.npy", "stored.npz", "deflated.npz"] {
        let whole = fs::read(numpy(name)).unwrap();
        for keep in (0..whole.len()).step_by(7) {
            let path = folder.path().join(name);
            fs::write(&path, &whole[..keep]).unwrap();
            let columns: &[(&str, Kind)] = match name {
                "f4.npy" => &[("f4", Kind::Number)],
                "u1_matrix.npy" => &[("u1_matrix", Kind::Vector)],
                _ => &[("logits", Kind::Vector), ("labels", Kind::Integer)],
            };
            assert_says(open(&path).and_then(|input| read(&input, columns)), &[name]);
        }
    }
    // A bit of the data of an archive: its checksum tells.
    for name in ["stored.npz", "deflated.npz"] {
        let mut bytes = fs::read(numpy(name)).unwrap();
        bytes[200] ^= 4;
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert_says(open(&path).and_then(|input| read(&input, &[("logits", Kind::Vector)])), &[name]);
    }
    let path = folder.path().join("claims.npy");
    let mut bytes = fs::read(numpy("f4.npy")).unwrap();
    let at = bytes.windows(4).position(|w| w == b"(3,)").unwrap();
    bytes[at..at + 12].copy_from_slice(b"(9999999999,");
    bytes[at + 12] = b')';
    fs::write(&path, bytes).unwrap();
    assert_says(open(&path).and_then(|input| input.numbers("claims")), &["claims.npy"]);
}

#[test]
fn text_is_read_by_its_header() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let text = |text: &str| {
        fs::write(&path, text).unwrap();
        open(&path)
    };
    let good = text("id, loss ,name\n3,1e-3,a\n 1 ,-2,\"b,c\"\n").unwrap();
    let columns = [("loss", Kind::Number), ("id", Kind::Integer)];
    assert_eq!(read(&good, &columns).unwrap(), [[1e-3, -2.0], [3.0, 1.0]]);
    assert_says(good.numbers("name"), &["t.csv", "`name`, row 0: `a`", "finite number"]);
    assert_says(text("loss\n1\nNaN\n").unwrap().numbers("loss"), &["t.csv", "`loss`, row 1: NaN", "finite"]);
    assert_says(text("loss,id\n1,2\n,3\n").unwrap().numbers("loss"), &["row 1: an empty field"]);
    assert_says(text("id\n1.5\n").unwrap().identifiers("id"), &["`id`, row 0: `1.5`", "an integer"]);
    assert_says(text("id\n-1\n").unwrap().identifiers("id"), &["t.csv", "`id`, row 0: -1", "0 to 2^64"]);
    assert_says(text("loss,id\n1\n").unwrap().numbers("loss"), &["t.csv", "same number of fields"]);
    assert_says(text("loss\n").unwrap().numbers("loss"), &["t.csv", "table is empty"]);
    assert_says(text(""), &["t.csv", "names of the columns"]);
    assert_says(text("a,a\n"), &["column `a`", "unique"]);
    // Without its header a file would lose its first row.
    for header in ["0.5,1\n2,3\n", "id,-1e-3\n1,2\n", "nan\n1\n"] {
        assert_says(
            text(header),
            &["t.csv", "a first line of column names", "the number `", "is not a number"],
        );
    }
}

#[test]
fn lists_of_parquet_are_vectors() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("l.parquet");
    let rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let mut fixed = FixedSizeListBuilder::new(Float64Builder::new(), 2);
    let mut loose = ListBuilder::new(Float64Builder::new());
    let mut ragged = ListBuilder::new(Float64Builder::new());
    let mut hole = ListBuilder::new(Float64Builder::new());
    for (i, row) in rows.iter().enumerate() {
        fixed.values().append_slice(row);
        fixed.append(true);
        loose.append_value(row.map(Some));
        ragged.append_value(row[..2 - i % 2].iter().copied().map(Some));
        hole.append_value([Some(1.0), if i == 2 { Some(f64::NAN) } else { Some(0.5) }]);
    }
    parquet(
        &path,
        vec![
            ("fixed", Arc::new(fixed.finish())),
            ("loose", Arc::new(loose.finish())),
            ("ragged", Arc::new(ragged.finish())),
            ("hole", Arc::new(hole.finish())),
        ],
    );
    let input = open(&path).unwrap();
    assert_eq!(input.shape("fixed"), Some(Shape::Vector(Some(2))));
    assert_eq!(input.shape("loose"), Some(Shape::Vector(None)));
    let vectors = read(&input, &[("fixed", Kind::Vector), ("loose", Kind::Vector)]).unwrap();
    assert_eq!(vectors, [rows.concat(), rows.concat()]);
    assert_says(
        read(&input, &[("ragged", Kind::Vector)]),
        &["l.parquet", "`ragged`, row 1", "vector of 1 numbers", "have 2"],
    );
    assert_says(read(&input, &[("hole", Kind::Vector)]), &["l.parquet", "`hole[1]`, row 2: NaN"]);
}

#[test]
fn files_side_by_side_hold_the_same_rows() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("labels.csv"), "label\n1\n0\n1\n").unwrap();
    fs::write(at("short.csv"), "short\n1\n0\n").unwrap();
    fs::write(at("again.csv"), "f4\n1\n0\n1\n").unwrap();
    let both = |other: &str| TableInput::open(&[numpy("f4.npy"), at(other)], None);
    let columns = [("label", Kind::Integer), ("f4", Kind::Number)];
    let rows = read(&both("labels.csv").unwrap(), &columns).unwrap();
    assert_eq!(rows, [vec![1.0, 0.0, 1.0], vec![0.5, -1.25, f64::from(3e38_f32)]]);
    let short = read(&both("short.csv").unwrap(), &[("short", Kind::Integer), ("f4", Kind::Number)]);
    assert_says(short, &["short.csv beside", "f4.npy", "expected 3 values, found 2"]);
    assert_says(both("again.csv").unwrap().numbers("f4"), &["column `f4`", "unique"]);
    let two_rows = TableInput::open(&[numpy("f4.npy"), numpy("u1_matrix.npy"), numpy("records.npy")], None);
    assert_says(two_rows, &["records.npy"]);

    let renamed = both("labels.csv").unwrap().renamed("f4", "loss").unwrap();
    assert_eq!(renamed.column_names(), ["loss", "label"]);
    assert_eq!(renamed.numbers("loss").unwrap()[0], 0.5);
    assert_says(renamed.numbers("f4"), &["no column `f4`", "`loss`"]);
    assert_says(renamed.clone().renamed("label", "loss"), &["column `loss`", "unique"]);
    assert_says(renamed.renamed("nothing", "x"), &["no column `nothing`"]);
}

#[test]
fn renames_follow_one_another_and_leave_no_old_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("t.csv");
    // pandas writes its index as a column without a name.
    fs::write(&path, ",a,b\n0,1,2\n1,3,4\n").unwrap();
    let renamed = |steps: &[(&str, &str)]| {
        steps.iter().try_fold(open(&path).unwrap(), |input, (from, to)| input.renamed(from, to)).unwrap()
    };
    let once = renamed(&[("a", "loss")]);
    assert_says(once.numbers("a"), &["t.csv", "no column `a`", "`loss`"]);
    assert_eq!(once.shape("a"), None);
    let chain = renamed(&[("a", "x"), ("x", "loss")]);
    assert_eq!(chain.column_names(), ["", "loss", "b"]);
    assert_eq!(chain.numbers("loss").unwrap(), [1.0, 3.0]);
    assert_says(chain.numbers("x"), &["no column `x`"]);
    let swapped = renamed(&[("a", "x"), ("b", "a"), ("x", "b")]);
    assert_eq!(swapped.column_names(), ["", "b", "a"]);
    assert_eq!(swapped.numbers("a").unwrap(), [2.0, 4.0]);
    assert_eq!(swapped.numbers("b").unwrap(), [1.0, 3.0]);
    assert_eq!(renamed(&[("a", "x"), ("x", "a")]).numbers("a").unwrap(), [1.0, 3.0]);
}

#[test]
fn streams_are_read_like_files_and_named_as_streams() {
    for name in ["f4.npy", "stored.npz"] {
        let bytes = fs::read(numpy(name)).unwrap();
        let format = TableFormat::of_name(name.as_ref()).unwrap();
        let input = TableInput::open_stream(&mut bytes.as_slice(), "stdin", format, &[]).unwrap();
        let column = if name == "f4.npy" { "stdin" } else { "labels" };
        assert_eq!(
            read(&input, &[(column, Kind::Number)]).unwrap()[0].len(),
            if name == "f4.npy" { 3 } else { 2 }
        );
        let cut = TableInput::open_stream(&mut &bytes[..bytes.len() - 3], "stdin", format, &[]);
        let error = cut.and_then(|input| input.numbers(column)).unwrap_err().to_string();
        assert!(error.starts_with("stdin: "), "{error}");
    }
    let text = "x\nnone\n";
    let input = TableInput::open_stream(&mut text.as_bytes(), "stdin", TableFormat::Csv, &[]).unwrap();
    assert_says(input.numbers("x"), &["stdin: column `x`, row 0: `none`"]);
}

#[test]
fn formats_are_told_by_name_or_content() {
    let folder = tempdir().unwrap();
    for (file, format) in [("f4.npy", TableFormat::Npy), ("stored.npz", TableFormat::Npz)] {
        let plain = folder.path().join("plain");
        fs::copy(numpy(file), &plain).unwrap();
        assert_eq!(TableFormat::of_file(&plain).unwrap(), format);
        assert!(open(&plain).is_ok());
    }
    let other = folder.path().join("notes.txt");
    fs::write(&other, "x\n1\n").unwrap();
    assert_says(open(&other), &["notes.txt", ".parquet, .npy, .npz or .csv"]);
    assert_eq!(TableInput::open(&[other], Some(TableFormat::Csv)).unwrap().numbers("x").unwrap(), [1.0]);
    assert_says(open(&folder.path().join("absent.npy")), &["cannot open", "absent.npy"]);
    assert_says("xls".parse::<TableFormat>(), &["xls", "parquet, npy, npz, csv"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_format_gives_the_same_table(
        rows in prop::collection::vec((any::<u64>(), any::<i32>(), -1e12..1e12_f64), 1..40),
    ) {
        let folder = tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let values: Vec<f64> = rows.iter().map(|row| row.2).collect();
        let counts: Vec<i32> = rows.iter().map(|row| row.1).collect();
        let columns: Vec<(&str, arrow_array::ArrayRef)> = vec![
            ("value", Arc::new(Float64Array::from(values.clone()))),
            ("count", Arc::new(Int32Array::from(counts.clone()))),
        ];
        parquet(&at("t.parquet"), columns);
        let lines = rows.iter().map(|row| format!("{},{:?}\n", row.1, row.2));
        fs::write(at("t.csv"), format!("count,value\n{}", lines.collect::<String>())).unwrap();
        // Row numbers stand in for what NumPy calls the index.
        Weights::new((0..rows.len() as u64).collect(), values.iter().map(|v| v.abs() + 1.0).collect())
            .unwrap().write(&at("w.npy")).unwrap();
        let wanted = [("value", Kind::Number), ("count", Kind::Integer)];
        let of_parquet = read(&open(&at("t.parquet")).unwrap(), &wanted).unwrap();
        prop_assert_eq!(&of_parquet[0], &values);
        prop_assert_eq!(&of_parquet, &read(&open(&at("t.csv")).unwrap(), &wanted).unwrap());
        let weights = open(&at("w.npy")).unwrap().numbers("w").unwrap();
        prop_assert!(weights.iter().zip(&values).all(|(w, v)| *w == v.abs() + 1.0));
    }

    #[test]
    fn indices_round_trip_in_every_format(indices in prop::collection::vec(any::<u64>(), 1..60), small: bool) {
        let indices: Vec<u64> = indices.into_iter().map(|i| if small { i >> 1 } else { i }).collect();
        let folder = tempdir().unwrap();
        for (name, column) in [("i.npy", "i"), ("i.parquet", "index")] {
            let path = folder.path().join(name);
            let format = IndexFormat::of_name(&path).unwrap();
            write_indices(&path, format, "index", indices.iter().copied()).unwrap();
            prop_assert_eq!(&open(&path).unwrap().identifiers(column).unwrap(), &indices);
        }
        let path = folder.path().join("i.raw");
        write_indices(&path, IndexFormat::Raw, "index", indices.iter().copied()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let back: Vec<u64> =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
        prop_assert_eq!(back, indices);
    }

    #[test]
    fn a_table_written_in_parts_is_the_table(
        rows in prop::collection::vec((any::<u64>(), -1e9..1e9_f32), 1..60), cut in 0_usize..60,
    ) {
        let rows: std::collections::BTreeMap<u64, f32> = rows.into_iter().collect();
        let (ids, values): (Vec<u64>, Vec<f32>) = rows.into_iter().unzip();
        let cut = cut.min(ids.len());
        let folder = tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let mut writer = NumericTableWriter::create(&path, &["loss"]).unwrap();
        writer.push(&ids[..cut], &[&values[..cut]]).unwrap();
        writer.push(&ids[cut..], &[&values[cut..]]).unwrap();
        prop_assert!(!path.exists());
        prop_assert_eq!(writer.finish().unwrap(), ids.len());
        let table = NumericTable::read_parquet(&path, "id").unwrap();
        prop_assert_eq!(&NumericTable::read_input(&open(&path).unwrap(), Some("id"), &["loss"]).unwrap(), &table);
        prop_assert_eq!(table, NumericTable { ids, columns: vec![("loss".into(), values)] });
    }
}

#[test]
fn a_table_that_fails_on_the_way_leaves_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let mut writer = NumericTableWriter::create(&path, &["loss"]).unwrap();
    writer.push(&[1], &[&[0.5]]).unwrap();
    assert_says(writer.push(&[2], &[&[f32::NAN]]), &["`loss`, row 1: NaN"]);
    drop(writer);
    assert_says(NumericTableWriter::create(&path, &["loss"]).unwrap().finish(), &["table is empty"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
