//! UCI optical recognition of handwritten digits, embedded through the crate `smartcore`.
//!
//! The 1,797 images of the UCI *test* file (E. Alpaydin and C. Kaynak, 1998), the same rows in the same order
//! as scikit-learn's `load_digits`: 8x8 counts of dark pixels from 0 to 16, labels 0 to 9.

use crate::dataset::{Dataset, DatasetKind};
use crate::error::{Error, Result};
use crate::image_set::{ImageSet, ImageShape};

/// Counts 0..=16 are stored as bytes `15 * count`, 0..=240: exact and linear.
const SCALE: u8 = 15;

/// All 1,797 digits; there is no published split among them, so `test` is `None`.
///
/// # Errors
/// Only if the embedded table does not hold what this crate was tested with.
pub fn load() -> Result<Dataset> {
    let table = smartcore::dataset::digits::load_dataset();
    let shape = ImageShape::new(1, 8, 8);
    let embedded = |column: &str, row: usize, value: f32, expected: &'static str| Error::Value {
        column: format!("embedded digits, {column}"),
        row,
        value: value.to_string(),
        expected,
    };
    let mut pixels = Vec::with_capacity(table.data.len());
    for (i, &count) in table.data.iter().enumerate() {
        if !(0.0..=16.0).contains(&count) || count.fract() != 0.0 {
            return Err(embedded("pixels", i / shape.bytes(), count, "a whole number from 0 to 16"));
        }
        pixels.push(count as u8 * SCALE);
    }
    let mut labels = Vec::with_capacity(table.target.len());
    for (row, &label) in table.target.iter().enumerate() {
        if !(0.0..10.0).contains(&label) || label.fract() != 0.0 {
            return Err(embedded("labels", row, label, "a whole number from 0 to 9"));
        }
        labels.push(label as u32);
    }
    let train = ImageSet::new(shape, 10, pixels, labels)?;
    Ok(Dataset { name: DatasetKind::Digits.to_string(), train, test: None })
}
