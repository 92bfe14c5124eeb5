//! Means, deviations and paired intervals over seeds.

use serde::Serialize;
use ss_cli::Method;

use super::cells::Cell;
use crate::statistics::{mean_and_std, paired_interval};

/// One row of the table: a method at a noise rate, over seeds. Accuracies are test top-1 of the finished
/// model, in percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) noise: f64,
    pub(crate) mean: f64,
    /// Sample standard deviation; absent with one seed.
    pub(crate) std: Option<f64>,
    pub(crate) n: usize,
    /// Runs that diverged: they are not among the `n`, and count in no mean or difference.
    pub(crate) diverged: usize,
    /// Mean difference from the baseline over the seeds that both have; absent without a baseline.
    pub(crate) diff_vs_baseline: Option<f64>,
    /// Ends of its paired 95% interval; absent with fewer than two pairs.
    pub(crate) ci95_low: Option<f64>,
    pub(crate) ci95_high: Option<f64>,
    /// Mean difference of Swift Sampler from this method over the seeds that both have, and the ends of its paired 95%
    /// interval; absent for Swift Sampler itself.
    pub(crate) ss_minus: Option<f64>,
    pub(crate) ss_minus_low: Option<f64>,
    pub(crate) ss_minus_high: Option<f64>,
    pub(crate) mean_best: f64,
    pub(crate) mean_top5: f64,
    pub(crate) realized_noise: f64,
    pub(crate) search_cost: f64,
    pub(crate) feature_cost: f64,
    pub(crate) extra_cost: f64,
    /// Seconds of all that the method takes over the baseline's, means over the seeds that both have.
    pub(crate) relative_time: Option<f64>,
    /// Runs of Swift Sampler in which a rule was used; in the others it is the baseline.
    pub(crate) kept: Option<usize>,
    /// `(method - baseline) / (oracle - baseline)`, each over the seeds that both have; absent unless the oracle is better than
    /// the baseline.
    pub(crate) gap_closed: Option<f64>,
}

/// One row for each (method, noise) in the cells, in their order.
pub(crate) fn summarise(cells: &[Cell]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for cell in cells {
        let (method, noise) = (cell.result.method, cell.noise);
        if rows.iter().any(|row| row.method == method && row.noise == noise) {
            continue;
        }
        let all =
            |wanted: Method| cells.iter().filter(move |c| c.noise == noise && c.result.method == wanted);
        let of = |wanted: Method| all(wanted).filter(|c| c.result.diverged.is_none());
        // Of the seeds on which both finished.
        let pairs = |one: Method, other: Method| -> Vec<(&Cell, &Cell)> {
            of(one).filter_map(|a| Some((a, of(other).find(|b| b.seed == a.seed)?))).collect()
        };
        let minus = |one: Method, other: Method| -> Vec<f64> {
            pairs(one, other).into_iter().map(|(a, b)| a.result.top1_last - b.result.top1_last).collect()
        };
        let scores: Vec<f64> = of(method).map(|c| c.result.top1_last).collect();
        let differences = minus(method, Method::Baseline);
        let from_ss = if method == Method::Ss { Vec::new() } else { minus(Method::Ss, method) };
        let ss_interval = paired_interval(&from_ss);
        let time = |cell: &Cell| cell.result.train_seconds + cell.result.search_seconds;
        let seconds: Vec<(f64, f64)> =
            pairs(method, Method::Baseline).into_iter().map(|(a, b)| (time(a), time(b))).collect();
        let (mean, std) = mean_and_std(&scores);
        let interval = paired_interval(&differences);
        let average = |value: fn(&Cell) -> f64| mean_and_std(&of(method).map(value).collect::<Vec<_>>()).0;
        let room = mean_and_std(&minus(Method::Oracle, Method::Baseline)).0;
        let diff_vs_baseline = (!differences.is_empty()).then(|| mean_and_std(&differences).0);
        rows.push(Row {
            method,
            noise,
            mean,
            std,
            n: scores.len(),
            diverged: all(method).count() - scores.len(),
            diff_vs_baseline,
            ci95_low: interval.map(|(low, _)| low),
            ci95_high: interval.map(|(_, high)| high),
            ss_minus: (!from_ss.is_empty()).then(|| mean_and_std(&from_ss).0),
            ss_minus_low: ss_interval.map(|(low, _)| low),
            ss_minus_high: ss_interval.map(|(_, high)| high),
            mean_best: average(|c| c.result.top1_best),
            mean_top5: average(|c| c.result.top5_last),
            realized_noise: mean_and_std(&all(method).map(|c| c.realized_noise).collect::<Vec<_>>()).0,
            search_cost: average(|c| c.result.search_cost),
            feature_cost: average(|c| c.result.feature_cost),
            extra_cost: average(|c| c.result.extra_cost),
            relative_time: relative_time(&seconds),
            kept: (method == Method::Ss)
                .then(|| of(method).filter(|c| c.result.search.as_ref().is_some_and(|s| s.kept)).count()),
            gap_closed: diff_vs_baseline.filter(|_| room > 0.0).map(|d| d / room),
        });
    }
    rows
}

