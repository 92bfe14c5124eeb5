//! Invariants of `ImageSet`, and the names of things.

use ss_data::{DatasetKind, Error, ImageSet, ImageShape, NoiseKind, load};

use crate::fixtures::assert_says;

fn two_images() -> ImageSet {
    ImageSet::new(ImageShape::new(2, 1, 2), 3, vec![0, 2, 10, 10, 4, 6, 20, 20], vec![2, 0]).unwrap()
}

#[test]
fn refuses_what_cannot_be_a_set_of_images() {
    let shape = ImageShape::new(1, 2, 2);
    assert_says(ImageSet::new(shape, 10, vec![], vec![]), &["the set of images is empty"]);
    assert_says(ImageSet::new(shape, 10, vec![0; 7], vec![0, 1]), &["pixels of 2 images of 1x2x2", "8", "7"]);
    assert_says(ImageSet::new(shape, 10, vec![0; 8], vec![0, 10]), &["label 10 in row 1", "0..10"]);
    assert_says(ImageSet::new(shape, 1, vec![0; 4], vec![0]), &["classes = 1", "at least two"]);
    assert_says(ImageSet::new(ImageShape::new(1, 0, 2), 10, vec![], vec![0]), &["1x0x2"]);
    assert_says(two_images().with_labels(vec![0]), &["labels", "expected 2", "found 1"]);
    assert_says(two_images().with_labels(vec![0, 3]), &["label 3 in row 1", "0..3"]);
}

#[test]
fn selects_rows_in_order_and_with_repeats() {
    let set = two_images().select(&[1, 0, 1]);
    assert_eq!(set.labels(), [0, 2, 0]);
    assert_eq!(set.pixels(), [4, 6, 20, 20, 0, 2, 10, 10, 4, 6, 20, 20]);
    assert_eq!((set.len(), set.shape(), set.classes()), (3, ImageShape::new(2, 1, 2), 3));
    assert_eq!(set.class_counts(), [2, 0, 1]);
}

#[test]
#[should_panic(expected = "holds at least one")]
fn selecting_nothing_is_a_mistake_of_the_program() {
    let _ = two_images().select(&[]);
}

#[test]
fn channel_statistics_by_hand() {
    // Channel 0: 0, 2, 4, 6: mean 3, variance (9 + 1 + 1 + 9) / 4 = 5. Channel 1: 10, 10, 20, 20: 15 and 25.
    let [a, b] = two_images().channel_statistics().try_into().unwrap();
    assert!((a.mean - 3.0 / 255.0).abs() < 1e-15 && (a.std - 5_f64.sqrt() / 255.0).abs() < 1e-15);
    assert!((b.mean - 15.0 / 255.0).abs() < 1e-15 && (b.std - 5.0 / 255.0).abs() < 1e-15);
}

#[test]
fn names_round_trip_and_unknown_ones_list_the_known() {
    for kind in DatasetKind::ALL {
        assert_eq!(kind.to_string().parse::<DatasetKind>().unwrap(), kind);
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
    }
    for kind in NoiseKind::ALL {
        assert_eq!(kind.to_string().parse::<NoiseKind>().unwrap(), kind);
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
    }
    assert_says("mnist".parse::<DatasetKind>(), &["`mnist`", "digits, fashion-mnist, cifar10, cifar100"]);
    assert_says("asymmetric".parse::<NoiseKind>(), &["`asymmetric`", "symmetric-inclusive, pair-flip"]);
}

#[test]
fn errors_carry_no_second_cause() {
    // The message is complete: a printer of cause chains must find nothing to repeat.
    let error = load(DatasetKind::Cifar10, None).unwrap_err();
    assert!(std::error::Error::source(&error).is_none());
    let error = ss_data::NumericTable::read_parquet("/nowhere/x.parquet".as_ref(), "id").unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert!(std::error::Error::source(&error).is_none());
}
