//! A learned sampler as one self-contained SVG drawing.
//!
//! Two or three panels on white: the rule; the examples in the plane of the first two features, coloured by
//! how often they are drawn; and, where the truth about the labels is known, what happens to the wrong ones.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::Color;
use ss_sampler::{RankedFeatures, SamplerParams, Transform, Weights};

use crate::{Error, Result};

/// Size of one panel in pixels: three make a drawing of 1101 x 380.
const PANEL: (u32, u32) = (367, 380);

/// At most this many examples are drawn as points, to bound the size of the file.
const MAX_POINTS: usize = 3000;

/// Bins of the histogram.
const BINS: usize = 20;

/// Space above a plot, for its title and a line below it.
const HEADER: i32 = 58;
/// Space below a plot, for tick labels and the axis label.
const FOOTER: u32 = 48;
const BOTTOM_MARGIN: u32 = 6;
/// Space beside a plot, for tick labels and the axis label.
const SIDE: u32 = 52;
/// Space right of a plot without an axis there.
const RIGHT_MARGIN: u32 = 14;

/// Characters that fit in the line below a title.
const MAX_LINE: usize = 48;
/// Characters of a feature's name that fit beside a plot.
const MAX_NAME: usize = 24;

const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT: RGBColor = RGBColor(232, 232, 232);
const RULE: RGBColor = RGBColor(13, 8, 135);
/// Tints of Okabe and Ito's blue and vermilion, which all kinds of colour vision tell apart.
const CLEAN: RGBColor = RGBColor(153, 199, 224);
const WRONG: RGBColor = RGBColor(230, 159, 115);

/// Anchors at equal steps of the map "plasma" of Matplotlib (van der Walt and Smith), from 0.8 down to 0: of
/// increasing contrast on white, and told apart by all kinds of colour vision.
const COLOURS: [(u8, u8, u8); 9] = [
    (252, 166, 54),
    (242, 132, 75),
    (225, 100, 98),
    (204, 71, 120),
    (177, 42, 144),
    (143, 13, 164),
    (106, 0, 168),
    (65, 4, 157),
    (13, 8, 135),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<io::Error>>;

/// Draws a sampler as an SVG document. The same arguments give the same text.
///
/// - The rule `H`: weight `tau` against the coordinate `u`, with its knots, in canonical form.
/// - Up to 3,000 examples, evenly strided, by the ranks of the first two features; the colour is the sampling
///   probability over that of uniform sampling, `p n`. With one feature, `p n` against its rank.
/// - With `wrong`, `[n]`, true where a label is known to be wrong: clean and wrong examples by the rank of
///   the first feature, and the mean of `p n` in each bin.
///
/// # Errors
/// Parameters that do not fit the spec of `ranked`; `weights` or `wrong` of another length than it.
pub fn draw(
    ranked: &RankedFeatures,
    params: &SamplerParams,
    weights: &Weights,
    wrong: Option<&[bool]>,
) -> Result<String> {
    params.check(ranked.spec())?;
    same_length("weights", weights.len(), ranked.len())?;
    if let Some(wrong) = wrong {
        same_length("marks of wrong labels", wrong.len(), ranked.len())?;
    }
    let picture = Picture::new(ranked, params, weights);
    let mut svg = String::new();
    picture.draw(&mut svg, wrong).map_err(|reason| Error::Picture { reason: reason.to_string() })?;
    Ok(svg)
}

fn same_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(ss_sampler::Error::Length { what: what.into(), found, expected }.into())
}

/// What the panels share.
struct Picture<'a> {
    ranked: &'a RankedFeatures,
    /// In canonical form, the one that the weights are computed from.
    params: SamplerParams,
    /// Names of the features in words.
    names: Vec<String>,
    /// `p n`, `[n]`: 1 where an example is drawn as often as under uniform sampling.
    relative: Vec<f64>,
    /// The largest `p n`, at least 1.
    top: f64,
}

