//! Where the wrong labels lie: their share in each cell of the plane of the first two features.

use plotters::prelude::*;

use super::palette::colour;
use super::panel::{Area, Drawn, Heading, axes};
use super::view::{CELLS, Labels, SamplerView};

/// Draws the map; cells without examples stay empty.
pub(super) fn draw(view: &SamplerView, labels: &Labels, area: &Area<'_>, heading: Heading) -> Drawn {
    let names = view.names();
    let [first, second] = [0, 1].map(|k| names.get(k).map_or("", String::as_str));
    heading.write(area, "Where the wrong labels are", "colour: share of wrong labels")?;
    let (area, bar) = heading.beside_bar(area);
    let mut chart = heading.plot(&area).build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    let (x_label, y_label) = (format!("rank of the {first}"), format!("rank of the {second}"));
    axes(chart.configure_mesh().x_desc(x_label).y_desc(y_label))?;
    let edge = |k: usize| k as f64 / CELLS as f64;
    let filled = labels.cells.iter().take(CELLS * CELLS).enumerate().filter(|(_, cell)| cell[0] > 0);
    chart.draw_series(filled.map(|(at, [all, wrong])| {
        let (x, y) = (at / CELLS, at % CELLS);
        let style = colour(*wrong as f64 / *all as f64).filled();
        Rectangle::new([(edge(x), edge(y)), (edge(x + 1), edge(y + 1))], style)
    }))?;
    let marks = [0.0, 0.5, 1.0].map(|share| (share, format!("{share:.1}")));
    heading.colour_bar(&bar, 1.0, &marks)
}
