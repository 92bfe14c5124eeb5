//! Training, validation and test data of different classes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use ss_seed::Seed;

use crate::error::{Error, Result};
use crate::image_set::{ImageSet, class_without_examples};
use crate::random_share::random_order;

/// How many classes go where; training takes the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSplitSizes {
    /// Classes to validate with, at least 2.
    pub validation: usize,
    /// Classes to test on: at least 2, or none where the test images come from elsewhere.
    pub test: usize,
}

/// Classes by what they are for, by their numbers in the set that was split; no class is in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSplit {
    /// To train on, at least two.
    pub train: Vec<u32>,
    /// To validate with, at least two.
    pub validation: Vec<u32>,
    /// To test on.
    pub test: Vec<u32>,
}

impl ClassSplit {
    /// Draws classes `0..classes` into the three parts, at random from the stream `class-split` of `seed`; each part is ascending.
    ///
    /// # Errors
    /// [`Error::Setting`] for a validation part of fewer than two classes, a test part of one, and where fewer than two are left to train
    /// on.
    ///
    /// ```
    /// use ss_data::{ClassSplit, ClassSplitSizes};
    /// use ss_seed::Seed;
    ///
    /// let split = ClassSplit::draw(40, ClassSplitSizes { validation: 5, test: 10 }, Seed::new(0))?;
    /// assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (25, 5, 10));
    /// # Ok::<(), ss_data::Error>(())
    /// ```
    pub fn draw(classes: usize, sizes: ClassSplitSizes, seed: Seed) -> Result<Self> {
        let ClassSplitSizes { validation, test } = sizes;
        let held_out = validation.saturating_add(test);
        if validation < 2 || test == 1 || held_out.saturating_add(2) > classes {
            return Err(Error::Setting {
                name: "classes to split",
                value: format!("validation {validation} + test {test} of {classes}"),
                expected:
                    "at least two classes for validation, two or none for the test, and two left to train on"
                        .into(),
            });
        }
        let order = random_order(classes, seed.stream("class-split"));
        let part = |from: usize, to: usize| {
            let mut part: Vec<u32> = order[from..to].iter().map(|&class| class as u32).collect();
            part.sort_unstable();
            part
        };
        Ok(Self { test: part(0, test), validation: part(test, held_out), train: part(held_out, classes) })
    }
}

/// The images of these classes, in the order of the set; the classes are numbered anew, in the order in which they are given.
///
/// # Errors
/// [`Error::Setting`] for fewer than two classes, one that is named twice, and one that the set does not have;
/// [`Error::Empty`] for a class without images.
pub fn of_classes(images: &ImageSet, classes: &[u32]) -> Result<ImageSet> {
    let different: BTreeSet<u32> = classes.iter().copied().collect();
    let beyond = different.last().is_some_and(|&class| class as usize >= images.classes());
    if classes.len() < 2 || different.len() < classes.len() || beyond {
        return Err(Error::Setting {
            name: "classes of a part",
            value: format!("{classes:?}"),
            expected: format!("at least two different ones below {}", images.classes()),
        });
    }
    let mut number = vec![None; images.classes()];
    for (place, &class) in classes.iter().enumerate() {
        number[class as usize] = Some(place as u32);
    }
    let chosen: Vec<usize> =
        (0..images.len()).filter(|&i| number[images.labels()[i] as usize].is_some()).collect();
    let labels: Vec<u32> = chosen.iter().filter_map(|&i| number[images.labels()[i] as usize]).collect();
    if let Some(place) = class_without_examples(&labels, classes.len()) {
        return Err(Error::Empty { what: format!("class {}", classes[place]) });
    }
    let mut pixels = Vec::with_capacity(chosen.len() * images.shape().bytes());
    for &i in &chosen {
        pixels.extend_from_slice(images.image(i));
    }
    ImageSet::new(images.shape(), classes.len(), pixels, labels)
}
