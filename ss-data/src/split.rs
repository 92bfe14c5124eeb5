//! Training, validation and test images from a dataset, by seed.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use ss_seed::{Seed, Stream};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::image_set::ImageSet;

/// How many images go where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSizes {
    /// Training images; `None` takes all that the others leave.
    pub train: Option<usize>,
    /// Validation images, held out of the published training images; at least 1.
    pub validation: usize,
    /// Test images; `None` takes the whole published test set, and must be given where there is none.
    pub test: Option<usize>,
}

/// A dataset in three disjoint parts.
///
/// Identifiers are row numbers in the published set that the part was taken from: `train_ids` and
/// `validation_ids` count rows of [`Dataset::train`]; `test_ids` count rows of [`Dataset::test`], or of
/// [`Dataset::train`] where that is `None`.
#[derive(Clone, Debug)]
pub struct Split {
    /// Images to train on.
    pub train: ImageSet,
    /// Images to score samplers on.
    pub validation: ImageSet,
    /// Images to report on.
    pub test: ImageSet,
    /// Source row of each training image.
    pub train_ids: Vec<u64>,
    /// Source row of each validation image.
    pub validation_ids: Vec<u64>,
    /// Source row of each test image.
    pub test_ids: Vec<u64>,
}

/// Draws the parts at random without replacement, simply (not stratified), from the streams `split` and
/// `split-test` of `seed`.
///
/// One shuffle of the source feeds the parts in the order test (where none is published), validation,
/// training. So the held-out images stay the same when only the training size changes, and a smaller training
/// set is a prefix of a larger one.
///
/// ```
/// use ss_data::{DatasetKind, load, split};
/// use ss_seed::Seed;
///
/// let digits = load(DatasetKind::Digits, None)?;
/// let parts = split(&digits, DatasetKind::Digits.default_split(), Seed::new(0))?;
/// assert_eq!([parts.train.len(), parts.validation.len(), parts.test.len()], [1_000, 297, 500]);
/// # Ok::<(), ss_data::Error>(())
/// ```
///
/// # Errors
/// Sizes of zero, sizes beyond what the dataset has, no test size where no test set is published, or a
/// training or validation part with a single class.
pub fn split(dataset: &Dataset, sizes: SplitSizes, seed: Seed) -> Result<Split> {
    let test = dataset.test.as_ref().map(|test| test.len());
    let rows = split_rows(&dataset.name, dataset.train.len(), test, sizes, seed)?;
    let train = dataset.train.select(&rows.train);
    let validation = dataset.train.select(&rows.validation);
    train.check_two_classes("the training part")?;
    validation.check_two_classes("the validation part")?;
    let ids = |rows: &[usize]| rows.iter().map(|&row| row as u64).collect();
    Ok(Split {
        train,
        validation,
        test: dataset.test.as_ref().unwrap_or(&dataset.train).select(&rows.test),
        train_ids: ids(&rows.train),
        validation_ids: ids(&rows.validation),
        test_ids: ids(&rows.test),
    })
}

/// Which rows of the published training images (`test`: of the published test images, or where there are none of the training
/// images too) go where.
pub(crate) struct SplitRows {
    pub(crate) train: Vec<usize>,
    pub(crate) validation: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// Divides `source` training images and `published` test images of the dataset `name`, as [`split`] does.
pub(crate) fn split_rows(
    name: &str,
    source: usize,
    published: Option<usize>,
    sizes: SplitSizes,
    seed: Seed,
) -> Result<SplitRows> {
    let mut pool = permutation(source, seed.stream("split"));
    let test = match (published, sizes.test) {
        (Some(test), None) => (0..test).collect(),
        (Some(test), Some(size)) => {
            check_sizes(name, "published test images", test, &[("test", size)])?;
            let mut rows = permutation(test, seed.stream("split-test"));
            rows.truncate(size);
            rows
        }
        (None, Some(size)) => {
            check_sizes(name, "images", source, &[("test", size)])?;
            let rest = pool.split_off(size);
            std::mem::replace(&mut pool, rest)
        }
        (None, None) => {
            return Err(Error::Setting {
                name: "test size",
                value: "none".into(),
                expected: format!("a number, {name} has no published test images"),
            });
        }
    };
    let train_size = sizes.train.unwrap_or(pool.len().saturating_sub(sizes.validation).max(1));
    let wanted = [("validation", sizes.validation), ("train", train_size)];
    check_sizes(name, "images to train on and to validate with", pool.len(), &wanted)?;
    let mut train = pool.split_off(sizes.validation);
    train.truncate(train_size);
    Ok(SplitRows { train, validation: pool, test })
}

fn permutation(n: usize, stream: Stream) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..n).collect();
    rows.shuffle(&mut stream.rng());
    rows
}

fn check_sizes(dataset: &str, of: &str, available: usize, parts: &[(&str, usize)]) -> Result<()> {
    let fits = parts.iter().try_fold(0_usize, |sum, &(_, size)| sum.checked_add(size));
    if parts.iter().all(|&(_, size)| size > 0) && fits.is_some_and(|sum| sum <= available) {
        return Ok(());
    }
    let value: Vec<String> = parts.iter().map(|(name, size)| format!("{name} {size}")).collect();
    Err(Error::Setting {
        name: "split sizes",
        value: value.join(" + "),
        expected: format!("each at least 1 and together at most the {available} {of} of {dataset}"),
    })
}
