//! Random resized crops: the augmentation of networks for ImageNet.
//!
//! Szegedy et al., "Going deeper with convolutions" (2015), in the form of torchvision's `RandomResizedCrop`: the share of the
//! image is uniform in a range, the logarithm of width over height is, and a box that does not fit is drawn again, ten times at
//! most.

use ss_data::PixelBox;
use ss_seed::Stream;

use crate::{Error, Result};

/// Boxes drawn before the centre is taken.
const ATTEMPTS: u64 = 10;

/// The boxes that are drawn: at least this share of the image, up to all of it, with sides in a ratio of 3/4 to 4/3.
///
/// ```
/// use ss_approx::RandomResizedCrop;
/// use ss_seed::Seed;
///
/// let crop = RandomResizedCrop::new(0.08)?;
/// let area = crop.place(Seed::new(0).stream("crops").index(7), 500, 375);
/// assert!(area.left + area.width <= 500 && area.top + area.height <= 375);
/// # Ok::<(), ss_approx::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomResizedCrop {
    smallest: f64,
}

impl Default for RandomResizedCrop {
    /// From 8% of the image, as torchvision.
    fn default() -> Self {
        Self { smallest: 0.08 }
    }
}

impl RandomResizedCrop {
    /// The smallest width over height; the largest is its inverse.
    pub const RATIO: f64 = 3.0 / 4.0;

    /// Boxes of `smallest` to all of the image.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a share outside (0, 1].
    pub fn new(smallest: f64) -> Result<Self> {
        if smallest > 0.0 && smallest <= 1.0 {
            return Ok(Self { smallest });
        }
        Err(Error::InvalidSetting {
            setting: "crop scale",
            found: smallest.to_string(),
            expected: "the smallest share of an image, above 0 and at most 1, such as 0.08",
        })
    }

    /// The smallest share of the image.
    pub fn smallest(&self) -> f64 {
        self.smallest
    }

    /// The box in an image of `width` x `height` pixels, at least 1 each, that `stream` gives.
    pub fn place(&self, stream: Stream, width: u32, height: u32) -> PixelBox {
        for attempt in 0..ATTEMPTS {
            let unit = |number| stream.index(4 * attempt + number).unit();
            if let Some((columns, rows)) = self.size(width, height, unit(0), unit(1)) {
                // Every place is equally likely: `unit` is below 1.
                let offset = |room: u32, unit: f64| (unit * (f64::from(room) + 1.0)) as u32;
                return PixelBox {
                    left: offset(width - columns, unit(2)),
                    top: offset(height - rows, unit(3)),
                    width: columns,
                    height: rows,
                };
            }
        }
        central(width, height)
    }

    /// The size of a box from two uniform numbers; `None` where it does not fit.
    fn size(&self, width: u32, height: u32, share: f64, ratio: f64) -> Option<(u32, u32)> {
        let area = f64::from(width) * f64::from(height);
        let target = area * (self.smallest + share * (1.0 - self.smallest));
        let log_ratio = (2.0 * ratio - 1.0) * -Self::RATIO.ln();
        let aspect = log_ratio.exp();
        // Python rounds half to even.
        let columns = (target * aspect).sqrt().round_ties_even();
        let rows = (target / aspect).sqrt().round_ties_even();
        let fits = |side: f64, whole: u32| side >= 1.0 && side <= f64::from(whole);
        (fits(columns, width) && fits(rows, height)).then_some((columns as u32, rows as u32))
    }
}

/// The largest box about the centre whose ratio is within the limits.
fn central(width: u32, height: u32) -> PixelBox {
    let (w, h) = (f64::from(width), f64::from(height));
    let ratio = RandomResizedCrop::RATIO;
    let rounded = |side: f64, whole: u32| (side.round_ties_even() as u32).clamp(1, whole);
    let (columns, rows) = if w / h < ratio {
        (width, rounded(w / ratio, height))
    } else if w / h > 1.0 / ratio {
        (rounded(h / ratio, width), height)
    } else {
        (width, height)
    };
    PixelBox { left: (width - columns) / 2, top: (height - rows) / 2, width: columns, height: rows }
}

