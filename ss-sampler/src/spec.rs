//! The form of a sampler: everything but its numbers.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the combined score `z` becomes the coordinate `u` in `[0, 1]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// Cumulative gradient function: share of the total gradient norm below `z`, plus half of that at `z`.
    #[default]
    Cgf,
    /// Empirical distribution: share of the examples below `z`, plus half of those at `z`.
    Cdf,
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cgf => "cgf",
            Self::Cdf => "cdf",
        })
    }
}

impl FromStr for Transform {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cgf" => Ok(Self::Cgf),
            "cdf" => Ok(Self::Cdf),
            _ => Err(Error::invalid("transform", format!("`{name}`"), "cgf or cdf")),
        }
    }
}

/// The features, the transform and the size of the rule; always valid.
///
/// Defaults: 4 segments, a minimum gap of 0.02 between knots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSpec")]
pub struct SamplerSpec {
    features: Vec<String>,
    transform: Transform,
    segments: usize,
    min_gap: f64,
}

impl SamplerSpec {
    /// Segments of the rule unless set otherwise.
    pub const DEFAULT_SEGMENTS: usize = 4;
    /// Minimum knot gap unless set otherwise.
    pub const DEFAULT_MIN_GAP: f64 = 0.02;
    /// The smallest minimum gap: well above the rounding of knots that went through a text file.
    pub const SMALLEST_MIN_GAP: f64 = 1e-6;
    /// The largest number of features.
    pub const MAX_FEATURES: usize = 64;

    /// A spec over these features, in this order; [`shapes`](crate::shapes) take the first to be the loss.
    ///
    /// # Errors
    /// No feature, more than [`MAX_FEATURES`](Self::MAX_FEATURES), an empty or repeated name.
    pub fn new<S: Into<String>>(features: impl IntoIterator<Item = S>, transform: Transform) -> Result<Self> {
        let features: Vec<String> = features.into_iter().map(Into::into).collect();
        if features.is_empty() || features.len() > Self::MAX_FEATURES {
            return Err(Error::invalid(
                "number of features",
                features.len(),
                format!("1 to {}", Self::MAX_FEATURES),
            ));
        }
        let mut seen = HashSet::new();
        for (k, name) in features.iter().enumerate() {
            if name.is_empty() || !seen.insert(name.as_str()) {
                return Err(Error::invalid(
                    format!("feature name {k}"),
                    format!("`{name}`"),
                    "a name that is not empty and not repeated",
                ));
            }
        }
        let (segments, min_gap) = (Self::DEFAULT_SEGMENTS, Self::DEFAULT_MIN_GAP);
        Ok(Self { features, transform, segments, min_gap })
    }

    /// The ten numbers of the paper: loss and renormalised entropy, cgf, four segments.
    pub fn paper() -> Self {
        Self {
            features: vec!["loss".into(), "renormed_entropy".into()],
            transform: Transform::Cgf,
            segments: Self::DEFAULT_SEGMENTS,
            min_gap: Self::DEFAULT_MIN_GAP,
        }
    }

    /// Sets the number of linear segments `S >= 1`.
    ///
    /// # Errors
    /// Zero, or so many that `S * min_gap >= 1`.
    pub fn with_segments(self, segments: usize) -> Result<Self> {
        Self { segments, ..self }.checked()
    }

    /// Sets the smallest distance `delta` between neighbouring knots, at least `1e-6`; the rule's Lipschitz
    /// constant is `1 / delta`.
    ///
    /// # Errors
    /// Below `1e-6`, or so large that `S * min_gap >= 1`.
    pub fn with_min_gap(self, min_gap: f64) -> Result<Self> {
        Self { min_gap, ..self }.checked()
    }

    fn checked(self) -> Result<Self> {
        if self.segments == 0 {
            return Err(Error::invalid("segments", 0, "at least 1"));
        }
        // The negation also catches NaN.
        if !(self.min_gap >= Self::SMALLEST_MIN_GAP && self.segments as f64 * self.min_gap < 1.0) {
            return Err(Error::invalid(
                "min_gap",
                self.min_gap,
                format!(
                    "at least {} and less than 1 / segments = {}",
                    Self::SMALLEST_MIN_GAP,
                    1.0 / self.segments as f64
                ),
            ));
        }
        Ok(self)
    }

    /// Feature names, `N` of them.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The transform from `z` to `u`.
    pub const fn transform(&self) -> Transform {
        self.transform
    }

    /// Number of linear segments `S`.
    pub const fn segments(&self) -> usize {
        self.segments
    }

    /// Smallest distance between neighbouring knots.
    pub const fn min_gap(&self) -> f64 {
        self.min_gap
    }

    /// Number of free parameters: `N` coefficients, `S - 1` inner knots, `S + 1` values: `N + 2S`.
    pub fn dim(&self) -> usize {
        self.features.len() + 2 * self.segments
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedSpec {
    features: Vec<String>,
    transform: Transform,
    segments: usize,
    min_gap: f64,
}

impl TryFrom<UncheckedSpec> for SamplerSpec {
    type Error = Error;

    fn try_from(raw: UncheckedSpec) -> Result<Self> {
        let base = Self::new(raw.features, raw.transform)?;
        Self { segments: raw.segments, min_gap: raw.min_gap, ..base }.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_spec_has_ten_numbers() {
        assert_eq!(SamplerSpec::paper().dim(), 10);
    }

    #[test]
    fn bad_specs_name_the_field() {
        let spec = || SamplerSpec::new(["loss"], Transform::Cgf).unwrap();
        assert!(spec().with_segments(0).unwrap_err().to_string().contains("segments is 0"));
        assert!(spec().with_segments(50).unwrap_err().to_string().contains("min_gap"));
        for gap in [0.0, 1e-7, -1.0, 0.25, f64::NAN, f64::INFINITY] {
            assert!(spec().with_min_gap(gap).unwrap_err().to_string().contains("min_gap"), "{gap}");
        }
        for names in [vec![], vec![""], vec!["a", "a"], vec!["x"; 65]] {
            assert!(SamplerSpec::new(names, Transform::Cdf).is_err());
        }
    }

    #[test]
    fn json_is_checked_too() {
        let json = serde_json::to_string(&SamplerSpec::paper()).unwrap();
        assert_eq!(serde_json::from_str::<SamplerSpec>(&json).unwrap(), SamplerSpec::paper());
        let broken = json.replace("\"segments\":4", "\"segments\":0");
        assert!(serde_json::from_str::<SamplerSpec>(&broken).unwrap_err().to_string().contains("segments"));
    }
}
