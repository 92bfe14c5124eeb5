//! Named samplers of simple shape: the start-up design of a search.
//!
//! Ten numbers span many useless rules; a search that begins with the plausible ones finds good samplers in
//! far fewer trials. Depths are counted in *examples*: "drop 30%" turns off the three tenths of the examples
//! with the largest loss, wherever the transform puts them on the `u` axis.

use rayon::prelude::*;

use crate::{RankedFeatures, Result, SamplerParams, SamplerSpec};

/// Samplers to try first, each with a name: `uniform`; `drop-10` to `drop-60`, without that percentage of the
/// largest losses; `ramp`, `gentle-ramp` and `late-ramp`, linearly falling in the rank of the loss to 0, to
/// 0.2, and to 0 over the upper half only; `middle`, without the largest 30% and falling to 0 over the
/// smallest 20%; with a second feature, `drop-20-contrast` and `drop-40-contrast`, without the largest of
/// `r_0 - r_1 / 2`: high loss with low renormalised entropy, the mark of a wrong label.
///
/// Feature 0 of the spec must be the loss, and feature 1, where there is one, the renormalised entropy.
/// Shapes that need more knots than the rule has (three segments for a drop, four for `middle`) are left out.
///
/// # Errors
/// None beyond those of [`RankedFeatures::coordinate`].
pub fn startup(ranked: &RankedFeatures) -> Result<Vec<(String, SamplerParams)>> {
    let spec = ranked.spec();
    let mut shapes = vec![("uniform".to_owned(), Some(SamplerParams::uniform(spec)))];

    let loss = Axis::new(ranked, &[1.0])?;
    for depth in [10, 20, 30, 40, 50, 60] {
        shapes.push((format!("drop-{depth}"), loss.drop_top(f64::from(depth) / 100.0)?));
    }
    shapes.push(("ramp".into(), loss.ramp(0.0, 0.0)?));
    shapes.push(("gentle-ramp".into(), loss.ramp(0.0, 0.2)?));
    shapes.push(("late-ramp".into(), loss.ramp(0.5, 0.0)?));
    shapes.push(("middle".into(), loss.middle(0.2, 0.3)?));

    if spec.features().len() > 1 {
        let contrast = Axis::new(ranked, &[1.0, -0.5])?;
        for depth in [20, 40] {
            shapes.push((format!("drop-{depth}-contrast"), contrast.drop_top(f64::from(depth) / 100.0)?));
        }
    }
    Ok(shapes.into_iter().filter_map(|(name, params)| Some((name, params?))).collect())
}

/// The `u` axis of one choice of coefficients, with the examples on it.
struct Axis<'a> {
    spec: &'a SamplerSpec,
    coefficients: Vec<f64>,
    /// Coordinates of the examples, increasing.
    sorted: Vec<f64>,
}

impl<'a> Axis<'a> {
    /// Coefficients that are not given are zero.
    fn new(ranked: &'a RankedFeatures, coefficients: &[f64]) -> Result<Self> {
        let spec = ranked.spec();
        let mut coefficients = coefficients.to_vec();
        coefficients.resize(spec.features().len(), 0.0);
        let uniform = SamplerParams::uniform(spec);
        let (knots, values) = (uniform.inner_knots().to_vec(), uniform.values().to_vec());
        let mut sorted =
            ranked.coordinate(&SamplerParams::new(spec, coefficients.clone(), knots, values)?)?;
        sorted.par_sort_unstable_by(f64::total_cmp);
        Ok(Self { spec, coefficients, sorted })
    }

    /// The coordinate with this share of the *examples* below it.
    fn quantile(&self, share: f64) -> f64 {
        let n = self.sorted.len();
        match (share * n as f64).round() as usize {
            0 => 0.0,
            k if k >= n => 1.0,
            k => f64::midpoint(self.sorted[k - 1], self.sorted[k]),
        }
    }

    /// One up to the upper `depth` of the examples, zero on them, with the steepest step allowed.
    fn drop_top(&self, depth: f64) -> Result<Option<SamplerParams>> {
        let mut points = vec![(0.0, 1.0)];
        points.extend(self.step_down(1.0 - depth));
        points.push((1.0, 0.0));
        self.rule(&points)
    }

    /// One up to the share `from` of the examples, then linear in the share of the examples, down to `end`.
    fn ramp(&self, from: f64, end: f64) -> Result<Option<SamplerParams>> {
        let segments = self.spec.segments();
        let shares = (1..segments).map(|k| {
            // A flat start takes the first knot for itself.
            let t =
                if from > 0.0 { (k - 1) as f64 / (segments - 1) as f64 } else { k as f64 / segments as f64 };
            (self.quantile(from + (1.0 - from) * t), 1.0 - (1.0 - end) * t)
        });
        let mut points = vec![(0.0, 1.0)];
        points.extend(shares);
        points.push((1.0, end));
        self.rule(&points)
    }

    /// Rising from zero over the lower share `low`, then one, and zero on the upper share `high`.
    fn middle(&self, low: f64, high: f64) -> Result<Option<SamplerParams>> {
        let mut points = vec![(0.0, 0.0), (self.quantile(low), 1.0)];
        points.extend(self.step_down(1.0 - high));
        points.push((1.0, 0.0));
        self.rule(&points)
    }

    /// The points of a step from one to zero where this share of the examples lies below. Near an end of the
    /// axis there is no room for both, and the end itself serves as one of them.
    fn step_down(&self, share: f64) -> Vec<(f64, f64)> {
        let (gap, at) = (self.spec.min_gap(), self.quantile(share));
        let (from, to) = (at - gap / 2.0, at + gap / 2.0);
        if from < gap {
            vec![(to.max(gap), 0.0)]
        } else if to > 1.0 - gap {
            vec![(from.min(1.0 - gap), 1.0)]
        } else {
            vec![(from, 1.0), (to, 0.0)]
        }
    }

    /// The rule through `points` (first at 0, last at 1, increasing), moved apart where they are closer than
    /// the minimum gap; spare knots split the widest segments. `None` if the rule has fewer knots than that.
    fn rule(&self, points: &[(f64, f64)]) -> Result<Option<SamplerParams>> {
        let (segments, gap) = (self.spec.segments(), self.spec.min_gap());
        let mut points = points.to_vec();
        if points.len() > segments + 1 {
            return Ok(None);
        }
        while points.len() < segments + 1 {
            let width = |k: usize| points[k + 1].0 - points[k].0;
            let widest = (0..points.len() - 1).max_by(|&a, &b| width(a).total_cmp(&width(b))).unwrap_or(0);
            let ((a, va), (b, vb)) = (points[widest], points[widest + 1]);
            points.insert(widest + 1, (f64::midpoint(a, b), f64::midpoint(va, vb)));
        }
        for k in 1..segments {
            points[k].0 = points[k].0.max(points[k - 1].0 + gap);
        }
        for k in (1..segments).rev() {
            points[k].0 = points[k].0.min(points[k + 1].0 - gap);
        }
        let knots = points[1..segments].iter().map(|p| p.0).collect();
        let values = points.iter().map(|p| p.1).collect();
        SamplerParams::new(self.spec, self.coefficients.clone(), knots, values).map(Some)
    }
}
