//! The examples in the plane of the first two features, coloured by how often they are drawn.

use plotters::prelude::*;
use plotters::style::Color;

use super::palette::colour;
use super::panel::{Area, Drawn, Heading, axes};
use super::view::{Point, SamplerView};

pub(super) fn draw(view: &SamplerView, area: &Area<'_>, heading: Heading) -> Drawn {
    let names = view.names();
    let x_label = format!("rank of the {}", names[0]);
    let point = |at, relative| Circle::new(at, 2, colour(relative / view.top).mix(0.85).filled());
    let title = "(b) How often each example is drawn";
    let Some(second) = names.get(1) else {
        heading.write(area, title, "draws relative to uniform sampling, p·n")?;
        let mut chart = heading.plot(area).build_cartesian_2d(0.0..1.0, 0.0..1.05 * view.top)?;
        axes(chart.configure_mesh().x_desc(x_label).y_desc("draws relative to uniform, p·n"))?;
        let shown = view.points.iter().map(|&Point { at, relative }| point((at.0, relative), relative));
        chart.draw_series(shown)?;
        return Ok(());
    };
    heading.write(area, title, "colour: draws relative to uniform sampling, p·n")?;
    let (area, bar) = heading.beside_bar(area);
    let mut chart = heading.plot(&area).build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    axes(chart.configure_mesh().x_desc(x_label).y_desc(format!("rank of the {second}")))?;
    chart.draw_series(view.points.iter().map(|&Point { at, relative }| point(at, relative)))?;
    // Uniform sampling is marked where its label is clear of the one at the top.
    let uniform = (view.top > 1.1).then_some(1.0);
    let marks = [Some(0.0), uniform, Some(view.top)].into_iter().flatten();
    heading.colour_bar(&bar, view.top, &marks.map(|mark| (mark, format!("{mark:.1}"))).collect::<Vec<_>>())
}
