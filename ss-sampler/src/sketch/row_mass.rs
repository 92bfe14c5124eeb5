//! The mass of a row in the transform of `z`: its gradient norm as an integer, or one.

use crate::Transform;
use crate::masses::{gradient_mass, gradient_scale};

/// Integer masses whose sum over the dataset is at most `2^62`, the same as in memory
/// ([`RankedFeatures`](crate::RankedFeatures)): they depend on the number of rows and the largest norm, which the
/// first pass finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RowMass {
    /// Every row counts alike: the cdf, and the cgf when no row has a gradient.
    Equal,
    /// Proportional to the gradient norm.
    Gradient { scale: f64 },
}

impl RowMass {
    pub(crate) fn new(transform: Transform, rows: u64, top_norm: f32) -> Self {
        if transform == Transform::Cdf || top_norm == 0.0 {
            return Self::Equal;
        }
        Self::Gradient { scale: gradient_scale(rows, top_norm) }
    }

    pub(crate) const fn reads_norms(self) -> bool {
        matches!(self, Self::Gradient { .. })
    }

    /// The mass of a row with this norm, which is not negative.
    #[inline]
    pub(crate) fn of(self, norm: f32) -> u64 {
        match self {
            Self::Equal => 1,
            Self::Gradient { scale } => gradient_mass(norm, scale),
        }
    }
}
