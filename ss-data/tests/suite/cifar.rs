//! CIFAR in binary batches and in Parquet, good and broken.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Int32Array, Int64Array, StringArray};
use ss_data::{Dataset, DatasetKind, ImageShape, load};
use tempfile::{TempDir, tempdir};

use crate::fixtures::{assert_says, cifar_records, image_column, parquet, pattern, png};

const TRAIN: &str = "train-00000-of-00001.parquet";

fn cifar10(folder: &Path) -> ss_data::Result<Dataset> {
    load(DatasetKind::Cifar10, Some(folder))
}

fn write_batches(folder: &Path) {
    for batch in 1..=5_u8 {
        let records = cifar_records(&[&[batch], &[9]]);
        fs::write(folder.join(format!("data_batch_{batch}.bin")), records).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), cifar_records(&[&[0], &[1], &[2]])).unwrap();
}

#[test]
fn reads_binary_batches_in_order() {
    for sub in ["", "cifar-10-batches-bin"] {
        let folder = tempdir().unwrap();
        let inner = folder.path().join(sub);
        fs::create_dir_all(&inner).unwrap();
        write_batches(&inner);
        let data = cifar10(folder.path()).unwrap();
        assert_eq!(data.name, "cifar10");
        assert_eq!(data.train.shape(), ImageShape::new(3, 32, 32));
        assert_eq!(data.train.labels(), [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
        assert_eq!(data.train.image(0), pattern(3072));
        assert_eq!(data.train.image(3), &pattern(3073)[1..]);
        assert_eq!(data.test.unwrap().labels(), [0, 1, 2]);
    }
}

#[test]
fn reads_the_fine_labels_of_cifar100() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("train.bin"), cifar_records(&[&[19, 99], &[3, 0]])).unwrap();
    fs::write(folder.path().join("test.bin"), cifar_records(&[&[11, 49]])).unwrap();
    let data = load(DatasetKind::Cifar100, Some(folder.path())).unwrap();
    assert_eq!((data.train.labels(), data.train.classes()), (&[99, 0][..], 100));
    assert_eq!(data.train.image(0), pattern(3072));
    assert_eq!(data.test.unwrap().labels(), [49]);
}

#[test]
fn broken_batches_are_located() {
    let folder = tempdir().unwrap();
    write_batches(folder.path());
    let path = folder.path().join("data_batch_3.bin");
    let records = cifar_records(&[&[1], &[2]]);
    fs::write(&path, &records[..5000]).unwrap();
    assert_says(cifar10(folder.path()), &["data_batch_3.bin", "3073 bytes", "5000", "get the file again"]);
    fs::write(&path, []).unwrap();
    assert_says(cifar10(folder.path()), &["data_batch_3.bin", "0 bytes"]);
    fs::write(&path, cifar_records(&[&[1], &[10]])).unwrap();
    assert_says(cifar10(folder.path()), &["data_batch_3.bin", "label 10 in row 1", "0..10"]);
    fs::remove_file(&path).unwrap();
    assert_says(cifar10(folder.path()), &["data_batch_3.bin", "unpack cifar-10-binary.tar.gz again"]);
}

#[test]
fn missing_says_what_where_and_how() {
    let folder = tempdir().unwrap();
    let place = folder.path().display().to_string();
    let wanted =
        ["CIFAR-10 not", "data_batch_1.bin", "train-*.parquet", "cifar-10-binary.tar.gz", "--data-dir"];
    assert_says(cifar10(folder.path()), &[wanted.as_slice(), &[&place]].concat());
    assert_says(load(DatasetKind::Cifar10, None), &[wanted.as_slice(), &["none was given"]].concat());
    assert_says(load(DatasetKind::Cifar100, None), &["fine_label", "cifar-100-binary.tar.gz"]);
}

/// A folder with `n` training and 2 test PNGs in Parquet; labels `i % 10`.
fn write_parquet(folder: &Path, n: u8) {
    for (name, n) in [(TRAIN, n), ("test-00000-of-00001.parquet", 2)] {
        let images: Vec<_> = (0..n).map(|i| Some(png(32, 32, i))).collect();
        let labels = Int64Array::from_iter_values((0..n).map(|i| i64::from(i % 10)));
        parquet(&folder.join(name), vec![("img", image_column(&images)), ("label", Arc::new(labels))]);
    }
}

#[test]
fn reads_parquet_with_encoded_images() {
    for sub in ["", "data", "plain_text", "cifar10"] {
        let folder = tempdir().unwrap();
        let inner = folder.path().join(sub);
        fs::create_dir_all(&inner).unwrap();
        write_parquet(&inner, 13);
        let data = cifar10(folder.path()).unwrap();
        assert_eq!(data.train.labels(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]);
        // Planes: red counts rows, green counts columns, blue is the image's number.
        let image = data.train.image(12);
        for (row, column) in [(0, 0), (0, 31), (17, 4), (31, 31)] {
            let at = |channel: usize| usize::from(image[channel * 1024 + row * 32 + column]);
            assert_eq!([at(0), at(1), at(2)], [row, column, 12]);
        }
        assert_eq!(data.test.unwrap().len(), 2);
    }
}

