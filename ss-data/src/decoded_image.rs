//! One decoded colour image, and the parts of it that a network is shown.

use std::io::Cursor;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{GenericImageView, ImageFormat, RgbImage};

/// A rectangle of whole pixels in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelBox {
    /// Columns to the left of it.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

/// A colour image of any size, one byte a channel. Orientation tags of cameras are not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedImage(RgbImage);

type Scaled = Result<RgbImage, Box<dyn std::error::Error>>;

/// A triangle filter that widens as it scales down.
fn bilinear() -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
}

fn scaled_by(options: &ResizeOptions, image: &impl IntoImageView, width: u32, height: u32) -> Scaled {
    let mut out = Image::new(width, height, PixelType::U8x3);
    Resizer::new().resize(image, &mut out, options)?;
    RgbImage::from_raw(width, height, out.into_vec()).ok_or_else(|| "too few bytes".into())
}

impl DecodedImage {
    pub(crate) fn new(image: RgbImage) -> Self {
        Self(image)
    }

    /// Columns of pixels.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Rows of pixels.
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// Red, green and blue of every pixel, row by row: `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        self.0.as_raw()
    }

    /// The part of this image in `area` scaled to `width` x `height` pixels, at least 1 each, by a triangle filter that widens as it
    /// scales down (bilinear with anti-aliasing). Pixels outside of `area` have no influence, as where one crops first
    /// (torchvision's `resized_crop`).
    ///
    /// # Panics
    /// When `area` is not within the image.
    #[must_use]
    pub fn resized(&self, area: PixelBox, width: u32, height: u32) -> Self {
        let scaled = || -> Scaled {
            let whole = self.pixels()?;
            let part = CroppedImage::new(&whole, area.left, area.top, area.width, area.height)?;
            scaled_by(&bilinear(), &part, width, height)
        };
        Self(
            scaled()
                .unwrap_or_else(|error| panic!("{area:?} of an image of {:?}: {error}", self.0.dimensions())),
        )
    }

    /// What is in `area` once this image is scaled to `width` x `height` pixels, without the rest: as [`resized`](Self::resized) of
    /// [`whole`](Self::whole) and then [`cropped`](Self::cropped), but that a byte may round to its neighbour.
    ///
    /// # Panics
    /// When `area` is not within the scaled image.
    #[must_use]
    pub fn resized_part(&self, width: u32, height: u32, area: PixelBox) -> Self {
        let PixelBox { left, top, width: columns, height: rows } = area;
        let within =
            |first: u32, count: u32, all: u32| first.checked_add(count).is_some_and(|end| end <= all);
        assert!(within(left, columns, width) && within(top, rows, height), "{area:?} of {width} x {height}");
        // First and number of the pixels of this image, in fractions, that `count` scaled ones come from.
        let source = |first: u32, count: u32, scaled: u32, own: u32| {
            let step = f64::from(own) / f64::from(scaled);
            let first = f64::from(first) * step;
            // The sum of both may round to more than there is.
            (first, (f64::from(count) * step).min(f64::from(own) - first))
        };
        let (x, across) = source(left, columns, width, self.width());
        let (y, down) = source(top, rows, height, self.height());
        let scaled =
            || -> Scaled { scaled_by(&bilinear().crop(x, y, across, down), &self.pixels()?, columns, rows) };
        Self(scaled().unwrap_or_else(|error| {
            panic!("{area:?} of {width} x {height} of an image of {:?}: {error}", self.0.dimensions())
        }))
    }

    fn pixels(&self) -> Result<ImageRef<'_>, fast_image_resize::ImageBufferError> {
        ImageRef::new(self.width(), self.height(), self.rgb(), PixelType::U8x3)
    }

    /// The part of this image in `area`.
    ///
    /// # Panics
    /// When `area` is not within the image.
    #[must_use]
    pub fn cropped(&self, area: PixelBox) -> Self {
        Self(self.0.view(area.left, area.top, area.width, area.height).to_image())
    }

    /// All of this image.
    pub fn whole(&self) -> PixelBox {
        PixelBox { left: 0, top: 0, width: self.width(), height: self.height() }
    }

    /// This image as a PNG file; the reason where that fails.
    pub fn to_png(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Cursor::new(Vec::new());
        self.0.write_to(&mut bytes, ImageFormat::Png).map_err(|error| error.to_string())?;
        Ok(bytes.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A picture without symmetry.
    fn picture(width: u32, height: u32) -> DecodedImage {
        let byte = |x: u32, y: u32, c: u32| ((x * 29 + y * 43 + c * 71 + x * y * 13) % 251) as u8;
        DecodedImage(RgbImage::from_fn(width, height, |x, y| image::Rgb([0, 1, 2].map(|c| byte(x, y, c)))))
    }

    proptest! {
        #[test]
        fn a_part_of_the_scaled_image_is_that_of_the_whole(
            (width, height) in (1_u32..60, 1_u32..60),
            (columns, rows) in (1_u32..90, 1_u32..90),
            shares in prop::array::uniform4(0.0..1.0_f64),
        ) {
            let image = picture(width, height);
            let size = |share: f64, all: u32| 1 + (share * f64::from(all - 1)) as u32;
            let (w, h) = (size(shares[0], columns), size(shares[1], rows));
            let place = |share: f64, room: u32| (share * f64::from(room + 1)) as u32;
            let area = PixelBox {
                left: place(shares[2], columns - w), top: place(shares[3], rows - h), width: w, height: h,
            };
            let whole = image.resized(image.whole(), columns, rows).cropped(area);
            let part = image.resized_part(columns, rows, area);
            prop_assert_eq!((part.width(), part.height()), (w, h));
            let farthest = whole.rgb().iter().zip(part.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
            prop_assert!(farthest <= Some(1), "{farthest:?}");
        }
    }

    #[test]
    #[should_panic(expected = "of 8 x 4")]
    fn a_part_beyond_the_scaled_image_is_refused() {
        let area = PixelBox { left: 5, top: 0, width: 4, height: 4 };
        let _ = picture(3, 3).resized_part(8, 4, area);
    }
}
