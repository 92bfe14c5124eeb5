//! Datasets in shards, block by block, and weights written as they are made.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, UInt64Array};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use ss_data::{BLOCK_ROWS, NumericTableWriter, RowBlock, Shards, TableInput, Weights, WeightsWriter};
use tempfile::tempdir;

use crate::fixtures::{assert_says, parquet};

fn open(paths: &[PathBuf]) -> Shards {
    let inputs = paths.iter().map(|path| TableInput::open(std::slice::from_ref(path), None).unwrap());
    Shards::new(inputs.collect()).unwrap()
}

/// All blocks of a column and the identifiers, read by so many threads.
fn blocks(shards: &Shards, id: Option<&str>, threads: usize) -> ss_data::Result<Vec<RowBlock>> {
    let mut all = Vec::new();
    shards.for_each_block(&["loss"], id, threads, Ok::<_, ss_data::Error>, |block| {
        all.push(block);
        Ok(())
    })?;
    Ok(all)
}

/// A file with row groups of so many rows.
fn grouped(path: &Path, rows: std::ops::Range<u64>, group_rows: usize) {
    let id: ArrayRef = Arc::new(UInt64Array::from_iter_values(rows.clone()));
    let loss: ArrayRef = Arc::new(Float32Array::from_iter_values(rows.map(|row| row as f32)));
    let batch = RecordBatch::try_from_iter([("id", id), ("loss", loss)]).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn rows_come_in_order_from_groups_of_any_size_and_from_any_number_of_threads() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let n = BLOCK_ROWS as u64;
    // Small groups; a group of more than two blocks; one of exactly a block.
    grouped(&at("a.parquet"), 0..1_000, 300);
    grouped(&at("b.parquet"), 1_000..3 * n, 10 * BLOCK_ROWS);
    grouped(&at("c.parquet"), 3 * n..4 * n, BLOCK_ROWS);
    fs::write(at("d.csv"), format!("loss,id\n{}.0,{}\n{}.0,{}\n", 4 * n, 4 * n, 4 * n + 1, 4 * n + 1))
        .unwrap();
    let shards = open(&["a.parquet", "b.parquet", "c.parquet", "d.csv"].map(at));
    assert_eq!(shards.rows(), None);
    assert_eq!(open(&["a.parquet", "b.parquet"].map(at)).rows(), Some(3 * n));
    let one = blocks(&shards, Some("id"), 1).unwrap();
    for threads in [2, 5] {
        assert_eq!(blocks(&shards, Some("id"), threads).unwrap(), one);
    }
    let mut expected = 0;
    let starts = [0, 1_000, 3 * n, 4 * n];
    for block in one {
        assert!((1..=BLOCK_ROWS).contains(&block.rows()));
        assert_eq!(block.first_row, expected);
        assert_eq!(block.first_row, starts[block.shard] + block.row_in_shard as u64);
        for (i, (id, loss)) in block.ids.iter().zip(&block.columns[0]).enumerate() {
            assert_eq!((*id, *loss), (expected + i as u64, (expected + i as u64) as f32));
        }
        expected += block.rows() as u64;
    }
    assert_eq!(expected, 4 * n + 2);
}

#[test]
fn numbers_of_other_types_are_taken_and_bad_ones_named() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let loss = |array: ArrayRef| parquet(&at("b.parquet"), vec![("loss", array)]);
    parquet(&at("a.parquet"), vec![("loss", Arc::new(Int64Array::from(vec![3, -1])))]);
    let read = || blocks(&open(&["a.parquet", "b.parquet"].map(at)), None, 2);
    loss(Arc::new(Float64Array::from(vec![0.5, 0.25])));
    let found: Vec<f32> = read().unwrap().into_iter().flat_map(|block| block.columns[0].clone()).collect();
    assert_eq!(found, [3.0, -1.0, 0.5, 0.25]);
    loss(Arc::new(Float64Array::from(vec![0.5, 1e300])));
    assert_says(read(), &["b.parquet", "`loss`, row 1: 1e300", "float32"]);
    loss(Arc::new(Float32Array::from(vec![0.5, f32::NAN])));
    assert_says(read(), &["b.parquet", "`loss`, row 1: NaN"]);
    loss(Arc::new(Float32Array::from(vec![Some(0.5), None])));
    assert_says(read(), &["b.parquet", "`loss`, row 1: null"]);
    parquet(&at("b.parquet"), vec![("los", Arc::new(Float32Array::from(vec![0.5])))]);
    assert_says(read(), &["b.parquet", "no column `loss`"]);
}

