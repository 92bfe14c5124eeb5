//! Test accuracy over epochs as a picture.

use anyhow::Result;
use ss_cli::Method;

use super::{Cell, Plan};
use crate::chart::{self, Axis, COLOURS, Chart, Key, Line, Marker, Panel, Series, Style};
use crate::statistics::mean_and_std;

const METHODS: [(Method, &str, usize); 2] =
    [(Method::Baseline, "baseline", 1), (Method::Ss, "Swift Sampler", 0)];

/// One panel a noise: means over seeds, and a deviation to either side.
pub(super) fn draw(plan: &Plan, cells: &[Cell]) -> Result<String> {
    let epochs = plan.settings.recipe.train.epochs;
    let all = cells.iter().flat_map(|cell| cell.curve.top1.iter().copied());
    let y = Axis::linear("test top-1, percent", all);
    let panels: Vec<Panel> = plan
        .noise
        .iter()
        .map(|noise| Panel {
            title: format!("{:.0}% wrong labels", 100.0 * noise.rate()),
            x: Axis::linear("epochs", [1.0, epochs as f64]),
            y: y.clone(),
            guides: Vec::new(),
            series: METHODS.map(|(method, _, colour)| series(noise.rate(), method, colour, cells)).into(),
        })
        .collect();
    let chart = Chart {
        title: format!("All of {}: accuracy over training", plan.settings.dataset),
        subtitle: format!("Mean and deviation over {} seeds.", plan.settings.run.seeds),
        legend: METHODS
            .map(|(_, label, colour)| Key { label: label.to_owned(), style: style(colour) })
            .into(),
        columns: panels.len(),
        panels,
    };
    chart::svg(&chart)
}

fn series(noise: f64, method: Method, colour: usize, cells: &[Cell]) -> Series {
    let curves: Vec<&[f64]> = cells
        .iter()
        .filter(|cell| cell.noise == noise && cell.result.method == method)
        .map(|cell| cell.curve.top1.as_slice())
        .collect();
    let epochs = curves.iter().map(|curve| curve.len()).min().unwrap_or(0);
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for epoch in 0..epochs {
        let at: Vec<f64> = curves.iter().map(|curve| curve[epoch]).collect();
        let (mean, std) = mean_and_std(&at);
        let x = (epoch + 1) as f64;
        points.push((x, mean));
        if let Some(std) = std {
            band.push((x, mean - std, mean + std));
        }
    }
    Series { style: style(colour), points, band }
}

fn style(colour: usize) -> Style {
    Style { colour: COLOURS[colour], line: Line::Solid, marker: Marker::None }
}
