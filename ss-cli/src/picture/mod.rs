//! A learned sampler, the search that found it and a table's results as SVG drawings.
//!
//! [`draw`] makes the drawing that stands alone, `rule.svg`; the pages of [`report`](crate::report) show the same
//! panels and more, in colours that follow light and dark.

mod against_noise;
mod examples;
mod histogram;
mod history;
mod labels;
mod palette;
mod panel;
mod plane;
mod rule;
mod view;
mod wrong_map;

use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Weights};

pub use against_noise::{NoisePoint, NoiseSeries};
pub(crate) use palette::series_name;
pub(crate) use panel::Figure;
use panel::Heading;
pub use view::SamplerView;

use crate::Result;
use crate::inspect::{Distribution, Plane};
use crate::search::TrialRecord;

/// Draws a sampler as an SVG document: two or three panels on white. The same arguments give the same text.
///
/// - The rule `H`: weight `tau` against the coordinate `u`, with its knots, in canonical form.
/// - Up to 3,000 examples, evenly strided, by the ranks of the first two features; the colour is the sampling
///   probability over that of uniform sampling, `p n`. With one feature, `p n` against its rank.
/// - With `wrong`, `[n]`, true where a label is known to be wrong: clean and wrong examples by the rank of
///   the first feature, and the mean of `p n` in each bin.
///
/// # Errors
/// Those of [`SamplerView::new`].
pub fn draw(
    ranked: &RankedFeatures,
    params: &SamplerParams,
    weights: &Weights,
    wrong: Option<&[bool]>,
) -> Result<String> {
    of_view(&SamplerView::new(ranked, params, weights, wrong)?)
}

/// The drawing of [`draw`], of a view that was made before.
///
/// # Errors
/// [`Error::Picture`](crate::Error::Picture).
pub fn of_view(view: &SamplerView) -> Result<String> {
    panel::standing_alone(if view.labels.is_some() { 3 } else { 2 }, |panels| {
        rule::draw(view, &panels[0], Heading::Titled)?;
        examples::draw(view, &panels[1], Heading::Titled)?;
        if let (Some(labels), Some(panel)) = (&view.labels, panels.get(2)) {
            labels::draw(view, &labels.bins, panel, Heading::Titled)?;
        }
        Ok(())
    })
}

/// Draws a rule that no examples are known of: the rule, and, where there is one, the plane of its weights.
///
/// # Errors
/// Parameters that do not fit the spec.
pub fn rule_alone(spec: &SamplerSpec, params: &SamplerParams, weights: Option<&Plane>) -> Result<String> {
    let view = SamplerView::of_rule(spec, params)?;
    panel::standing_alone(if weights.is_some() { 2 } else { 1 }, |panels| {
        rule::draw(&view, &panels[0], Heading::Titled)?;
        match (weights, panels.get(1)) {
            (Some(plane), Some(panel)) => plane::draw(plane, "(b) The weight", panel, Heading::Titled),
            _ => Ok(()),
        }
    })
}

/// Draws weights of examples: their draws as a histogram and, where features are known, over the plane of these.
///
/// # Errors
/// [`Error::Picture`](crate::Error::Picture).
pub fn weights(distribution: &Distribution, draws: Option<&Plane>) -> Result<String> {
    panel::standing_alone(if draws.is_some() { 2 } else { 1 }, |panels| {
        histogram::draw(distribution, &panels[0], Heading::Titled)?;
        match (draws, panels.get(1)) {
            (Some(plane), Some(panel)) => {
                plane::draw(plane, "(b) How often examples are drawn", panel, Heading::Titled)
            }
            _ => Ok(()),
        }
    })
}

/// The rule, for a page.
pub(crate) fn rule(view: &SamplerView) -> Result<Figure> {
    panel::on_a_page(|area| rule::draw(view, area, Heading::Bare))
}

/// How often each example is drawn, for a page.
pub(crate) fn examples(view: &SamplerView) -> Result<Figure> {
    panel::on_a_page(|area| examples::draw(view, area, Heading::Bare))
}

/// Where the wrong labels are, for a page; none where nobody knows, or in a plane of one feature.
pub(crate) fn wrong_map(view: &SamplerView) -> Result<Option<Figure>> {
    let known = view.labels.as_ref().filter(|labels| !labels.cells.is_empty());
    known
        .map(|labels| panel::on_a_page(|area| wrong_map::draw(view, labels, area, Heading::Bare)))
        .transpose()
}

/// What happens to wrong labels, for a page; none where nobody knows which are.
pub(crate) fn labels(view: &SamplerView) -> Result<Option<Figure>> {
    let draw = |labels: &view::Labels| {
        panel::on_a_page(|area| labels::draw(view, &labels.bins, area, Heading::Bare))
    };
    view.labels.as_ref().map(draw).transpose()
}

/// The trials of a search, for a page; `used` is the one whose rule is in use.
pub(crate) fn history(trials: &[TrialRecord], used: usize, score: &str) -> Result<Figure> {
    panel::on_a_page(|area| history::draw(trials, used, score, area, Heading::Bare))
}

/// Numbers against label noise, for a page.
pub(crate) fn against_noise(lines: &[NoiseSeries], y_label: &str) -> Result<Figure> {
    panel::on_a_page(|area| against_noise::draw(lines, y_label, area, Heading::Bare))
}

