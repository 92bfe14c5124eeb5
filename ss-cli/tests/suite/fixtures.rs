//! Tiny datasets, feature files and samplers, made on the spot.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{
    Array, ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray, StructArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Fields, Schema};
use flate2::Compression;
use flate2::write::GzEncoder;
use image::{ImageFormat, RgbImage};
use parquet::arrow::ArrowWriter;
use ss_sampler::{Sampler, SamplerParams, SamplerSpec, Transform};

/// The files of Fashion-MNIST.
pub(crate) const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
pub(crate) const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";

/// Edge of the small square images.
pub(crate) const EDGE: usize = 8;

/// Training and test images of every fixture.
pub(crate) const PARTS: [(&str, usize); 2] = [("train", 100), ("t10k", 20)];

/// An IDX file of bytes in memory.
pub(crate) fn idx(dims: &[usize], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0x08, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|&d| (d as u32).to_be_bytes()));
    bytes.extend_from_slice(values);
    bytes
}

/// A gzip file in memory.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The label of image `i`: ten classes in turn.
pub(crate) fn label(i: usize) -> u8 {
    (i % 10) as u8
}

/// The value of image `i` at a pixel: a pattern of its class, shifted a little by `i`.
fn pixel(i: usize, row: usize, column: usize) -> u8 {
    let class = usize::from(label(i));
    ((row * (class + 1) * 29 + column * (11 - class) * 17 + i) % 256) as u8
}

/// The IDX file of the first `n` images.
pub(crate) fn idx_images(n: usize) -> Vec<u8> {
    let all = |i| (0..EDGE * EDGE).map(move |at| pixel(i, at / EDGE, at % EDGE));
    idx(&[n, EDGE, EDGE], &(0..n).flat_map(all).collect::<Vec<_>>())
}

/// The IDX file of the first `n` labels.
pub(crate) fn idx_labels(n: usize) -> Vec<u8> {
    idx(&[n], &(0..n).map(label).collect::<Vec<_>>())
}

/// The four files of Fashion-MNIST with images of 8x8.
pub(crate) fn fashion_mnist(folder: &Path, compressed: bool) {
    for (part, n) in PARTS {
        for (name, bytes) in [("images-idx3-ubyte", idx_images(n)), ("labels-idx1-ubyte", idx_labels(n))] {
            let name = format!("{part}-{name}");
            if compressed {
                fs::write(folder.join(name + ".gz"), gzip(&bytes)).unwrap();
            } else {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
    }
}

/// Records `from..to` of CIFAR-10's binary layout.
pub(crate) fn cifar_records(from: usize, to: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for i in from..to {
        bytes.push(label(i));
        bytes.extend((0..3 * 1024).map(|at| pixel(i, at / 32 % 32, at % 32)));
    }
    bytes
}

/// The six binary batches of CIFAR-10.
pub(crate) fn cifar_batches(folder: &Path) {
    for batch in 0..5 {
        let records = cifar_records(20 * batch, 20 * batch + 20);
        fs::write(folder.join(format!("data_batch_{}.bin", batch + 1)), records).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), cifar_records(0, 20)).unwrap();
}

/// CIFAR-10 in Parquet with PNG images.
pub(crate) fn cifar_parquet(folder: &Path) {
    for (part, n) in [("train", 100), ("test", 20)] {
        let mut builder = BinaryBuilder::new();
        for i in 0..n {
            let grey = |x, y| pixel(i, y as usize, x as usize);
            let picture = RgbImage::from_fn(32, 32, |x, y| image::Rgb([grey(x, y); 3]));
            let mut bytes = Cursor::new(Vec::new());
            picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
            builder.append_value(bytes.into_inner());
        }
        let paths: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; n]));
        let fields: Fields =
            vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)]
                .into();
        let images = StructArray::new(fields, vec![Arc::new(builder.finish()), paths], None);
        let labels = Int64Array::from_iter_values((0..n).map(|i| i64::from(label(i))));
        let path = folder.join(format!("{part}-00000-of-00001.parquet"));
        parquet(&path, vec![("img", Arc::new(images)), ("label", Arc::new(labels))]);
    }
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

/// A column of identifiers.
pub(crate) fn ids(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

/// A column of numbers.
pub(crate) fn floats(values: impl IntoIterator<Item = f32>) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values(values))
}

/// A feature file of three good rows.
pub(crate) fn three_features(path: &Path) {
    let columns = [("loss", [5.0, 50.0, 95.0]), ("renormed_entropy", [0.5, 1.0, 1.5])];
    let columns = columns.map(|(name, values)| (name, floats(values)));
    parquet(path, [("id", ids(7..10))].into_iter().chain(columns).collect());
}

/// Writes a sampler fitted on losses 1, 2, ..., 100 that keeps the smaller half, fades out to 0.75 and never
/// draws the largest quarter: a function of the rank of the loss alone.
pub(crate) fn write_sampler(path: &Path) {
    let spec = SamplerSpec::new(["loss", "renormed_entropy"], Transform::Cdf).unwrap();
    let params =
        SamplerParams::new(&spec, vec![1.0, 0.0], vec![0.25, 0.5, 0.75], vec![1.0, 1.0, 1.0, 0.0, 0.0])
            .unwrap();
    let loss: Vec<f32> = (1..=100).map(|i| i as f32).collect();
    let entropy: Vec<f32> = (0..100).map(|i| (i * 37 % 100) as f32 / 50.0).collect();
    let provenance = BTreeMap::from([("made_by".to_owned(), "a test".to_owned())]);
    let sampler = Sampler::fit(spec, &params, &[&loss, &entropy], &[1.0; 100], provenance).unwrap();
    fs::write(path, sampler.to_json().unwrap()).unwrap();
}
