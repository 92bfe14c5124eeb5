//! Label noise: rates, targets, determinism, and labels from files.

use std::fs;

use proptest::prelude::*;
use ss_data::{LabelNoise, NoiseKind, NoisyLabels, read_labels};
use ss_seed::Seed;
use tempfile::tempdir;

use crate::fixtures::assert_says;

fn labels(n: usize, classes: usize) -> Vec<u32> {
    (0..n).map(|i| (i * 7 % classes) as u32).collect()
}

fn apply(kind: NoiseKind, rate: f64, clean: &[u32], classes: usize, seed: u64) -> NoisyLabels {
    LabelNoise::new(kind, rate).unwrap().apply(clean, classes, Seed::new(seed).stream("noise")).unwrap()
}

proptest! {
    #[test]
    fn symmetric_never_keeps_the_class_and_realises_the_rate(
        n in 1_usize..400, classes in 2_usize..20, rate in 0.0..1.0_f64, seed: u64,
    ) {
        let clean = labels(n, classes);
        let noisy = apply(NoiseKind::Symmetric, rate, &clean, classes, seed);
        let wrong = noisy.wrong.iter().filter(|&&w| w).count();
        prop_assert_eq!(wrong, (rate * n as f64).round() as usize);
        prop_assert_eq!(noisy.realized_rate, wrong as f64 / n as f64);
        for i in 0..n {
            prop_assert_eq!(noisy.wrong[i], noisy.labels[i] != clean[i]);
            prop_assert!((noisy.labels[i] as usize) < classes);
        }
    }

    #[test]
    fn pair_flip_goes_to_the_next_class(
        n in 1_usize..400, classes in 2_usize..20, rate in 0.0..1.0_f64, seed: u64,
    ) {
        let clean = labels(n, classes);
        let noisy = apply(NoiseKind::PairFlip, rate, &clean, classes, seed);
        prop_assert_eq!(noisy.wrong.iter().filter(|&&w| w).count(), (rate * n as f64).round() as usize);
        for i in 0..n {
            let expected = if noisy.wrong[i] { (clean[i] + 1) % classes as u32 } else { clean[i] };
            prop_assert_eq!(noisy.labels[i], expected);
        }
    }

    #[test]
    fn inclusive_stays_in_range_and_below_the_nominal_rate(
        n in 1_usize..400, classes in 2_usize..20, rate in 0.0..1.0_f64, seed: u64,
    ) {
        let noisy = apply(NoiseKind::SymmetricInclusive, rate, &labels(n, classes), classes, seed);
        prop_assert!(noisy.labels.iter().all(|&l| (l as usize) < classes));
        prop_assert!(noisy.realized_rate * n as f64 <= (rate * n as f64).round() + 1e-9);
    }

    /// The same stream gives the same noise, and noise at a lower rate is part of noise at a higher one.
    #[test]
    fn noise_is_reproducible_and_nested(low in 0.0..1.0_f64, high in 0.0..1.0_f64, seed: u64, kind in 0_usize..3) {
        let (low, high) = (low.min(high), low.max(high));
        let (kind, clean) = (NoiseKind::ALL[kind], labels(200, 10));
        let (less, more) = (apply(kind, low, &clean, 10, seed), apply(kind, high, &clean, 10, seed));
        prop_assert_eq!(&less, &apply(kind, low, &clean, 10, seed));
        for i in 0..200 {
            prop_assert!(!less.wrong[i] || less.labels[i] == more.labels[i]);
        }
    }
}

#[test]
fn the_seed_decides() {
    let clean = labels(200, 10);
    let at = |seed| apply(NoiseKind::Symmetric, 0.4, &clean, 10, seed).wrong;
    assert_ne!(at(1), at(2));
}

#[test]
fn rate_zero_changes_nothing() {
    let clean = labels(50, 10);
    for kind in NoiseKind::ALL {
        let noisy = apply(kind, 0.0, &clean, 10, 1);
        assert_eq!((noisy.labels, noisy.realized_rate), (clean.clone(), 0.0));
    }
}

/// Pearson's chi-squared statistic of counts against equal expectation.
fn chi_squared(counts: &[usize]) -> f64 {
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum()
}