impl<'a> Picture<'a> {
    fn new(ranked: &'a RankedFeatures, params: &SamplerParams, weights: &Weights) -> Self {
        let n = ranked.len() as f64;
        let relative: Vec<f64> = (0..ranked.len()).map(|i| weights.probability(i) * n).collect();
        let top = relative.iter().copied().fold(1.0, f64::max);
        let names = ranked.spec().features().iter().map(|name| in_words(name)).collect();
        Self { ranked, params: params.canonical(), names, relative, top }
    }

    fn draw(&self, svg: &mut String, wrong: Option<&[bool]>) -> Drawn {
        let panels = if wrong.is_some() { 3 } else { 2 };
        let root = SVGBackend::with_string(svg, (PANEL.0 * panels, PANEL.1)).into_drawing_area();
        root.fill(&WHITE)?;
        let areas = root.split_evenly((1, panels as usize));
        self.rule(&areas[0])?;
        self.examples(&areas[1])?;
        if let Some(wrong) = wrong {
            self.labels(&areas[2], wrong)?;
        }
        root.present()
    }

    fn rule(&self, area: &Area<'_>) -> Drawn {
        title(area, "(a) The learned rule", &self.order_in_words())?;
        let rule = self.params.rule();
        let x_label = match self.ranked.spec().transform() {
            Transform::Cgf => "u: share of the gradient norm, in this order",
            Transform::Cdf => "u: share of the examples, in this order",
        };
        let mut chart = plot(area).build_cartesian_2d(0.0..1.0, 0.0..1.05)?;
        axes(chart.configure_mesh().x_desc(x_label).y_desc("weight τ = H(u)"))?;
        let points = || rule.knots().iter().copied().zip(rule.values().iter().copied());
        chart.draw_series(LineSeries::new(points(), RULE.stroke_width(2)))?;
        chart.draw_series(points().map(|knot| Circle::new(knot, 4, RULE.filled())))?;
        Ok(())
    }

    fn examples(&self, area: &Area<'_>) -> Drawn {
        let stride = self.ranked.len().div_ceil(MAX_POINTS);
        let shown = self.relative.iter().copied().step_by(stride);
        let x = self.ranked.mid_ranks(0).step_by(stride);
        let x_label = format!("rank of the {}", self.names[0]);
        let point = |at, relative| Circle::new(at, 2, colour(relative / self.top).mix(0.85).filled());
        if let Some(second) = self.names.get(1) {
            title(
                area,
                "(b) How often each example is drawn",
                "colour: draws relative to uniform sampling, p·n",
            )?;
            let (area, bar) = area.split_horizontally(PANEL.0 - 46);
            let mut chart = plot(&area).build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
            axes(chart.configure_mesh().x_desc(x_label).y_desc(format!("rank of the {second}")))?;
            let y = self.ranked.mid_ranks(1).step_by(stride);
            chart.draw_series(x.zip(y).zip(shown).map(|(at, relative)| point(at, relative)))?;
            self.colour_bar(&bar)
        } else {
            title(area, "(b) How often each example is drawn", "draws relative to uniform sampling, p·n")?;
            let mut chart = plot(area).build_cartesian_2d(0.0..1.0, 0.0..1.05 * self.top)?;
            axes(chart.configure_mesh().x_desc(x_label).y_desc("draws relative to uniform, p·n"))?;
            chart.draw_series(x.zip(shown).map(|at| point(at, at.1)))?;
            Ok(())
        }
    }

    /// The colours from `p n` = 0, at the bottom, to the largest.
    fn colour_bar(&self, area: &Area<'_>) -> Drawn {
        const STEPS: i32 = 40;
        let bottom = (PANEL.1 - FOOTER - BOTTOM_MARGIN) as i32;
        let height = bottom - HEADER;
        let y = |share: f64| bottom - (share * f64::from(height)).round() as i32;
        for step in 0..STEPS {
            let [low, high] = [step, step + 1].map(|s| f64::from(s) / f64::from(STEPS));
            let style = colour((low + high) / 2.0).filled();
            area.draw(&Rectangle::new([(0, y(high)), (12, y(low))], style))?;
        }
        // Uniform sampling is marked where its label is clear of the one at the top.
        let marks = [0.0, 1.0, self.top];
        for relative in marks.into_iter().filter(|&mark| mark != 1.0 || self.top == 1.0 || self.top > 1.1) {
            let label = format!("{relative:.1}");
            area.draw(&Text::new(label, (16, y(relative / self.top) - 7), text(14)))?;
        }
        Ok(())
    }

