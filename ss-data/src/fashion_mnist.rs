//! Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017) from its four IDX files, plain or gzip.
//!
//! The files are looked for in the folder given, then in its subfolders `fashion-mnist` and
//! `FashionMNIST/raw`. Other sets of the same layout (MNIST, KMNIST) load as well.

use std::path::{Path, PathBuf};

use crate::dataset::{Dataset, DatasetKind};
use crate::error::{Error, Result};
use crate::idx;
use crate::image_set::{ImageSet, ImageShape};

/// Where the Debian package `dataset-fashion-mnist` puts the files.
pub const DEFAULT_DIR: &str = "/usr/share/datasets/fashion-mnist";

const SUBFOLDERS: [&str; 3] = ["", "fashion-mnist", "FashionMNIST/raw"];
const CLASSES: usize = 10;

/// Loads the training and the test images of the folder `dir`.
///
/// # Errors
/// Missing, truncated or corrupt files, images and labels that disagree in number, labels outside `0..10`.
pub fn load(dir: &Path) -> Result<Dataset> {
    let folder = SUBFOLDERS
        .iter()
        .map(|sub| dir.join(sub))
        .find(|folder| find(folder, "train-images-idx3-ubyte").is_some())
        .unwrap_or_else(|| dir.to_path_buf());
    let train = read_pair(&folder, "train")?;
    let test = read_pair(&folder, "t10k")?;
    if train.shape() != test.shape() {
        return Err(Error::damaged(
            &folder,
            format!("test images of {} as in training", train.shape()),
            test.shape().to_string(),
        ));
    }
    Ok(Dataset { name: DatasetKind::FashionMnist.to_string(), train, test: Some(test) })
}

fn read_pair(folder: &Path, part: &str) -> Result<ImageSet> {
    let images_path = require(folder, &format!("{part}-images-idx3-ubyte"))?;
    let labels_path = require(folder, &format!("{part}-labels-idx1-ubyte"))?;
    let images = idx::read(&images_path, 3)?;
    let labels = idx::read(&labels_path, 1)?;
    let [count, height, width] = [images.dims[0], images.dims[1], images.dims[2]];
    if labels.values.len() != count {
        return Err(Error::LengthMismatch {
            what: format!("labels for the images of {}", images_path.display()),
            expected: count,
            found: labels.values.len(),
        }
        .in_file(&labels_path));
    }
    let shape = ImageShape::new(1, height, width);
    let labels = labels.values.into_iter().map(u32::from).collect();
    ImageSet::new(shape, CLASSES, images.values, labels).map_err(|error| {
        let at = if matches!(error, Error::LabelOutOfRange { .. }) { &labels_path } else { &images_path };
        error.in_file(at)
    })
}

/// The plain file or its gzip.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [name.to_owned(), format!("{name}.gz")].into_iter().map(|n| folder.join(n)).find(|p| p.is_file())
}

fn require(folder: &Path, name: &str) -> Result<PathBuf> {
    find(folder, name).ok_or_else(|| Error::DatasetNotFound {
        dataset: "Fashion-MNIST".into(),
        looked_for: format!("{name} (or {name}.gz)"),
        searched: format!("{} and its subfolders fashion-mnist, FashionMNIST/raw", folder.display()),
        remedy: format!(
            "get it with `apt-get install dataset-fashion-mnist` (Debian, Ubuntu; installs to {DEFAULT_DIR}), \
             or name the folder of the four IDX files with --data-dir"
        ),
    })
}
