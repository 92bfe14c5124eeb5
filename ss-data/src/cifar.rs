//! CIFAR-10 and CIFAR-100 (A. Krizhevsky, 2009) in both layouts in which they are passed around.
//!
//! - The published binary batches: records of one label byte (CIFAR-100: coarse, then fine) and 3,072 bytes of
//!   red, green and blue planes. `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, or `train.bin`
//!   and `test.bin`.
//! - The Hugging Face Parquet layout: `train-*.parquet` and `test-*.parquet` with encoded images in `img`
//!   and labels in `label` (CIFAR-100: `fine_label`).
//!
//! Both are looked for in the folder given, then in the subfolders that the archives unpack to; where both
//! are found the binary batches win, being the published pixels.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dataset::{Dataset, DatasetKind};
use crate::error::{COPY_AGAIN, Error, Result};
use crate::image_parquet::{self, Columns};
use crate::image_set::{ImageSet, ImageShape};

const SHAPE: ImageShape = ImageShape::new(3, 32, 32);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// 10 classes.
    Cifar10,
    /// 100 fine classes; the 20 coarse ones are not used.
    Cifar100,
}

/// All that differs between the two.
struct Layout {
    kind: DatasetKind,
    title: &'static str,
    classes: usize,
    train_batches: &'static [&'static str],
    test_batches: &'static [&'static str],
    label_bytes: usize,
    label_column: &'static str,
    archive: &'static str,
    subfolders: [&'static str; 5],
}

impl Variant {
    fn layout(self) -> Layout {
        match self {
            Self::Cifar10 => Layout {
                kind: DatasetKind::Cifar10,
                title: "CIFAR-10",
                classes: 10,
                train_batches: &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                ],
                test_batches: &["test_batch.bin"],
                label_bytes: 1,
                label_column: "label",
                archive: "cifar-10-binary.tar.gz",
                subfolders: ["", "cifar-10-batches-bin", "data", "plain_text", "cifar10"],
            },
            Self::Cifar100 => Layout {
                kind: DatasetKind::Cifar100,
                title: "CIFAR-100",
                classes: 100,
                train_batches: &["train.bin"],
                test_batches: &["test.bin"],
                label_bytes: 2,
                label_column: "fine_label",
                archive: "cifar-100-binary.tar.gz",
                subfolders: ["", "cifar-100-binary", "data", "cifar100", "cifar100/cifar100"],
            },
        }
    }
}

/// Loads the training and the test images below `dir`; without a folder, says how to get one.
///
/// # Errors
/// Missing, truncated or corrupt files, labels outside the classes, images that cannot be decoded or are not
/// 32x32.
pub fn load(variant: Variant, dir: Option<&Path>) -> Result<Dataset> {
    let layout = variant.layout();
    let Some(dir) = dir else {
        return Err(layout.not_found("a folder to read, none was given".into()));
    };
    let folders: Vec<PathBuf> = layout.subfolders.iter().map(|sub| dir.join(sub)).collect();

    let batches = || layout.train_batches.iter().chain(layout.test_batches);
    if let Some(folder) = folders.iter().find(|f| batches().any(|name| f.join(name).is_file())) {
        if let Some(name) = batches().find(|name| !folder.join(name).is_file()) {
            return Err(layout.missing(&folder.join(name)));
        }
        let train = layout.read_batches(folder, layout.train_batches)?;
        let test = layout.read_batches(folder, layout.test_batches)?;
        return Ok(layout.dataset(train, test));
    }

    for folder in &folders {
        let (train, test) = (image_parquet::shards(folder, "train")?, image_parquet::shards(folder, "test")?);
        if train.is_empty() && test.is_empty() {
            continue;
        }
        let columns = Columns { images: &["img", "image"], label: layout.label_column };
        let read = |shards: &[PathBuf], part: &str| {
            if shards.is_empty() {
                return Err(layout.missing(&folder.join(format!("{part}-*.parquet"))));
            }
            image_parquet::read(shards, &columns, SHAPE, layout.classes)
        };
        return Ok(layout.dataset(read(&train, "train")?, read(&test, "test")?));
    }
    Err(layout.not_found(format!(
        "{} and its subfolders {}",
        dir.display(),
        layout.subfolders[1..].join(", ")
    )))
}

impl Layout {
    fn dataset(&self, train: ImageSet, test: ImageSet) -> Dataset {
        Dataset { name: self.kind.to_string(), train, test: Some(test) }
    }

    fn read_batches(&self, folder: &Path, names: &[&str]) -> Result<ImageSet> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for name in names {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
            self.parse_batch(&path, &bytes, &mut pixels, &mut labels)?;
        }
        ImageSet::new(SHAPE, self.classes, pixels, labels)
    }

    fn parse_batch(
        &self,
        path: &Path,
        bytes: &[u8],
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u32>,
    ) -> Result<()> {
        let record = self.label_bytes + SHAPE.bytes();
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(Error::Corrupt {
                path: path.to_path_buf(),
                expected: format!(
                    "whole records of {record} bytes (the published file has 10,000 or 50,000)"
                ),
                found: format!("{} bytes", bytes.len()),
                remedy: COPY_AGAIN,
            });
        }
        for (row, record) in bytes.chunks_exact(record).enumerate() {
            // CIFAR-100 puts the coarse label first: the last label byte is the one that counts.
            let label = record[self.label_bytes - 1];
            if usize::from(label) >= self.classes {
                let error = Error::LabelOutOfRange { row, label: i64::from(label), classes: self.classes };
                return Err(error.in_file(path));
            }
            labels.push(u32::from(label));
            pixels.extend_from_slice(&record[self.label_bytes..]);
        }
        Ok(())
    }

    /// Some files are there, this one is not.
    fn missing(&self, path: &Path) -> Error {
        Error::DatasetNotFound {
            dataset: format!("{} (a part of it)", self.title),
            looked_for: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            searched: path.parent().unwrap_or(path).display().to_string(),
            remedy: format!("the copy is incomplete: unpack {} again", self.archive),
        }
    }

    fn not_found(&self, searched: String) -> Error {
        let (first, last) = (self.train_batches[0], self.test_batches[0]);
        Error::DatasetNotFound {
            dataset: self.title.into(),
            looked_for: format!(
                "{first} ... {last} (binary batches) or train-*.parquet and test-*.parquet (columns `img`, `{}`)",
                self.label_column
            ),
            searched,
            remedy: format!(
                "download the published archive {archive} (\"{title} binary version\" on its authors' page), unpack \
                 it with `tar -xzf {archive}` and name the folder with --data-dir",
                archive = self.archive,
                title = self.title,
            ),
        }
    }
}
