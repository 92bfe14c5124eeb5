//! `search` on folders of data that are missing, damaged or senseless.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::command::{Out, assert_refused, search};
use crate::fixtures::{
    TRAIN_IMAGES, TRAIN_LABELS, cifar_batches, cifar_parquet, cifar_records, fashion_mnist, gzip, idx,
    idx_images, idx_labels, label,
};

/// `search` on the good folder of `write` after `damage` is refused with these words and leaves nothing.
#[track_caller]
fn refused(dataset: &str, write: impl Fn(&Path), damage: impl Fn(&Path), parts: &[&str]) {
    let folder = tempdir().unwrap();
    write(folder.path());
    damage(folder.path());
    let out = Out::new();
    let data = folder.path().to_str().unwrap();
    assert_refused(search(&out.path(), &["--dataset", dataset, "--data-dir", data]), parts);
    out.assert_untouched();
}

/// As [`refused`], for Fashion-MNIST with another file `name`.
#[track_caller]
fn refused_file(name: &str, bytes: &[u8], parts: &[&str]) {
    let damage = |folder: &Path| {
        fs::remove_file(folder.join(name.trim_end_matches(".gz"))).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    };
    refused("fashion-mnist", |folder| fashion_mnist(folder, false), damage, parts);
}

#[test]
fn missing_data_say_how_to_get_them() {
    let out = Out::new();
    let none = "/no/such/folder";
    let fashion = search(&out.path(), &["--dataset", "fashion-mnist", "--data-dir", none]);
    assert_refused(fashion, &["Fashion-MNIST not found", none, "apt-get install dataset-fashion-mnist"]);
    let cifar = search(&out.path(), &["--dataset", "cifar10", "--data-dir", none]);
    assert_refused(cifar, &["CIFAR-10 not found", none, "cifar-10-binary.tar.gz", "--data-dir"]);
    let unnamed = search(&out.path(), &["--dataset", "cifar100"]);
    assert_refused(unnamed, &["CIFAR-100 not found", "none was given", "cifar-100-binary.tar.gz"]);
    out.assert_untouched();
    let without_test = |folder: &Path| fs::remove_file(folder.join("test_batch.bin")).unwrap();
    refused(
        "cifar10",
        cifar_batches,
        without_test,
        &["test_batch.bin", "unpack cifar-10-binary.tar.gz again"],
    );
    let without_labels = |folder: &Path| fs::remove_file(folder.join(TRAIN_LABELS)).unwrap();
    let write = |folder: &Path| fashion_mnist(folder, false);
    refused("fashion-mnist", write, without_labels, &[TRAIN_LABELS, "dataset-fashion-mnist"]);
}

#[test]
fn truncated_and_corrupt_idx() {
    let images = idx_images(100);
    let again = "get the file again";
    refused_file(TRAIN_IMAGES, &[], &[TRAIN_IMAGES, "header of 16 bytes", again]);
    refused_file(
        TRAIN_IMAGES,
        &images[..images.len() - 1],
        &[TRAIN_IMAGES, "6400 values", "6399 values", again],
    );
    refused_file(
        TRAIN_IMAGES,
        b"<html>moved</html>",
        &[TRAIN_IMAGES, "IDX magic", "get the published file again"],
    );
    refused_file(TRAIN_LABELS, &images, &[TRAIN_LABELS, "IDX magic"]);
    refused_file(
        TRAIN_IMAGES,
        &idx(&[u32::MAX as usize; 3], &[0; 9]),
        &[TRAIN_IMAGES, "fit in memory", again],
    );
}

#[test]
fn truncated_and_corrupt_gzip() {
    let whole = gzip(&idx_images(100));
    let name = format!("{TRAIN_IMAGES}.gz");
    let parts = [&name, "a complete gzip stream", "get the file again"];
    refused_file(&name, &whole[..whole.len() / 2], &parts);
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    refused_file(&name, &damaged, &parts);
}

#[test]
fn lengths_and_labels_that_do_not_fit() {
    let mut labels: Vec<u8> = (0..100).map(label).collect();
    refused_file(TRAIN_LABELS, &idx_labels(99), &[TRAIN_LABELS, "expected 100", "found 99", "every example"]);
    refused_file(TRAIN_IMAGES, &idx_images(99), &[TRAIN_LABELS, "expected 99", "found 100"]);
    labels[41] = 10;
    refused_file(
        TRAIN_LABELS,
        &idx(&[100], &labels),
        &[TRAIN_LABELS, "label 10 in row 41", "0..10", "correct"],
    );
}

#[test]
fn one_class_and_no_images() {
    let one = idx(&[100], &[3; 100]);
    refused_file(
        TRAIN_LABELS,
        &one,
        &["training part", "one class only (class 3, 60 examples)", "at least two"],
    );
    let empty = |folder: &Path| {
        fs::write(folder.join(TRAIN_IMAGES), idx(&[0, 8, 8], &[])).unwrap();
        fs::write(folder.join(TRAIN_LABELS), idx(&[0], &[])).unwrap();
    };
    let write = |folder: &Path| fashion_mnist(folder, false);
    refused("fashion-mnist", write, empty, &[TRAIN_IMAGES, "the set of images is empty", "at least one"]);
    let no_test = |folder: &Path| {
        fs::write(folder.join("t10k-images-idx3-ubyte"), idx(&[0, 8, 8], &[])).unwrap();
        fs::write(folder.join("t10k-labels-idx1-ubyte"), idx(&[0], &[])).unwrap();
    };
    refused("fashion-mnist", write, no_test, &["t10k-images", "the set of images is empty"]);
    let no_pixels = |folder: &Path| fs::write(folder.join(TRAIN_IMAGES), idx(&[100, 0, 8], &[])).unwrap();
    refused("fashion-mnist", write, no_pixels, &[TRAIN_IMAGES, "1x0x8", "at least one"]);
}

#[test]
fn damaged_cifar_batches() {
    let records = cifar_records(0, 20);
    let batch =
        |bytes: Vec<u8>| move |folder: &Path| fs::write(folder.join("data_batch_2.bin"), &bytes).unwrap();
    let truncated = batch(records[..records.len() - 5].to_vec());
    refused("cifar10", cifar_batches, truncated, &["data_batch_2.bin", "3073 bytes", "get the file again"]);
    refused("cifar10", cifar_batches, batch(Vec::new()), &["data_batch_2.bin", "found 0 bytes"]);
    let mut foreign = records.clone();
    foreign[4 * 3073] = 77;
    refused("cifar10", cifar_batches, batch(foreign), &["data_batch_2.bin", "label 77 in row 4", "0..10"]);
}

#[test]
fn damaged_cifar_parquet() {
    let name = "train-00000-of-00001.parquet";
    let rewrite = |change: fn(&mut Vec<u8>)| {
        move |folder: &Path| {
            let mut bytes = fs::read(folder.join(name)).unwrap();
            change(&mut bytes);
            fs::write(folder.join(name), bytes).unwrap();
        }
    };
    let parts = [name, "a complete Parquet file", "get the file again"];
    refused("cifar10", cifar_parquet, rewrite(|bytes| bytes.truncate(bytes.len() / 2)), &parts);
    refused("cifar10", cifar_parquet, rewrite(Vec::clear), &parts);
    // The signature of the first picture.
    let scribble = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(4).position(|w| w == b"\x89PNG").unwrap();
        bytes[at] = 0;
    };
    refused(
        "cifar10",
        cifar_parquet,
        rewrite(scribble),
        &[name, "row 0", "cannot be decoded", "replace the image"],
    );
}
