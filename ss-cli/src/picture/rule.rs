//! The rule `H`: weight against the coordinate, with its knots.

use plotters::prelude::*;
use ss_sampler::Transform;

use super::palette::RULE;
use super::panel::{Area, Drawn, Heading, axes};
use super::view::SamplerView;

pub(super) fn draw(view: &SamplerView, area: &Area<'_>, heading: Heading) -> Drawn {
    heading.write(area, "(a) The learned rule", &view.order_in_words())?;
    let rule = view.params.rule();
    let x_label = match view.spec.transform() {
        Transform::Cgf => "u: share of the gradient norm, in this order",
        Transform::Cdf => "u: share of the examples, in this order",
    };
    let mut chart = heading.plot(area).build_cartesian_2d(0.0..1.0, 0.0..1.05)?;
    axes(chart.configure_mesh().x_desc(x_label).y_desc("weight τ = H(u)"))?;
    let points = || rule.knots().iter().copied().zip(rule.values().iter().copied());
    chart.draw_series(LineSeries::new(points(), RULE.stroke_width(2)))?;
    chart.draw_series(points().map(|knot| Circle::new(knot, 4, RULE.filled())))?;
    Ok(())
}
