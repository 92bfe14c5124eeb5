//! From a chart to SVG text.

use std::io;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Axis, Chart, Key, Line, Marker, Panel, Series, Style};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<io::Error>>;

/// Size of the axes' frame, in pixels.
const FRAME: (i32, i32) = (300, 220);
/// Space around a frame: for the label and ticks of `y`, its title, the ticks and label of `x`.
const LEFT: i32 = 74;
const RIGHT: i32 = 18;
const ABOVE: i32 = 34;
const BELOW: i32 = 56;
/// Space at the top of the drawing, for its title and subtitle.
const HEAD: i32 = 66;
/// Height of a line of the legend.
const LEGEND_LINE: i32 = 22;
/// Length of a legend's sample, and the space before the next.
const SAMPLE: i32 = 26;
const BETWEEN_KEYS: i32 = 22;
const MARGIN: i32 = 16;

const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT: RGBColor = RGBColor(232, 232, 232);
const GUIDE: RGBColor = RGBColor(110, 110, 110);

/// The drawing as an SVG document.
pub(crate) fn svg(chart: &Chart) -> Result<String> {
    let columns = chart.columns.max(1);
    let rows = chart.panels.len().div_ceil(columns).max(1);
    let (across, down) = (LEFT + FRAME.0 + RIGHT, ABOVE + FRAME.1 + BELOW);
    let width = columns as i32 * across;
    let keys = lay_out(&chart.legend, width);
    let top = HEAD + LEGEND_LINE * keys.last().map_or(0, |(_, (_, line), _)| line + 1);
    let height = top + rows as i32 * down;
    let mut out = String::new();
    let mut drawn = || -> Drawn {
        let root = SVGBackend::with_string(&mut out, (width as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw(&Text::new(chart.title.clone(), (MARGIN, 12), text(19)))?;
        root.draw(&Text::new(chart.subtitle.clone(), (MARGIN, 38), text(14)))?;
        for (key, (x, line), _) in &keys {
            self::key(&root, key, (*x, HEAD + line * LEGEND_LINE))?;
        }
        for (k, panel) in chart.panels.iter().enumerate() {
            let corner = ((k % columns) as i32 * across + LEFT, top + (k / columns) as i32 * down + ABOVE);
            Frame { root: &root, panel, corner }.draw()?;
        }
        root.present()
    };
    drawn().map_err(|reason| anyhow!("the chart could not be drawn: {reason}"))?;
    Ok(out)
}

/// Each key with its place (pixel, line) and width.
fn lay_out<'a>(legend: &'a [Key], width: i32) -> Vec<(&'a Key, (i32, i32), i32)> {
    let (mut x, mut line) = (MARGIN, 0);
    let place = |key: &'a Key| {
        let needed = SAMPLE + 6 + text_width(&key.label, 14) + BETWEEN_KEYS;
        if x > MARGIN && x + needed - BETWEEN_KEYS > width - MARGIN {
            (x, line) = (MARGIN, line + 1);
        }
        let at = (x, line);
        x += needed;
        (key, at, needed)
    };
    legend.iter().map(place).collect()
}

/// Generous: fonts differ.
fn text_width(text: &str, size: i32) -> i32 {
    (text.chars().count() as f64 * 0.56 * f64::from(size)).ceil() as i32
}

fn key(root: &Area, key: &Key, (x, y): (i32, i32)) -> Drawn {
    let middle = y + 9;
    line(root, &[(x, middle), (x + SAMPLE, middle)], key.style)?;
    marker(root, (x + SAMPLE / 2, middle), key.style)?;
    let style = text(14).pos(Pos::new(HPos::Left, VPos::Center));
    root.draw(&Text::new(key.label.clone(), (x + SAMPLE + 6, middle), style))
}

/// A panel and where the upper left corner of its frame is.
struct Frame<'a, 'b> {
    root: &'a Area<'b>,
    panel: &'a Panel,
    corner: (i32, i32),
}

