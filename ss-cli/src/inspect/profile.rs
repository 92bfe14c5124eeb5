//! What a sampler does along each of its features.

use std::fmt::Write;

use serde::Serialize;
use ss_sampler::Sampler;

use crate::Result;
use crate::external_study::short;

/// Ranks of the examples at which a profile is shown.
const RANKS: [f64; 7] = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
/// Steps along a feature in which the end of what is drawn is looked for.
const STEPS: usize = 1000;
/// Of them, so few at an end are not worth words.
const LEAST: usize = STEPS / 200;
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
    use std::collections::BTreeMap;

    use ss_sampler::{SamplerParams, SamplerSpec, Transform};

    use super::*;

    #[test]
    fn the_ends_that_are_never_drawn_are_found() {
        // Losses 1 to 100 by rank; the weight falls to 0 at rank 0.75.
        let spec = SamplerSpec::new(["loss"], Transform::Cdf).unwrap();
        let params =
            SamplerParams::new(&spec, vec![1.0], vec![0.1, 0.5, 0.75], vec![0.0, 1.0, 1.0, 0.0, 0.0]);
        let loss: Vec<f32> = (1..=100).map(|i| i as f32).collect();
        let sampler = Sampler::fit(spec, &params.unwrap(), &[&loss], &[], BTreeMap::new()).unwrap();
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