    fn labels(&self, area: &Area<'_>, wrong: &[bool]) -> Drawn {
        title(area, "(c) What happens to wrong labels", "")?;
        legend(area)?;
        let bins = Bins::new(self.ranked.mid_ranks(0), &self.relative, wrong);
        let tallest = bins.clean.iter().zip(&bins.wrong).map(|(c, w)| c + w).max().unwrap_or(0).max(1);
        let highest = (0..BINS).filter_map(|bin| bins.mean(bin)).fold(1.0, f64::max);
        let edge = |bin: usize| bin as f64 / BINS as f64;

        let mut chart = plot(area)
            .margin_right(6)
            .right_y_label_area_size(SIDE)
            .build_cartesian_2d(0.0..1.0, 0.0..1.05 * tallest as f64)?
            .set_secondary_coord(0.0..1.0, 0.0..1.05 * highest);
        let x_label = format!("rank of the {}", self.names[0]);
        axes(
            chart
                .configure_mesh()
                .x_desc(x_label)
                .y_desc("examples")
                .y_label_formatter(&|y| format!("{y:.0}")),
        )?;
        chart
            .configure_secondary_axes()
            .y_desc("mean draws relative to uniform, p·n")
            .y_labels(6)
            .axis_style(INK)
            .label_style(text(14))
            .axis_desc_style(text(15))
            .draw()?;
        for bin in 0..BINS {
            let bar = |from: usize, to: usize, fill: RGBColor| {
                Rectangle::new([(edge(bin), from as f64), (edge(bin + 1), to as f64)], fill.filled())
            };
            let (clean, all) = (bins.clean[bin], bins.clean[bin] + bins.wrong[bin]);
            chart.draw_series([bar(0, clean, CLEAN), bar(clean, all, WRONG)])?;
        }
        let means = || (0..BINS).filter_map(|bin| Some(((edge(bin) + edge(bin + 1)) / 2.0, bins.mean(bin)?)));
        chart.draw_secondary_series(LineSeries::new(means(), INK.stroke_width(2)))?;
        chart.draw_secondary_series(means().map(|at| Circle::new(at, 2, INK.filled())))?;
        Ok(())
    }

    /// The linear combination of ranks that the rule orders the examples by.
    fn order_in_words(&self) -> String {
        let coefficients = self.params.coefficients();
        if coefficients.iter().all(|&c| c == 0.0) {
            return "every example is drawn alike".into();
        }
        let mut out = "order by rank:".to_owned();
        for (k, (&c, name)) in coefficients.iter().zip(&self.names).enumerate() {
            let sign = match (c < 0.0, k) {
                (true, _) => " −",
                (false, 0) => "",
                (false, _) => " +",
            };
            let term = format!("{sign} {:.2} {}", c.abs(), name.trim_start_matches("renormalised "));
            // Two characters stay free for the ellipsis.
            if k > 0 && out.chars().count() + term.chars().count() + 2 > MAX_LINE {
                return out + " …";
            }
            out += &term;
        }
        out
    }
}

/// Counts by rank.
struct Bins {
    clean: [usize; BINS],
    wrong: [usize; BINS],
    relative: [f64; BINS],
}

