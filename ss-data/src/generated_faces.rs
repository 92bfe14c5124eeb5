//! Images by person that are made up, for tests and demonstrations: nothing to download, and persons can be told apart.

use ss_seed::Seed;

use crate::error::{Error, Result};
use crate::image_set::{ImageSet, ImageShape};

/// Rows and columns of an image.
const SIDE: usize = 16;
/// Pixels between the points that a person's pattern is fixed at.
const SPACING: f64 = 5.0;
/// Points in a row; the outer ones lie beyond the image, so that it can be shifted.
const POINTS: usize = 6;

/// `images_each` grey images of 16x16 pixels of each of `people`, in order of person. A person is a smooth pattern, random heights on a coarse
/// grid joined bilinearly; an image of it is shifted by up to 1.5 pixels, brighter or darker, of more or less contrast,
/// and has noise on every pixel. People and images follow from `seed`; a person is the same whatever the numbers of both.
///
/// # Errors
/// [`Error::Setting`] for fewer than two people, [`Error::Empty`] for no image.
///
/// ```
/// use ss_data::generated_faces;
/// use ss_seed::Seed;
///
/// let faces = generated_faces::generate(20, 6, Seed::new(0))?;
/// assert_eq!((faces.len(), faces.classes(), faces.labels()[6]), (120, 20, 1));
/// # Ok::<(), ss_data::Error>(())
/// ```
pub fn generate(people: usize, images_each: usize, seed: Seed) -> Result<ImageSet> {
    if images_each == 0 {
        return Err(Error::Empty { what: "the set of images of each person".into() });
    }
    let stream = seed.stream("generated-faces");
    let shape = ImageShape::new(1, SIDE, SIDE);
    let mut pixels = Vec::with_capacity(people * images_each * shape.bytes());
    let mut labels = Vec::with_capacity(people * images_each);
    for person in 0..people as u64 {
        let heights = |row: usize, column: usize| {
            stream.index(0).index(person).index((row * POINTS + column) as u64).unit()
        };
        for image in 0..images_each as u64 {
            let chances = stream.index(1).index(person).index(image);
            let between = |which: u64, low: f64, high: f64| low + (high - low) * chances.index(which).unit();
            let (down, right) = (between(0, -1.5, 1.5), between(1, -1.5, 1.5));
            let (brightness, contrast) = (between(2, -20.0, 20.0), between(3, 130.0, 190.0));
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let height = bilinear(heights, y as f64 + down, x as f64 + right);
                    let noise = between(4 + (y * SIDE + x) as u64, -25.0, 25.0);
                    let value = 128.0 + contrast * (height - 0.5) + brightness + noise;
                    pixels.push(value.round().clamp(0.0, 255.0) as u8);
                }
            }
            labels.push(person as u32);
        }
    }
    ImageSet::new(shape, people, pixels, labels)
}

/// The height at a place of the image, between the four points around it.
fn bilinear(heights: impl Fn(usize, usize) -> f64, y: f64, x: f64) -> f64 {
    // Point 0 is at pixel -3 and the last at pixel 22.
    let (y, x) = ((y + 3.0) / SPACING, (x + 3.0) / SPACING);
    let (row, column) = (y as usize, x as usize);
    let (down, right) = (y - row as f64, x - column as f64);
    let top = (1.0 - right) * heights(row, column) + right * heights(row, column + 1);
    let bottom = (1.0 - right) * heights(row + 1, column) + right * heights(row + 1, column + 1);
    (1.0 - down) * top + down * bottom
}
