//! The features this crate knows, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A per-example feature; definitions and ranges in the [crate docs](crate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// Cross-entropy of the label, nats.
    Loss,
    /// Entropy of the softmax over the other classes, nats.
    RenormedEntropy,
    /// Norm of the last layer's gradient.
    GradNorm,
    /// Norm of the error vector `p - onehot(y)`.
    El2n,
    /// Logit of the label minus the largest other logit.
    Margin,
    /// Probability of the label.
    Confidence,
}

impl FeatureKind {
    /// All kinds, in the order in which tables list them.
    pub const ALL: [Self; 6] =
        [Self::Loss, Self::RenormedEntropy, Self::GradNorm, Self::El2n, Self::Margin, Self::Confidence];

    /// The column name: `loss`, `renormed_entropy`, `grad_norm`, `el2n`, `margin` or `confidence`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::RenormedEntropy => "renormed_entropy",
            Self::GradNorm => "grad_norm",
            Self::El2n => "el2n",
            Self::Margin => "margin",
            Self::Confidence => "confidence",
        }
    }
}

impl fmt::Display for FeatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FeatureKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| Error::UnknownFeature {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}