#[test]
fn reads_the_fine_labels_of_cifar100_from_parquet() {
    let folder = tempdir().unwrap();
    for part in ["train", "test"] {
        let images = image_column(&[Some(png(32, 32, 0)), Some(png(32, 32, 1))]);
        let (fine, coarse) = (Int64Array::from(vec![99, 7]), Int64Array::from(vec![13, 1]));
        let columns =
            vec![("img", images), ("fine_label", Arc::new(fine) as _), ("coarse_label", Arc::new(coarse))];
        parquet(&folder.path().join(format!("{part}-00000-of-00001.parquet")), columns);
    }
    let data = load(DatasetKind::Cifar100, Some(folder.path())).unwrap();
    assert_eq!((data.train.labels(), data.train.classes()), (&[99, 7][..], 100));
}

#[test]
fn reads_shards_in_order_and_notices_a_missing_one() {
    let folder = tempdir().unwrap();
    write_parquet(folder.path(), 1);
    fs::remove_file(folder.path().join(TRAIN)).unwrap();
    for (shard, label) in [("00001", 7), ("00000", 4)] {
        let name = format!("train-{shard}-of-00002.parquet");
        let labels = Arc::new(Int32Array::from(vec![label]));
        let images = image_column(&[Some(png(32, 32, 0))]);
        parquet(&folder.path().join(name), vec![("img", images), ("label", labels)]);
    }
    assert_eq!(cifar10(folder.path()).unwrap().train.labels(), [4, 7]);
    fs::remove_file(folder.path().join("train-00000-of-00002.parquet")).unwrap();
    assert_says(cifar10(folder.path()), &["2 files", "train-00001-of-00002.parquet", "again"]);
    fs::remove_file(folder.path().join("train-00001-of-00002.parquet")).unwrap();
    assert_says(cifar10(folder.path()), &["train-*.parquet"]);
}

#[test]
fn binary_batches_win_over_parquet() {
    let folder = tempdir().unwrap();
    write_parquet(folder.path(), 3);
    fs::create_dir(folder.path().join("cifar-10-batches-bin")).unwrap();
    write_batches(&folder.path().join("cifar-10-batches-bin"));
    assert_eq!(cifar10(folder.path()).unwrap().train.len(), 10);
}

/// A good folder whose training file holds these columns.
fn with_train(columns: Vec<(&str, arrow_array::ArrayRef)>) -> (TempDir, ss_data::Result<Dataset>) {
    let folder = tempdir().unwrap();
    write_parquet(folder.path(), 3);
    parquet(&folder.path().join(TRAIN), columns);
    let loaded = cifar10(folder.path());
    (folder, loaded)
}

#[test]
fn bad_rows_and_columns_of_parquet_are_located() {
    let good = || Some(png(32, 32, 0));
    let images = |second| image_column(&[good(), second, good()]);
    let labels = |second| Arc::new(Int64Array::from(vec![Some(0), second, Some(2)]));
    let train = |second_image, second_label| {
        with_train(vec![("img", images(second_image)), ("label", labels(second_label))]).1
    };
    assert!(train(good(), Some(9)).is_ok());
    assert_says(train(Some(b"not an image".to_vec()), Some(1)), &[TRAIN, "row 1", "cannot be decoded"]);
    let half = png(32, 32, 0)[..100].to_vec();
    assert_says(train(Some(half), Some(1)), &[TRAIN, "row 1", "cannot be decoded"]);
    assert_says(train(Some(png(28, 32, 0)), Some(1)), &["row 1", "expected 32x32", "found 28x32"]);
    assert_says(train(None, Some(1)), &[TRAIN, "`img.bytes`, row 1", "null"]);
    assert_says(train(good(), None), &[TRAIN, "`label`, row 1", "null"]);
    assert_says(train(good(), Some(10)), &[TRAIN, "label 10 in row 1", "0..10"]);
    assert_says(train(good(), Some(-1)), &[TRAIN, "label -1 in row 1"]);

    let text = || Arc::new(StringArray::from(vec!["a", "b", "c"]));
    assert_says(with_train(vec![("img", images(good()))]).1, &[TRAIN, "no column `label`", "`img`"]);
    assert_says(with_train(vec![("label", labels(Some(1)))]).1, &[TRAIN, "no column `img`", "`label`"]);
    assert_says(with_train(vec![("img", text()), ("label", labels(Some(1)))]).1, &["`img`", "struct<bytes"]);
    assert_says(
        with_train(vec![("img", images(good())), ("label", text())]).1,
        &["`label`", "integer", "Utf8"],
    );
}

#[test]
fn a_row_is_named_by_its_place_in_the_file() {
    // Beyond the first decoded batch: the row counts from the start of the file.
    let mut images = vec![Some(png(32, 32, 0)); 1500];
    images[1400] = Some(vec![1, 2, 3]);
    let labels = Arc::new(Int64Array::from(vec![0; 1500]));
    assert_says(with_train(vec![("img", image_column(&images)), ("label", labels)]).1, &["row 1400"]);
}

#[test]
fn truncated_and_damaged_parquet_is_noticed() {
    let folder = tempdir().unwrap();
    write_parquet(folder.path(), 5);
    let path = folder.path().join(TRAIN);
    let whole = fs::read(&path).unwrap();
    for keep in [0, 3, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..keep]).unwrap();
        assert_says(cifar10(folder.path()), &[TRAIN, "complete Parquet file", "get the file again"]);
    }
    let empty = image_column(&[]);
    parquet(&path, vec![("img", empty), ("label", Arc::new(Int64Array::from(Vec::<i64>::new())))]);
    assert_says(cifar10(folder.path()), &[TRAIN, "the set of images is empty"]);
}
