//! Accuracy on each fold with the threshold of the others.

use serde::{Deserialize, Serialize};
use ss_data::ImagePair;

use super::{best_threshold, count};
use crate::{Error, Result};

/// The accuracy of verification by folds, the protocol of LFW and YTF.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldAccuracy {
    /// Mean over folds, in `[0, 1]`.
    pub mean: f64,
    /// Sample standard deviation over folds.
    pub std: f64,
    /// The number of folds.
    pub folds: usize,
}

/// For every fold, the threshold that is [best](best_threshold) on all others, and the accuracy with it on the fold itself.
/// `cosines` are those of `pairs`, which say in which fold they are; folds count from 0.
///
/// # Errors
/// [`Error::Mismatch`] for lists of different lengths, fewer than two folds, and a fold without pairs of one class or of two.
pub fn fold_accuracy(cosines: &[f64], pairs: &[ImagePair]) -> Result<FoldAccuracy> {
    let mismatch = |what, expected: String, found: String| Err(Error::Mismatch { what, expected, found });
    if cosines.len() != pairs.len() {
        return mismatch("cosines of pairs", pairs.len().to_string(), cosines.len().to_string());
    }
    let folds = pairs.iter().map(|pair| pair.fold + 1).max().unwrap_or(0);
    if folds < 2 {
        return mismatch("folds of pairs", "at least 2, counted from 0".into(), folds.to_string());
    }
    let part = |inside: bool, fold: usize| -> (Vec<f64>, Vec<bool>) {
        let of = pairs.iter().zip(cosines).filter(|(pair, _)| (pair.fold == fold) == inside);
        of.map(|(pair, cosine)| (*cosine, pair.same)).unzip()
    };
    let mut accuracies = Vec::with_capacity(folds);
    for fold in 0..folds {
        let (cosines, same) = part(true, fold);
        let Ok((positives, negatives)) = count(&cosines, &same) else {
            let one_class = same.iter().filter(|same| **same).count();
            return mismatch(
                "pairs of a fold",
                "pairs of one class and of two in every fold, which count from 0".into(),
                format!("{one_class} of one class and {} of two in fold {fold}", same.len() - one_class),
            );
        };
        let (others, same_of_others) = part(false, fold);
        let threshold = best_threshold(&others, &same_of_others)?.at;
        let right = |kind: bool| {
            let of = cosines.iter().zip(&same).filter(|(_, same)| **same == kind);
            of.filter(|(cosine, _)| (**cosine > threshold) == kind).count() as f64
        };
        accuracies.push(0.5 * (right(true) / positives as f64 + right(false) / negatives as f64));
    }
    let n = folds as f64;
    let mean = accuracies.iter().sum::<f64>() / n;
    let squares: f64 = accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum();
    Ok(FoldAccuracy { mean, std: (squares / (n - 1.0)).sqrt(), folds })
}
