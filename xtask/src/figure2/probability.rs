//! Sampling probability against the cdf of the loss.

use anyhow::Result;
use serde::Serialize;

use super::relative;
use crate::chart::{self, Axis, COLOURS, Chart, Key, Line, Marker, Panel, Series, Style};

/// Of one network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Curve {
    pub(super) network: String,
    /// Under the rule that was searched on it.
    pub(super) own: Vec<Bin>,
    /// Under the rule that was searched on the first network, by the ranks of this one's features.
    pub(super) first: Vec<Bin>,
}

/// Instances whose losses follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Bin {
    /// Mean of the cdf of the loss, in (0, 1).
    pub(super) cdf: f64,
    /// Probability over that of uniform sampling: mean, 10th and 90th percentile.
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Curve {
    /// Of instances with these losses and probabilities, at least one, in `bins` parts.
    pub(super) fn of(network: String, loss: &[f32], own: &[f64], first: &[f64], bins: usize) -> Result<Self> {
        let cdf = ss_sampler::mid_ranks(loss)?;
        let binned = |p: &[f64]| binned(&cdf, &relative(p.to_vec()), bins);
        Ok(Self { own: binned(own), first: binned(first), network })
    }
}

/// Parts of about equal size by `cdf`; instances of equal loss are not separated by anything that means something.
fn binned(cdf: &[f64], values: &[f64], bins: usize) -> Vec<Bin> {
    let mut order: Vec<usize> = (0..cdf.len()).collect();
    order.sort_by(|&a, &b| cdf[a].total_cmp(&cdf[b]));
    let bins = bins.min(order.len());
    (0..bins)
        .map(|bin| {
            let members = &order[bin * order.len() / bins..(bin + 1) * order.len() / bins];
            let mean = |of: &[f64]| members.iter().map(|&i| of[i]).sum::<f64>() / members.len() as f64;
            let mut sorted: Vec<f64> = members.iter().map(|&i| values[i]).collect();
            sorted.sort_by(f64::total_cmp);
            let quantile = |share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
            Bin { cdf: mean(cdf), mean: mean(values), low: quantile(0.1), high: quantile(0.9) }
        })
        .collect()
}

/// Two panels: each network under its own rule, and all under the rule of the first.
pub(super) fn draw(curves: &[Curve], first: &str, subtitle: String) -> Result<String> {
    let bins = |curve: &Curve| curve.own.iter().chain(&curve.first).copied().collect::<Vec<_>>();
    let values = curves.iter().flat_map(bins).flat_map(|bin| [bin.low, bin.mean, bin.high]);
    let y = Axis::linear("probability over uniform", values.chain([0.0, 1.0]));
    let panel = |title: String, of: fn(&Curve) -> &[Bin]| Panel {
        title,
        x: Axis::between("cdf of the loss", 0.0, 1.0),
        y: y.clone(),
        guides: vec![(1.0, "uniform".into())],
        series: curves.iter().enumerate().map(|(k, curve)| series(of(curve), k)).collect(),
    };
    let mut panels = vec![panel("each network's own rule".into(), |curve| &curve.own)];
    if curves.len() > 1 {
        panels.push(panel(format!("the rule of {first}, by ranks"), |curve| &curve.first));
    }
    chart::svg(&Chart {
        title: "Sampling probability".into(),
        subtitle,
        legend: curves
            .iter()
            .enumerate()
            .map(|(k, curve)| Key { label: curve.network.clone(), style: style(k) })
            .collect(),
        columns: panels.len(),
        panels,
    })
}

fn series(bins: &[Bin], k: usize) -> Series {
    Series {
        style: style(k),
        points: bins.iter().map(|bin| (bin.cdf, bin.mean)).collect(),
        band: bins.iter().map(|bin| (bin.cdf, bin.low, bin.high)).collect(),
    }
}

fn style(k: usize) -> Style {
    Style { colour: COLOURS[k % COLOURS.len()], line: Line::Solid, marker: Marker::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_hand_made_instances() {
        let (cdf, values) = ([0.9, 0.1, 0.3, 0.7, 0.5], [5.0, 1.0, 2.0, 4.0, 3.0]);
        let bins = binned(&cdf, &values, 2);
        // Sorted by the cdf: 1, 2 | 3, 4, 5.
        let expected = [
            Bin { cdf: 0.2, mean: 1.5, low: 1.0, high: 2.0 },
            Bin { cdf: 0.7, mean: 4.0, low: 3.0, high: 5.0 },
        ];
        for (bin, expected) in bins.iter().zip(expected) {
            assert!((bin.cdf - expected.cdf).abs() < 1e-12 && (bin.mean - expected.mean).abs() < 1e-12);
            assert_eq!((bin.low, bin.high), (expected.low, expected.high));
        }
        assert_eq!(binned(&cdf, &values, 100).len(), 5);
    }

    #[test]
    fn probabilities_are_told_in_units_of_uniform_sampling() {
        let curve = Curve::of("net".into(), &[1.0, 2.0], &[0.25, 0.75], &[0.5, 0.5], 2).unwrap();
        assert_eq!(curve.own.iter().map(|bin| bin.mean).collect::<Vec<_>>(), [0.5, 1.5]);
        assert_eq!(curve.first.iter().map(|bin| bin.mean).collect::<Vec<_>>(), [1.0, 1.0]);
        let svg = draw(&[curve.clone(), curve], "net", String::new()).unwrap();
        assert!(svg.contains("the rule of net, by ranks") && svg.contains("cdf of the loss"));
    }
}
