//! How many examples are drawn how often, as bars.

use plotters::prelude::*;

use super::palette::RULE;
use super::panel::{Area, Drawn, Heading, axes, text};
use crate::inspect::Distribution;

/// Space for the labels of the bins.
const LABELS: i32 = 74;

/// Draws one bar a bin, the least drawn examples at the bottom.
pub(super) fn draw(distribution: &Distribution, area: &Area<'_>, heading: Heading) -> Drawn {
    let effective = 100.0 * distribution.effective_sample_size / distribution.examples as f64;
    let below = format!("1 under uniform sampling; effective sample size {effective:.0}%");
    heading.write(area, "(a) Draws an epoch", &below)?;
    let bins = &distribution.histogram;
    let most = bins.iter().map(|bin| bin.examples).max().unwrap_or(0).max(1);
    let mut chart = heading
        .plot(area)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..1.05 * most as f64, 0.0..bins.len() as f64)?;
    let no_label = |_: &f64| String::new();
    let whole = |x: &f64| format!("{x:.0}");
    let mut mesh = chart.configure_mesh();
    axes(mesh.disable_y_mesh().x_desc("examples").y_label_formatter(&no_label).x_label_formatter(&whole))?;
    chart.draw_series(bins.iter().enumerate().map(|(row, bin)| {
        let corners = [(0.0, row as f64 + 0.1), (bin.examples as f64, row as f64 + 0.9)];
        Rectangle::new(corners, RULE.filled())
    }))?;
    let corner = area.get_base_pixel();
    for (row, bin) in bins.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(0.0, row as f64 + 0.5));
        area.draw(&Text::new(bin.label(), (x - corner.0 - LABELS + 4, y - corner.1 - 7), text(14)))?;
    }
    Ok(())
}
