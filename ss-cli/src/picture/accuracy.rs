//! Accuracy against label noise, one line a method.

use plotters::prelude::*;

use super::palette::series;
use super::panel::{Area, Drawn, Heading, axes};

/// One method's accuracies.
#[derive(Clone, Debug, PartialEq)]
pub struct AccuracySeries {
    /// The method.
    pub name: String,
    /// At each noise rate.
    pub points: Vec<AccuracyPoint>,
}

/// One method's accuracy at a noise rate, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccuracyPoint {
    /// Share of wrong labels, in `[0, 1)`.
    pub noise: f64,
    /// Mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds; absent with one seed.
    pub std: Option<f64>,
}

/// Draws the lines, with bars of one deviation up and down; points of different methods are set apart a little.
pub(super) fn draw(lines: &[AccuracySeries], area: &Area<'_>, heading: Heading) -> Drawn {
    let all = || lines.iter().flat_map(|line| &line.points).filter(|point| point.mean.is_finite());
    let reach = |point: &AccuracyPoint| point.std.unwrap_or(0.0);
    let least = all().map(|p| p.mean - reach(p)).fold(100.0, f64::min);
    let most = all().map(|p| p.mean + reach(p)).fold(least, f64::max);
    let widest = all().map(|p| 100.0 * p.noise).fold(0.0, f64::max);
    let room = (0.06 * (most - least)).max(0.5);
    // Wide enough for a single rate to stand in the middle.
    let side = (0.08 * widest).max(2.0);
    let mut chart = heading
        .plot(area)
        .build_cartesian_2d(-side..widest + side, least - room..(most + room).min(100.0 + room))?;
    axes(
        chart
            .configure_mesh()
            .x_desc("wrong training labels, %")
            .y_desc("test top-1, %")
            .x_label_formatter(&|x| format!("{x:.0}")),
    )?;
    for (k, line) in lines.iter().enumerate() {
        let shift = (k as f64 - (lines.len() as f64 - 1.0) / 2.0) * 0.12 * side;
        let colour = series(k);
        let at = |p: &AccuracyPoint| (100.0 * p.noise + shift, p.mean);
        let shown = || line.points.iter().filter(|point| point.mean.is_finite());
        chart.draw_series(LineSeries::new(shown().map(at), colour.stroke_width(2)))?;
        chart.draw_series(shown().map(|p| Circle::new(at(p), 3, colour.filled())))?;
        chart.draw_series(shown().filter_map(|p| {
            let ((x, mean), std) = (at(p), p.std?);
            Some(PathElement::new([(x, mean - std), (x, mean + std)], colour.stroke_width(1)))
        }))?;
    }
    Ok(())
}
