//! The rule `H`: continuous, piecewise linear on `[0, 1]`.

use crate::{Error, Result};

/// A continuous piecewise-linear function on `[0, 1]`, constant outside.
///
/// ```
/// use ss_sampler::PiecewiseLinear;
///
/// let rule = PiecewiseLinear::new(vec![0.0, 0.5, 1.0], vec![1.0, 1.0, 0.0])?;
/// assert_eq!(rule.eval(0.75), 0.5);
/// assert_eq!(rule.lipschitz(), 2.0);
/// # Ok::<(), ss_sampler::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PiecewiseLinear {
    knots: Vec<f64>,
    values: Vec<f64>,
}

impl PiecewiseLinear {
    /// The function through the points `(knots[k], values[k])`, joined by straight lines.
    ///
    /// # Errors
    /// Fewer than two knots, another number of values, knots that do not increase strictly from 0 to 1,
    /// or values that are not finite.
    pub fn new(knots: Vec<f64>, values: Vec<f64>) -> Result<Self> {
        if knots.len() < 2 {
            return Err(Error::invalid("number of knots", knots.len(), "at least 2"));
        }
        if values.len() != knots.len() {
            return Err(Error::Length { what: "values".into(), found: values.len(), expected: knots.len() });
        }
        // `is_sorted_by` is false for NaN too.
        if knots[0] != 0.0 || knots[knots.len() - 1] != 1.0 || !knots.is_sorted_by(|a, b| a < b) {
            return Err(Error::invalid("knots", format!("{knots:?}"), "increasing numbers from 0 to 1"));
        }
        if let Some(k) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid(format!("values[{k}]"), values[k], "a finite number"));
        }
        Ok(Self { knots, values })
    }

    /// For parameters whose own check implies the one above.
    pub(crate) fn from_checked(knots: Vec<f64>, values: Vec<f64>) -> Self {
        Self { knots, values }
    }

    /// `H(u)`; `u` outside `[0, 1]` counts as the nearer end.
    pub fn eval(&self, u: f64) -> f64 {
        // Few knots: to compare with all of them takes no jump that the processor would have to guess.
        let last = self.knots.len() - 2;
        let k: usize = self.knots[1..=last].iter().map(|&knot| usize::from(knot <= u)).sum();
        let (left, right) = (self.knots[k], self.knots[k + 1]);
        let t = ((u - left) / (right - left)).clamp(0.0, 1.0);
        // This form is exact at both ends; between them it leaves the two values by rounding at most.
        (1.0 - t) * self.values[k] + t * self.values[k + 1]
    }

    /// The smallest `L` with `|H(a) - H(b)| <= L |a - b|`: the steepest slope. At most `1 / delta` for values
    /// in `[0, 1]` and knots at least `delta` apart.
    pub fn lipschitz(&self) -> f64 {
        let slopes = self.knots.windows(2).zip(self.values.windows(2));
        slopes.map(|(e, v)| ((v[1] - v[0]) / (e[1] - e[0])).abs()).fold(0.0, f64::max)
    }

    /// Knots, from 0 to 1.
    pub fn knots(&self) -> &[f64] {
        &self.knots
    }

    /// Values at the knots.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}
