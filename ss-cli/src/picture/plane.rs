//! Means over the plane of the ranks of two features, as coloured cells.

use plotters::prelude::*;

use super::palette::colour;
use super::panel::{Area, Drawn, Heading, axes};
use super::view::in_words;
use crate::inspect::Plane;

/// Draws the cells; those without examples stay empty.
pub(super) fn draw(plane: &Plane, title: &str, area: &Area<'_>, heading: Heading) -> Drawn {
    heading.write(area, title, &format!("colour: {}", plane.quantity))?;
    let (area, bar) = heading.beside_bar(area);
    let mut chart = heading.plot(&area).build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    let labels = [&plane.x, &plane.y].map(|name| format!("rank of the {}", in_words(name)));
    let [x_label, y_label] = labels;
    axes(chart.configure_mesh().x_desc(x_label).y_desc(y_label))?;
    let top = plane.top();
    let edge = |k: usize, count: usize| k as f64 / count as f64;
    let (across, up) = (plane.cells.len(), plane.cells.first().map_or(0, Vec::len));
    let cells = plane.cells.iter().enumerate().flat_map(|(x, column)| {
        column.iter().enumerate().filter_map(move |(y, cell)| Some((x, y, (*cell)?)))
    });
    chart.draw_series(cells.map(|(x, y, value)| {
        let corners = [(edge(x, across), edge(y, up)), (edge(x + 1, across), edge(y + 1, up))];
        Rectangle::new(corners, colour(value / top).filled())
    }))?;
    let one = (top > 1.1).then_some(1.0);
    let marks = [Some(0.0), one, Some(top)].into_iter().flatten();
    heading.colour_bar(&bar, top, &marks.map(|mark| (mark, format!("{mark:.1}"))).collect::<Vec<_>>())
}