#[test]
fn symmetric_targets_are_uniform_over_the_other_classes() {
    // All labels are 3; 45,000 flips over 9 classes: chi-squared with 8 degrees of freedom, 26.1 at p =
    // 0.001.
    let clean = vec![3; 50_000];
    let noisy = apply(NoiseKind::Symmetric, 0.9, &clean, 10, 11);
    let mut counts = [0_usize; 10];
    noisy.labels.iter().for_each(|&l| counts[l as usize] += 1);
    assert_eq!(counts[3], 5_000);
    let others: Vec<usize> = (0..10).filter(|&k| k != 3).map(|k| counts[k]).collect();
    assert!(chi_squared(&others) < 26.1, "{counts:?}");
}

#[test]
fn inclusive_targets_are_uniform_over_all_classes() {
    // 40% redrawn over 10 classes: 36% wrong, deviation of the share 0.4 sqrt(0.09 / 20,000) = 0.00085; five
    // of those.
    let clean = vec![3; 50_000];
    let noisy = apply(NoiseKind::SymmetricInclusive, 0.4, &clean, 10, 12);
    assert!((noisy.realized_rate - 0.36).abs() < 0.0043, "{}", noisy.realized_rate);
}

#[test]
fn every_row_is_equally_likely_to_be_picked() {
    // 1,000 streams, 40 of 100 rows: binomial(1000, 0.4), deviation 15.5; five of those.
    let clean = labels(100, 10);
    let mut counts = [0_i32; 100];
    for seed in 0..1_000 {
        let noisy = apply(NoiseKind::PairFlip, 0.4, &clean, 10, seed);
        noisy.wrong.iter().enumerate().for_each(|(i, &w)| counts[i] += i32::from(w));
    }
    assert!(counts.iter().all(|&c| (c - 400).abs() < 78), "{counts:?}");
}

#[test]
fn bad_settings_and_labels_are_refused() {
    for rate in [1.5, 1.0, -0.1, f64::NAN, f64::INFINITY] {
        assert_says(
            LabelNoise::new(NoiseKind::Symmetric, rate),
            &["noise rate", &rate.to_string(), "below 1"],
        );
    }
    let noise = LabelNoise::new(NoiseKind::Symmetric, 0.4).unwrap();
    assert_eq!((noise.kind(), noise.rate()), (NoiseKind::Symmetric, 0.4));
    let stream = Seed::new(0).stream("noise");
    assert_says(noise.apply(&[], 10, stream), &["empty"]);
    assert_says(noise.apply(&[0, 0], 1, stream), &["classes = 1", "at least two"]);
    assert_says(noise.apply(&[0, 1, 10], 10, stream), &["label 10 in row 2", "0..10"]);
}

#[test]
fn existing_noise_is_compared_with_the_clean_labels() {
    let noisy = NoisyLabels::from_labels(&[0, 1, 2, 0], vec![0, 2, 2, 1], 3).unwrap();
    assert_eq!(noisy.wrong, [false, true, false, true]);
    assert_eq!(noisy.realized_rate, 0.5);
    assert_says(NoisyLabels::from_labels(&[0, 1], vec![0], 3), &["noisy labels", "expected 2", "found 1"]);
    assert_says(NoisyLabels::from_labels(&[0, 1], vec![0, 3], 3), &["label 3 in row 1"]);
    assert_says(NoisyLabels::from_labels(&[], vec![], 3), &["empty"]);
}

#[test]
fn labels_come_from_text_files() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("labels.txt");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        read_labels(&path, 10)
    };
    assert_eq!(read("3\n0\r\n 9 \n\n").unwrap(), [3, 0, 9]);
    assert_says(read("3\nx\n"), &["labels.txt", "line 2", "`x`", "one whole number a line"]);
    assert_says(read("3\n\n4\n"), &["line 2", "``"]);
    assert_says(read("3\n10\n"), &["labels.txt", "label 10 in row 1", "0..10"]);
    assert_says(read("-1\n"), &["label -1 in row 0"]);
    assert_says(read("  \n"), &["labels.txt", "empty"]);
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert_says(read_labels(&path, 10), &["labels.txt", "UTF-8"]);
    assert_says(read_labels(&folder.path().join("none.txt"), 10), &["cannot read", "none.txt"]);
}