impl Frame<'_, '_> {
    fn draw(&self) -> Drawn {
        let ((left, top), panel) = (self.corner, self.panel);
        let (right, bottom) = (left + FRAME.0, top + FRAME.1);
        self.root.draw(&Text::new(panel.title.clone(), (left, top - 24), text(16)))?;
        let centred = |v| text(13).pos(Pos::new(HPos::Center, v));
        for (value, label) in &panel.x.ticks {
            let x = self.x(*value);
            self.root.draw(&PathElement::new([(x, top), (x, bottom)], FAINT))?;
            self.root.draw(&PathElement::new([(x, bottom), (x, bottom + 4)], INK))?;
            self.root.draw(&Text::new(label.clone(), (x, bottom + 8), centred(VPos::Top)))?;
        }
        for (value, label) in &panel.y.ticks {
            let y = self.y(*value);
            self.root.draw(&PathElement::new([(left, y), (right, y)], FAINT))?;
            self.root.draw(&PathElement::new([(left - 4, y), (left, y)], INK))?;
            let style = text(13).pos(Pos::new(HPos::Right, VPos::Center));
            self.root.draw(&Text::new(label.clone(), (left - 8, y), style))?;
        }
        let middle = (left + FRAME.0 / 2, top + FRAME.1 / 2);
        let style = text(14).pos(Pos::new(HPos::Center, VPos::Top));
        self.root.draw(&Text::new(panel.x.label.clone(), (middle.0, bottom + 30), style))?;
        let upright = ("sans-serif", 14).into_font().transform(FontTransform::Rotate270).color(&INK);
        let style = upright.pos(Pos::new(HPos::Center, VPos::Center));
        self.root.draw(&Text::new(panel.y.label.clone(), (left - LEFT + 16, middle.1), style))?;
        for series in &panel.series {
            self.band(series)?;
        }
        for (value, _) in &panel.guides {
            self.guide(*value)?;
        }
        for series in &panel.series {
            let points: Vec<(i32, i32)> = series.points.iter().map(|&at| self.at(at)).collect();
            line(self.root, &points, series.style)?;
            for &point in &points {
                marker(self.root, point, series.style)?;
            }
        }
        for (k, (value, name)) in panel.guides.iter().enumerate() {
            self.guide_name(*value, name, k % 2 == 1)?;
        }
        let outline = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        self.root.draw(&PathElement::new(outline, INK))
    }

    fn band(&self, series: &Series) -> Drawn {
        if series.band.is_empty() {
            return Ok(());
        }
        let low = series.band.iter().map(|&(x, low, _)| self.at((x, low)));
        let high = series.band.iter().rev().map(|&(x, _, high)| self.at((x, high)));
        let edge: Vec<(i32, i32)> = low.chain(high).collect();
        self.root.draw(&Polygon::new(edge, series.style.colour.mix(0.13)))
    }

    /// A dotted line across the frame.
    fn guide(&self, value: f64) -> Drawn {
        let (left, y) = (self.corner.0, self.y(value));
        for x in (left..left + FRAME.0).step_by(6) {
            self.root.draw(&PathElement::new([(x, y), ((x + 3).min(left + FRAME.0), y)], GUIDE))?;
        }
        Ok(())
    }

    /// A guide's name above one of its ends, inside the frame, on a ground that lets little of the curves through: at
    /// alternating ends, names of guides that are close to each other stay apart.
    fn guide_name(&self, value: f64, name: &str, at_right: bool) -> Drawn {
        let (left, y) = (self.corner.0, self.y(value));
        // Below the line where there is no room above it.
        let top = if y - self.corner.1 > 18 { y - 16 } else { y + 2 };
        let width = text_width(name, 12);
        let x = if at_right { left + FRAME.0 - 4 - width } else { left + 4 };
        self.root
            .draw(&Rectangle::new([(x - 2, top), (x + width + 2, top + 14)], WHITE.mix(0.8).filled()))?;
        let style = ("sans-serif", 12).into_font().color(&GUIDE).pos(Pos::new(HPos::Left, VPos::Center));
        self.root.draw(&Text::new(name.to_owned(), (x, top + 7), style))
    }

