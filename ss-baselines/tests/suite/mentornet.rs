//! Mentors fitted to what they are meant to learn.

use rand::Rng;
use ss_baselines::mentornet::{Fit, FitSettings, Predefined, Row, fit};
use ss_seed::Seed;

fn fitted(rows: &[Row], targets: &[f32], steps: usize) -> Fit {
    let config = FitSettings { steps, ..FitSettings::default() }.check().unwrap();
    fit(rows, targets, &config, Seed::new(1)).unwrap()
}

#[test]
fn a_fitted_mentor_reproduces_the_predefined_curriculum() {
    let curriculum = Predefined::released(1.0).unwrap();
    let (rows, targets) = curriculum.examples(100_000, Seed::new(0)).unwrap();
    let fitted = fitted(&rows, &targets, FitSettings::default().steps);
    // Weighting all rows by their mean has an error of 0.48.
    assert_eq!(fitted.held_out.rows, 20_000);
    assert!(fitted.held_out.absolute_error < 0.04, "{:?}", fitted.held_out);
    assert!(fitted.held_out.accuracy > 0.98, "{:?}", fitted.held_out);
    // Burn-in, and the threshold of later phases, at rows that lie off the grid. The last phase's ramp is not asked for: one row in
    // a hundred lies on it, and short fits put the threshold in its place.
    let row = |difference: f32, epoch_percent| Row { loss: 2.03, difference, label: 0, epoch_percent };
    let probes = [row(1.5, 5), row(-1.5, 5), row(1.5, 50), row(-1.5, 50), row(1.5, 95), row(-1.5, 95)];
    let weights = fitted.network.weights(&probes).unwrap();
    for (probe, weight) in probes.iter().zip(weights) {
        let expected = curriculum.weight(probe.loss, probe.difference, probe.epoch_percent);
        assert!((weight - expected).abs() < 0.2, "{probe:?}: {weight}, curriculum {expected}");
    }
}

/// `n` rows as a student with 40% wrong labels would dump them: right ones have losses around 0.4 nats, wrong ones around 3.
/// Target 1 for the right ones.
fn dumped(n: usize) -> (Vec<Row>, Vec<f32>) {
    let mut rng = Seed::new(5).stream("dumped").rng();
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for i in 0..n {
        let right = rng.random::<f64>() >= 0.4;
        let spread: f64 = (0..4).map(|_| rng.random::<f64>()).sum::<f64>() / 2.0;
        let loss = (spread * if right { 0.4 } else { 3.0 }) as f32;
        rows.push(Row { loss, difference: loss - 1.2, label: 0, epoch_percent: (100 * i / n) as u32 });
        targets.push(if right { 1.0 } else { 0.0 });
    }
    (rows, targets)
}

/// The probability that a row of target 1 has a higher weight than one of target 0.
fn area_under_roc(weights: &[f32], targets: &[f32]) -> f64 {
    let of = |target: f32| weights.iter().zip(targets).filter(move |(_, t)| **t == target).map(|(w, _)| *w);
    let (mut wins, mut pairs) = (0.0, 0.0);
    for right in of(1.0) {
        for wrong in of(0.0) {
            wins += if right > wrong {
                1.0
            } else if right == wrong {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    wins / pairs
}

#[test]
fn a_fitted_mentor_tells_right_labels_from_wrong_ones() {
    let (rows, targets) = dumped(4000);
    // Alternating rows, so that both halves see all of the training.
    let half = |parity: usize| -> (Vec<Row>, Vec<f32>) {
        (0..4000).filter(|i| i % 2 == parity).map(|i| (rows[i], targets[i])).unzip()
    };
    let ((known_rows, known_targets), (fresh_rows, fresh_targets)) = (half(0), half(1));
    let learned = fitted(&known_rows, &known_targets, 800);
    let area = area_under_roc(&learned.network.weights(&fresh_rows).unwrap(), &fresh_targets);
    assert!(area > 0.99, "{area}");
    assert!(learned.held_out.accuracy > 0.97 && learned.held_out.loss < 0.15, "{:?}", learned.held_out);
    // Targets that say nothing of the rows cannot be learned.
    let mut rng = Seed::new(6).stream("coins").rng();
    let coins: Vec<f32> = known_rows.iter().map(|_| f32::from(u8::from(rng.random::<bool>()))).collect();
    let fooled = fitted(&known_rows, &coins, 800);
    assert!((fooled.held_out.accuracy - 0.5).abs() < 0.15, "{:?}", fooled.held_out);
}

#[test]
fn a_fit_is_a_function_of_its_seed() {
    let (rows, targets) = dumped(200);
    let config = FitSettings { steps: 50, ..FitSettings::default() }.check().unwrap();
    let weights =
        |seed| fit(&rows, &targets, &config, Seed::new(seed)).unwrap().network.weights(&rows).unwrap();
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn bad_input_is_named() {
    let (rows, targets) = dumped(10);
    let config = FitSettings { steps: 2, ..FitSettings::default() }.check().unwrap();
    let error =
        |rows: &[Row], targets: &[f32]| fit(rows, targets, &config, Seed::new(0)).unwrap_err().to_string();
    assert!(error(&rows[..1], &targets[..1]).contains("at least 2"));
    assert!(error(&rows, &targets[..9]).contains("expected 10, found 9"));
    let mut bad = targets.clone();
    bad[3] = 1.5;
    assert!(error(&rows, &bad).contains("1.5 in row 3"));
    bad[3] = f32::NAN;
    assert!(error(&rows, &bad).contains("NaN in row 3"));
    let mut mislabelled = rows.clone();
    mislabelled[0].label = 1;
    mislabelled[1].label = 1;
    assert!(error(&mislabelled[..2], &targets[..2]).contains("below its 1 classes"));
    for (settings, name) in [
        (FitSettings { classes: 0, ..FitSettings::default() }, "classes"),
        (FitSettings { steps: 0, ..FitSettings::default() }, "steps"),
        (FitSettings { batch_size: 0, ..FitSettings::default() }, "batch_size"),
        (FitSettings { learning_rate: f64::NAN, ..FitSettings::default() }, "learning_rate"),
    ] {
        let error = settings.check().unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
}
