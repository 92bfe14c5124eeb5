//! Correlation against cost, as a picture.

use anyhow::Result;
use ss_approx::Score;
use ss_cli::ValidationLabels;

use super::plan::Plan;
use super::record::{Setting, Yardstick};
use super::summary::{Fidelity, HALF_BAR, OverSeeds, Row, Summary, WHOLE_BAR};
use crate::chart::{self, Axis, COLOURS, Chart, Key, Line, Marker, Panel, Series, Style};

const MARKERS: [Marker; 3] = [Marker::Circle, Marker::Square, Marker::Triangle];
/// Singles out the default setting.
const SINGLED_OUT: plotters::style::RGBColor = plotters::style::RGBColor(34, 34, 34);

/// Panels: the three scores across, the whole panel above its better half; noisy labels.
pub(super) fn draw(plan: &Plan, summary: &Summary) -> Result<String> {
    let looks = Looks::of(&plan.grid);
    let mut panels = Vec::new();
    for (what, bar) in [(Half::Whole, WHOLE_BAR), (Half::Better, HALF_BAR)] {
        let scores = [Score::Accuracy, Score::Calibrated, Score::Likelihood];
        for score in scores {
            let yardstick = Yardstick { score, labels: ValidationLabels::Noisy };
            panels.push(panel(summary, &looks, yardstick, what, bar));
        }
    }
    let chart = Chart {
        title: format!(
            "Rank correlation of short trials with full trainings: {}, {:.0}% wrong labels",
            plan.settings.dataset,
            100.0 * plan.noise.rate()
        ),
        subtitle: format!(
            "Spearman, {} samplers, noisy validation labels; mean over {} seeds. Grey bar: lowest to highest seed of the default. \
             Vertical ranges differ.",
            summary.panel.len(),
            plan.settings.run.seeds
        ),
        legend: looks.legend(plan.settings.recipe.train.epochs),
        panels,
        columns: 3,
    };
    chart::svg(&chart)
}

#[derive(Clone, Copy)]
enum Half {
    Whole,
    Better,
}

impl Half {
    fn of(self, fidelity: &Fidelity) -> Option<&OverSeeds> {
        match self {
            Self::Whole => fidelity.whole.as_ref(),
            Self::Better => fidelity.better_half.as_ref(),
        }
    }
}

fn panel(summary: &Summary, looks: &Looks, yardstick: Yardstick, half: Half, bar: f64) -> Panel {
    let rows: Vec<&Row> = summary.rows.iter().filter(|row| row.yardstick == yardstick).collect();
    let at = |row: &Row| Some((Axis::doublings(row.cost), half.of(&row.fidelity)?.mean));
    let mut series: Vec<Series> = Vec::new();
    for &start in &looks.starts {
        for &rate in &looks.rates {
            let of = |row: &&&Row| row.setting.start_epoch == start && row.setting.rate == rate;
            let mut points: Vec<(f64, f64)> = rows.iter().filter(of).filter_map(|row| at(row)).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            series.push(Series { style: looks.style(start, rate), points, band: Vec::new() });
        }
    }
    // Last, so that it is seen.
    if let Some(row) = rows.iter().find(|row| row.default)
        && let (Some(point), Some(range)) = (at(row), half.of(&row.fidelity))
    {
        let ring = Style { colour: SINGLED_OUT, line: Line::None, marker: Marker::Ring };
        let band = [-0.05, 0.05].map(|shift| (point.0 + shift, range.lowest, range.highest)).to_vec();
        series.push(Series { style: ring, points: vec![point], band });
    }
    let mut costs: Vec<f64> = rows.iter().map(|row| row.cost).collect();
    costs.sort_by(f64::total_cmp);
    costs.dedup();
    let ticks: Vec<(f64, String)> =
        costs.iter().map(|&cost| (cost, format!("{:.3}", cost).trim_end_matches('0').to_owned())).collect();
    let low = lowest(&rows, half);
    let name = match half {
        Half::Whole => "whole panel",
        Half::Better => "better half",
    };
    Panel {
        title: format!("{}: {name}", yardstick.score),
        x: Axis::logarithmic("cost of a trial, in full trainings", &ticks),
        y: Axis::between("Spearman's correlation", low, 1.0 + 0.05 * (1.0 - low)),
        guides: vec![(bar, format!("{bar}"))],
        series,
    }
}

/// The lower end of a panel's axis: scores differ too much for one range.
fn lowest(rows: &[&Row], half: Half) -> f64 {
    let lowest = |over: &OverSeeds, row: &Row| if row.default { over.lowest } else { over.mean };
    let found = rows.iter().filter_map(|row| Some(lowest(half.of(&row.fidelity)?, row))).fold(0.75, f64::min);
    1.0 - 1.06 * (1.0 - found)
}

/// Starts have colours, rates have markers.
struct Looks {
    starts: Vec<usize>,
    rates: Vec<f64>,
}

impl Looks {
    fn of(settings: &[Setting]) -> Self {
        let mut looks = Self { starts: Vec::new(), rates: Vec::new() };
        for setting in settings {
            if !looks.starts.contains(&setting.start_epoch) {
                looks.starts.push(setting.start_epoch);
            }
            if !looks.rates.contains(&setting.rate) {
                looks.rates.push(setting.rate);
            }
        }
        looks
    }

    fn style(&self, start: usize, rate: f64) -> Style {
        let colour = self.starts.iter().position(|s| *s == start).unwrap_or(0) % COLOURS.len();
        let marker = self.rates.iter().position(|r| *r == rate).unwrap_or(0) % MARKERS.len();
        Style { colour: COLOURS[colour], line: Line::Solid, marker: MARKERS[marker] }
    }

    fn legend(&self, epochs: usize) -> Vec<Key> {
        let starts = self.starts.iter().map(|&start| Key {
            label: format!("start at epoch {start} of {epochs}"),
            style: Style { marker: Marker::None, ..self.style(start, self.rates[0]) },
        });
        let rates = self.rates.iter().map(|&rate| Key {
            label: format!("rate {rate}"),
            style: Style { colour: SINGLED_OUT, line: Line::None, ..self.style(self.starts[0], rate) },
        });
        let ring = Style { colour: SINGLED_OUT, line: Line::None, marker: Marker::Ring };
        starts.chain(rates).chain([Key { label: "default of the search".into(), style: ring }]).collect()
    }
}
