//! A number against label noise, one line a method.

use plotters::prelude::*;

use super::palette::{INK, series};
use super::panel::{Area, Drawn, Heading, axes, digits};

/// One method's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSeries {
    /// The method. Its place among the lines of a figure is its colour.
    pub name: String,
    /// At each noise rate; a method without points is left out.
    pub points: Vec<NoisePoint>,
}

/// One method's number at a noise rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoisePoint {
    /// Share of wrong labels, in `[0, 1)`.
    pub noise: f64,
    /// The number.
    pub value: f64,
    /// Ends of its bar; absent where nothing is known of its spread.
    pub bar: Option<(f64, f64)>,
}

/// Draws the lines with their bars; points of different methods are set apart a little. Where zero is shown, a line
/// marks it.
pub(super) fn draw(lines: &[NoiseSeries], y_label: &str, area: &Area<'_>, heading: Heading) -> Drawn {
    let shown = |line: &NoiseSeries| -> Vec<NoisePoint> {
        line.points.iter().copied().filter(|point| point.value.is_finite()).collect()
    };
    let all: Vec<NoisePoint> = lines.iter().flat_map(shown).collect();
    let ends = |point: &NoisePoint| point.bar.unwrap_or((point.value, point.value));
    let least = all.iter().map(|point| ends(point).0.min(point.value)).fold(f64::INFINITY, f64::min);
    let most = all.iter().map(|point| ends(point).1.max(point.value)).fold(f64::NEG_INFINITY, f64::max);
    let (least, most) = if least <= most { (least, most) } else { (0.0, 1.0) };
    let widest = all.iter().map(|point| 100.0 * point.noise).fold(0.0, f64::max);
    let room = (0.06 * (most - least)).max(0.5);
    // Wide enough for a single rate to stand in the middle.
    let side = (0.08 * widest).max(2.0);
    let range = least - room..most + room;
    let digits = digits(&range);
    let mut chart = heading.plot(area).build_cartesian_2d(-side..widest + side, range.clone())?;
    axes(
        chart
            .configure_mesh()
            .x_desc("wrong training labels, %")
            .y_desc(y_label)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.digits$}")),
    )?;
    if range.contains(&0.0) {
        let zero = [(-side, 0.0), (widest + side, 0.0)];
        chart.draw_series(DashedLineSeries::new(zero, 5, 4, INK.stroke_width(1)))?;
    }
    for (k, line) in lines.iter().enumerate() {
        let shift = (k as f64 - (lines.len() as f64 - 1.0) / 2.0) * 0.12 * side;
        let colour = series(k);
        let at = |point: &NoisePoint| (100.0 * point.noise + shift, point.value);
        let points = shown(line);
        chart.draw_series(LineSeries::new(points.iter().map(at), colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(at(point), 3, colour.filled())))?;
        chart.draw_series(points.iter().filter_map(|point| {
            let ((x, _), (low, high)) = (at(point), point.bar?);
            Some(PathElement::new([(x, low), (x, high)], colour.stroke_width(1)))
        }))?;
    }
    Ok(())
}