    fn x(&self, value: f64) -> i32 {
        self.corner.0 + pixels(&self.panel.x, value, FRAME.0)
    }

    fn y(&self, value: f64) -> i32 {
        self.corner.1 + FRAME.1 - pixels(&self.panel.y, value, FRAME.1)
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (self.x(x), self.y(y))
    }
}

fn pixels(axis: &Axis, value: f64, length: i32) -> i32 {
    (axis.place(value) * f64::from(length)).round() as i32
}

fn line(root: &Area, points: &[(i32, i32)], style: Style) -> Drawn {
    let stroke = style.colour.stroke_width(2);
    match style.line {
        Line::None => Ok(()),
        Line::Solid => root.draw(&PathElement::new(points.to_vec(), stroke)),
    }
}

fn marker(root: &Area, at: (i32, i32), style: Style) -> Drawn {
    let fill = style.colour.filled();
    match style.marker {
        Marker::None => Ok(()),
        Marker::Circle => root.draw(&Circle::new(at, 4, fill)),
        Marker::Square => root.draw(&Rectangle::new([(at.0 - 3, at.1 - 3), (at.0 + 4, at.1 + 4)], fill)),
        Marker::Triangle => root.draw(&TriangleMarker::new(at, 5, fill)),
        Marker::Ring => root.draw(&Circle::new(at, 8, style.colour.stroke_width(2))),
    }
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::COLOURS;

    fn chart() -> Chart {
        let style = Style { colour: COLOURS[0], line: Line::Solid, marker: Marker::Circle };
        let series = |style| Series {
            style,
            points: vec![(1.0, 0.0), (2.0, 0.5), (3.0, 1.0)],
            band: vec![(1.0, -0.1, 0.1), (3.0, 0.9, 1.1)],
        };
        let panel = Panel {
            title: "first < second".into(),
            x: Axis::between("trials", 1.0, 3.0),
            y: Axis::linear("gain", [-0.1, 1.1]),
            guides: vec![(0.8, "bar".into())],
            series: vec![series(style), series(Style { line: Line::None, marker: Marker::Ring, ..style })],
        };
        Chart {
            title: "A title".into(),
            subtitle: "what is drawn".into(),
            legend: vec![Key { label: "an arm".into(), style }; 9],
            panels: vec![panel; 3],
            columns: 2,
        }
    }

    #[test]
    fn text_stays_text_and_the_document_repeats_itself() {
        let svg = svg(&chart()).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg, super::svg(&chart()).unwrap());
        for words in ["A title", "what is drawn", "an arm", "first &lt; second", "trials", "gain", "bar"] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        // Three panels of three points in circles and three rings, and a sample in each key.
        assert_eq!(svg.matches("<circle ").count(), 3 * 6 + 9);
        assert_eq!(svg.matches("<polygon ").count(), 3 * 2);
    }

    #[test]
    fn keys_keep_clear_of_each_other_and_of_the_edge() {
        let chart = chart();
        let keys = lay_out(&chart.legend, 400);
        assert!(keys.last().unwrap().1.1 > 0, "more than one line");
        for pair in keys.windows(2) {
            let [(_, (x, line), width), (_, (next, next_line), _)] = pair else { unreachable!() };
            assert!(x + width - BETWEEN_KEYS <= 400 - MARGIN);
            assert!(next_line > line || *next >= x + width);
        }
    }

    #[test]
    fn points_outside_are_drawn_at_the_edge() {
        let mut chart = chart();
        chart.panels.truncate(1);
        chart.panels[0].series[0].points = vec![(-100.0, 1e9)];
        chart.columns = 1;
        let svg = svg(&chart).unwrap();
        let legend_lines = lay_out(&chart.legend, LEFT + FRAME.0 + RIGHT).last().unwrap().1.1 + 1;
        let top = HEAD + legend_lines * LEGEND_LINE + ABOVE;
        let expected = format!(r#"<circle cx="{LEFT}" cy="{top}" "#);
        assert!(svg.contains(&expected), "{expected}");
    }
}