#[cfg(test)]
mod tests {
    use ss_sampler::Transform;

    use super::*;

    const N: usize = 200;

    /// Two columns, one the reverse of the other up to ties, and every fifth label wrong.
    fn ranked(features: usize, transform: Transform) -> RankedFeatures {
        let names = &["loss", "renormed_entropy", "margin"][..features];
        let spec = SamplerSpec::new(names.iter().copied(), transform).unwrap();
        let up: Vec<f32> = (0..N).map(|i| i as f32).collect();
        let down: Vec<f32> = (0..N).map(|i| ((N - i) / 3) as f32).collect();
        let columns = [up.as_slice(), &down, &up];
        RankedFeatures::new(spec, &columns[..features], &vec![1.0; N]).unwrap()
    }

    fn params(ranked: &RankedFeatures, values: [f64; 5]) -> SamplerParams {
        let coefficients = [0.5, -0.25, 0.1][..ranked.spec().features().len()].to_vec();
        SamplerParams::new(ranked.spec(), coefficients, vec![0.3, 0.5, 0.7], values.to_vec()).unwrap()
    }

    fn falling(features: usize, wrong: Option<&[bool]>) -> String {
        let ranked = ranked(features, Transform::Cgf);
        let params = params(&ranked, [0.8, 0.8, 0.4, 0.0, 0.0]);
        draw(&ranked, &params, &ranked.weights(&params).unwrap(), wrong).unwrap()
    }

    /// Whether every tag is closed, in order, and no text holds a bare `<`.
    fn well_formed(svg: &str) -> bool {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            let Some(end) = rest[start..].find('>').map(|end| start + end) else { return false };
            let tag = &rest[start + 1..end];
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop() != Some(name) {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().unwrap_or_default());
            }
            if tag[1..].contains('<') || tag.matches('"').count() % 2 == 1 {
                return false;
            }
        }
        open.is_empty() && !rest.contains('>')
    }

    #[test]
    fn the_drawing_is_a_well_formed_finite_and_repeatable_document() {
        let wrong: Vec<bool> = (0..N).map(|i| i % 5 == 0).collect();
        let svg = falling(2, Some(&wrong));
        assert!(svg.starts_with("<svg ") && well_formed(&svg), "{svg}");
        assert!(svg.contains(r#"width="1101" height="380""#));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg, falling(2, Some(&wrong)));
        assert!(!well_formed("<svg><text></svg>"), "the check can fail");
    }

    #[test]
    fn axes_are_labelled_in_words() {
        let wrong = vec![true; N];
        let svg = falling(2, Some(&wrong));
        for words in [
            "share of the gradient norm",
            "weight τ",
            "rank of the loss",
            "rank of the renormalised entropy E",
            "order by rank: 1.00 loss − 0.50 entropy",
            "examples",
            "draws relative to uniform",
        ] {
            assert!(svg.contains(words), "{words}");
        }
    }

    #[test]
    fn every_example_of_a_small_set_and_every_knot_is_a_point() {
        // 2-pixel points are examples, 4-pixel ones are knots.
        let svg = falling(2, None);
        assert_eq!(svg.matches(r#"<circle "#).count(), N + 5);
        assert_eq!(svg.matches(r#"r="4""#).count(), 5);
        assert!(svg.contains(r#"width="734""#) && !svg.contains("wrong"));
    }

    #[test]
    fn a_large_set_is_thinned() {
        let spec = SamplerSpec::new(["loss"], Transform::Cdf).unwrap();
        let column: Vec<f32> = (0..10_000).map(|i| i as f32).collect();
        let ranked = RankedFeatures::new(spec, &[&column], &[]).unwrap();
        let params = params(&ranked, [1.0, 1.0, 1.0, 1.0, 0.0]);
        let svg = draw(&ranked, &params, &ranked.weights(&params).unwrap(), None).unwrap();
        assert_eq!(svg.matches(r#"<circle "#).count(), 2500 + 5);
    }

    #[test]
    fn any_number_of_features_and_the_uniform_sampler_can_be_drawn() {
        let one = falling(1, None);
        assert!(well_formed(&one) && one.contains("draws relative to uniform, p·n"));
        assert!(!one.contains("entropy"));
        assert!(falling(3, None).contains("− 0.50 entropy E&apos; …"), "the third feature has no room");

        let ranked = ranked(2, Transform::Cdf);
        let uniform = SamplerParams::uniform(ranked.spec());
        let svg = draw(&ranked, &uniform, &ranked.weights(&uniform).unwrap(), None).unwrap();
        assert!(well_formed(&svg) && svg.contains("drawn alike") && svg.contains("share of the examples"));
    }

    #[test]
    fn lengths_that_differ_are_named() {
        let ranked = ranked(2, Transform::Cgf);
        let params = SamplerParams::uniform(ranked.spec());
        let weights = Weights::uniform(N).unwrap();
        let error = draw(&ranked, &params, &weights, Some(&[true])).unwrap_err().to_string();
        assert!(error.contains("wrong labels") && error.contains("200"), "{error}");
        let error = draw(&ranked, &params, &Weights::uniform(3).unwrap(), None).unwrap_err().to_string();
        assert!(error.contains("weights"), "{error}");
    }
}
