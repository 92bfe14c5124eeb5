//! The history of a search: what each trial scored, and the best so far.

use std::ops::Range;

use plotters::prelude::*;

use super::palette::{INK, WRONG, colour};
use super::panel::{Area, Drawn, Heading, axes, digits};
use crate::search::TrialRecord;

/// Space beside the plot: scores have more digits than ranks.
const WIDER_SIDE: u32 = 64;

/// Draws the trials in order; `used` is the one whose rule is in use.
///
/// Scores far below the others are drawn on the lower edge. A trial that failed has no score and is marked there
/// too; one that was stopped on its way stands at the score that it had there.
pub(super) fn draw(
    trials: &[TrialRecord],
    used: usize,
    score: &str,
    area: &Area<'_>,
    heading: Heading,
) -> Drawn {
    let range = scores_shown(trials);
    let low = range.start;
    let digits = digits(&range);
    let last = trials.len().max(2) as f64;
    let mut chart =
        heading.plot(area).y_label_area_size(WIDER_SIDE).build_cartesian_2d(0.0..last + 1.0, range)?;
    axes(
        chart
            .configure_mesh()
            .x_desc("trial")
            .y_desc(format!("score ({score})"))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.digits$}")),
    )?;
    let x = |number: usize| (number + 1) as f64;
    // Uniform sampling is the first trial, and what the others have to beat.
    if let Some(uniform) = trials.first().and_then(|trial| trial.score) {
        let line = [(0.0, uniform.max(low)), (last + 1.0, uniform.max(low))];
        chart.draw_series(DashedLineSeries::new(line, 5, 4, INK.stroke_width(1)))?;
    }
    chart.draw_series(LineSeries::new(best_so_far(trials), colour(0.35).stroke_width(2)))?;
    for (number, trial) in trials.iter().enumerate() {
        let at = |score: f64| (x(number), score.max(low));
        match (trial.score, trial.pruned) {
            (Some(score), _) if trial.name == TrialRecord::MODEL => {
                chart.draw_series([Circle::new(at(score), 3, colour(1.0).filled())])?;
            }
            (Some(score), _) => {
                chart.draw_series([Circle::new(at(score), 3, colour(1.0).stroke_width(1))])?;
            }
            (None, Some(score)) => {
                chart.draw_series([TriangleMarker::new(at(score), 4, WRONG.filled())])?;
            }
            (None, None) => {
                chart.draw_series([Cross::new(at(low), 4, INK.stroke_width(2))])?;
            }
        }
    }
    if let Some(score) = trials.get(used).and_then(|trial| trial.score) {
        chart.draw_series([Circle::new((x(used), score.max(low)), 7, INK.stroke_width(2))])?;
    }
    Ok(())
}

/// The steps of the best score so far, as corners.
fn best_so_far(trials: &[TrialRecord]) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    let mut best = f64::NEG_INFINITY;
    for (number, score) in trials.iter().enumerate().filter_map(|(i, trial)| Some((i, trial.score?))) {
        if score > best {
            if best.is_finite() {
                corners.push(((number + 1) as f64, best));
            }
            corners.push(((number + 1) as f64, score));
            best = score;
        }
    }
    if best.is_finite() {
        corners.push((trials.len() as f64, best));
    }
    corners
}

/// The scores that the plot shows: that of uniform sampling, and all others but what lies more than three times
/// the spread of the better half below it.
fn scores_shown(trials: &[TrialRecord]) -> Range<f64> {
    let mut scores: Vec<f64> =
        trials.iter().filter_map(|trial| trial.score.or(trial.pruned)).filter(|s| s.is_finite()).collect();
    scores.sort_by(f64::total_cmp);
    let (Some(&least), Some(&most)) = (scores.first(), scores.last()) else { return 0.0..1.0 };
    let median = scores[scores.len() / 2];
    let uniform =
        trials.first().and_then(|trial| trial.score).filter(|score| score.is_finite()).unwrap_or(most);
    let low = least.max(median - 3.0 * (most - median).max(1e-9)).min(uniform);
    let room = 0.06 * (most - low).max(1e-6);
    low - room..most + room
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(scores: &[Option<f64>]) -> Vec<TrialRecord> {
        let trial = |score: &Option<f64>| TrialRecord {
            name: TrialRecord::MODEL.into(),
            point: Vec::new(),
            score: *score,
            pruned: None,
            failure: None,
            effective_share: 1.0,
        };
        scores.iter().map(trial).collect()
    }

    #[test]
    fn the_best_so_far_never_falls_and_reaches_the_last_trial() {
        let trials = trials(&[Some(0.2), None, Some(0.5), Some(0.1), Some(0.6), None]);
        let corners = best_so_far(&trials);
        assert_eq!(corners, [(1.0, 0.2), (3.0, 0.2), (3.0, 0.5), (5.0, 0.5), (5.0, 0.6), (6.0, 0.6)]);
        assert!(best_so_far(&[]).is_empty());
    }

    #[test]
    fn one_disaster_does_not_flatten_the_others() {
        let mut scores: Vec<_> = (0..10).map(|i| Some(f64::from(i) / 10.0)).collect();
        scores.push(Some(-1000.0));
        let shown = scores_shown(&trials(&scores));
        assert!(shown.start > -2.0 && shown.start < 0.0 && shown.end > 0.9 && shown.end < 1.2, "{shown:?}");
        assert_eq!(scores_shown(&trials(&[None])), 0.0..1.0);
        scores.insert(0, Some(-5.0));
        let shown = scores_shown(&trials(&scores));
        assert!(shown.start > -6.0 && shown.start < -5.0, "uniform sampling, the first, is shown: {shown:?}");
        let one = scores_shown(&trials(&[Some(0.5)]));
        assert!(one.start < 0.5 && one.end > 0.5);
    }
}
