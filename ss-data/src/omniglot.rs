//! Omniglot (Lake, Salakhutdinov & Tenenbaum 2015): characters of many alphabets, each drawn once by 20 people.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use rayon::prelude::*;
use zip::ZipArchive;

use crate::class_split::of_classes;
use crate::error::{COPY_AGAIN, Error, Result};
use crate::image_decode::decode;
use crate::image_folder::entries;
use crate::image_set::{ImageSet, ImageShape};

/// Drawings by character.
#[derive(Clone, Debug)]
pub struct Characters {
    /// Grey drawings, ink bright; labels are places in `names`.
    pub images: ImageSet,
    /// `alphabet/character`, in order.
    pub names: Vec<String>,
}

/// Loads a part of Omniglot, such as `images_background_small1`: the folder `alphabet/character/*.png`, or the zip archive as it is
/// published. Classes are characters in order of alphabet and name, drawings are in order of name. They are scaled to `side` x
/// `side` grey pixels (triangle filter), and ink, black in the files, becomes bright.
///
/// # Errors
/// A path that is not there, an archive that is damaged, fewer than two characters, a drawing that cannot be decoded (by file),
/// `side` zero.
pub fn load_omniglot(path: &Path, side: usize) -> Result<Characters> {
    if side == 0 {
        let expected = "at least 1 pixel, such as 28".into();
        return Err(Error::Setting { name: "side", value: "0".into(), expected });
    }
    let drawings = if path.is_dir() {
        of_folder(path)?
    } else if path.is_file() {
        of_archive(path)?
    } else {
        return Err(Error::DatasetNotFound {
            dataset: "Omniglot".into(),
            looked_for: "<alphabet>/<character>/*.png, or the zip archive of them".into(),
            searched: path.display().to_string(),
            remedy:
                "give the place of images_background_small1.zip, from the repository brendenlake/omniglot"
                    .into(),
        });
    };
    let mut names: Vec<String> = drawings.iter().map(|drawing| drawing.character.clone()).collect();
    names.dedup();
    let shape = ImageShape::new(1, side, side);
    let read: Vec<Result<Vec<u8>>> = drawings.par_iter().map(|drawing| drawing.read(side as u32)).collect();
    let mut pixels = Vec::with_capacity(drawings.len() * shape.bytes());
    for drawing in read {
        pixels.extend(drawing?);
    }
    let label = |drawing: &Drawing| names.partition_point(|name| *name < drawing.character) as u32;
    let labels = drawings.iter().map(label).collect();
    let images = ImageSet::new(shape, names.len(), pixels, labels).map_err(|error| error.in_file(path))?;
    Ok(Characters { images, names })
}

impl Characters {
    /// The alphabets, in order.
    pub fn alphabets(&self) -> BTreeSet<&str> {
        self.names.iter().map(|name| alphabet(name)).collect()
    }

    /// The characters of all other alphabets.
    ///
    /// # Errors
    /// [`Error::Setting`] where fewer than two characters are left.
    pub fn without_alphabets(&self, alphabets: &BTreeSet<&str>) -> Result<Self> {
        let left: Vec<u32> = (0..self.names.len())
            .filter(|&class| !alphabets.contains(alphabet(&self.names[class])))
            .map(|class| class as u32)
            .collect();
        let names = left.iter().map(|&class| self.names[class as usize].clone()).collect();
        Ok(Self { images: of_classes(&self.images, &left)?, names })
    }
}

fn alphabet(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

/// One file.
struct Drawing {
    /// `alphabet/character`.
    character: String,
    /// For a message.
    path: PathBuf,
    /// Read already, where it comes from an archive.
    bytes: Option<Vec<u8>>,
}

impl Drawing {
    fn read(&self, side: u32) -> Result<Vec<u8>> {
        let bytes = match &self.bytes {
            Some(bytes) => bytes.clone(),
            None => fs::read(&self.path).map_err(|error| Error::io("read", &self.path, error))?,
        };
        let image =
            decode(&bytes).map_err(|reason| Error::Image { path: self.path.clone(), row: 0, reason })?;
        let scaled = image.resize_exact(side, side, FilterType::Triangle).to_luma8();
        Ok(scaled.into_raw().into_iter().map(|byte| 255 - byte).collect())
    }
}

fn of_folder(root: &Path) -> Result<Vec<Drawing>> {
    let folders = |path: &Path| -> Result<Vec<PathBuf>> {
        Ok(entries(path)?.into_iter().filter(|path| path.is_dir()).collect())
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut drawings = Vec::new();
    for alphabet in folders(root)? {
        for character in folders(&alphabet)? {
            for path in entries(&character)?.into_iter().filter(|path| is_drawing(path)) {
                let character = format!("{}/{}", name(&alphabet), name(&character));
                drawings.push(Drawing { character, path, bytes: None });
            }
        }
    }
    Ok(sorted(drawings))
}

fn of_archive(path: &Path) -> Result<Vec<Drawing>> {
    let damaged = |found: String| Error::Corrupt {
        path: path.to_path_buf(),
        expected: "a zip archive of <alphabet>/<character>/*.png".into(),
        found,
        remedy: COPY_AGAIN,
    };
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(error.to_string()))?;
    let mut drawings = Vec::new();
    for member in 0..archive.len() {
        let mut member = archive.by_index(member).map_err(|error| damaged(error.to_string()))?;
        let name = PathBuf::from(&*member.name().map_err(|error| damaged(error.to_string()))?);
        // Archives made on a Mac carry files of its own.
        if !member.is_file() || !is_drawing(&name) || name.starts_with("__MACOSX") {
            continue;
        }
        let parts: Vec<String> =
            name.iter().rev().skip(1).take(2).map(|part| part.to_string_lossy().into_owned()).collect();
        let [character, alphabet] = &parts[..] else {
            return Err(damaged(format!("the member {}", name.display())));
        };
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(|error| damaged(format!("{}: {error}", name.display())))?;
        let character = format!("{alphabet}/{character}");
        drawings.push(Drawing { character, path: path.join(&name), bytes: Some(bytes) });
    }
    Ok(sorted(drawings))
}

fn is_drawing(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

fn sorted(mut drawings: Vec<Drawing>) -> Vec<Drawing> {
    drawings.sort_by(|a, b| (&a.character, &a.path).cmp(&(&b.character, &b.path)));
    drawings
}
