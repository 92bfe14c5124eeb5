//! Datasets as image folders: one PNG file an image.

use std::fs;
use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::decoded_image::DecodedImage;
use crate::error::{Error, Result};
use crate::image_set::{ImageSet, ImageShape};

/// Writes the first `train` training images and the first `test` test images of `dataset` as `train/<class>/<row>.png` and
/// `val/<class>/<row>.png`. Grey images become colour images. The folder `dir` comes into being when all is written; where it
/// is there already, nothing is done. Classes are called `names`, whose alphabetical order must be theirs for labels to be kept.
///
/// # Errors
/// A name for each class is missing; more images than there are; what the system says.
pub fn write_image_folder(
    dir: &Path,
    dataset: &Dataset,
    names: &[&str],
    train: usize,
    test: usize,
) -> Result<()> {
    if dir.exists() {
        return Ok(());
    }
    let classes = dataset.train.classes();
    if names.len() != classes || !names.is_sorted() {
        return Err(Error::Setting {
            name: "class names",
            value: names.join(", "),
            expected: format!("{classes} in alphabetical order"),
        });
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |action, path: &Path| {
        let path = path.to_path_buf();
        move |error| Error::Io { action, path, error }
    };
    fs::create_dir_all(parent).map_err(io("create", parent))?;
    let unfinished = tempfile::Builder::new().prefix(".image-folder-").tempdir_in(parent);
    let unfinished = unfinished.map_err(io("create a folder in", parent))?;
    let whole = unfinished.path().join("whole");
    write_part(&whole.join("train"), &dataset.train, names, train)?;
    if let Some(images) = dataset.test.as_ref().filter(|_| test > 0) {
        write_part(&whole.join("val"), images, names, test)?;
    }
    fs::rename(&whole, dir).map_err(io("create", dir))
}

fn write_part(dir: &Path, images: &ImageSet, names: &[&str], count: usize) -> Result<()> {
    if count > images.len() {
        return Err(Error::Setting {
            name: "images to write",
            value: count.to_string(),
            expected: format!("at most the {} that there are", images.len()),
        });
    }
    for name in names {
        let folder = dir.join(name);
        fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    }
    (0..count).into_par_iter().try_for_each(|row| {
        let path = dir.join(names[images.labels()[row] as usize]).join(format!("{row:06}.png"));
        let bytes = colour(images.image(row), images.shape()).to_png().map_err(|reason| Error::Image {
            path: path.clone(),
            row: 0,
            reason,
        })?;
        fs::write(&path, bytes).map_err(|error| Error::io("write", &path, error))
    })
}

/// Planes as pixels; the first plane thrice where there are other than three.
fn colour(planes: &[u8], shape: ImageShape) -> DecodedImage {
    let ImageShape { channels, height, width } = shape;
    let plane = height * width;
    DecodedImage::new(RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        image::Rgb([0, 1, 2].map(|c| planes[if channels == 3 { c * plane + at } else { at }]))
    }))
}
