//! Image folders in the ImageNet layout: `train/<class>/*`, and `val/<class>/*` or `test/<class>/*`.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::image_decode::{decode, write_planes};
use crate::image_set::{ImageSet, ImageShape};

pub(crate) const EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "png", "pgm", "ppm", "pbm", "pnm"];

/// Loads a folder of classes as colour images of `side` x `side` pixels.
///
/// Classes are the subfolders of `train` in order of name, and so are the images within a class. Images are
/// scaled (triangle filter) until they cover the square, then cropped about the centre. Test images come from
/// `test`, else from `val`; their class folders must be among those of `train`. With neither, `test` is
/// `None`. Hidden files and files that are not images by extension are passed over.
///
/// # Errors
/// No `train` folder, fewer than two classes, a class without images, an image that cannot be decoded (by
/// file), a test class unknown in training, `side` zero.
pub fn load_image_folder(dir: &Path, side: usize) -> Result<Dataset> {
    let folders = ClassFolders::list(dir)?;
    let load = |part: &Part| load_part(part, folders.classes.len(), side);
    let train = load(&folders.train)?;
    let test = folders.test.as_ref().map(load).transpose()?;
    Ok(Dataset { name: folders.name, train, test })
}

/// The class folders of a dataset and the images in them, none of which has been looked at.
#[derive(Debug)]
pub(crate) struct ClassFolders {
    /// What the folder of the dataset is called.
    pub(crate) name: String,
    /// At least two, in order of name.
    pub(crate) classes: Vec<String>,
    pub(crate) train: Part,
    pub(crate) test: Option<Part>,
}

/// One part of a dataset: the images of every class folder in order of name, each with its class.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) dir: PathBuf,
    pub(crate) files: Vec<(PathBuf, u32)>,
}

impl ClassFolders {
    /// Lists `train` and, where there is one, `test` or else `val`.
    pub(crate) fn list(dir: &Path) -> Result<Self> {
        let train_dir = dir.join("train");
        if !train_dir.is_dir() {
            return Err(Error::DatasetNotFound {
                dataset: "image folder".into(),
                looked_for: "train/<class>/*.{jpg,png}".into(),
                searched: dir.display().to_string(),
                remedy: "put the images of each class into a folder of its own below train".into(),
            });
        }
        let classes: Vec<String> = entries(&train_dir)?
            .into_iter()
            .filter(|path| path.is_dir())
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        if classes.len() < 2 {
            return Err(Error::Setting {
                name: "number of class folders",
                value: classes.len().to_string(),
                expected: "at least two".into(),
            }
            .in_file(&train_dir));
        }
        let test_dir = ["test", "val"].iter().map(|name| dir.join(name)).find(|path| path.is_dir());
        let train = Part::list(train_dir, &classes)?;
        let test = test_dir.map(|dir| Part::list(dir, &classes)).transpose()?;
        let name =
            dir.file_name().map_or_else(|| "images".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, classes, train, test })
    }
}

impl Part {
    fn list(dir: PathBuf, classes: &[String]) -> Result<Self> {
        let mut files: Vec<(PathBuf, u32)> = Vec::new();
        for folder in entries(&dir)?.into_iter().filter(|path| path.is_dir()) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let label = classes.iter().position(|class| *class == name).ok_or_else(|| Error::Corrupt {
                path: folder.clone(),
                expected: "the name of a class folder of train".into(),
                found: format!("`{name}`"),
                remedy: "rename the folder or remove it",
            })?;
            let images: Vec<PathBuf> = entries(&folder)?.into_iter().filter(|path| is_image(path)).collect();
            if images.is_empty() {
                let what = format!("the class folder (files *.{})", EXTENSIONS.join(", *."));
                return Err(Error::Empty { what }.in_file(&folder));
            }
            files.extend(images.into_iter().map(|path| (path, label as u32)));
        }
        Ok(Self { dir, files })
    }
}

fn load_part(part: &Part, classes: usize, side: usize) -> Result<ImageSet> {
    let shape = ImageShape::new(3, side, side);
    let decoded: Vec<Result<Vec<u8>>> =
        part.files.par_iter().map(|(path, _)| load_image(path, shape)).collect();
    let mut pixels = Vec::with_capacity(part.files.len() * shape.bytes());
    for image in decoded {
        pixels.extend(image?);
    }
    let labels = part.files.iter().map(|&(_, label)| label).collect();
    ImageSet::new(shape, classes, pixels, labels).map_err(|error| error.in_file(&part.dir))
}

pub(crate) fn load_image(path: &Path, shape: ImageShape) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let refuse = |reason| Error::Image { path: path.to_path_buf(), row: 0, reason };
    let image = decode(&bytes).map_err(refuse)?;
    let fitted = image.resize_to_fill(shape.width as u32, shape.height as u32, FilterType::Triangle);
    let mut pixels = vec![0; shape.bytes()];
    write_planes(&fitted, shape, &mut pixels).map_err(refuse)?;
    Ok(pixels)
}

pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    path.is_file() && EXTENSIONS.contains(&extension.as_str())
}

/// Visible entries of a folder in order of name.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = |error| Error::io("list", folder, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(list)? {
        let entry = entry.map_err(list)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
