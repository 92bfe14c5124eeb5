//! Do two images show the same? The protocols of face verification, on cosines of embeddings.
//!
//! Two images are taken for the same class when their cosine is above a threshold. Pairs of one class and pairs of two weigh
//! half each in every accuracy here, however many there are of either; on the lists of LFW (Huang et al. 2007) and YTF
//! (Wolf, Hassner & Maoz 2011), which have as many of one kind as of the other, that is the plain accuracy.
//!
//! | file | content |
//! |---|---|
//! | `pairs` | all pairs of a set of images, and how they are dealt to folds |
//! | `threshold` | the best threshold on a set of pairs |
//! | `folds` | accuracy with the threshold of the other folds |
//! | `roc` | true against false acceptance |

mod folds;
mod pairs;
mod roc;
mod threshold;

pub use folds::{FoldAccuracy, fold_accuracy};
pub use pairs::{all_pairs, deal_folds};
pub(crate) use pairs::{check_sizes, class_counts};
pub use roc::Roc;
pub use threshold::{Threshold, best_threshold};

use crate::{Error, Result};

/// The numbers of pairs of one class and of two.
///
/// # Errors
/// [`Error::Mismatch`] for lists of different lengths, and where one of the kinds is missing.
fn count(cosines: &[f64], same: &[bool]) -> Result<(usize, usize)> {
    let mismatch = |what, expected: String, found: String| Err(Error::Mismatch { what, expected, found });
    if cosines.len() != same.len() {
        return mismatch("cosines of pairs", same.len().to_string(), cosines.len().to_string());
    }
    let positives = same.iter().filter(|same| **same).count();
    let negatives = same.len() - positives;
    if positives == 0 || negatives == 0 {
        return mismatch(
            "pairs to verify",
            "at least one pair of one class and one of two".into(),
            format!("{positives} of one class and {negatives} of two"),
        );
    }
    Ok((positives, negatives))
}
