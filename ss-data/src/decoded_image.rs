//! One decoded colour image, and the parts of it that a network is shown.

use std::io::Cursor;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
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
        let scaled = || -> Result<RgbImage, Box<dyn std::error::Error>> {
            let whole = ImageRef::new(self.width(), self.height(), self.rgb(), PixelType::U8x3)?;
            let part = CroppedImage::new(&whole, area.left, area.top, area.width, area.height)?;
            let mut out = Image::new(width, height, PixelType::U8x3);
            let bilinear = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
            Resizer::new().resize(&part, &mut out, &bilinear)?;
            RgbImage::from_raw(width, height, out.into_vec()).ok_or_else(|| "too few bytes".into())
        };
        Self(
            scaled()
                .unwrap_or_else(|error| panic!("{area:?} of an image of {:?}: {error}", self.0.dimensions())),
        )
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
