//! What all panels share: their size, where the plot lies in them, axes and texts.

use std::io;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::palette::{FAINT, INK, named};
use crate::{Error, Result};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = std::result::Result<(), DrawingAreaErrorKind<io::Error>>;

/// Width of one panel in pixels.
pub(super) const WIDTH: u32 = 367;
/// Space below a plot, for tick labels and the axis label.
const FOOTER: u32 = 48;
const BOTTOM_MARGIN: u32 = 6;
/// Space beside a plot, for tick labels and the axis label.
pub(super) const SIDE: u32 = 52;
/// Space right of a plot without an axis there.
const RIGHT_MARGIN: u32 = 14;
/// Height of a plot.
const PLOT: u32 = 268;
/// Space right of a plot for a bar of colours.
const BAR: u32 = 46;

/// How a panel is headed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heading {
    /// A title and a line below it: for a drawing that stands alone.
    Titled,
    /// Nothing: a page puts title, legend and caption around it.
    Bare,
}

impl Heading {
    /// Space above the plot.
    const fn height(self) -> u32 {
        match self {
            Self::Titled => 58,
            Self::Bare => 12,
        }
    }

    /// Width and height of one panel.
    pub(super) const fn panel(self) -> (u32, u32) {
        (WIDTH, self.height() + PLOT + FOOTER + BOTTOM_MARGIN)
    }

    pub(super) fn write(self, area: &Area<'_>, title: &str, below: &str) -> Drawn {
        if self == Self::Bare {
            return Ok(());
        }
        area.draw(&Text::new(title, (16, 10), text(20)))?;
        area.draw(&Text::new(below, (16, 34), text(15)))
    }

    /// A chart in the place that all panels give it.
    pub(super) fn plot<'a, 'b>(self, area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
        let mut chart = ChartBuilder::on(area);
        chart
            .margin_top(self.height())
            .margin_bottom(BOTTOM_MARGIN)
            .margin_left(6)
            .margin_right(RIGHT_MARGIN)
            .x_label_area_size(FOOTER)
            .y_label_area_size(SIDE);
        chart
    }

    /// Splits a panel into the place for a plot and that for a bar of colours.
    pub(super) fn beside_bar<'b>(self, area: &Area<'b>) -> (Area<'b>, Area<'b>) {
        area.split_horizontally(WIDTH - BAR)
    }

    /// The colours from 0, at the bottom, to `top`, with labels at these values.
    pub(super) fn colour_bar(self, area: &Area<'_>, top: f64, marks: &[(f64, String)]) -> Drawn {
        const STEPS: i32 = 2 * super::palette::LEVELS as i32;
        let bottom = (self.height() + PLOT) as i32;
        let y = |share: f64| bottom - (share * f64::from(PLOT)).round() as i32;
        for step in 0..STEPS {
            let [low, high] = [step, step + 1].map(|s| f64::from(s) / f64::from(STEPS));
            let style = super::palette::colour((low + high) / 2.0).filled();
            area.draw(&Rectangle::new([(0, y(high)), (12, y(low))], style))?;
        }
        for (value, label) in marks {
            area.draw(&Text::new(label.as_str(), (16, y(value / top) - 7), text(14)))?;
        }
        Ok(())
    }
}

/// Axes with labels in words.
pub(super) fn axes<'a, X, Y>(mesh: &mut plotters::chart::MeshStyle<'a, '_, X, Y, SVGBackend<'_>>) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    mesh.x_labels(6)
        .y_labels(6)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .draw()
}

/// As many digits after the point as tell six labels along this range apart.
pub(super) fn digits(range: &Range<f64>) -> usize {
    (1.0 - (range.end - range.start).log10()).ceil().clamp(0.0, 6.0) as usize
}

pub(super) fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// The drawings of several panels side by side, on white.
pub(super) fn standing_alone(panels: u32, draw: impl FnOnce(&[Area<'_>]) -> Drawn) -> Result<String> {
    let (width, height) = Heading::Titled.panel();
    let mut svg = String::new();
    let drawn = || -> Drawn {
        let root = SVGBackend::with_string(&mut svg, (width * panels, height)).into_drawing_area();
        root.fill(&WHITE)?;
        draw(&root.split_evenly((1, panels as usize)))?;
        root.present()
    };
    drawn().map_err(|reason| Error::Picture { reason: reason.to_string() })?;
    Ok(svg)
}

/// A drawing as a part of a page: its colours have names, its element is still to be put around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Width and height in pixels: its `viewBox`.
    pub(crate) size: (u32, u32),
    /// The elements within `<svg>`.
    pub(crate) content: String,
}

/// The drawing of one panel for a page.
pub(super) fn on_a_page(draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<Figure> {
    let size = Heading::Bare.panel();
    let mut svg = String::new();
    let drawn = || -> Drawn {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&root)?;
        root.present()
    };
    drawn().map_err(|reason| Error::Picture { reason: reason.to_string() })?;
    let start = svg.find('>').map_or(0, |end| end + 1);
    let end = svg.rfind("</svg>").unwrap_or(svg.len());
    Ok(Figure { size, content: named(svg[start..end].trim()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_the_digits_that_they_need() {
        assert_eq!([0.0..100.0, 0.0..8.0, -2.0..-1.9, 0.0..0.003].map(|range| digits(&range)), [0, 1, 2, 4]);
        assert_eq!(digits(&(1.0..1.0)), 6);
    }
}
