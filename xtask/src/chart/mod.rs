//! Line and scatter charts as self-contained SVG drawings: panels on a grid below one title and one legend.
//!
//! Text stays text. Colours are those of Okabe and Ito, which all kinds of colour vision tell apart. The same chart
//! gives the same document.

mod axis;
mod draw;

pub(crate) use axis::Axis;
pub(crate) use draw::svg;
use plotters::style::RGBColor;

/// Okabe and Ito's palette without black and yellow, which text and white paper swallow.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// A drawing.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// A line below the title that says what is drawn.
    pub(crate) subtitle: String,
    pub(crate) legend: Vec<Key>,
    /// Row by row; all rows have as many panels as `columns`.
    pub(crate) panels: Vec<Panel>,
    pub(crate) columns: usize,
}

/// What the legend says of a series.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) label: String,
    pub(crate) style: Style,
}

/// One pair of axes.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Horizontal lines, each with its name.
    pub(crate) guides: Vec<(f64, String)>,
    /// Drawn in this order.
    pub(crate) series: Vec<Series>,
}

/// Points, joined or not.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) style: Style,
    /// In the order of `x`.
    pub(crate) points: Vec<(f64, f64)>,
    /// `(x, low, high)`: a shaded band behind the points.
    pub(crate) band: Vec<(f64, f64, f64)>,
}

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    pub(crate) colour: RGBColor,
    pub(crate) line: Line,
    pub(crate) marker: Marker,
}

/// How points are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    None,
    Solid,
}

/// How points are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    None,
    Circle,
    Square,
    Triangle,
    /// A circle around a point, to single it out.
    Ring,
}
