//! The numbers of a sampler.

use serde::{Deserialize, Serialize};

use crate::{Error, PiecewiseLinear, Result, SamplerSpec};

/// Slack for knot gaps that went through arithmetic or a text file.
const GAP_SLACK: f64 = 1e-9;

/// Canonical coefficients are multiples of `2^-30`: a scaled or saved copy of a sampler then orders the
/// examples, ties included, exactly as the original does.
const COEFFICIENT_GRID: f64 = (1_u64 << 30) as f64;

/// `N` coefficients, `S - 1` inner knots and `S + 1` values that fit a [`SamplerSpec`]; always valid.
///
/// Different numbers can mean the same sampler; [`canonical`](Self::canonical) picks one of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedParams")]
pub struct SamplerParams {
    coefficients: Vec<f64>,
    inner_knots: Vec<f64>,
    values: Vec<f64>,
}

impl SamplerParams {
    /// Checked parameters: coefficients in `[-1, 1]`, knots increasing with at least `min_gap` between
    /// neighbours (0 and 1 included), values in `[0, 1]` and not all zero.
    ///
    /// # Errors
    /// Wrong lengths, or a number outside its range, which is named.
    pub fn new(
        spec: &SamplerSpec,
        coefficients: Vec<f64>,
        inner_knots: Vec<f64>,
        values: Vec<f64>,
    ) -> Result<Self> {
        let params = Self { coefficients, inner_knots, values };
        params.check(spec)?;
        Ok(params)
    }

    /// Checks that these parameters belong to `spec`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check(&self, spec: &SamplerSpec) -> Result<()> {
        let segments = spec.segments();
        for (what, found, expected) in [
            ("coefficients", self.coefficients.len(), spec.features().len()),
            ("inner_knots", self.inner_knots.len(), segments - 1),
            ("values", self.values.len(), segments + 1),
        ] {
            if found != expected {
                return Err(Error::Length { what: what.into(), found, expected });
            }
        }
        self.check_ranges(spec.min_gap())
    }

    fn check_ranges(&self, min_gap: f64) -> Result<()> {
        for (k, &c) in self.coefficients.iter().enumerate() {
            if !(-1.0..=1.0).contains(&c) {
                return Err(Error::invalid(format!("coefficients[{k}]"), c, "a number in [-1, 1]"));
            }
        }
        let mut left = 0.0;
        for (k, &knot) in self.inner_knots.iter().chain([&1.0]).enumerate() {
            if knot.is_nan() || knot - left < min_gap - GAP_SLACK {
                return Err(Error::invalid(
                    format!("inner_knots[{}]", k.min(self.inner_knots.len().saturating_sub(1))),
                    if k < self.inner_knots.len() { knot } else { left },
                    format!("knots in (0, 1), increasing by at least min_gap = {min_gap}"),
                ));
            }
            left = knot;
        }
        for (k, &v) in self.values.iter().enumerate() {
            if !(0.0..=1.0).contains(&v) {
                return Err(Error::invalid(format!("values[{k}]"), v, "a number in [0, 1]"));
            }
        }
        if self.values.iter().all(|&v| v == 0.0) {
            return Err(Error::invalid("values", "all zero", "at least one positive value"));
        }
        Ok(())
    }

    /// The sampler that draws every example alike: zero coefficients, even knots, values one.
    pub fn uniform(spec: &SamplerSpec) -> Self {
        Self::uniform_of(spec.features().len(), spec.segments())
    }

    fn uniform_of(features: usize, segments: usize) -> Self {
        Self {
            coefficients: vec![0.0; features],
            inner_knots: (1..segments).map(|k| k as f64 / segments as f64).collect(),
            values: vec![1.0; segments + 1],
        }
    }

    /// Coefficients `c`, `[N]`, in `[-1, 1]`.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// Knots `e_1 .. e_(S-1)`, increasing.
    pub fn inner_knots(&self) -> &[f64] {
        &self.inner_knots
    }

    /// Values `v_0 .. v_S` of the rule at the knots, in `[0, 1]`.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The rule `H`.
    pub fn rule(&self) -> PiecewiseLinear {
        let knots = [&[0.0], self.inner_knots.as_slice(), &[1.0]].concat();
        PiecewiseLinear::from_checked(knots, self.values.clone())
    }

    /// The representative of all parameters with these probabilities that can be told apart cheaply.
    ///
    /// - coefficients are scaled so that the largest magnitude is 1, and rounded to multiples of `2^-30`;
    /// - values are scaled so that the largest is 1;
    /// - of `(c, H)` and its mirror image `(-c, H reversed)`, the one is taken whose largest coefficient
    ///   (the first of them in ties) is positive;
    /// - a rule that cannot distinguish examples (all coefficients zero, or all values equal) becomes
    ///   [`uniform`](Self::uniform).
    ///
    /// [`RankedFeatures::weights`](crate::RankedFeatures::weights) evaluates the canonical form, so
    /// canonicalisation never changes a probability. Idempotent.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let (features, segments) = (self.coefficients.len(), self.values.len() - 1);
        let top = self.values.iter().copied().fold(0.0, f64::max);
        let values: Vec<f64> = self.values.iter().map(|v| v / top).collect();
        let Some((coefficients, mirrored)) = canonical_coefficients(&self.coefficients) else {
            return Self::uniform_of(features, segments);
        };
        if values.iter().all(|&v| v == 1.0) {
            return Self::uniform_of(features, segments);
        }
        if mirrored {
            let inner_knots = self.inner_knots.iter().rev().map(|e| 1.0 - e).collect();
            Self { coefficients, inner_knots, values: values.into_iter().rev().collect() }
        } else {
            Self { coefficients, inner_knots: self.inner_knots.clone(), values }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedParams {
    coefficients: Vec<f64>,
    inner_knots: Vec<f64>,
    values: Vec<f64>,
}

impl TryFrom<UncheckedParams> for SamplerParams {
    type Error = Error;

    /// Checks all that can be without the spec.
    fn try_from(raw: UncheckedParams) -> Result<Self> {
        let UncheckedParams { coefficients, inner_knots, values } = raw;
        if coefficients.is_empty() {
            return Err(Error::Empty { what: "coefficients".into() });
        }
        if values.len() != inner_knots.len() + 2 {
            let (found, expected) = (values.len(), inner_knots.len() + 2);
            return Err(Error::Length { what: "values".into(), found, expected });
        }
        let params = Self { coefficients, inner_knots, values };
        params.check_ranges(SamplerSpec::SMALLEST_MIN_GAP)?;
        Ok(params)
    }
}

/// Scaled, rounded coefficients with the largest positive, and whether the sign was turned to get there.
/// `None` when all are zero.
pub(crate) fn canonical_coefficients(coefficients: &[f64]) -> Option<(Vec<f64>, bool)> {
    let top = coefficients.iter().fold(0.0_f64, |top, c| top.max(c.abs()));
    if top == 0.0 {
        return None;
    }
    let mut scaled: Vec<f64> =
        coefficients.iter().map(|c| (c / top * COEFFICIENT_GRID).round() / COEFFICIENT_GRID).collect();
    // Decided after rounding: rounding can create a tie for the largest, and must not undo the choice.
    let mirrored = scaled.iter().find(|c| c.abs() == 1.0).is_some_and(|&c| c < 0.0);
    if mirrored {
        for c in &mut scaled {
            // Adding zero turns -0 into 0, so that equal samplers compare and print equal.
            *c = -*c + 0.0;
        }
    } else {
        for c in &mut scaled {
            *c += 0.0;
        }
    }
    Some((scaled, mirrored))
}
