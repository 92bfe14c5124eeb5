//! IDX files: plain, gzip, and broken in every way.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use ss_data::{DatasetKind, ImageShape, load};
use tempfile::tempdir;

use crate::fixtures::{assert_says, fashion_mnist, gzip, idx, pattern};

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

fn load_from(folder: &Path) -> ss_data::Result<ss_data::Dataset> {
    load(DatasetKind::FashionMnist, Some(folder))
}

#[test]
fn reads_plain_and_gzip_alike() {
    for compressed in [false, true] {
        let folder = tempdir().unwrap();
        fashion_mnist(folder.path(), compressed);
        let data = load_from(folder.path()).unwrap();
        assert_eq!(data.name, "fashion-mnist");
        assert_eq!(data.train.shape(), ImageShape::new(1, 2, 3));
        assert_eq!(data.train.pixels(), pattern(72));
        assert_eq!(data.train.labels(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
        let test = data.test.unwrap();
        assert_eq!((test.len(), test.classes()), (5, 10));
        assert_eq!(test.image(4), &pattern(30)[24..]);
    }
}

#[test]
fn finds_subfolders() {
    for sub in ["fashion-mnist", "FashionMNIST/raw"] {
        let folder = tempdir().unwrap();
        fs::create_dir_all(folder.path().join(sub)).unwrap();
        fashion_mnist(&folder.path().join(sub), true);
        assert_eq!(load_from(folder.path()).unwrap().train.len(), 12);
    }
}

#[test]
fn missing_says_what_where_and_how() {
    assert_says(
        load_from(Path::new("/no/such/folder")),
        &["Fashion-MNIST", IMAGES, "/no/such/folder", "apt-get install dataset-fashion-mnist", "--data-dir"],
    );
    let folder = tempdir().unwrap();
    fashion_mnist(folder.path(), false);
    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    assert_says(load_from(folder.path()), &["t10k-labels-idx1-ubyte", "apt-get"]);
}

/// A good folder in which one file is replaced.
fn with_file(name: &str, bytes: &[u8]) -> ss_data::Result<ss_data::Dataset> {
    let folder = tempdir().unwrap();
    fashion_mnist(folder.path(), false);
    fs::write(folder.path().join(name), bytes).unwrap();
    load_from(folder.path())
}

#[test]
fn broken_files_are_located() {
    let images = idx(&[12, 2, 3], &pattern(72));
    assert_says(with_file(IMAGES, &[]), &[IMAGES, "header of 16 bytes", "0 bytes", "get the file again"]);
    assert_says(with_file(IMAGES, &images[..60]), &[IMAGES, "72 values", "[12, 2, 3]", "44 values"]);
    assert_says(with_file(IMAGES, &[images.as_slice(), &[0]].concat()), &[IMAGES, "72 values", "73 values"]);
    assert_says(with_file(IMAGES, &idx(&[u32::MAX; 3], &[1])), &["fit in memory", "4294967295"]);
    // Labels where images belong: one dimension, not three.
    assert_says(with_file(IMAGES, &idx(&[12], &[0; 12])), &[IMAGES, "magic [00, 00, 08, 03]", "08, 01"]);
    assert_says(with_file(IMAGES, b"<html>not found</html>"), &[IMAGES, "magic", "3c, 68"]);
    assert_says(with_file(IMAGES, &idx(&[0, 2, 3], &[])), &[LABELS, "expected 0", "found 12"]);
    assert_says(with_file(LABELS, &idx(&[11], &[0; 11])), &[LABELS, "expected 12", "found 11"]);
    let mut labels = [0_u8; 12];
    labels[7] = 10;
    assert_says(with_file(LABELS, &idx(&[12], &labels)), &[LABELS, "label 10 in row 7", "0..10"]);
    assert_says(with_file("t10k-images-idx3-ubyte", &idx(&[5, 3, 3], &[0; 45])), &["1x2x3", "1x3x3"]);
}

#[test]
fn broken_gzip_is_located() {
    let whole = gzip(&idx(&[12, 2, 3], &pattern(72)));
    assert_says(with_file(IMAGES, &whole[..whole.len() / 2]), &[IMAGES, "complete gzip stream"]);
    let mut flipped = whole.clone();
    let crc = flipped.len() - 6;
    flipped[crc] ^= 0x10;
    assert_says(with_file(IMAGES, &flipped), &[IMAGES, "gzip", "get the file again"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No prefix of a file, plain or gzip, is taken for the file.
    #[test]
    fn every_truncation_is_noticed(keep in 0.0..1.0_f64, compressed: bool) {
        let plain = idx(&[12, 2, 3], &pattern(72));
        let bytes = if compressed { gzip(&plain) } else { plain };
        let cut = &bytes[..(keep * bytes.len() as f64) as usize];
        prop_assert!(with_file(IMAGES, cut).is_err());
    }

    /// Damage never panics: it is noticed, or it changes values only.
    #[test]
    fn damage_never_panics(at in 0_usize..88, byte: u8) {
        let mut bytes = idx(&[12, 2, 3], &pattern(72));
        bytes[at] = byte;
        if let Ok(data) = with_file(IMAGES, &bytes) {
            prop_assert_eq!(data.train.shape(), ImageShape::new(1, 2, 3));
        }
    }
}
