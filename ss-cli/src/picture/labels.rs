//! What happens to wrong labels: clean and wrong examples by the rank of the first feature, and how often they
//! are drawn.

use plotters::prelude::*;

use super::palette::{CLEAN, INK, WRONG};
use super::panel::{Area, Drawn, Heading, SIDE, axes, text};
use super::view::{BINS, Bins, SamplerView};

pub(super) fn draw(view: &SamplerView, bins: &Bins, area: &Area<'_>, heading: Heading) -> Drawn {
    if heading == Heading::Titled {
        heading.write(area, "(c) What happens to wrong labels", "")?;
        legend(area)?;
    }
    let tallest = bins.clean.iter().zip(&bins.wrong).map(|(c, w)| c + w).max().unwrap_or(0).max(1);
    let highest = (0..BINS).filter_map(|bin| bins.mean(bin)).fold(1.0, f64::max);
    let edge = |bin: usize| bin as f64 / BINS as f64;

    let mut chart = heading
        .plot(area)
        .margin_right(6)
        .right_y_label_area_size(SIDE)
        .build_cartesian_2d(0.0..1.0, 0.0..1.05 * tallest as f64)?
        .set_secondary_coord(0.0..1.0, 0.0..1.05 * highest);
    let x_label = format!("rank of the {}", view.names()[0]);
    axes(
        chart.configure_mesh().x_desc(x_label).y_desc("examples").y_label_formatter(&|y| format!("{y:.0}")),
    )?;
    chart
        .configure_secondary_axes()
        .y_desc("mean draws relative to uniform, p·n")
        .y_labels(6)
        .axis_style(INK)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .draw()?;
    for bin in 0..BINS {
        let bar = |from: usize, to: usize, fill: RGBColor| {
            Rectangle::new([(edge(bin), from as f64), (edge(bin + 1), to as f64)], fill.filled())
        };
        let (clean, all) = (bins.clean[bin], bins.clean[bin] + bins.wrong[bin]);
        chart.draw_series([bar(0, clean, CLEAN), bar(clean, all, WRONG)])?;
    }
    let means = || (0..BINS).filter_map(|bin| Some(((edge(bin) + edge(bin + 1)) / 2.0, bins.mean(bin)?)));
    chart.draw_secondary_series(LineSeries::new(means(), INK.stroke_width(2)))?;
    chart.draw_secondary_series(means().map(|at| Circle::new(at, 2, INK.filled())))?;
    Ok(())
}

/// One line below the title, since the bars fill the plot.
fn legend(area: &Area<'_>) -> Drawn {
    for (x, name, fill) in [(16, "clean", CLEAN), (84, "wrong", WRONG)] {
        area.draw(&Rectangle::new([(x, 36), (x + 12, 48)], fill.filled()))?;
        area.draw(&Text::new(name, (x + 17, 34), text(15)))?;
    }
    area.draw(&PathElement::new([(156, 42), (176, 42)], INK.stroke_width(2)))?;
    area.draw(&Text::new("mean p·n (right axis)", (181, 34), text(15)))
}