/// Where an image of `width` x `height` pixels is looked at in evaluation: scaled so that its shorter side has
/// `side * 256 / 224` pixels (torchvision's `Resize`), and the square of `side` pixels about the centre of that
/// (`CenterCrop`).
pub(crate) fn central_view(side: u32, width: u32, height: u32) -> ((u32, u32), PixelBox) {
    let shorter = (side * 256 + 112) / 224;
    let other = |longer: u32, short: u32| {
        // As torchvision, which cuts off what is not whole; never below the shorter side.
        let scaled = u64::from(shorter) * u64::from(longer) / u64::from(short);
        u32::try_from(scaled).unwrap_or(u32::MAX).max(shorter)
    };
    let (w, h) =
        if width <= height { (shorter, other(height, width)) } else { (other(width, height), shorter) };
    let offset = |room: u32| (f64::from(room) / 2.0).round_ties_even() as u32;
    ((w, h), PixelBox { left: offset(w - side), top: offset(h - side), width: side, height: side })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ss_seed::Seed;

    use super::*;

    proptest! {
        #[test]
        fn boxes_lie_within_the_image_and_the_limits(
            width in 1_u32..700, height in 1_u32..700, smallest in 0.01..=1.0_f64, number in 0_u64..1000
        ) {
            let crop = RandomResizedCrop::new(smallest).unwrap();
            let stream = Seed::new(1).stream("crop").index(number);
            let found = crop.place(stream, width, height);
            prop_assert_eq!(found, crop.place(stream, width, height));
            prop_assert!(found.width >= 1 && found.height >= 1);
            prop_assert!(found.left + found.width <= width && found.top + found.height <= height);
            // Sides are rounded to whole pixels.
            let (w, h) = (f64::from(found.width), f64::from(found.height));
            let ratio = RandomResizedCrop::RATIO;
            prop_assert!((w + 0.5) / (h - 0.5).max(0.5) >= ratio && (w - 0.5) / (h + 0.5) <= 1.0 / ratio, "{found:?}");
            if found != central(width, height) {
                let area = f64::from(width) * f64::from(height);
                prop_assert!((w + 0.5) * (h + 0.5) >= smallest * area && (w - 0.5) * (h - 0.5) <= area);
            }
        }

        #[test]
        fn the_view_of_evaluation_is_square_and_within(side in 1_u32..300, width in 1_u32..900, height in 1_u32..900) {
            let ((w, h), view) = central_view(side, width, height);
            prop_assert!(view.left + side <= w && view.top + side <= h && (view.width, view.height) == (side, side));
            let shorter = (f64::from(side) * 256.0 / 224.0).round() as u32;
            prop_assert_eq!(w.min(h), shorter);
        }
    }

    #[test]
    fn sizes_are_those_of_torchvision() {
        // tests/oracle/random_resized_crop.py (torchvision 0.29): RandomResizedCrop.get_params with these uniform numbers in
        // place of torch's; None where it drew again.
        let cases = [
            ((500, 375, 0.08), (0.25, 0.5), Some((241, 241))),
            ((500, 375, 0.08), (0.9, 0.95), Some((470, 363))),
            ((500, 375, 0.08), (0.6, 0.1), None),
            ((375, 500, 0.08), (0.0, 0.99), Some((141, 106))),
            ((32, 32, 0.3), (0.4, 0.75), Some((26, 23))),
            ((7, 3, 0.08), (0.5, 0.5), Some((3, 3))),
            ((1, 1, 0.08), (0.999, 0.5), Some((1, 1))),
        ];
        for ((width, height, smallest), (share, ratio), expected) in cases {
            let crop = RandomResizedCrop::new(smallest).unwrap();
            assert_eq!(crop.size(width, height, share, ratio), expected, "{width}x{height} {share} {ratio}");
        }
    }

    #[test]
    fn the_centre_is_that_of_torchvision() {
        // The same script, with uniform numbers that never fit: (left, top, width, height).
        let cases = [
            ((500, 100), (183, 0, 133, 100)),
            ((100, 500), (0, 183, 100, 133)),
            ((301, 10), (144, 0, 13, 10)),
            ((50, 50), (0, 0, 50, 50)),
        ];
        for ((width, height), (left, top, w, h)) in cases {
            assert_eq!(central(width, height), PixelBox { left, top, width: w, height: h });
        }
    }

    #[test]
    fn the_view_of_evaluation_is_that_of_torchvision() {
        // The same script: Resize(round(side * 256 / 224)), then CenterCrop(side).
        let cases = [
            ((224, 500, 375), ((341, 256), (58, 16))),
            ((224, 375, 500), ((256, 341), (16, 58))),
            ((32, 32, 32), ((37, 37), (2, 2))),
            ((16, 20, 9), ((40, 18), (12, 1))),
        ];
        for ((side, width, height), (size, (left, top))) in cases {
            let expected = (size, PixelBox { left, top, width: side, height: side });
            assert_eq!(central_view(side, width, height), expected);
        }
    }

    #[test]
    fn shares_and_ratios_are_uniform_where_every_box_fits() {
        // Up to half of a square image, every box fits: the share is uniform, and the logarithm of the ratio.
        let (n, side) = (20_000_u64, 4000_u32);
        let crop = RandomResizedCrop { smallest: 0.08 };
        let stream = Seed::new(2).stream("distribution");
        let mut shares = Vec::new();
        let mut ratios = Vec::new();
        let mut places = Vec::new();
        for i in 0..n {
            let found = crop.place(stream.index(i), side, side);
            let (w, h) = (f64::from(found.width), f64::from(found.height));
            let share = w * h / f64::from(side).powi(2);
            if share <= 0.5 {
                shares.push((share - 0.08) / 0.42);
                ratios.push(((w / h).ln() / (4.0_f64 / 3.0).ln() + 1.0) / 2.0);
                places.push(f64::from(found.left) / f64::from(side - found.width));
                places.push(f64::from(found.top) / f64::from(side - found.height));
            }
        }
        assert!(shares.len() > 8000);
        for mut values in [shares, ratios, places] {
            values.sort_by(f64::total_cmp);
            let n = values.len() as f64;
            let gap = |(i, value): (usize, &f64)| {
                (value - i as f64 / n).abs().max(((i + 1) as f64 / n - value).abs())
            };
            let distance = values.iter().enumerate().map(gap).fold(0.0, f64::max);
            // Kolmogorov: exceeded with probability 2e-6; rounding to pixels moves values by up to 1/1000.
            assert!(distance < 2.63 / n.sqrt() + 1e-3, "{distance} of {n}");
        }
    }

    #[test]
    fn the_mean_share_is_that_of_torchvision() {
        // The same script: 200,000 calls of RandomResizedCrop.get_params of a 500x375 image; standard deviation of a share.
        let (mean, std) = (0.433_880, 0.216_792);
        let stream = Seed::new(3).stream("mean");
        let n = 50_000;
        let share = |i| {
            let found = RandomResizedCrop::default().place(stream.index(i), 500, 375);
            f64::from(found.width) * f64::from(found.height) / (500.0 * 375.0)
        };
        let found = (0..n).map(share).sum::<f64>() / n as f64;
        let error = std * (1.0 / n as f64 + 1.0 / 200_000.0_f64).sqrt();
        assert!((found - mean).abs() < 4.5 * error, "{found}");
    }

    #[test]
    fn bad_scales_are_refused() {
        for bad in [0.0, -1.0, 1.01, f64::NAN] {
            assert!(RandomResizedCrop::new(bad).is_err(), "{bad}");
        }
        assert!(RandomResizedCrop::new(1.0).is_ok());
    }
}
