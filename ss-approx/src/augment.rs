//! Random crops and flips.
//!
//! The choice for one draw is a function of (seed, epoch, example, copy), not of the draw's place in the
//! epoch: the same example is cropped the same way under every sampler (common random numbers).

use serde::{Deserialize, Serialize};
use ss_data::ImageShape;
use ss_seed::Stream;

/// Which random changes are made to a training image. The default makes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augmentation {
    /// Pad by this many pixels (with the mean image value, zero after normalisation) and crop back to the
    /// original size at a random place.
    pub crop_padding: usize,
    /// Mirror left and right with probability one half.
    pub flip: bool,
}

/// One image's random choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Rows by which the window is moved down, in `-padding..=padding`.
    pub down: isize,
    /// Columns by which the window is moved right.
    pub right: isize,
    /// Whether the image is mirrored.
    pub flip: bool,
}

impl Augmentation {
    /// The choice for copy `copy` of example `example`; `stream` is that of the epoch.
    pub fn place(&self, stream: Stream, example: u64, copy: u64) -> Placement {
        let bits = stream.index(example).index(copy).hash();
        let span = 2 * self.crop_padding as u64 + 1;
        let shift = |bits: u64| (((bits & 0xffff_ffff) * span) >> 32) as isize - self.crop_padding as isize;
        Placement { down: shift(bits), right: shift(bits >> 31), flip: self.flip && bits >> 63 == 1 }
    }
}

/// Writes the normalised, augmented image to `out`: `(pixel - mean_c) * inv_std_c`, zero outside the image.
/// `image` and `out` are `[channels, height, width]`.
pub fn write_image(
    image: &[u8],
    shape: ImageShape,
    mean: &[f32],
    inv_std: &[f32],
    placement: Placement,
    out: &mut [f32],
) {
    let ImageShape { channels, height, width } = shape;
    for c in 0..channels {
        let (scale, offset) = (inv_std[c], -mean[c] * inv_std[c]);
        for y in 0..height {
            let row = &mut out[(c * height + y) * width..][..width];
            let source_y = y as isize + placement.down;
            if source_y < 0 || source_y >= height as isize {
                row.fill(0.0);
                continue;
            }
            let source = &image[(c * height + source_y as usize) * width..][..width];
            let first = (-placement.right).clamp(0, width as isize) as usize;
            let last = (width as isize - placement.right).clamp(0, width as isize) as usize;
            row[..first].fill(0.0);
            row[last..].fill(0.0);
            if first < last {
                let start = (first as isize + placement.right) as usize;
                for (value, &pixel) in row[first..last].iter_mut().zip(&source[start..]) {
                    *value = f32::from(pixel) * scale + offset;
                }
            }
            if placement.flip {
                row.reverse();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ss_seed::Seed;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 2, width: 3 };

    fn written(placement: Placement) -> Vec<f32> {
        let mut out = vec![f32::NAN; 6];
        write_image(&[1, 2, 3, 4, 5, 6], SHAPE, &[0.0], &[1.0], placement, &mut out);
        out
    }

    #[test]
    fn shifts_pad_with_zero_and_flips_mirror() {
        let none = Placement { down: 0, right: 0, flip: false };
        assert_eq!(written(none), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(written(Placement { right: 1, ..none }), [2., 3., 0., 5., 6., 0.]);
        assert_eq!(written(Placement { right: -2, ..none }), [0., 0., 1., 0., 0., 4.]);
        assert_eq!(written(Placement { down: 1, ..none }), [4., 5., 6., 0., 0., 0.]);
        assert_eq!(written(Placement { down: -1, flip: true, ..none }), [0., 0., 0., 3., 2., 1.]);
        assert_eq!(written(Placement { right: 9, ..none }), [0.; 6]);
    }

    #[test]
    fn placements_cover_the_window_evenly() {
        let augmentation = Augmentation { crop_padding: 2, flip: true };
        let stream = Seed::new(0).stream("augment");
        let mut counts = std::collections::BTreeMap::new();
        let n = 50_000;
        for i in 0..n {
            let p = augmentation.place(stream, i, 0);
            *counts.entry((p.down, p.right, p.flip)).or_insert(0_u32) += 1;
        }
        // 50 equally likely cells: chi-square with 49 degrees of freedom, 99.99% quantile 97.
        let expected = n as f64 / 50.0;
        assert_eq!(counts.len(), 50);
        let chi2: f64 = counts.values().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum();
        assert!(chi2 < 97.0, "chi-square {chi2}");
        assert_eq!(Augmentation::default().place(stream, 1, 0), Placement { down: 0, right: 0, flip: false });
    }
}
