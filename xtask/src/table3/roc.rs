//! True against false acceptance as a picture.

use anyhow::Result;
use ss_cli::Method;

use super::plan::Plan;
use crate::chart::{self, Axis, COLOURS, Chart, Key, Line, Marker, Panel, Series, Style};
use crate::own_methods::Cell;
use crate::statistics::mean_and_std;

const METHODS: [(Method, &str, usize); 3] =
    [(Method::Baseline, "baseline", 1), (Method::Ss, "Swift Sampler", 0), (Method::Oracle, "oracle", 2)];

/// One panel a noise: mean curves over seeds, a deviation to either side of the first two.
pub(super) fn draw(plan: &Plan, cells: &[Cell]) -> Result<String> {
    let seen = || cells.iter().filter_map(|cell| cell.result.verification());
    let smallest = seen().flat_map(|seen| seen.curve.iter().map(|point| point.far)).fold(1.0, f64::min);
    let y = Axis::linear(
        "true acceptance, percent",
        seen().flat_map(|seen| seen.curve.iter().filter_map(|p| Some(100.0 * p.tar?))),
    );
    let decades = [(1e-4, "0.01%"), (1e-3, "0.1%"), (1e-2, "1%"), (0.1, "10%"), (1.0, "100%")];
    let ticks: Vec<(f64, String)> = decades
        .iter()
        .filter(|(far, _)| *far >= 0.5 * smallest)
        .map(|&(far, text)| (far, text.to_owned()))
        .collect();
    let x = Axis::logarithmic("false acceptance", &ticks);
    let panels: Vec<Panel> = plan
        .settings
        .noise
        .iter()
        .map(|&noise| Panel {
            title: format!("{:.0}% wrong labels", 100.0 * noise),
            x: x.clone(),
            y: y.clone(),
            guides: Vec::new(),
            series: METHODS.map(|(method, _, colour)| series(noise, method, colour, x.low, cells)).into(),
        })
        .collect();
    chart::svg(&Chart {
        title: "Verification of people that training has not seen".into(),
        subtitle: format!("Mean and deviation over {} seeds.", plan.settings.run.seeds),
        legend: METHODS
            .map(|(_, label, colour)| Key { label: label.to_owned(), style: style(colour) })
            .into(),
        columns: panels.len(),
        panels,
    })
}

/// From the place `left` of the axis on.
fn series(noise: f64, method: Method, colour: usize, left: f64, cells: &[Cell]) -> Series {
    let curves: Vec<_> = cells
        .iter()
        .filter(|cell| cell.noise == noise && cell.result.method == method)
        .filter_map(|cell| cell.result.verification())
        .collect();
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for point in curves.first().map_or(&[][..], |first| &first.curve) {
        let at: Vec<f64> = curves
            .iter()
            .filter_map(|seen| seen.curve.iter().find(|other| other.far == point.far)?.tar)
            .map(|tar| 100.0 * tar)
            .collect();
        // A mean over some of the seeds would jump.
        if at.len() < curves.len() || Axis::doublings(point.far) < left {
            continue;
        }
        let (x, (mean, std)) = (Axis::doublings(point.far), mean_and_std(&at));
        points.push((x, mean));
        if let Some(std) = std.filter(|_| method != Method::Oracle) {
            band.push((x, (mean - std).max(0.0), (mean + std).min(100.0)));
        }
    }
    Series { style: style(colour), points, band }
}

fn style(colour: usize) -> Style {
    Style { colour: COLOURS[colour], line: Line::Solid, marker: Marker::None }
}
