//! A dataset of images in class folders that stay on disk: opened, checked and divided.

use std::path::{Path, PathBuf};

use ss_seed::Seed;

use crate::error::{Error, Result};
use crate::image_files::{ImageFiles, check_all};
use crate::image_folder::{ClassFolders, Part};
use crate::split::{SplitSizes, split_rows};

/// How a folder of images is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFolder {
    /// Leave out images that cannot be decoded. Every image is then decoded once when the folder is opened, so that what is
    /// left out does not depend on what is drawn later. Otherwise only headers are read, and the first bad one, in order of
    /// name, is an error.
    pub skip_bad: bool,
    /// Bytes of decoded images that each part of the dataset may keep in memory. It changes no result.
    pub memory: u64,
}

impl Default for OpenFolder {
    /// Nothing is left out; 1 GiB.
    fn default() -> Self {
        Self { skip_bad: false, memory: 1 << 30 }
    }
}

/// Images in class folders, checked and not decoded.
#[derive(Clone, Debug)]
pub struct FileDataset {
    /// What the folder is called.
    pub name: String,
    /// The images below `train`.
    pub train: ImageFiles,
    /// The images below `test`, or else `val`, if there are any.
    pub test: Option<ImageFiles>,
    /// Images that were left out because they cannot be decoded, in order of name, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// A dataset of files in three disjoint parts, as [`Split`](crate::Split).
#[derive(Clone, Debug)]
pub struct FileSplit {
    /// Images to train on.
    pub train: ImageFiles,
    /// Images to score samplers on.
    pub validation: ImageFiles,
    /// Images to report on.
    pub test: ImageFiles,
    /// Which image of [`FileDataset::train`] each training image is.
    pub train_ids: Vec<u64>,
    /// The same of each validation image.
    pub validation_ids: Vec<u64>,
}

impl FileDataset {
    /// Opens a folder in the layout of [`load_image_folder`](crate::load_image_folder), by the same rules; images keep their
    /// sizes.
    ///
    /// # Errors
    /// Those of [`load_image_folder`](crate::load_image_folder); a class of which every image was left out.
    pub fn open(dir: &Path, how: OpenFolder) -> Result<Self> {
        let ClassFolders { name, classes, train, test } = ClassFolders::list(dir)?;
        let mut skipped = Vec::new();
        let mut open = |part: Part| open_part(part, &classes, how, &mut skipped);
        let train = open(train)?;
        let test = test.map(open).transpose()?;
        Ok(Self { name, train, test, skipped })
    }

    /// A digest of names, labels and sizes: which copy of a dataset a result was computed on. Pixels are not part of it.
    pub fn digest(&self) -> u64 {
        let test = self.test.as_ref().map_or(0, ImageFiles::digest);
        self.train.digest() ^ test.rotate_left(1)
    }

    /// Draws the parts as [`split`](crate::split) does: of as many images it takes the same rows.
    ///
    /// # Errors
    /// Those of [`split`](crate::split).
    pub fn split(&self, sizes: SplitSizes, seed: Seed) -> Result<FileSplit> {
        let test = self.test.as_ref().map(ImageFiles::len);
        let rows = split_rows(&self.name, self.train.len(), test, sizes, seed)?;
        let train = self.train.select(&rows.train);
        let validation = self.train.select(&rows.validation);
        for (part, what) in [(&train, "the training part"), (&validation, "the validation part")] {
            let class = part.labels()[0];
            if part.labels().iter().all(|&label| label == class) {
                return Err(Error::SingleClass { what: what.into(), class, count: part.len() });
            }
        }
        let ids = |rows: &[usize]| rows.iter().map(|&row| row as u64).collect();
        Ok(FileSplit {
            train,
            validation,
            test: self.test.as_ref().unwrap_or(&self.train).select(&rows.test),
            train_ids: ids(&rows.train),
            validation_ids: ids(&rows.validation),
        })
    }
}

fn open_part(
    part: Part,
    classes: &[String],
    how: OpenFolder,
    skipped: &mut Vec<(PathBuf, String)>,
) -> Result<ImageFiles> {
    let mut files = Vec::with_capacity(part.files.len());
    let mut seen = vec![[false; 2]; classes.len()];
    for (checked, (path, label)) in check_all(&part.files, how.skip_bad).into_iter().zip(part.files) {
        let good = match checked? {
            Ok(file) => {
                files.push(file);
                true
            }
            Err(reason) if how.skip_bad => {
                skipped.push((path, reason));
                false
            }
            Err(reason) => return Err(Error::Image { path, row: 0, reason }),
        };
        seen[label as usize][usize::from(good)] = true;
    }
    if let Some(class) = seen.iter().position(|&[bad, good]| bad && !good) {
        let what = "what is left of the class folder without images that cannot be decoded".into();
        return Err(Error::Empty { what }.in_file(&part.dir.join(&classes[class])));
    }
    if files.is_empty() {
        return Err(Error::Empty { what: "the set of images".into() }.in_file(&part.dir));
    }
    Ok(ImageFiles::new(classes.to_vec(), files, how.memory))
}
