//! The search curves as a picture.

use anyhow::Result;
use ss_approx::Score;

use super::arms::name;
use super::plan::Plan;
use super::summary::{ArmRow, Measure, Summary};
use crate::bench::search::arm::Arm;
use crate::chart::{self, Axis, COLOURS, Chart, Key, Line, Marker, Panel, Series, Style};

/// Bayesian optimisation on the left, the search and its rivals on the right; the reported score above, true labels
/// below.
pub(super) fn draw(plan: &Plan, summary: &Summary) -> Result<String> {
    let is_bayesian = |arm: Arm| !matches!(arm, Arm::Reinforce | Arm::Random | Arm::Evolution | Arm::Sobol);
    let left: Vec<&ArmRow> = summary.arms.iter().filter(|row| is_bayesian(row.arm)).collect();
    let right: Vec<&ArmRow> = summary
        .arms
        .iter()
        .filter(|row| !is_bayesian(row.arm) || matches!(row.arm, Arm::CanonicalRules | Arm::CanonicalSobol))
        .collect();
    let unit = match plan.settings.recipe.score {
        Score::Accuracy | Score::Verification | Score::NearestCentroid => "points",
        Score::Likelihood | Score::Calibrated => "nats / 100",
    };
    let reference = |wanted: &str, label: &str, value: fn(f64, f64) -> f64| {
        let found = summary.references.iter().find(|reference| reference.name == wanted);
        found.map(|found| (100.0 * value(found.score, found.truth), label.to_owned()))
    };
    let mut panels = Vec::new();
    let columns = [("cgf against cdf", left), ("rivals", right)];
    for (what, label, curve, guides) in [
        (
            "best score so far",
            format!("gain over uniform, {unit}"),
            (|row| &row.score) as fn(&ArmRow) -> &Measure,
            [
                reference("oracle", "oracle", |score, _| score),
                reference("uniform", "uniform", |score, _| score),
            ],
        ),
        (
            "its accuracy on true labels",
            "percent".to_owned(),
            |row| &row.truth,
            [
                reference("oracle", "oracle", |_, truth| truth),
                reference("uniform", "uniform", |_, truth| truth),
            ],
        ),
    ] {
        let guides: Vec<(f64, String)> = guides.into_iter().flatten().collect();
        // One range for both columns.
        let ends = summary.arms.iter().flat_map(|row| curve(row).after.iter().flat_map(|q| [q.q25, q.q75]));
        let values = ends.map(|value| 100.0 * value).chain(guides.iter().map(|guide| guide.0));
        let y = Axis::linear(label, values);
        for (column, rows) in &columns {
            panels.push(Panel {
                title: format!("{what}: {column}"),
                x: Axis::linear("trials", [1.0, plan.settings.recipe.trials as f64]),
                y: y.clone(),
                guides: guides.clone(),
                series: rows.iter().map(|row| series(row.arm, curve(row))).collect(),
            });
        }
    }
    let chart = Chart {
        title: format!(
            "What a search has found: {}, {:.0}% wrong labels",
            plan.settings.dataset,
            100.0 * plan.noise.rate()
        ),
        subtitle: format!(
            "Median and quartiles over {} seeds. Arms see noisy labels only.",
            plan.settings.run.seeds
        ),
        legend: summary.arms.iter().map(|row| Key { label: name(row.arm), style: style(row.arm) }).collect(),
        panels,
        columns: 2,
    };
    chart::svg(&chart)
}

fn series(arm: Arm, curve: &Measure) -> Series {
    let at = |t: usize| t as f64 + 1.0;
    let after = || curve.after.iter().enumerate();
    Series {
        style: style(arm),
        points: after().map(|(t, q)| (at(t), 100.0 * q.median)).collect(),
        band: after().map(|(t, q)| (at(t), 100.0 * q.q25, 100.0 * q.q75)).collect(),
    }
}

fn style(arm: Arm) -> Style {
    let colour = match arm {
        Arm::CanonicalRules => COLOURS[0],
        Arm::CanonicalRulesCdf => COLOURS[1],
        Arm::CanonicalSobol | Arm::RawRules => COLOURS[4],
        Arm::CanonicalSobolCdf | Arm::RawSobol => COLOURS[5],
        Arm::Reinforce => COLOURS[2],
        Arm::Random | Arm::Sobol => COLOURS[3],
        Arm::Evolution => plotters::style::RGBColor(90, 90, 90),
    };
    Style { colour, line: Line::Solid, marker: Marker::None }
}
