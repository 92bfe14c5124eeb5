//! The published datasets against an independent reading.
//!
//! Numbers from tests/oracle/datasets.py with Python 3.11.7, NumPy 2.4.6, scikit-learn 1.9.1, PyArrow 26.0.1,
//! Pillow 13.0.0. Digits always run; the others are skipped, saying so, where the data are absent.

use std::path::{Path, PathBuf};

use flate2::Crc;
use ss_data::{DatasetKind, ImageSet, ImageShape, fashion_mnist, load};

fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let mut crc = Crc::new();
    crc.update(&bytes.into_iter().collect::<Vec<u8>>());
    crc.sum()
}

fn label_crc32(set: &ImageSet) -> u32 {
    crc32(set.labels().iter().map(|&label| label as u8))
}

fn assert_statistics(set: &ImageSet, mean: &[f64], std: &[f64], tolerance: f64) {
    let found = set.channel_statistics();
    assert_eq!(found.len(), mean.len());
    for ((found, mean), std) in found.iter().zip(mean).zip(std) {
        assert!((found.mean - mean).abs() < tolerance, "mean {} against {mean}", found.mean);
        assert!((found.std - std).abs() < tolerance, "std {} against {std}", found.std);
    }
}

#[test]
fn digits_equal_scikit_learn() {
    let digits = load(DatasetKind::Digits, None).unwrap();
    assert!(digits.test.is_none());
    let set = digits.train;
    assert_eq!((set.len(), set.shape(), set.classes()), (1_797, ImageShape::new(1, 8, 8), 10));
    assert_eq!(set.class_counts(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(crc32(set.pixels().iter().copied()), 0xc4f0_8ff3);
    assert_eq!(label_crc32(&set), 0xf86f_c929);
    assert_statistics(&set, &[0.287_303_8], &[0.353_928_68], 1e-7);
}

#[test]
fn fashion_mnist_equals_numpy() {
    if !Path::new(fashion_mnist::DEFAULT_DIR).join("train-images-idx3-ubyte.gz").is_file() {
        eprintln!("skipped: no Fashion-MNIST in {}", fashion_mnist::DEFAULT_DIR);
        return;
    }
    let data = load(DatasetKind::FashionMnist, None).unwrap();
    let test = data.test.unwrap();
    assert_eq!(data.train.shape(), ImageShape::new(1, 28, 28));
    assert_eq!(data.train.class_counts(), [6_000; 10]);
    assert_eq!(test.class_counts(), [1_000; 10]);
    assert_eq!(crc32(data.train.pixels().iter().copied()), 0xae65_dccd);
    assert_eq!(label_crc32(&data.train), 0x2ed6_e46a);
    assert_eq!(crc32(test.pixels().iter().copied()), 0x1272_8439);
    assert_eq!(label_crc32(&test), 0x242b_c73f);
    assert_statistics(&data.train, &[0.286_040_6], &[0.353_024_24], 1e-7);
    assert_statistics(&test, &[0.286_849_28], &[0.352_444_15], 1e-7);
}

/// A folder of real data that is not part of the project: `SWIFT_SAMPLER_DATA`, or `../shared/data` beside
/// the checkout.
fn development_data() -> PathBuf {
    std::env::var_os("SWIFT_SAMPLER_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from)
}

#[test]
fn cifar10_jpeg_copy_equals_pillow() {
    let folder = development_data().join("cifar10");
    if !folder.join("train-00000-of-00001.parquet").is_file() {
        eprintln!("skipped: no Parquet copy of CIFAR-10 in {} (set SWIFT_SAMPLER_DATA)", folder.display());
        return;
    }
    let data = load(DatasetKind::Cifar10, Some(&folder)).unwrap();
    let test = data.test.unwrap();
    if label_crc32(&data.train) != 0xce07_31c7 {
        eprintln!("skipped: {} is another copy of CIFAR-10 than the one measured", folder.display());
        return;
    }
    assert_eq!(data.train.class_counts(), [5_000; 10]);
    assert_eq!(test.class_counts(), [1_000; 10]);
    assert_eq!(label_crc32(&test), 0x4ae3_6adf);
    // JPEG decoders are not bit-identical: measured against Pillow on the test images, 0.3 levels apart on average
    // (with a sign that differs by channel), 5 at most.
    let tolerance = 0.5 / 255.0;
    assert_statistics(
        &data.train,
        &[0.491_250, 0.482_090, 0.446_521],
        &[0.245_232, 0.242_782, 0.260_629],
        tolerance,
    );
    assert_statistics(
        &test,
        &[0.494_066, 0.485_064, 0.450_382],
        &[0.244_845, 0.242_198, 0.260_582],
        tolerance,
    );
}
