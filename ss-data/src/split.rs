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
    let source = dataset.train.len();
    let order = permutation(source, seed.stream("split"));
    let (test_of, test_rows, pool) = match (&dataset.test, sizes.test) {
        (Some(test), None) => (test, (0..test.len()).collect(), order.as_slice()),
        (Some(test), Some(size)) => {
            let name = dataset.name.as_str();
            check_sizes(name, "published test images", test.len(), &[("test", size)])?;
            let mut rows = permutation(test.len(), seed.stream("split-test"));
            rows.truncate(size);
            (test, rows, order.as_slice())
        }
        (None, Some(size)) => {
            check_sizes(&dataset.name, "images", source, &[("test", size)])?;
            let (rows, pool) = order.split_at(size);
            (&dataset.train, rows.to_vec(), pool)
        }
        (None, None) => {
            return Err(Error::Setting {
                name: "test size",
                value: "none".into(),
                expected: format!("a number, {} has no published test images", dataset.name),
            });
        }
    };
    let train_size = sizes.train.unwrap_or(pool.len().saturating_sub(sizes.validation).max(1));
    let wanted = [("validation", sizes.validation), ("train", train_size)];
    check_sizes(&dataset.name, "images to train on and to validate with", pool.len(), &wanted)?;
    let (validation_rows, rest) = pool.split_at(sizes.validation);
    let train_rows = &rest[..train_size];

    let train = dataset.train.select(train_rows);
    let validation = dataset.train.select(validation_rows);
    train.check_two_classes("the training part")?;
    validation.check_two_classes("the validation part")?;
    let ids = |rows: &[usize]| rows.iter().map(|&row| row as u64).collect();
    Ok(Split {
        train,
        validation,
        test: test_of.select(&test_rows),
        train_ids: ids(train_rows),
        validation_ids: ids(validation_rows),
        test_ids: ids(&test_rows),
    })
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