#[test]
fn damaged_shards_are_named() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    grouped(&path, 0..1_000, 300);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4..24].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    assert_says(blocks(&open(&[path]), Some("id"), 3), &["a.parquet", "complete Parquet file"]);
}

#[test]
fn folders_stand_for_the_tables_in_them() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["b.parquet", "a.npy", ".hidden.parquet", "notes.txt"] {
        fs::write(at(name), "x").unwrap();
    }
    fs::create_dir(at("c.parquet")).unwrap();
    let found = Shards::files(&[folder.path().to_owned(), at("notes.txt")]).unwrap();
    assert_eq!(found, [at("a.npy"), at("b.parquet"), at("notes.txt")]);
    assert_says(Shards::files(&[at("c.parquet")]), &["c.parquet", "*.parquet", "name the folder"]);
    assert_says(Shards::new(Vec::new()), &["the list of shards is empty"]);
}

#[test]
fn fingerprints_tell_files_apart() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    grouped(&at("a.parquet"), 0..1_000, 300);
    grouped(&at("b.parquet"), 1..1_001, 300);
    fs::create_dir(at("other")).unwrap();
    fs::copy(at("a.parquet"), at("other/a.parquet")).unwrap();
    let shards = open(&["a.parquet", "b.parquet", "other/a.parquet"].map(at));
    let [a, b, copy] = [0, 1, 2].map(|shard| shards.fingerprint(shard).unwrap());
    assert_eq!((a.0.as_str(), &a), ("a.parquet", &copy));
    assert_ne!(a.1, b.1);
}

#[test]
fn weights_written_in_blocks_read_back() {
    let folder = tempdir().unwrap();
    for name in ["w.parquet", "w.npy"] {
        let path = folder.path().join(name);
        let (mut writer, encoder) = WeightsWriter::create(&path, 5).unwrap();
        let late = encoder.encode(vec![4, u64::MAX], vec![0.5, 1e-300]).unwrap();
        writer.append(encoder.encode(vec![9, 0, 7], vec![0.125, 0.25, 0.0]).unwrap()).unwrap();
        writer.append(late).unwrap();
        assert!(!path.exists());
        writer.finish().unwrap();
        let expected = [0.125, 0.25, 0.0, 0.5, 1e-300];
        if name == "w.parquet" {
            let weights = Weights::read_parquet(&path).unwrap();
            assert_eq!(
                (weights.ids(), weights.probabilities()),
                (&[9, 0, 7, 4, u64::MAX][..], &expected[..])
            );
        }
        let column = if name == "w.npy" { "w" } else { "probability" };
        assert_eq!(TableInput::open(&[path], None).unwrap().numbers(column).unwrap(), expected);
    }
    // NumPy's header: a multiple of 64 bytes, ended by a line feed.
    let bytes = fs::read(folder.path().join("w.npy")).unwrap();
    assert_eq!((bytes.len(), bytes[127]), (128 + 5 * 8, b'\n'));

    let path = folder.path().join("short.parquet");
    let (mut writer, encoder) = WeightsWriter::create(&path, 3).unwrap();
    writer.append(encoder.encode(vec![1], vec![0.5]).unwrap()).unwrap();
    assert_says(writer.finish(), &["short.parquet", "expected 3 values, found 1"]);
    assert_says(encoder.encode(vec![1], vec![]).map(drop), &["probabilities"]);
    assert!(!path.exists());
    assert_says(WeightsWriter::create(&folder.path().join("w.txt"), 3).map(drop), &[".parquet or .npy"]);
}

#[test]
fn tables_without_identifiers() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let mut writer = NumericTableWriter::create_without_ids(&path, &["loss", "entropy"]).unwrap();
    writer.push(&[], &[&[1.0, 2.0], &[3.0, 4.0]]).unwrap();
    assert_says(writer.push(&[], &[&[1.0, 2.0], &[3.0]]), &["column `entropy`"]);
    assert_eq!(writer.finish().unwrap(), 2);
    let input = TableInput::open(&[path], None).unwrap();
    assert_eq!(input.column_names(), ["loss", "entropy"]);
    assert_eq!(input.numbers("entropy").unwrap(), [3.0, 4.0]);
}
