//! Tables of columns and running means.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use proptest::prelude::*;
use ss_features::{Error, ExponentialMean, FeatureKind, FeatureTable, RunningMean, compute};

#[test]
fn a_table_serves_columns_by_name() {
    let features = compute(&[1.0, 0.0, 0.0, 3.0], 2, &[0, 0], Some(&[1.0, 2.0])).unwrap();
    let mut table = FeatureTable::from_features(vec![7, 9], features.clone()).unwrap();
    assert_eq!((table.len(), table.ids()), (2, [7, 9].as_slice()));
    assert_eq!(table.column("grad_norm").unwrap(), features.grad_norm);
    assert_eq!(table.select(&["margin", "loss"]).unwrap(), [&features.margin[..], &features.loss[..]]);
    assert_eq!(table.names().collect::<Vec<_>>(), FeatureKind::ALL.map(FeatureKind::name));
    table.insert("loss_mean", vec![0.5, 0.25]).unwrap();
    assert_eq!(table.column("loss_mean").unwrap(), [0.5, 0.25]);
}

#[test]
fn a_bad_column_is_named_and_leaves_the_table_alone() {
    let mut table = FeatureTable::new(vec![1, 2]).unwrap();
    table.insert("loss", vec![0.0, 1.0]).unwrap();
    let before = table.clone();
    let mut message =
        |name: &str, values: &[f32]| table.insert(name, values.to_vec()).unwrap_err().to_string();
    assert!(message("loss", &[0.0, 0.0]).contains("`loss` is already taken"));
    assert!(message("", &[0.0, 0.0]).contains("empty"));
    assert!(message("a", &[0.0]).contains("column `a` has 1 entries where 2"));
    assert!(message("a", &[0.0, f32::NAN]).contains("column `a` is NaN in row 1"));
    assert!(message("a", &[f32::NEG_INFINITY, 0.0]).contains("column `a` is -inf in row 0"));
    assert_eq!(table, before);
    assert!(table.column("nope").unwrap_err().to_string().contains("the table has loss"));
    assert!(FeatureTable::new(vec![]).is_err());
}

#[test]
fn kinds_read_back_from_their_names() {
    for kind in FeatureKind::ALL {
        assert_eq!(kind.name().parse::<FeatureKind>().unwrap(), kind);
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
    }
    assert!("entropy".parse::<FeatureKind>().unwrap_err().to_string().contains("renormed_entropy"));
}

proptest! {
    #[test]
    fn running_means_are_weighted_means(
        epochs in prop::collection::vec(prop::collection::vec(-1e3_f32..1e3, 3), 1..20),
        decay in 0.0_f64..0.99,
    ) {
        let mut plain = RunningMean::new(3);
        let mut exponential = ExponentialMean::new(3, decay).unwrap();
        for column in &epochs {
            plain.update(column).unwrap();
            exponential.update(column).unwrap();
        }
        prop_assert_eq!(plain.epochs() as usize, epochs.len());
        let weighted = |i: usize, weight: &dyn Fn(usize) -> f64| {
            let last = epochs.len() - 1;
            let sum = |f: &dyn Fn(usize) -> f64| (0..=last).map(f).sum::<f64>();
            sum(&|e| weight(last - e) * f64::from(epochs[e][i])) / sum(&|e| weight(last - e))
        };
        for i in 0..3 {
            prop_assert!((f64::from(plain.means().unwrap()[i]) - weighted(i, &|_| 1.0)).abs() < 1e-3);
            let expected = weighted(i, &|age| decay.powi(age as i32));
            prop_assert!((f64::from(exponential.means().unwrap()[i]) - expected).abs() < 1e-3);
        }
        let saved = serde_json::to_string(&exponential).unwrap();
        prop_assert_eq!(serde_json::from_str::<ExponentialMean>(&saved).unwrap(), exponential);
    }
}

#[test]
fn running_means_refuse_bad_columns_and_early_reads() {
    let mut mean = RunningMean::new(2);
    assert_eq!(mean.means().unwrap_err(), Error::NoEpochs);
    assert!(mean.update(&[1.0]).is_err());
    assert!(mean.update(&[1.0, f32::NAN]).unwrap_err().to_string().contains("row 1"));
    assert_eq!(mean, RunningMean::new(2));
    for decay in [-0.1, 1.0, f64::NAN] {
        assert!(ExponentialMean::new(2, decay).is_err());
    }
    assert!(serde_json::from_str::<ExponentialMean>(r#"{"decay":1.5,"weight":0.0,"means":[]}"#).is_err());
}
