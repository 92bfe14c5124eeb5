//! The images that a sampler draws least and most, small enough to keep.

use std::cmp::Ordering;
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ExtendedColorType, ImageFormat};
use serde::{Deserialize, Serialize};
use ss_data::{ImageSet, ImageShape};

use crate::{Error, Experiment, Result};

/// Images of each kind.
const SHOWN: usize = 24;

/// The images that are drawn least and most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Extremes {
    /// Least drawn first.
    pub(super) least: Vec<Thumbnail>,
    /// Most drawn first.
    pub(super) most: Vec<Thumbnail>,
}

/// One training image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Thumbnail {
    /// Its row in the source.
    pub(super) id: u64,
    /// What its label says.
    pub(super) label: String,
    /// What it really shows, where that is known to be something else.
    pub(super) truth: Option<String>,
    /// Draws relative to uniform sampling, `p n`.
    pub(super) relative: f64,
    width: u32,
    height: u32,
    /// The image, PNG in Base64.
    png: String,
}

impl Extremes {
    /// The images with the smallest and the largest `relative`, `[n]`; `names` are those of the classes.
    pub(super) fn new(experiment: &Experiment, relative: &[f64], names: &[&str]) -> Result<Self> {
        let thumbnails = |order: fn(&f64, &f64) -> Ordering| {
            let chosen = extreme(relative, SHOWN.min(relative.len() / 2), order);
            chosen
                .into_iter()
                .map(|i| Thumbnail::new(experiment, i, relative[i], names))
                .collect::<Result<Vec<_>>>()
        };
        Ok(Self { least: thumbnails(f64::total_cmp)?, most: thumbnails(|a, b| b.total_cmp(a))? })
    }
}

impl Thumbnail {
    fn new(experiment: &Experiment, i: usize, relative: f64, names: &[&str]) -> Result<Self> {
        let name =
            |label: u32| names.get(label as usize).map_or_else(|| label.to_string(), |&n| n.to_owned());
        let images: &ImageSet = experiment.train_images()?.images();
        let ImageShape { height, width, .. } = images.shape();
        Ok(Self {
            id: experiment.train_ids[i],
            label: name(images.labels()[i]),
            truth: experiment.wrong[i].then(|| name(experiment.true_labels[i])),
            relative: (relative * 1e4).round() / 1e4,
            width: width as u32,
            height: height as u32,
            png: png(images.image(i), images.shape())?,
        })
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The image as an address that holds it. Nothing but Base64 gets into it, whatever a file said.
    pub(super) fn data_uri(&self) -> String {
        let harmless = |c: &char| c.is_ascii_alphanumeric() || "+/=".contains(*c);
        format!("data:image/png;base64,{}", self.png.chars().filter(harmless).collect::<String>())
    }

    /// What a reader who cannot see the image is told.
    pub(super) fn description(&self) -> String {
        let truth = self.truth.as_ref().map_or_else(String::new, |truth| format!(", really {truth}"));
        format!(
            "Image {}, labelled {}{truth}, drawn {:.2} times as often as uniformly",
            self.id, self.label, self.relative
        )
    }
}

/// The indices of the `count` first values in this order. Of the values that are equal to the last of them, those
/// at even steps, so that the images shown are not all from the beginning of the data.
fn extreme(values: &[f64], count: usize, order: fn(&f64, &f64) -> Ordering) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..values.len()).collect();
    sorted.sort_by(|&a, &b| order(&values[a], &values[b]));
    let Some(&last) = count.checked_sub(1).and_then(|last| sorted.get(last)) else { return Vec::new() };
    let differs = |&i: &usize| values[i] != values[last];
    let (before, rest) = sorted.split_at(sorted.iter().take_while(|i| differs(i)).count());
    let tied = rest.iter().take_while(|i| !differs(i)).count();
    let wanted = count - before.len();
    before.iter().copied().chain((0..wanted).map(|k| rest[k * tied / wanted])).collect()
}

/// One image of bytes in CHW order as PNG in Base64; with other than three channels, its first in grey.
fn png(pixels: &[u8], shape: ImageShape) -> Result<String> {
    let plane = shape.height * shape.width;
    let (bytes, colour): (Vec<u8>, _) = match shape.channels {
        3 => (
            (0..plane).flat_map(|i| [0, 1, 2].map(|c| pixels[c * plane + i])).collect(),
            ExtendedColorType::Rgb8,
        ),
        _ => (pixels[..plane].to_vec(), ExtendedColorType::L8),
    };
    let mut out = Cursor::new(Vec::new());
    let (width, height) = (shape.width as u32, shape.height as u32);
    image::write_buffer_with_format(&mut out, &bytes, width, height, colour, ImageFormat::Png)
        .map_err(|reason| Error::Picture { reason: reason.to_string() })?;
    Ok(STANDARD.encode(out.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_spread_over_the_data() {
        let mut values = vec![0.0; 100];
        values[7] = -1.0;
        assert_eq!(extreme(&values, 4, f64::total_cmp), [7, 0, 34, 67]);
        assert_eq!(extreme(&values, 0, f64::total_cmp), [0; 0]);
        assert_eq!(extreme(&[3.0, 1.0, 2.0], 2, |a, b| b.total_cmp(a)), [0, 2]);
        assert_eq!(extreme(&[1.0; 3], 3, f64::total_cmp), [0, 1, 2]);
    }

    #[test]
    fn pixels_survive_the_png() {
        let back = |pixels: &[u8], shape| {
            let bytes = STANDARD.decode(png(pixels, shape).unwrap()).unwrap();
            image::load_from_memory(&bytes).unwrap()
        };
        let grey = back(&[1, 2, 3, 4, 5, 6], ImageShape::new(1, 2, 3)).into_luma8();
        assert_eq!((grey.dimensions(), grey.get_pixel(2, 1).0), ((3, 2), [6]));
        let colour = back(&[10, 11, 20, 21, 30, 31], ImageShape::new(3, 1, 2)).into_rgb8();
        assert_eq!((colour.get_pixel(0, 0).0, colour.get_pixel(1, 0).0), ([10, 20, 30], [11, 21, 31]));
    }

    #[test]
    fn a_hostile_file_cannot_leave_the_address() {
        let thumbnail = Thumbnail {
            id: 1,
            label: "cat".into(),
            truth: Some("dog".into()),
            relative: 0.25,
            width: 1,
            height: 1,
            png: "AA\"/onerror=x><b>".into(),
        };
        assert_eq!(thumbnail.data_uri(), "data:image/png;base64,AA/onerror=xb");
        assert!(thumbnail.description().contains("labelled cat, really dog, drawn 0.25 times"));
    }
}
