//! Labelled images that stay on disk and are decoded when they are asked for.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use image::ImageReader;
use rayon::prelude::*;

use crate::decoded_image::DecodedImage;
use crate::error::{Error, Result};
use crate::fnv::Fnv;
use crate::image_decode::decode;
use crate::image_set::check_labels;

/// What is read of a file to learn the size of its image; where the header is longer, the whole file is.
const HEADER: u64 = 1 << 16;

/// Images in files, at least one, each with a label. Decoded images are kept in memory as far as a limit allows; what is not
/// kept is decoded again. Clones and [selections](Self::select) share them.
#[derive(Clone, Debug)]
pub struct ImageFiles {
    source: Arc<Source>,
    /// Which files of the source.
    rows: Vec<usize>,
    labels: Vec<u32>,
}

#[derive(Debug)]
struct Source {
    /// Names of the classes.
    classes: Vec<String>,
    files: Vec<ImageFile>,
    /// One a file.
    kept: Vec<OnceLock<Arc<DecodedImage>>>,
    /// Bytes that images may still be kept in.
    room: AtomicU64,
}

/// A file whose header has been read.
#[derive(Clone, Debug)]
pub(crate) struct ImageFile {
    path: PathBuf,
    label: u32,
    width: u32,
    height: u32,
    bytes: u64,
}

impl ImageFile {
    /// Reads the size of the image at `path` from its header. With `whole`, the image is decoded too, to find out whether that
    /// works.
    ///
    /// # Errors
    /// A file that cannot be read; the reason why it is no image.
    pub(crate) fn check(path: &Path, label: u32, whole: bool) -> Result<std::result::Result<Self, String>> {
        let io = |error| Error::io("read", path, error);
        let mut file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let mut content = Vec::new();
        let limit = if whole { u64::MAX } else { HEADER };
        file.by_ref().take(limit).read_to_end(&mut content).map_err(io)?;
        let size = if whole {
            decode(&content).map(|image| (image.width(), image.height()))
        } else {
            let size = dimensions(&content);
            if size.is_err() && bytes > HEADER {
                file.read_to_end(&mut content).map_err(io)?;
                dimensions(&content)
            } else {
                size
            }
        };
        Ok(size.map(|(width, height)| Self { path: path.to_path_buf(), label, width, height, bytes }))
    }
}

fn dimensions(content: &[u8]) -> std::result::Result<(u32, u32), String> {
    let refuse = |error: &dyn std::fmt::Display| format!("cannot be decoded ({error})");
    let reader = ImageReader::new(Cursor::new(content)).with_guessed_format();
    reader.map_err(|error| refuse(&error))?.into_dimensions().map_err(|error| refuse(&error))
}

impl ImageFiles {
    /// These files, of which decoded images may fill `memory` bytes.
    pub(crate) fn new(classes: Vec<String>, files: Vec<ImageFile>, memory: u64) -> Self {
        let labels = files.iter().map(|file| file.label).collect();
        let kept = files.iter().map(|_| OnceLock::new()).collect();
        let rows = (0..files.len()).collect();
        let source = Arc::new(Source { classes, files, kept, room: AtomicU64::new(memory) });
        Self { source, rows, labels }
    }

    /// Number of images, at least 1.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Always `false`.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of classes, at least 2; labels are below it.
    pub fn classes(&self) -> usize {
        self.source.classes.len()
    }

    /// What the classes are called, in the order of the labels.
    pub fn class_names(&self) -> &[String] {
        &self.source.classes
    }

    /// One label an image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Where image `i` is.
    ///
    /// # Panics
    /// When `i >= self.len()`; so the others.
    pub fn path(&self, i: usize) -> &Path {
        &self.file(i).path
    }

    /// Width and height of image `i`, in pixels.
    pub fn size(&self, i: usize) -> (u32, u32) {
        let file = self.file(i);
        (file.width, file.height)
    }

    /// Image `i`.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, or that is no longer of the size that it had.
    pub fn decode(&self, i: usize) -> Result<Arc<DecodedImage>> {
        let (kept, file) = (&self.source.kept[self.rows[i]], self.file(i));
        if let Some(image) = kept.get() {
            return Ok(image.clone());
        }
        let bytes = fs::read(&file.path).map_err(|error| Error::io("read", &file.path, error))?;
        let refuse = |reason| Error::Image { path: file.path.clone(), row: 0, reason };
        let image = Arc::new(DecodedImage::new(decode(&bytes).map_err(refuse)?.into_rgb8()));
        let (expected, found) = ((file.width, file.height), (image.width(), image.height()));
        if expected != found {
            let reason = format!("was {expected:?} pixels wide and high when it was listed, now {found:?}");
            return Err(refuse(reason));
        }
        let size = image.rgb().len() as u64;
        let take = |room: u64| room.checked_sub(size);
        if self.source.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
            && kept.set(image.clone()).is_err()
        {
            // Another thread was faster.
            self.source.room.fetch_add(size, Ordering::Relaxed);
        }
        Ok(image)
    }

    /// The images of these indices, in this order; an index may repeat.
    ///
    /// # Panics
    /// When `indices` is empty or an index is not below `self.len()`.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        assert!(!indices.is_empty(), "a set of images holds at least one: `indices` is empty");
        let rows = indices.iter().map(|&i| self.rows[i]).collect();
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Self { source: self.source.clone(), rows, labels }
    }

    /// The same images with other labels, such as noisy ones.
    ///
    /// # Errors
    /// Another number of labels than images, or a label that names no class.
    pub fn with_labels(self, labels: Vec<u32>) -> Result<Self> {
        if labels.len() != self.len() {
            return Err(Error::LengthMismatch {
                what: "labels".into(),
                expected: self.len(),
                found: labels.len(),
            });
        }
        check_labels(&labels, self.classes())?;
        Ok(Self { labels, ..self })
    }

    /// A digest of what can be told without decoding: names and labels, and the sizes of files and images.
    pub fn digest(&self) -> u64 {
        let mut digest = Fnv::new();
        for (i, label) in self.labels.iter().enumerate() {
            let file = self.file(i);
            digest.add(file.path.file_name().unwrap_or_default().as_encoded_bytes().iter().copied());
            digest.add(label.to_le_bytes());
            digest.add(file.bytes.to_le_bytes());
            digest.add([file.width, file.height].into_iter().flat_map(u32::to_le_bytes));
        }
        digest.value()
    }

    fn file(&self, i: usize) -> &ImageFile {
        &self.source.files[self.rows[i]]
    }
}

/// Reads the headers of `files` in parallel, in their order.
pub(crate) fn check_all(
    files: &[(PathBuf, u32)],
    whole: bool,
) -> Vec<Result<std::result::Result<ImageFile, String>>> {
    files.par_iter().map(|(path, label)| ImageFile::check(path, *label, whole)).collect()
}
