//! Datasets as image folders: one PNG file an image.

use std::fs;
use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;

use crate::atomic::AtomicFolder;
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
    if names.len() != classes || !names.is_sorted_by(|a, b| a < b) {
        return Err(Error::Setting {
            name: "class names",
            value: names.join(", "),
            expected: format!("{classes} in alphabetical order, each once"),
        });
    }
    let parent = dir.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, error))?;
    let folder = AtomicFolder::create(dir)?;
    write_part(&folder.place().join("train"), &dataset.train, names, train)?;
    if let Some(images) = dataset.test.as_ref().filter(|_| test > 0) {
        write_part(&folder.place().join("val"), images, names, test)?;
    }
    folder.commit()
}

fn write_part(dir: &Path, images: &ImageSet, names: &[&str], count: usize) -> Result<()> {
    if count > images.len() {
        return Err(Error::Setting {
            name: "images to write",
            value: count.to_string(),
            expected: format!("at most the {} that there are", images.len()),
        });
    }
    for folder in std::iter::once(dir.to_owned()).chain(names.iter().map(|name| dir.join(name))) {
        fs::create_dir(&folder).map_err(|error| Error::io("create", &folder, error))?;
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
