//! The datasets known by name, and how to load one.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fnv::Fnv;
use crate::image_set::ImageSet;
use crate::split::SplitSizes;
use crate::{cifar, digits, fashion_mnist};

/// A dataset as published.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its name, as [`DatasetKind`] prints it or as the folder is called.
    pub name: String,
    /// The published training images; all images where the publishers made no split.
    pub train: ImageSet,
    /// The published test images, if there are any; otherwise [`split`](crate::split) cuts a test set.
    pub test: Option<ImageSet>,
}

impl Dataset {
    /// A digest of all pixels and labels (FNV-1a, 64 bits): which copy of a dataset a result was computed on.
    pub fn digest(&self) -> u64 {
        let mut digest = Fnv::new();
        for set in [Some(&self.train), self.test.as_ref()].into_iter().flatten() {
            digest.add(set.pixels().iter().copied());
            digest.add(set.labels().iter().map(|&label| label as u8));
            // Digests of up to 256 classes, which journals hold, stay as they were before.
            if set.labels().iter().any(|&label| label > 0xff) {
                digest.add(set.labels().iter().flat_map(|&label| (label >> 8).to_le_bytes()));
            }
        }
        digest.value()
    }
}

/// The datasets known by name.
///
/// ```
/// use ss_data::DatasetKind;
///
/// assert_eq!("fashion-mnist".parse::<DatasetKind>()?, DatasetKind::FashionMnist);
/// assert_eq!(DatasetKind::Cifar100.to_string(), "cifar100");
/// # Ok::<(), ss_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DatasetKind {
    /// UCI optical digits: 1,797 grey images of 8x8 in 10 classes, embedded.
    #[serde(rename = "digits")]
    Digits,
    /// Fashion-MNIST: 60,000 + 10,000 grey images of 28x28 in 10 classes.
    #[serde(rename = "fashion-mnist")]
    FashionMnist,
    /// CIFAR-10: 50,000 + 10,000 colour images of 32x32 in 10 classes.
    #[serde(rename = "cifar10")]
    Cifar10,
    /// CIFAR-100 with its 100 fine classes: 50,000 + 10,000 colour images of 32x32.
    #[serde(rename = "cifar100")]
    Cifar100,
}

impl DatasetKind {
    /// Every kind, smallest first.
    pub const ALL: [Self; 4] = [Self::Digits, Self::FashionMnist, Self::Cifar10, Self::Cifar100];

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
        }
    }

    /// The usual division: digits 1,000 / 297 / 500; the others hold 5,000 training images out for
    /// validation and keep the published test set.
    pub const fn default_split(self) -> SplitSizes {
        match self {
            Self::Digits => SplitSizes { train: Some(1_000), validation: 297, test: Some(500) },
            Self::FashionMnist | Self::Cifar10 | Self::Cifar100 => {
                SplitSizes { train: None, validation: 5_000, test: None }
            }
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DatasetKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::Setting {
            name: "dataset",
            value: format!("`{text}`"),
            expected: format!("one of {}", Self::ALL.map(Self::name).join(", ")),
        })
    }
}

/// Loads a dataset; nothing is ever downloaded.
///
/// `data_dir` is the folder of the dataset or a folder above it (see [`fashion_mnist`], [`cifar`] for the
/// subfolders searched). Digits are embedded and ignore it; Fashion-MNIST defaults to
/// [`fashion_mnist::DEFAULT_DIR`]; CIFAR has no default.
///
/// # Errors
/// [`Error::DatasetNotFound`] with the files looked for and how to get them; or a located error when a file
/// is damaged, a label lies outside its range or an image cannot be decoded.
pub fn load(kind: DatasetKind, data_dir: Option<&Path>) -> Result<Dataset> {
    match kind {
        DatasetKind::Digits => digits::load(),
        DatasetKind::FashionMnist => {
            fashion_mnist::load(data_dir.unwrap_or(Path::new(fashion_mnist::DEFAULT_DIR)))
        }
        DatasetKind::Cifar10 => cifar::load(cifar::Variant::Cifar10, data_dir),
        DatasetKind::Cifar100 => cifar::load(cifar::Variant::Cifar100, data_dir),
    }
}
