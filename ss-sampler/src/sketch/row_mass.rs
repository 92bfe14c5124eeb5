//! The mass of a row in the transform of `z`: its gradient norm as an integer, or one.

use crate::Transform;
use crate::coordinate::ceil_log2;

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
        // At 10^10 rows the largest norm becomes 2^28, and the sum stays below 2^62.
        let bits = (62 - ceil_log2(rows)).min(40);
        Self::Gradient { scale: (1_u64 << bits) as f64 / f64::from(top_norm) }
    }

    pub(crate) const fn reads_norms(self) -> bool {
        matches!(self, Self::Gradient { .. })
    }

    /// The mass of a row with this norm, which is not negative.
    #[inline]
    pub(crate) fn of(self, norm: f32) -> u64 {
        match self {
            Self::Equal => 1,
            // Rounded half away from zero, as in memory; products are below 2^41.
            Self::Gradient { scale } => {
                let mass = f64::from(norm) * scale;
                let whole = mass as u64;
                whole + u64::from(mass - whole as f64 >= 0.5)
            }
        }
    }
}
