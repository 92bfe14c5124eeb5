//! The plane as three maps side by side.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::grid::Grid;

/// Width and height of one map in pixels.
const PANEL: (u32, u32) = (400, 430);
const INK: RGBColor = RGBColor(34, 34, 34);
/// A cell without examples.
const EMPTY: RGBColor = RGBColor(240, 240, 240);
/// Ends of the colour scale: the lightest and the darkest of ColorBrewer's single-hue maps.
const BLUES: [RGBColor; 2] = [RGBColor(222, 235, 247), RGBColor(8, 48, 107)];
const ORANGES: [RGBColor; 2] = [RGBColor(254, 230, 206), RGBColor(127, 39, 4)];
const PURPLES: [RGBColor; 2] = [RGBColor(237, 221, 255), RGBColor(63, 0, 125)];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One map: what it shows, a value a cell, and the ends of its colours.
struct Map {
    title: &'static str,
    unit: &'static str,
    values: Vec<Option<f64>>,
    colours: [RGBColor; 2],
    /// Colour by the square root of the value instead of the value.
    root: bool,
}

/// An SVG of three maps: density of right labels, density of wrong labels, sampling probability. Densities are
/// shares of the right (wrong) labels in per mille, on a square-root scale of colour, since most examples share few cells.
pub(super) fn draw(grid: &Grid, title: &str) -> Result<String> {
    let share = |counts: &[u32]| -> Vec<Option<f64>> {
        let total = counts.iter().sum::<u32>().max(1);
        counts.iter().map(|&n| (n > 0).then(|| 1000.0 * f64::from(n) / f64::from(total))).collect()
    };
    let maps = [
        Map {
            title: "right labels",
            unit: "per mille (square-root scale)",
            values: share(&grid.right),
            colours: BLUES,
            root: true,
        },
        Map {
            title: "wrong labels",
            unit: "per mille (square-root scale)",
            values: share(&grid.wrong),
            colours: ORANGES,
            root: true,
        },
        Map {
            title: "sampling probability",
            unit: "over that of uniform sampling",
            values: grid.probability.clone(),
            colours: PURPLES,
            root: false,
        },
    ];
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (3 * PANEL.0, PANEL.1 + 36)).into_drawing_area();
        let drawn = |error| anyhow!("drawing figure 1: {error}");
        root.fill(&WHITE).map_err(drawn)?;
        let (head, body) = root.split_vertically(36);
        head.draw(&Text::new(title.to_owned(), (14, 12), ("sans-serif", 17).into_font().color(&INK)))
            .map_err(drawn)?;
        for (map, area) in maps.iter().zip(body.split_evenly((1, 3))) {
            panel(map, grid, &area)?;
        }
        root.present().map_err(drawn)?;
    }
    Ok(svg)
}

fn panel(map: &Map, grid: &Grid, area: &Area) -> Result<()> {
    let drawn = |error| anyhow!("drawing figure 1: {error}");
    let [x, y] = &grid.axes;
    let top = map.values.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    let (head, rest) = area.split_vertically(44);
    let style = |size: u32| ("sans-serif", size).into_font().color(&INK);
    head.draw(&Text::new(map.title, (52, 4), style(16))).map_err(drawn)?;
    // The scale of colours, with its ends in numbers.
    let scale = |share: f64| {
        let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
        let [low, high] = map.colours;
        RGBColor(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
    };
    for step in 0..40 {
        let left = 66 + step * 2;
        let bar = [(left, 28), (left + 2, 38)];
        head.draw(&Rectangle::new(bar, scale(f64::from(step) / 39.0).filled())).map_err(drawn)?;
    }
    head.draw(&Text::new("0", (53, 26), style(13))).map_err(drawn)?;
    let end = format!("{} {}", significant(top), map.unit);
    head.draw(&Text::new(end, (152, 26), style(13))).map_err(drawn)?;

    let mut chart = ChartBuilder::on(&rest)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .margin_right(12)
        .margin_top(2)
        .build_cartesian_2d(x.low..x.high, y.low..y.high)
        .map_err(drawn)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("loss (nats)")
        .y_desc("renormalised entropy E' (nats)")
        .x_labels(6)
        .y_labels(6)
        .label_style(style(13))
        .axis_desc_style(style(14))
        .axis_style(INK)
        .draw()
        .map_err(drawn)?;
    let cells = (0..x.cells).flat_map(|i| (0..y.cells).map(move |j| (i, j)));
    chart
        .draw_series(cells.map(|(i, j)| {
            let colour = match map.values[i * y.cells + j] {
                None => EMPTY,
                Some(value) if map.root => scale((value / top).sqrt()),
                Some(value) => scale(value / top),
            };
            Rectangle::new([(x.edge(i), y.edge(j)), (x.edge(i + 1), y.edge(j + 1))], colour.filled())
        }))
        .map_err(drawn)?;
    Ok(())
}

/// About two significant digits.
fn significant(value: f64) -> String {
    if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
