//! A rule in words: its stretches along the order of the examples.

use std::fmt::Write;

use serde::Serialize;
use ss_sampler::{PiecewiseLinear, SamplerParams, SamplerSpec, Transform};

use super::terminal::Style;

/// Knots that lie so close to the line between their neighbours are none.
const ON_THE_LINE: f64 = 1e-6;

/// A rule without the examples: what its numbers say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Names of the features.
    pub features: Vec<String>,
    /// How the combined rank becomes the coordinate `u`.
    pub transform: Transform,
    /// One coefficient a feature; the largest is 1. All are 0 under uniform sampling.
    pub coefficients: Vec<f64>,
    /// Knots of `H`, from 0 to 1.
    pub knots: Vec<f64>,
    /// Weights at the knots, in `[0, 1]`; the largest is 1.
    pub values: Vec<f64>,
    /// The stretches of `H`.
    pub pieces: Vec<Piece>,
}

/// A stretch along the order of the examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Piece {
    /// Where it begins, in `[0, 1]`.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// The weight where it begins.
    pub first: f64,
    /// The weight where it ends; linear in between.
    pub last: f64,
}

impl Rule {
    /// The rule with these parameters, in canonical form.
    pub fn new(spec: &SamplerSpec, params: &SamplerParams) -> Self {
        let params = params.canonical();
        let rule = params.rule();
        Self {
            features: spec.features().to_vec(),
            transform: spec.transform(),
            coefficients: params.coefficients().to_vec(),
            knots: rule.knots().to_vec(),
            values: rule.values().to_vec(),
            pieces: pieces(&rule),
        }
    }

    /// Whether all examples are drawn alike.
    pub fn is_uniform(&self) -> bool {
        self.coefficients.iter().all(|&c| c == 0.0)
    }

    /// The rule as lines of text.
    pub(super) fn in_words(&self) -> String {
        if self.is_uniform() {
            return "Draws all examples alike: uniform sampling.\n".into();
        }
        let unit = match self.transform {
            Transform::Cgf => "of the gradient norm",
            Transform::Cdf => "of the examples",
        };
        let mut out = format!("Orders the examples by {}, smallest first. In this order\n", self.order());
        for Piece { from, to, first, last } in &self.pieces {
            let what = match (*first, *last) {
                (a, b) if a == b && a == 0.0 => "never drawn".to_owned(),
                (a, b) if a == b && a == 1.0 => "drawn most".to_owned(),
                (a, b) if a == b => format!("drawn {a:.2} times as often"),
                (a, b) => format!("{} from {a:.2} to {b:.2}", if a > b { "falls" } else { "rises" }),
            };
            let _ = writeln!(out, "  {:>3.0}% to {:>3.0}% {unit}: {what}", 100.0 * from, 100.0 * to);
        }
        out
    }

    /// The combination of ranks that orders the examples.
    fn order(&self) -> String {
        let mut out = String::new();
        for (c, name) in self.coefficients.iter().zip(&self.features).filter(|(c, _)| **c != 0.0) {
            let sign = match (out.is_empty(), *c < 0.0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            let size = if c.abs() == 1.0 { String::new() } else { format!("{:.2} ", c.abs()) };
            let _ = write!(out, "{sign}{size}rank of {name}");
        }
        out
    }

    /// `H` as a drawing.
    pub(super) fn curve(&self, style: Style) -> String {
        let weight = |u: f64| {
            let piece = self.pieces.iter().find(|piece| u <= piece.to).or(self.pieces.last());
            piece.map_or(0.0, |p| p.first + (p.last - p.first) * (u - p.from) / (p.to - p.from))
        };
        let u = match self.transform {
            Transform::Cgf => "share of the gradient norm",
            Transform::Cdf => "share of the examples",
        };
        format!("weight H(u); u: {u} in this order\n{}", style.curve(weight))
    }
}

/// The stretches of a rule: neighbours that lie on one line are one.
fn pieces(rule: &PiecewiseLinear) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (knots, values) in rule.knots().windows(2).zip(rule.values().windows(2)) {
        let next = Piece { from: knots[0], to: knots[1], first: values[0], last: values[1] };
        if let Some(piece) = pieces.last_mut() {
            let share = (next.from - piece.from) / (next.to - piece.from);
            let between = piece.first + share * (next.last - piece.first);
            if (between - next.first).abs() < ON_THE_LINE {
                (piece.to, piece.last) = (next.to, next.last);
                continue;
            }
        }
        pieces.push(next);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knots_on_a_line_do_not_make_pieces() {
        let rule =
            PiecewiseLinear::new(vec![0.0, 0.3, 0.6, 0.8, 1.0], vec![1.0, 1.0, 1.0, 0.5, 0.0]).unwrap();
        let expected = [(0.0, 0.6, 1.0, 1.0), (0.6, 1.0, 1.0, 0.0)];
        let expected = expected.map(|(from, to, first, last)| Piece { from, to, first, last });
        assert_eq!(pieces(&rule), expected);
        let zigzag = PiecewiseLinear::new(vec![0.0, 0.5, 1.0], vec![0.0, 1.0, 0.0]).unwrap();
        assert_eq!(pieces(&zigzag).len(), 2);
    }

    #[test]
    fn words_follow_the_numbers() {
        let spec = SamplerSpec::new(["loss", "margin"], Transform::Cdf).unwrap();
        let params =
            SamplerParams::new(&spec, vec![0.5, -0.25], vec![0.2, 0.5, 0.7], vec![0.4, 0.4, 0.8, 0.0, 0.0]);
        let words = Rule::new(&spec, &params.unwrap()).in_words();
        assert_eq!(
            words,
            "Orders the examples by rank of loss - 0.50 rank of margin, smallest first. In this order\n    \
             0% to  20% of the examples: drawn 0.50 times as often\n   \
             20% to  50% of the examples: rises from 0.50 to 1.00\n   \
             50% to  70% of the examples: falls from 1.00 to 0.00\n   \
             70% to 100% of the examples: never drawn\n"
        );
        let uniform = Rule::new(&spec, &SamplerParams::uniform(&spec)).in_words();
        assert!(uniform.contains("alike"));
    }
}
