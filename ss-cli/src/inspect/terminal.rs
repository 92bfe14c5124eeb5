//! Drawings made of characters.

use std::fmt::Write;

use super::plane::Plane;

/// Columns of a curve.
const WIDTH: usize = 60;
/// Lines of a curve.
const HEIGHT: usize = 6;
/// Columns of the longest bar of a histogram.
const BAR: usize = 40;
/// Eighths of a character from below.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Eighths of a character from the left.
const LEFT: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// ASCII only, and no block characters.
    pub ascii: bool,
    /// Colours of the terminal's own palette.
    pub colour: bool,
}

/// Colours that every palette has, readable on light and dark.
#[derive(Clone, Copy)]
enum Colour {
    Blue,
    Yellow,
}

impl Style {
    fn paint(self, text: &str, colour: Colour) -> String {
        let code = match colour {
            Colour::Blue => 34,
            Colour::Yellow => 33,
        };
        if self.colour && !text.trim().is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The area below a function from `[0, 1]` to `[0, 1]`.
    pub(super) fn curve(self, value: impl Fn(f64) -> f64) -> String {
        let values: Vec<f64> = (0..WIDTH).map(|i| value((i as f64 + 0.5) / WIDTH as f64)).collect();
        let (side, corner, line) = if self.ascii { ('|', '+', '-') } else { ('│', '└', '─') };
        let mut out = String::new();
        for row in (0..HEIGHT).rev() {
            let label = if row + 1 == HEIGHT { "1" } else { "" };
            let fill = |v: &f64| (v * HEIGHT as f64 - row as f64).clamp(0.0, 1.0);
            let cells: String = values
                .iter()
                .map(|v| match (self.ascii, fill(v)) {
                    (true, fill) => {
                        if fill >= 0.5 {
                            '#'
                        } else {
                            ' '
                        }
                    }
                    (false, fill) => EIGHTHS[(8.0 * fill).round() as usize],
                })
                .collect();
            let _ = writeln!(out, "{label:>3} {side}{}", self.paint(cells.trim_end(), Colour::Blue));
        }
        let _ = writeln!(out, "  0 {corner}{}", line.to_string().repeat(WIDTH));
        out + &format!("     0{:>width$}\n", "1", width = WIDTH - 1)
    }

    /// A plane, the larger values of both features to the right and above.
    pub(super) fn plane(self, plane: &Plane) -> String {
        let top = plane.top();
        let shades: &[char] = if self.ascii { &['-', '+', '#', '@'] } else { &['░', '▒', '▓', '█'] };
        let never = if self.ascii { '.' } else { '·' };
        let (side, corner, line) = if self.ascii { ('|', '+', '-') } else { ('│', '└', '─') };
        let level =
            |value: f64| ((value / top * shades.len() as f64).ceil() as usize).clamp(1, shades.len()) - 1;
        // Around uniform sampling, where cells hold draws.
        let uniform = if plane.quantity == Plane::DRAWS { 1.0 } else { 0.5 };
        let rows = plane.cells.first().map_or(0, Vec::len);
        let mut out = format!("{}; up: rank of {}, right: rank of {}\n", plane.quantity, plane.y, plane.x);
        for row in (0..rows).rev() {
            let _ = write!(out, "  {side}");
            for cell in plane.cells.iter().map(|column| column[row]) {
                out += &match cell {
                    None => " ".to_owned(),
                    Some(0.0) => self.paint(&never.to_string(), Colour::Yellow),
                    Some(value) => {
                        let colour = if value < uniform { Colour::Yellow } else { Colour::Blue };
                        self.paint(&shades[level(value)].to_string(), colour)
                    }
                };
            }
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        let _ = writeln!(out, "  {corner}{}", line.to_string().repeat(plane.cells.len()));
        let _ = write!(out, "   {never} never");
        for (k, shade) in shades.iter().enumerate() {
            let _ = write!(out, "  {shade} to {:.2}", top * (k + 1) as f64 / shades.len() as f64);
        }
        out + "\n"
    }

    /// Bars with labels and counts.
    pub(super) fn bars(self, bars: &[(String, usize)]) -> String {
        let most = bars.iter().map(|bar| bar.1).max().unwrap_or(0).max(1);
        let width = bars.iter().map(|bar| bar.0.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        for (label, count) in bars {
            let length = *count as f64 / most as f64 * BAR as f64;
            let mut bar = if self.ascii {
                "#".repeat(length.round() as usize)
            } else {
                let eighths = (8.0 * length).round() as usize;
                LEFT[8].to_string().repeat(eighths / 8) + &LEFT[eighths % 8].to_string()
            };
            bar.truncate(bar.trim_end().len());
            if bar.is_empty() && *count > 0 {
                bar.push(if self.ascii { '#' } else { LEFT[1] });
            }
            let space = if bar.is_empty() { "" } else { " " };
            let _ = writeln!(out, "  {label:>width$}  {}{space}{count}", self.paint(&bar, Colour::Blue));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { ascii: false, colour: false };
    const ASCII: Style = Style { ascii: true, colour: false };

    #[test]
    fn a_curve_is_as_high_as_its_function() {
        let falling = PLAIN.curve(|u| 1.0 - u);
        assert_eq!(falling.lines().count(), HEIGHT + 2);
        assert!(falling.lines().next().unwrap().starts_with("  1 │█"), "{falling}");
        let counts: Vec<usize> =
            ASCII.curve(|u| 1.0 - u).lines().map(|line| line.matches('#').count()).collect();
        assert_eq!(counts, [5, 15, 25, 35, 45, 55, 0, 0]);
        let step = ASCII.curve(|u| if u < 0.5 { 1.0 } else { 0.0 });
        assert!(step.is_ascii() && step.matches('#').count() == HEIGHT * WIDTH / 2, "{step}");
    }

    #[test]
    fn a_plane_shows_levels_never_and_nothing() {
        let cells = vec![vec![Some(0.0), None], vec![Some(0.4), Some(2.0)]];
        let plane = Plane { x: "loss".into(), y: "margin".into(), cells, quantity: Plane::DRAWS };
        assert_eq!(
            ASCII.plane(&plane),
            "draws an epoch, 1 under uniform sampling; up: rank of margin, right: rank of loss\n  | @\n  |.-\n  +--\n   \
             . never  - to 0.50  + to 1.00  # to 1.50  @ to 2.00\n"
        );
        let coloured = Style { colour: true, ..ASCII }.plane(&plane);
        assert!(coloured.contains("\x1b[34m@\x1b[0m") && coloured.contains("\x1b[33m-\x1b[0m"));
    }

    #[test]
    fn bars_are_in_proportion_and_none_is_lost() {
        let bars = [("never".to_owned(), 0), ("a".to_owned(), 1), ("b".to_owned(), 1000)];
        let text = ASCII.bars(&bars);
        assert_eq!(text, format!("  never  0\n      a  # 1\n      b  {} 1000\n", "#".repeat(BAR)));
        assert!(PLAIN.bars(&bars).contains("  ▏ 1\n"));
    }
}
