//! One folder a class: faces of a person each, as AT&T / ORL, VGGFace or unpacked MS1M come.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::image_folder::{EXTENSIONS, entries, is_image, load_image};
use crate::image_set::{ImageSet, ImageShape, class_without_examples};

/// What to do with an image that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadImages {
    /// The first ends the loading with an error.
    #[default]
    Refuse,
    /// They are left out, and named.
    Skip,
}

/// An image that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedImage {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// Images in folders by class.
#[derive(Clone, Debug)]
pub struct ClassFolders {
    /// The images, in order of folder and file; labels are places in `classes`.
    pub images: ImageSet,
    /// The names of the folders, in order.
    pub classes: Vec<String>,
    /// Images that were left out.
    pub skipped: Vec<SkippedImage>,
}

/// Loads the visible subfolders of `dir` as classes, in order of name, and the images in each, in order of name, scaled (triangle
/// filter) until they cover `shape` and cropped about the centre; grey for one channel, colour for three. What is no image by
/// its extension is passed over.
///
/// # Errors
/// A folder that is not there, fewer than two subfolders, one without (good) images, an image that cannot be decoded (by file)
/// unless `bad` says to skip it, a shape with a zero or other than one or three channels.
pub fn load_class_folders(dir: &Path, shape: ImageShape, bad: BadImages) -> Result<ClassFolders> {
    let folders = class_folders(dir)?;
    let mut files: Vec<(PathBuf, u32)> = Vec::new();
    for (label, folder) in folders.iter().enumerate() {
        let images = entries(folder)?.into_iter().filter(|path| is_image(path));
        files.extend(images.map(|path| (path, label as u32)));
    }
    let paths: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
    let Loaded { pixels, kept, skipped } = load_files(&paths, shape, bad)?;
    let labels: Vec<u32> = kept.into_iter().map(|file| files[file].1).collect();
    if let Some(empty) = class_without_examples(&labels, folders.len()) {
        let what = format!("the class folder (readable files *.{})", EXTENSIONS.join(", *."));
        return Err(Error::Empty { what }.in_file(&folders[empty]));
    }
    let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let images = ImageSet::new(shape, folders.len(), pixels, labels).map_err(|error| error.in_file(dir))?;
    Ok(ClassFolders { images, classes: folders.iter().map(name).collect(), skipped })
}

/// The visible subfolders of `dir`, at least two, in order of name.
pub(crate) fn class_folders(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Err(Error::DatasetNotFound {
            dataset: "folders of classes".into(),
            looked_for: "<class>/*.{pgm,jpg,png}".into(),
            searched: dir.display().to_string(),
            remedy: "put the images of each class (each person, say) into a folder of its own there".into(),
        });
    }
    let folders: Vec<PathBuf> = entries(dir)?.into_iter().filter(|path| path.is_dir()).collect();
    if folders.len() < 2 {
        return Err(Error::Setting {
            name: "number of class folders",
            value: folders.len().to_string(),
            expected: "at least two".into(),
        }
        .in_file(dir));
    }
    Ok(folders)
}

/// Files that were read.
pub(crate) struct Loaded {
    /// Of the good ones, NCHW.
    pub(crate) pixels: Vec<u8>,
    /// Their places among the files, ascending.
    pub(crate) kept: Vec<usize>,
    pub(crate) skipped: Vec<SkippedImage>,
}

/// Reads image files, side by side.
pub(crate) fn load_files(files: &[&Path], shape: ImageShape, bad: BadImages) -> Result<Loaded> {
    if ![1, 3].contains(&shape.channels) || shape.bytes() == 0 {
        return Err(Error::Setting {
            name: "image shape",
            value: shape.to_string(),
            expected: "1 (grey) or 3 (colour) channels, at least one row and column".into(),
        });
    }
    let read: Vec<Result<Vec<u8>>> = files.par_iter().map(|path| load_image(path, shape)).collect();
    let mut loaded = Loaded { pixels: Vec::new(), kept: Vec::new(), skipped: Vec::new() };
    for (file, image) in read.into_iter().enumerate() {
        match image {
            Ok(pixels) => {
                loaded.pixels.extend(pixels);
                loaded.kept.push(file);
            }
            // A file that cannot be read at all is no bad image: something is wrong with the disk or the permissions.
            Err(Error::Image { path, reason, .. }) if bad == BadImages::Skip => {
                loaded.skipped.push(SkippedImage { path, reason });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(loaded)
}
