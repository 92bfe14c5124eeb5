//! True labels of a random share of the training images.

use ss_data::ImageSet;
use ss_seed::Seed;

use crate::{Error, Result};

/// The part of the training images whose true labels some methods are given: MentorNet-DD to learn which losses
/// belong to wrong labels, L2RW to align gradients with. One subset serves both.
///
/// The images stay in the training set under their noisy labels, as the methods themselves leave them there.
#[derive(Clone, Debug)]
pub struct CleanSubset {
    examples: Vec<usize>,
    images: ImageSet,
}

impl CleanSubset {
    /// The share of the training images that is labelled by default: the "small set (~10%) of clean labels" from which
    /// the MentorNet release learns its data-driven curriculum (github.com/google/mentornet, `TRAINING.md`).
    pub const SHARE: f64 = 0.1;

    /// Draws `share` of `training`, at least one image, and gives them their labels in `truth` `[n]`. The choice
    /// follows from `seed` alone: every method, noise rate and noise kind sees the same subset.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a share outside `(0, 1]`; [`Error::Mismatch`] unless there is one true label for
    /// each image; errors of [`ImageSet::with_labels`].
    pub fn draw(training: &ImageSet, truth: &[u32], share: f64, seed: Seed) -> Result<Self> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::InvalidSetting {
                setting: "clean share",
                found: share.to_string(),
                expected: "a share of the training images in (0, 1] such as 0.1",
            });
        }
        if truth.len() != training.len() {
            return Err(Error::Mismatch {
                what: "true labels against training images",
                expected: training.len().to_string(),
                found: truth.len().to_string(),
            });
        }
        let stream = seed.stream("clean-subset");
        let mut order: Vec<usize> = (0..training.len()).collect();
        order.sort_by_key(|&example| (stream.index(example as u64).hash(), example));
        order.truncate(((share * training.len() as f64).round() as usize).max(1));
        order.sort_unstable();
        let labels = order.iter().map(|&example| truth[example]).collect();
        let images = training.select(&order).with_labels(labels)?;
        Ok(Self { examples: order, images })
    }

    /// The places of the images in the training set, ascending.
    pub fn examples(&self) -> &[usize] {
        &self.examples
    }

    /// The images with their true labels, in the order of [`examples`](Self::examples).
    pub fn images(&self) -> &ImageSet {
        &self.images
    }

    /// The true label of training example `example`, if it belongs to the subset.
    pub fn true_label(&self, example: usize) -> Option<u32> {
        self.examples.binary_search(&example).ok().map(|place| self.images.labels()[place])
    }
}

#[cfg(test)]
mod tests {
    use ss_data::ImageShape;

    use super::*;

    #[test]
    fn the_subset_follows_from_the_seed_and_tells_the_truth() {
        let noisy = ImageSet::new(ImageShape::new(1, 1, 1), 3, (0..50).collect(), vec![0; 50]).unwrap();
        let truth: Vec<u32> = (0..50).map(|i| i % 3).collect();
        let draw = |share, seed| CleanSubset::draw(&noisy, &truth, share, Seed::new(seed)).unwrap();
        let subset = draw(0.2, 1);
        assert_eq!(subset.examples().len(), 10);
        assert!(subset.examples().is_sorted());
        for (place, &example) in subset.examples().iter().enumerate() {
            assert_eq!(subset.images().image(place), [example as u8]);
            assert_eq!(subset.images().labels()[place], truth[example]);
            assert_eq!(subset.true_label(example), Some(truth[example]));
        }
        assert_eq!((0..50).filter(|&i| subset.true_label(i).is_some()).count(), 10);
        assert_eq!(subset.examples(), draw(0.2, 1).examples());
        assert_ne!(subset.examples(), draw(0.2, 2).examples());
        assert_eq!((draw(1e-9, 1).examples().len(), draw(1.0, 1).examples().len()), (1, 50));
        for share in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(CleanSubset::draw(&noisy, &truth, share, Seed::new(1)).is_err(), "{share}");
        }
        let error = CleanSubset::draw(&noisy, &truth[1..], 0.2, Seed::new(1)).unwrap_err();
        assert!(error.to_string().contains("expected 50, found 49"), "{error}");
    }
}
