//! Splits: disjoint, complete, nested, reproducible.

use proptest::prelude::*;
use ss_data::{Dataset, DatasetKind, ImageSet, ImageShape, Split, SplitSizes, load, split};
use ss_seed::Seed;

use crate::fixtures::assert_says;

/// `n` images whose two bytes and whose label spell their row number.
fn numbered(n: usize) -> ImageSet {
    let pixels = (0..n).flat_map(|i| (i as u16).to_be_bytes()).collect();
    ImageSet::new(ImageShape::new(1, 1, 2), 1000, pixels, (0..n as u32).collect()).unwrap()
}

fn dataset(train: usize, test: Option<usize>) -> Dataset {
    Dataset { name: "numbered".into(), train: numbered(train), test: test.map(numbered) }
}

fn rows(set: &ImageSet) -> Vec<u64> {
    (0..set.len()).map(|i| u64::from(u16::from_be_bytes([set.image(i)[0], set.image(i)[1]]))).collect()
}

fn sizes(train: Option<usize>, validation: usize, test: Option<usize>) -> SplitSizes {
    SplitSizes { train, validation, test }
}

/// Identifiers and labels belong to the images beside them.
fn consistent(parts: &Split) -> bool {
    [
        (&parts.train, &parts.train_ids),
        (&parts.validation, &parts.validation_ids),
        (&parts.test, &parts.test_ids),
    ]
    .iter()
    .all(|(set, ids)| {
        rows(set) == **ids && set.labels().iter().zip(*ids).all(|(&label, id)| u64::from(label) == *id)
    })
}

fn sorted(lists: &[&[u64]]) -> Vec<u64> {
    let mut all = lists.concat();
    all.sort_unstable();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn disjoint_and_complete_without_a_published_test(
        n in 60_usize..300, test in 1_usize..20, validation in 10_usize..20, seed: u64,
    ) {
        let parts =
            split(&dataset(n, None), sizes(None, validation, Some(test)), Seed::new(seed)).unwrap();
        prop_assert!(consistent(&parts));
        prop_assert_eq!([parts.validation.len(), parts.test.len()], [validation, test]);
        let all = sorted(&[&parts.train_ids, &parts.validation_ids, &parts.test_ids]);
        prop_assert_eq!(all, (0..n as u64).collect::<Vec<_>>());
    }

    #[test]
    fn disjoint_and_complete_with_a_published_test(
        n in 40_usize..300, test in 1_usize..50, validation in 10_usize..20, seed: u64,
    ) {
        let data = dataset(n, Some(50));
        let parts = split(&data, sizes(None, validation, Some(test)), Seed::new(seed)).unwrap();
        prop_assert!(consistent(&parts));
        let all = sorted(&[&parts.train_ids, &parts.validation_ids]);
        prop_assert_eq!(all, (0..n as u64).collect::<Vec<_>>());
        let mut chosen = sorted(&[&parts.test_ids]);
        chosen.dedup();
        prop_assert_eq!(chosen.len(), test);
        prop_assert!(chosen.iter().all(|&id| id < 50));
        let whole = split(&data, sizes(None, validation, None), Seed::new(seed)).unwrap();
        prop_assert_eq!(whole.test_ids, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_smaller_training_set_is_a_prefix_and_the_rest_stays(small in 20_usize..50, seed: u64) {
        let data = dataset(100, None);
        let at = |train| split(&data, sizes(train, 20, Some(20)), Seed::new(seed)).unwrap();
        let (less, more) = (at(Some(small)), at(None));
        prop_assert_eq!(less.train_ids.as_slice(), &more.train_ids[..small]);
        prop_assert_eq!(less.validation_ids, more.validation_ids);
        prop_assert_eq!(less.test_ids, more.test_ids);
    }
}

#[test]
fn the_seed_decides() {
    let data = dataset(200, None);
    let at = |seed| split(&data, sizes(None, 40, Some(40)), Seed::new(seed)).unwrap();
    assert_eq!(at(5).train_ids, at(5).train_ids);
    assert_ne!(at(5).train_ids, at(6).train_ids);
    assert_ne!(at(5).test_ids, at(6).test_ids);
}

#[test]
fn digits_split_is_pinned() {
    // Changing these rows changes every published table.
    let digits = load(DatasetKind::Digits, None).unwrap();
    let parts = split(&digits, DatasetKind::Digits.default_split(), Seed::new(0)).unwrap();
    assert_eq!([parts.train.len(), parts.validation.len(), parts.test.len()], [1_000, 297, 500]);
    assert_eq!(parts.train_ids[..4], [508, 998, 331, 215]);
    assert_eq!(parts.test_ids[..4], [1631, 862, 288, 430]);
}

#[test]
fn every_row_is_equally_likely_to_be_tested() {
    // 400 seeds, 30 of 100 rows each: the count of every row is binomial(400, 0.3), deviation 9.2; five of
    // those.
    let data = dataset(100, None);
    let mut counts = [0_i32; 100];
    for seed in 0..400 {
        let parts = split(&data, sizes(None, 30, Some(30)), Seed::new(seed)).unwrap();
        parts.test_ids.iter().for_each(|&id| counts[id as usize] += 1);
    }
    assert!(counts.iter().all(|&c| (c - 120).abs() < 46), "{counts:?}");
}

#[test]
fn impossible_sizes_are_named() {
    let at = |sizes| split(&dataset(100, None), sizes, Seed::new(0));
    assert_says(at(sizes(Some(80), 20, Some(20))), &["validation 20 + train 80", "80 images", "numbered"]);
    assert_says(at(sizes(None, 80, Some(20))), &["validation 80 + train 1", "at most the 80"]);
    assert_says(at(sizes(None, 0, Some(20))), &["validation 0", "at least 1"]);
    assert_says(at(sizes(Some(0), 20, Some(20))), &["train 0", "at least 1"]);
    assert_says(at(sizes(None, 20, Some(101))), &["test 101", "at most the 100"]);
    assert_says(at(sizes(None, 20, Some(0))), &["test 0", "at least 1"]);
    assert_says(at(sizes(None, 20, None)), &["test size = none", "no published test images"]);
    assert_says(at(sizes(Some(usize::MAX), 20, Some(20))), &["at most the 80"]);
    let published = split(&dataset(100, Some(10)), sizes(None, 20, Some(11)), Seed::new(0));
    assert_says(published, &["test 11", "10 published test images"]);
}
