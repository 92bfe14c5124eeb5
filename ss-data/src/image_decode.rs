//! From encoded images (PNG, JPEG, PNM) to planar bytes.

use image::DynamicImage;

use crate::image_set::ImageShape;

/// Decodes an image of any supported format.
pub(crate) fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    image::load_from_memory(bytes).map_err(|error| format!("cannot be decoded ({error})"))
}

/// Writes an image as planes into `out` of length `shape.bytes()`: grey for one channel, otherwise red,
/// green, blue.
pub(crate) fn write_planes(image: &DynamicImage, shape: ImageShape, out: &mut [u8]) -> Result<(), String> {
    if (image.height() as usize, image.width() as usize) != (shape.height, shape.width) {
        return Err(format!(
            "expected {}x{} pixels, found {}x{}",
            shape.height,
            shape.width,
            image.height(),
            image.width()
        ));
    }
    if shape.channels == 1 {
        out.copy_from_slice(image.to_luma8().as_raw());
    } else {
        let plane = shape.height * shape.width;
        for (i, pixel) in image.to_rgb8().as_raw().chunks_exact(3).enumerate() {
            for (channel, &byte) in pixel.iter().enumerate() {
                out[channel * plane + i] = byte;
            }
        }
    }
    Ok(())
}
