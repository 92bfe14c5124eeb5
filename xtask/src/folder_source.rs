//! The folder that images are read from: one that is there, or a dataset written as files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ss_data::{Dataset, DatasetKind, write_image_folder};

/// Where the images come from.
#[derive(Clone, Debug)]
pub(crate) enum FolderSource {
    Folder(PathBuf),
    /// CIFAR-10 in this folder, written as files.
    Cifar10(PathBuf),
    /// The embedded digits, written as files.
    Digits,
}

impl FolderSource {
    /// The folder, which is made below `out` where it has to be, with the first `[train, test]` images (all of them: `None`).
    pub(crate) fn folder(&self, out: &Path, sizes: [Option<usize>; 2]) -> Result<PathBuf> {
        match self {
            Self::Folder(dir) => Ok(dir.clone()),
            Self::Digits => written(out, DatasetKind::Digits, [Some(300), Some(100)], || {
                let digits = ss_data::load(DatasetKind::Digits, None)?;
                let rows: Vec<usize> = (0..400).collect();
                let (train, test) = (digits.train.select(&rows[..300]), digits.train.select(&rows[300..]));
                Ok(Dataset { name: digits.name, train, test: Some(test) })
            }),
            Self::Cifar10(dir) => written(out, DatasetKind::Cifar10, sizes, || {
                Ok(ss_data::load(DatasetKind::Cifar10, Some(dir))?)
            }),
        }
    }
}

/// The dataset is loaded where its files are not there yet.
fn written(
    out: &Path,
    kind: DatasetKind,
    sizes: [Option<usize>; 2],
    load: impl FnOnce() -> Result<Dataset>,
) -> Result<PathBuf> {
    let [train, test] = sizes.map(|size| size.map_or_else(|| "all".to_owned(), |size| size.to_string()));
    let folder = out.join(format!("{kind}-folder-{train}-{test}"));
    if !folder.is_dir() {
        let images = load()?;
        let published = [images.train.len(), images.test.as_ref().map_or(0, |test| test.len())];
        // Where more is asked for than there is, the split says so.
        let [train, test] =
            [0, 1].map(|part| sizes[part].map_or(published[part], |size| size.min(published[part])));
        write_image_folder(&folder, &images, kind.class_names(), train, test)?;
    }
    Ok(folder)
}
