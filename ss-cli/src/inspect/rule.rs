//! A rule in words: its stretches along the order of the examples, and what they mean for each feature.

use std::fmt::Write;

use serde::Serialize;
use ss_sampler::{PiecewiseLinear, Sampler, SamplerParams, SamplerSpec, Transform};

use super::terminal::Style;
use crate::Result;
use crate::external_study::short;

/// Ranks of the examples at which a profile is shown.
const RANKS: [f64; 7] = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
/// Steps along a feature in which the end of what is drawn is looked for.
const STEPS: usize = 1000;
/// Of them, so few at an end are not worth words.
const LEAST: usize = STEPS / 200;
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

/// The weight along one feature, all others at their medians.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The feature.
    pub feature: String,
    /// From small values to large ones.
    pub points: Vec<ProfilePoint>,
    /// The smallest values, if they are never drawn.
    pub never_below: Option<Edge>,
    /// The largest values, if they are never drawn.
    pub never_above: Option<Edge>,
}

/// A point of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProfilePoint {
    /// The share of the fitted examples below.
    pub rank: f64,
    /// The value of the feature there.
    pub value: f64,
    /// The weight, in `[0, 1]`.
    pub weight: f64,
}

/// Examples at an end of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// Their share of the fitted examples.
    pub share: f64,
    /// The value at which they begin or end.
    pub value: f64,
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

impl Profile {
    /// The profile of every feature that the sampler looks at.
    ///
    /// # Errors
    /// None in practice: the ranks are those of the sampler's features.
    pub fn all(sampler: &Sampler) -> Result<Vec<Self>> {
        let features = sampler.spec().features().iter().zip(sampler.params().coefficients()).enumerate();
        features.filter(|(_, (_, c))| **c != 0.0).map(|(k, (name, _))| Self::of(sampler, k, name)).collect()
    }

    fn of(sampler: &Sampler, k: usize, feature: &str) -> Result<Self> {
        let weight = |rank: f64| {
            let mut ranks = vec![0.5; sampler.spec().features().len()];
            ranks[k] = rank;
            sampler.tau_at_ranks(&ranks)
        };
        let points = RANKS
            .iter()
            .map(|&rank| Ok(ProfilePoint { rank, value: sampler.quantile(k, rank), weight: weight(rank)? }))
            .collect::<Result<_>>()?;
        let middle = |i: usize| (i as f64 + 0.5) / STEPS as f64;
        let weights = (0..STEPS).map(|i| weight(middle(i))).collect::<ss_sampler::Result<Vec<f64>>>()?;
        let drawn = |weight: &f64| *weight > 0.0;
        let (first, last) = (weights.iter().position(drawn), weights.iter().rposition(drawn));
        let edge = |steps: usize, upper: bool| {
            let share = steps as f64 / STEPS as f64;
            let at = if upper { 1.0 - share } else { share };
            (steps >= LEAST).then(|| Edge { share, value: sampler.quantile(k, at) })
        };
        Ok(Self {
            feature: feature.to_owned(),
            points,
            never_below: first.and_then(|first| edge(first, false)),
            never_above: last.and_then(|last| edge(STEPS - 1 - last, true)),
        })
    }

    /// What the rule does along this feature.
    fn in_words(&self) -> String {
        let Self { feature, points, never_below, never_above } = self;
        let mut parts = Vec::new();
        if let Some(Edge { share, value }) = never_below {
            parts.push(format!("never draws the smallest {:.0}% (below {})", 100.0 * share, short(*value)));
        }
        if let Some(Edge { share, value }) = never_above {
            parts.push(format!("never draws the largest {:.0}% (above {})", 100.0 * share, short(*value)));
        }
        let most = points.iter().map(|point| point.weight).fold(0.0, f64::max);
        if parts.is_empty() && most == 0.0 {
            parts.push("never draws any".to_owned());
        }
        let ends = [(points.first(), never_below, "smallest"), (points.last(), never_above, "largest")];
        for (end, never, extreme) in ends {
            if let (Some(end), None) = (end, never)
                && end.weight < 0.9 * most
            {
                parts.push(format!("draws the {extreme} {:.2} times as often as others", end.weight / most));
            }
        }
        match parts.is_empty() {
            true => format!("{feature}: draws small and large values alike"),
            false => format!("{feature}: {}", parts.join(", ")),
        }
    }

    /// All profiles as text: a sentence each, and a table.
    pub(super) fn all_in_words(profiles: &[Self], features: usize) -> String {
        if profiles.is_empty() {
            return String::new();
        }
        let mut out = match features {
            1 => "What it does along the feature:\n".to_owned(),
            _ => "What it does along each feature, the others at their medians:\n".to_owned(),
        };
        for profile in profiles {
            let _ = writeln!(out, "  {}", profile.in_words());
        }
        let width = profiles.iter().map(|profile| profile.feature.chars().count()).max().unwrap_or(0);
        let _ = write!(out, "\n  {:width$}        ", "rank");
        out.extend(RANKS.iter().map(|rank| format!(" {:>8}", format!("{:.0}%", 100.0 * rank))));
        for Self { feature, points, .. } in profiles {
            let _ = write!(out, "\n  {feature:width$}  value ");
            out.extend(points.iter().map(|point| format!(" {:>8}", short(point.value))));
            let _ = write!(out, "\n  {:width$}  weight", "");
            out.extend(points.iter().map(|point| format!(" {:>8.2}", point.weight)));
        }
        out + "\n"
    }
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

    #[test]
    fn the_ends_that_are_never_drawn_are_found() {
        // Losses 1 to 100 by rank; the weight falls to 0 at rank 0.75.
        let spec = SamplerSpec::new(["loss"], Transform::Cdf).unwrap();
        let params =
            SamplerParams::new(&spec, vec![1.0], vec![0.1, 0.5, 0.75], vec![0.0, 1.0, 1.0, 0.0, 0.0]);
        let loss: Vec<f32> = (1..=100).map(|i| i as f32).collect();
        let sampler =
            Sampler::fit(spec, &params.unwrap(), &[&loss], &[], std::collections::BTreeMap::new()).unwrap();
        let profiles = Profile::all(&sampler).unwrap();
        let above = profiles[0].never_above.unwrap();
        assert!((above.share - 0.25).abs() < 0.005 && (above.value - 75.0).abs() <= 1.0, "{above:?}");
        assert_eq!(profiles[0].never_below, None);
        // The mid-rank of a loss v is (v - 0.5) / 100.
        let median = profiles[0].points[3];
        assert_eq!((median.value, median.weight), (50.0, 1.0));
        let words = Profile::all_in_words(&profiles, 1);
        assert!(
            words.contains("loss: never draws the largest 25% (above 75.00), draws the smallest 0.10"),
            "{words}"
        );
    }
}