impl Bins {
    fn new(ranks: impl Iterator<Item = f64>, relative: &[f64], wrong: &[bool]) -> Self {
        let mut bins = Self { clean: [0; BINS], wrong: [0; BINS], relative: [0.0; BINS] };
        for ((rank, relative), &wrong) in ranks.zip(relative).zip(wrong) {
            // Mid-ranks are below 1.
            let bin = (rank * BINS as f64) as usize;
            if wrong {
                bins.wrong[bin] += 1
            } else {
                bins.clean[bin] += 1
            }
            bins.relative[bin] += relative;
        }
        bins
    }

    /// Mean of `p n`, none in an empty bin.
    fn mean(&self, bin: usize) -> Option<f64> {
        let all = self.clean[bin] + self.wrong[bin];
        (all > 0).then(|| self.relative[bin] / all as f64)
    }
}

/// A feature's name as labels show it; a long one is cut.
fn in_words(feature: &str) -> String {
    match feature {
        "renormed_entropy" => "renormalised entropy E'".into(),
        "grad_norm" => "gradient norm".into(),
        "el2n" => "error norm (EL2N)".into(),
        other if other.chars().count() > MAX_NAME => other.chars().take(MAX_NAME - 1).chain(['…']).collect(),
        other => other.into(),
    }
}

/// The colour of a share in `[0, 1]`, interpolated between the anchors.
fn colour(share: f64) -> RGBColor {
    let at = share.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let left = (at as usize).min(COLOURS.len() - 2);
    let t = at - left as f64;
    let between = |a: u8, b: u8| ((1.0 - t) * f64::from(a) + t * f64::from(b)).round() as u8;
    let (a, b) = (COLOURS[left], COLOURS[left + 1]);
    RGBColor(between(a.0, b.0), between(a.1, b.1), between(a.2, b.2))
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn title(area: &Area<'_>, title: &str, below: &str) -> Drawn {
    area.draw(&Text::new(title, (16, 10), text(20)))?;
    area.draw(&Text::new(below, (16, 34), text(15)))
}

/// One line below the title, since the bars fill the plot.
fn legend(area: &Area<'_>) -> Drawn {
    for (x, name, fill) in [(16, "clean", CLEAN), (84, "wrong", WRONG)] {
        area.draw(&Rectangle::new([(x, 36), (x + 12, 48)], fill.filled()))?;
        area.draw(&Text::new(name, (x + 17, 34), text(15)))?;
    }
    area.draw(&PathElement::new([(156, 42), (176, 42)], INK.stroke_width(2)))?;
    area.draw(&Text::new("mean p·n (right axis)", (181, 34), text(15)))
}

/// A chart in the place that all panels give it.
fn plot<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart
        .margin_top(HEADER)
        .margin_bottom(BOTTOM_MARGIN)
        .margin_left(6)
        .margin_right(RIGHT_MARGIN)
        .x_label_area_size(FOOTER)
        .y_label_area_size(SIDE);
    chart
}

fn axes<'a, X, Y>(mesh: &mut plotters::chart::MeshStyle<'a, '_, X, Y, SVGBackend<'_>>) -> Drawn
where
    X: plotters::coord::ranged1d::Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    Y: plotters::coord::ranged1d::Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    mesh.x_labels(6)
        .y_labels(6)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .draw()
}

#[cfg(test)]
mod tests {
    use ss_sampler::SamplerSpec;

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

    #[test]
    fn bins_count_clean_and_wrong_examples() {
        let ranks = [0.01, 0.02, 0.99];
        let bins = Bins::new(ranks.into_iter(), &[2.0, 1.0, 0.0], &[false, true, true]);
        assert_eq!((bins.clean[0], bins.wrong[0], bins.wrong[BINS - 1]), (1, 1, 1));
        assert_eq!((bins.mean(0), bins.mean(1), bins.mean(BINS - 1)), (Some(1.5), None, Some(0.0)));
    }

    #[test]
    fn colours_run_through_their_anchors() {
        let first = RGBColor(252, 166, 54);
        assert_eq!((colour(0.0), colour(1.0), colour(7.0)), (first, RULE, RULE));
        assert_eq!(colour(0.5), RGBColor(177, 42, 144));
    }
}
