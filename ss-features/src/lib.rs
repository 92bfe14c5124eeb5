//! Per-example training features from logits, and the table that carries them.
//!
//! Swift Sampler decides how often an example is drawn from a few numbers that a network gives away in one
//! forward pass. This crate computes them from logits and labels, with no deep-learning framework in
//! sight: bring the logits of any model as a row-major `[n, k]` slice.
//!
//! | [`FeatureKind`] | definition | range |
//! |---|---|---|
//! | `loss` | cross-entropy `-ln p_y`, nats | `[0, inf)` |
//! | `renormed_entropy` | entropy of the softmax over the classes *other* than the label | `[0, ln(k-1)]` |
//! | `grad_norm` | norm of the loss gradient in the last linear layer, `‖p - onehot(y)‖ sqrt(‖h‖² + 1)` | `[0, inf)` |
//! | `el2n` | `‖p - onehot(y)‖` (Paul, Ganguli, Dziugaite 2021) | `[0, sqrt 2]` |
//! | `margin` | logit of the label minus the largest other logit (Pleiss et al. 2020) | all reals |
//! | `confidence` | `p_y` (Swayamdipta et al. 2020) | `[0, 1]` |
//!
//! A wrong label shows as high loss with *low* renormalised entropy (the network is sure of one other
//! class); a hard example as high loss with high renormalised entropy.
//!
//! ```
//! use ss_features::{FeatureTable, compute};
//!
//! // Three examples, three classes: easy, mislabelled, hard.
//! let logits = [6.0, 0.0, 0.0, /* */ 0.0, 6.0, 0.0, /* */ 0.0, 0.1, 0.0];
//! let features = compute(&logits, 3, &[0, 0, 0], None)?;
//! let table = FeatureTable::from_features(vec![10, 11, 12], features)?;
//! let (loss, entropy) = (table.column("loss")?, table.column("renormed_entropy")?);
//! assert!(loss[1] > 5.0 && entropy[1] < 0.1, "wrong label: high loss, low entropy");
//! assert!(entropy[2] > 0.69, "hard: close to ln 2, the largest for three classes");
//! # Ok::<(), ss_features::Error>(())
//! ```

mod compute;
mod error;
mod kind;
mod logits;
mod running;
mod table;

pub use compute::{ExampleFeatures, compute, compute_view};
pub use error::{Error, Result};
pub use kind::FeatureKind;
pub use logits::Logits;
pub use running::{ExponentialMean, RunningMean};
pub use table::FeatureTable;
