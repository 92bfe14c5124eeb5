//! Small files of every layout, made on the spot.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use flate2::Compression;
use flate2::write::GzEncoder;
use image::{ImageFormat, RgbImage};
use parquet::arrow::ArrowWriter;

/// An IDX file of bytes in memory.
pub(crate) fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0x08, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend_from_slice(values);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Byte `i` of every fixture: varied, reproducible.
pub(crate) fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 37 % 251) as u8).collect()
}

/// The four files of Fashion-MNIST with 2x3 pixels, 12 training and 5 test images, labels `i % 10`.
pub(crate) fn fashion_mnist(folder: &Path, compressed: bool) {
    for (part, n) in [("train", 12_u32), ("t10k", 5)] {
        let labels: Vec<u8> = (0..n).map(|i| (i % 10) as u8).collect();
        for (name, bytes) in [
            (format!("{part}-images-idx3-ubyte"), idx(&[n, 2, 3], &pattern(6 * n as usize))),
            (format!("{part}-labels-idx1-ubyte"), idx(&[n], &labels)),
        ] {
            if compressed {
                fs::write(folder.join(name + ".gz"), gzip(&bytes)).unwrap();
            } else {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
    }
}

/// Records of CIFAR's binary layout: label bytes, then 3,072 bytes of planes.
pub(crate) fn cifar_records(labels: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, label) in labels.iter().enumerate() {
        bytes.extend_from_slice(label);
        bytes.extend(pattern(3072 + i).split_off(i));
    }
    bytes
}

/// A 32x32 picture whose pixel (row, column) is `(row, column, seed)`, as PNG.
pub(crate) fn png(height: u32, width: u32, seed: u8) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([y as u8, x as u8, seed]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A column `img: struct<bytes, path>`.
pub(crate) fn image_column(images: &[Option<Vec<u8>>]) -> ArrayRef {
    let mut builder = BinaryBuilder::new();
    images.iter().for_each(|image| builder.append_option(image.as_deref()));
    let paths: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; images.len()]));
    let fields: Fields =
        vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)].into();
    Arc::new(StructArray::new(fields, vec![Arc::new(builder.finish()), paths], None))
}

/// A Parquet file of these columns.
pub(crate) fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The message of an error, after checking that it holds all of these.
#[track_caller]
pub(crate) fn assert_says<T: std::fmt::Debug>(result: ss_data::Result<T>, parts: &[&str]) {
    let message = result.expect_err("this must be refused").to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}
