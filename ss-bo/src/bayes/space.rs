//! The search space: the unit cube, up to a projection on canonical points.

use std::sync::Arc;

/// Maps any point of the cube to its canonical representative; see
/// [`BayesOpt::with_projection`](crate::BayesOpt::with_projection).
pub type Projection = Arc<dyn Fn(&[f64]) -> Vec<f64> + Send + Sync>;

/// The unit cube of dimension `dim`, with points identified that the projection maps to the same one.
#[derive(Clone)]
pub(crate) struct Space {
    dim: usize,
    projection: Option<Projection>,
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Space")
            .field("dim", &self.dim)
            .field("projection", &self.projection.as_ref().map(|_| "Fn"))
            .finish()
    }
}

/// Step of the finite differences through the projection.
const STEP: f64 = 1e-6;

impl Space {
    pub(crate) fn new(dim: usize, projection: Option<Projection>) -> Self {
        Self { dim, projection }
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// The canonical representative of `x`.
    pub(crate) fn canonical(&self, x: &[f64]) -> Vec<f64> {
        match &self.projection {
            None => x.to_vec(),
            Some(projection) => projection(x),
        }
    }

    /// The gradient at `x` of a function of the canonical point, from its gradient there: the chain rule
    /// through the projection, whose Jacobian is taken by finite differences into the cube.
    pub(crate) fn pull_back(&self, x: &[f64], canonical: &[f64], gradient: Vec<f64>) -> Vec<f64> {
        let Some(projection) = &self.projection else { return gradient };
        let mut moved = x.to_vec();
        (0..self.dim)
            .map(|i| {
                let step = if x[i] > 0.5 { -STEP } else { STEP };
                moved[i] = x[i] + step;
                let there = projection(&moved);
                moved[i] = x[i];
                let change = there.iter().zip(canonical).zip(&gradient).map(|((a, b), g)| (a - b) * g);
                change.sum::<f64>() / step
            })
            .collect()
    }
}
