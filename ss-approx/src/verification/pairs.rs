//! Which images are compared.

use ss_data::ImagePair;
use ss_seed::Stream;

use crate::{Error, Result};

/// Every pair of images `i < j` of these classes, all in fold 0.
///
/// # Errors
/// [`Error::TooFewImages`] for a class with one image, which has no pair of its own; [`Error::TooFewClasses`] for a single class.
///
/// ```
/// use ss_approx::verification::all_pairs;
///
/// let pairs = all_pairs(&[0, 0, 1, 1])?;
/// assert_eq!((pairs.len(), pairs.iter().filter(|pair| pair.same).count()), (6, 2));
/// # Ok::<(), ss_approx::Error>(())
/// ```
pub fn all_pairs(classes: &[u32]) -> Result<Vec<ImagePair>> {
    check_sizes(classes, 2, 2, "pairs of one class and of two")?;
    let mut pairs = Vec::with_capacity(classes.len() * (classes.len() - 1) / 2);
    for first in 0..classes.len() {
        for second in first + 1..classes.len() {
            pairs.push(ImagePair { first, second, same: classes[first] == classes[second], fold: 0 });
        }
    }
    Ok(pairs)
}

/// Deals pairs to `folds` folds at random, those of one class and those of two apart, so that every fold has its share of both.
/// Folds made so have images and classes in common, unlike those of the lists of LFW and YTF.
///
/// # Errors
/// [`Error::InvalidSetting`] for fewer than two folds and for fewer pairs of a kind than folds.
pub fn deal_folds(pairs: &mut [ImagePair], folds: usize, stream: Stream) -> Result<()> {
    let expected = "at least 2, and at most the number of pairs of one class, and of two";
    let invalid = |found: String| Err(Error::InvalidSetting { setting: "folds", found, expected });
    if folds < 2 {
        return invalid(folds.to_string());
    }
    for same in [true, false] {
        let mut order: Vec<usize> = (0..pairs.len()).filter(|&i| pairs[i].same == same).collect();
        if order.len() < folds {
            return invalid(format!("{folds} for {} pairs", order.len()));
        }
        let keys = stream.index(u64::from(same));
        order.sort_by_cached_key(|&i| (keys.index(i as u64).hash(), i));
        for (place, i) in order.into_iter().enumerate() {
            pairs[i].fold = place % folds;
        }
    }
    Ok(())
}

/// Checks that there are at least `classes` classes, and that each which occurs has at least `images` images.
pub(crate) fn check_sizes(
    labels: &[u32],
    classes: usize,
    images: usize,
    purpose: &'static str,
) -> Result<()> {
    let counts = class_counts(labels);
    if let Some(&(class, found)) = counts.iter().find(|(_, count)| *count < images) {
        return Err(Error::TooFewImages { class, found, needed: images, purpose });
    }
    if counts.len() < classes {
        return Err(Error::TooFewClasses { found: counts.len(), needed: classes, purpose });
    }
    Ok(())
}

/// The classes that occur, ascending, with their numbers of images.
pub(crate) fn class_counts(labels: &[u32]) -> Vec<(u32, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for &label in labels {
        *counts.entry(label).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ss_seed::Seed;

    #[test]
    fn classes_that_make_no_pairs_are_named() {
        let message = |classes: &[u32]| all_pairs(classes).unwrap_err().to_string();
        let lonely = message(&[0, 0, 7, 1, 1]);
        assert!(lonely.contains("class 7 has 1 image") && lonely.contains("leave the class out"), "{lonely}");
        assert!(message(&[3, 3, 3]).contains("1 class, but 2"), "{}", message(&[3, 3, 3]));
        assert!(message(&[]).contains("0 classes"));
    }

    #[test]
    fn folds_have_their_share_of_both_kinds() {
        let classes: Vec<u32> = (0..30).map(|i| i / 6).collect();
        let mut pairs = all_pairs(&classes).unwrap();
        // 5 * 15 pairs of one class, 435 - 75 of two.
        deal_folds(&mut pairs, 10, Seed::new(0).stream("folds")).unwrap();
        for fold in 0..10 {
            let of = |same| pairs.iter().filter(|p| p.fold == fold && p.same == same).count();
            assert!((7..=8).contains(&of(true)) && of(false) == 36, "{} {}", of(true), of(false));
        }
        let folds = |pairs: &[ImagePair]| pairs.iter().map(|pair| pair.fold).collect::<Vec<_>>();
        let dealt = folds(&pairs);
        deal_folds(&mut pairs, 10, Seed::new(1).stream("folds")).unwrap();
        assert_ne!(dealt, folds(&pairs));
        let stream = Seed::new(0).stream("folds");
        assert!(deal_folds(&mut pairs, 1, stream).unwrap_err().to_string().contains("folds = 1"));
        assert!(deal_folds(&mut pairs, 76, stream).unwrap_err().to_string().contains("76 for 75 pairs"));
    }
}