/// The sum of the first of each pair over that of the second.
fn relative_time(seconds: &[(f64, f64)]) -> Option<f64> {
    let (own, base) = seconds.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    (base > 0.0).then(|| own / base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell(method: &str, seed: u64, top1: f64) -> Cell {
        serde_json::from_value(json!({
            "noise": 0.4, "realized_noise": 0.4, "seed": seed, "method": method, "top1_last": top1,
            "top1_best": top1, "top5_last": 99.0, "val_top1": 70.0, "train_seconds": 1.0, "search_seconds": 0.0, "search_cost": 1.0
        }))
        .unwrap()
    }

    #[test]
    fn diverged_runs_are_counted_and_in_no_mean() {
        let mut lost = cell("l2rw", 1, 0.0);
        lost.result.diverged = Some("the loss is NaN".into());
        let cells = [cell("baseline", 0, 60.0), cell("baseline", 1, 70.0), cell("l2rw", 0, 65.0), lost];
        let rows = summarise(&cells);
        assert_eq!((rows[1].n, rows[1].diverged, rows[1].mean), (1, 1, 65.0));
        assert_eq!((rows[1].diff_vs_baseline, rows[1].ci95_low), (Some(5.0), None));
        assert_eq!(rows[0].diverged, 0);
        // Seed 1's baseline, 70, has no oracle that finished, and is not in the room for gain either.
        let mut lost = cell("oracle", 1, 0.0);
        lost.result.diverged = Some("the loss is NaN".into());
        let cells = [&cells[..], &[cell("oracle", 0, 66.0), lost]].concat();
        assert!((summarise(&cells)[1].gap_closed.unwrap() - 5.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let cells = [
            cell("baseline", 0, 60.0),
            cell("baseline", 1, 70.0),
            cell("ss", 0, 65.0),
            cell("ss", 1, 75.0),
            cell("ss", 2, 99.0),
            cell("oracle", 0, 72.0),
            cell("oracle", 1, 78.0),
        ];
        let rows = summarise(&cells);
        let ss = rows.iter().find(|row| row.method == Method::Ss).unwrap();
        assert_eq!(
            (ss.n, ss.diff_vs_baseline, ss.ci95_low, ss.ci95_high),
            (3, Some(5.0), Some(5.0), Some(5.0))
        );
        assert_eq!(ss.gap_closed, Some(0.5));
        assert_eq!(rows[0].gap_closed, Some(0.0));
        assert_eq!((rows[0].ss_minus, rows[0].ss_minus_low), (Some(5.0), Some(5.0)));
        assert_eq!((ss.ss_minus, ss.ss_minus_low), (None, None));
    }
}
