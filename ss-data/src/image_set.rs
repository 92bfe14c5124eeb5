//! Images in memory: bytes in NCHW order, one label each.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The size of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    /// 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageShape {
    /// A shape of `channels` planes of `height` rows and `width` columns.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Bytes of one image: `channels * height * width`.
    pub const fn bytes(self) -> usize {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Mean and standard deviation of one channel, in units of the full range (a byte of 255 is 1.0).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelStatistics {
    /// Mean over all images and pixels.
    pub mean: f64,
    /// Standard deviation over all images and pixels (divisor `n`).
    pub std: f64,
}

/// At least one image of `u8` in NCHW order, each with a label in `0..classes`.
///
/// ```
/// use ss_data::{ImageSet, ImageShape};
///
/// // Two grey images of one row and two columns.
/// let set = ImageSet::new(ImageShape::new(1, 1, 2), 10, vec![0, 255, 7, 8], vec![3, 9])?;
/// assert_eq!(set.image(1), [7, 8]);
/// assert_eq!(set.select(&[1, 1]).labels(), [9, 9]);
/// assert!(set.with_labels(vec![3, 10]).is_err());
/// # Ok::<(), ss_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    shape: ImageShape,
    classes: usize,
    /// Shared by clones and by sets of other labels.
    pixels: Arc<Vec<u8>>,
    labels: Vec<u32>,
}

impl ImageSet {
    /// Images from `pixels` of shape `(labels.len(), channels, height, width)`.
    ///
    /// # Errors
    /// An image shape with a zero, fewer than two classes, no image at all, a number of bytes that is not
    /// `labels.len() * shape.bytes()`, or a label outside `0..classes`.
    pub fn new(shape: ImageShape, classes: usize, pixels: Vec<u8>, labels: Vec<u32>) -> Result<Self> {
        if shape.bytes() == 0 {
            return Err(Error::Setting {
                name: "image shape",
                value: shape.to_string(),
                expected: "at least one channel, row and column".into(),
            });
        }
        check_classes(classes)?;
        if labels.is_empty() {
            return Err(Error::Empty { what: "the set of images".into() });
        }
        let expected = labels.len() * shape.bytes();
        if pixels.len() != expected {
            return Err(Error::LengthMismatch {
                what: format!("pixels of {} images of {shape}", labels.len()),
                expected,
                found: pixels.len(),
            });
        }
        check_labels(&labels, classes)?;
        Ok(Self { shape, classes, pixels: Arc::new(pixels), labels })
    }

    /// Number of images, at least 1.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Always `false`: a set holds at least one image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The shape that all images share.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Number of classes `K >= 2`; labels lie in `0..K`, whether or not each class occurs.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// One label an image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// All bytes, NCHW.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All bytes as clones of this set and sets of other labels share them: who keeps a copy elsewhere can tell by
    /// the address that it is one of these images.
    pub fn shared_pixels(&self) -> &Arc<Vec<u8>> {
        &self.pixels
    }

    /// The bytes of image `i`, CHW.
    ///
    /// # Panics
    /// When `i >= self.len()`, as indexing a slice does.
    pub fn image(&self, i: usize) -> &[u8] {
        let bytes = self.shape.bytes();
        &self.pixels[i * bytes..(i + 1) * bytes]
    }

    /// The images of these indices, in this order; an index may repeat.
    ///
    /// # Panics
    /// When `indices` is empty or an index is not below `self.len()`.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        assert!(!indices.is_empty(), "a set of images holds at least one: `indices` is empty");
        let mut pixels = Vec::with_capacity(indices.len() * self.shape.bytes());
        for &i in indices {
            pixels.extend_from_slice(self.image(i));
        }
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Self { shape: self.shape, classes: self.classes, pixels: Arc::new(pixels), labels }
    }

    /// The same images with other labels, such as noisy ones.
    ///
    /// # Errors
    /// Another number of labels than images, or a label outside `0..classes`.
    pub fn with_labels(self, labels: Vec<u32>) -> Result<Self> {
        if labels.len() != self.len() {
            return Err(Error::LengthMismatch {
                what: "labels".into(),
                expected: self.len(),
                found: labels.len(),
            });
        }
        check_labels(&labels, self.classes)?;
        Ok(Self { labels, ..self })
    }

    /// Number of images of each class, length [`classes`](Self::classes).
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Mean and deviation of each channel: what a trainer normalises with. Exact integer sums, so the order
    /// of the images does not matter.
    pub fn channel_statistics(&self) -> Vec<ChannelStatistics> {
        let plane = self.shape.height * self.shape.width;
        let mut sums = vec![(0_u64, 0_u64); self.shape.channels];
        for (p, pixels) in self.pixels.chunks_exact(plane).enumerate() {
            let (sum, squares) = &mut sums[p % self.shape.channels];
            for &byte in pixels {
                *sum += u64::from(byte);
                *squares += u64::from(byte) * u64::from(byte);
            }
        }
        let n = (self.len() * plane) as f64;
        sums.into_iter()
            .map(|(sum, squares)| {
                let mean = sum as f64 / n;
                let variance = (squares as f64 / n - mean * mean).max(0.0);
                ChannelStatistics { mean: mean / 255.0, std: variance.sqrt() / 255.0 }
            })
            .collect()
    }

    /// # Errors
    /// When fewer than two classes occur among the labels.
    pub(crate) fn check_two_classes(&self, what: &str) -> Result<()> {
        let class = self.labels[0];
        if self.labels.iter().any(|&label| label != class) {
            return Ok(());
        }
        Err(Error::SingleClass { what: what.into(), class, count: self.len() })
    }
}

pub(crate) fn check_classes(classes: usize) -> Result<()> {
    if classes < 2 {
        return Err(Error::Setting {
            name: "classes",
            value: classes.to_string(),
            expected: "at least two".into(),
        });
    }
    Ok(())
}

/// The first class that no label names. All labels are below `classes`.
pub(crate) fn class_without_examples(labels: &[u32], classes: usize) -> Option<usize> {
    let mut seen = vec![false; classes];
    for &label in labels {
        seen[label as usize] = true;
    }
    seen.iter().position(|seen| !seen)
}

pub(crate) fn check_labels(labels: &[u32], classes: usize) -> Result<()> {
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(row) => Err(Error::LabelOutOfRange { row, label: i64::from(labels[row]), classes }),
    }
}
