//! Parameters as points of the unit cube, for an optimiser.
//!
//! The coordinates of a point are, in order, `N` for the coefficients (`c = 2x - 1`), `S - 1` for the inner
//! knots and `S + 1` for the values (`v = x`). Knot coordinates are sorted, `s_(1) <= s_(2) <= ...`, and
//! placed as `e_k = delta k + (1 - S delta) s_(k)`, so that every point of the cube respects the minimum gap.

use crate::params::canonical_coefficients;
use crate::{Error, Result, SamplerParams, SamplerSpec};

impl SamplerParams {
    /// The parameters at a point of `[0, 1]^(N+2S)`. Every point of the cube is valid: one whose values are
    /// all zero, and so would draw nothing, stands for the uniform sampler.
    ///
    /// # Errors
    /// Another dimension than [`SamplerSpec::dim`], or a coordinate outside `[0, 1]`.
    pub fn from_unit(spec: &SamplerSpec, point: &[f64]) -> Result<Self> {
        let (coefficients, knots, values) = split(spec, point)?;
        if values.iter().all(|&v| v == 0.0) {
            return Ok(Self::uniform(spec));
        }
        let (delta, free) = gaps(spec);
        let mut sorted = knots.to_vec();
        sorted.sort_by(f64::total_cmp);
        let inner_knots = (1..).zip(&sorted).map(|(k, s)| delta * k as f64 + free * s).collect();
        let coefficients = coefficients.iter().map(|x| 2.0 * x - 1.0).collect();
        Self::new(spec, coefficients, inner_knots, values.to_vec())
    }

    /// The point of the unit cube that stands for these parameters, with sorted knot coordinates; the
    /// inverse of [`from_unit`](Self::from_unit) up to rounding.
    ///
    /// # Errors
    /// Parameters that do not fit `spec`.
    pub fn to_unit(&self, spec: &SamplerSpec) -> Result<Vec<f64>> {
        self.check(spec)?;
        let (delta, free) = gaps(spec);
        let knots =
            (1..).zip(self.inner_knots()).map(|(k, e)| ((e - delta * k as f64) / free).clamp(0.0, 1.0));
        let coefficients = self.coefficients().iter().map(|c| (c + 1.0) / 2.0);
        Ok(coefficients.chain(knots).chain(self.values().iter().copied()).collect())
    }
}

/// Projects a point of the unit cube onto the representative of its sampler, see
/// [`SamplerParams::canonical`]: an optimiser that projects its points never models one sampler twice.
///
/// Exactly idempotent, and never changes a probability.
///
/// # Errors
/// Another dimension than [`SamplerSpec::dim`], or a coordinate outside `[0, 1]`.
pub fn canonicalize_unit(spec: &SamplerSpec, point: &[f64]) -> Result<Vec<f64>> {
    let (coefficients, knots, values) = split(spec, point)?;
    let signed: Vec<f64> = coefficients.iter().map(|x| 2.0 * x - 1.0).collect();
    let top = values.iter().copied().fold(0.0, f64::max);
    let flat = values.iter().all(|&v| v == top);
    let Some((scaled, mirrored)) = canonical_coefficients(&signed).filter(|_| !flat) else {
        return SamplerParams::uniform(spec).to_unit(spec).map(|mut point| {
            // Even knots are even knot coordinates too; written out so that rounding cannot move them.
            let (first, segments) = (spec.features().len(), spec.segments());
            for k in 1..segments {
                point[first + k - 1] = k as f64 / segments as f64;
            }
            point
        });
    };
    let mut knots = knots.to_vec();
    let mut values: Vec<f64> = values.iter().map(|v| v / top).collect();
    if mirrored {
        // 1 - e_(S-k) in knot coordinates is 1 - s_(S-k): the gaps are symmetric.
        knots.iter_mut().for_each(|s| *s = 1.0 - *s);
        values.reverse();
    }
    knots.sort_by(f64::total_cmp);
    // Exact: scaled coefficients are multiples of 2^-30.
    Ok(scaled.into_iter().map(|c| (c + 1.0) / 2.0).chain(knots).chain(values).collect())
}

/// The minimum gap `delta` and the free length `1 - S delta`.
fn gaps(spec: &SamplerSpec) -> (f64, f64) {
    (spec.min_gap(), 1.0 - spec.segments() as f64 * spec.min_gap())
}

fn split<'a>(spec: &SamplerSpec, point: &'a [f64]) -> Result<(&'a [f64], &'a [f64], &'a [f64])> {
    if point.len() != spec.dim() {
        let what = "point of the unit cube".into();
        return Err(Error::Length { what, found: point.len(), expected: spec.dim() });
    }
    if let Some(k) = point.iter().position(|x| !(0.0..=1.0).contains(x)) {
        return Err(Error::invalid(format!("unit coordinate {k}"), point[k], "a number in [0, 1]"));
    }
    let (coefficients, rest) = point.split_at(spec.features().len());
    let (knots, values) = rest.split_at(spec.segments() - 1);
    Ok((coefficients, knots, values))
}
