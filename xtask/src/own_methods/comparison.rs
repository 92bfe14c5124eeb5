//! Methods beside each other over seeds.

use serde::Serialize;
use ss_cli::Method;

use super::Cell;
use crate::statistics::{mean_and_std, paired_interval};

/// One measure of one (noise, method) over seeds.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) mean: f64,
    /// Sample deviation over seeds.
    pub(crate) std: Option<f64>,
    /// Mean difference from the baseline of the same seed.
    pub(crate) diff_vs_baseline: f64,
    /// Ends of its paired 95% interval; absent with fewer than two seeds.
    pub(crate) ci95_low: Option<f64>,
    pub(crate) ci95_high: Option<f64>,
    /// The difference from the baseline as a share of the oracle's; absent unless the oracle is better.
    pub(crate) gap_closed: Option<f64>,
}

impl Comparison {
    /// The names of [`columns`](Self::columns).
    pub(crate) const HEADER: [&str; 3] = ["minus baseline", "95% interval", "gap closed"];

    /// Of the cells of this noise and method that have the measure, of which more is better; `None` without any.
    pub(crate) fn of(
        noise: f64,
        method: Method,
        cells: &[Cell],
        value: impl Fn(&Cell) -> Option<f64>,
    ) -> Option<Self> {
        Self::new(noise, method, cells, value, |gain| gain)
    }

    /// As [`of`](Self::of), of a measure of which less is better.
    pub(crate) fn of_less(
        noise: f64,
        method: Method,
        cells: &[Cell],
        value: impl Fn(&Cell) -> Option<f64>,
    ) -> Option<Self> {
        // A difference: the negative of zero would print as -0.
        Self::new(noise, method, cells, value, |gain| 0.0 - gain)
    }

    /// `gain` of a difference is positive where the difference is one for the better.
    fn new(
        noise: f64,
        method: Method,
        cells: &[Cell],
        value: impl Fn(&Cell) -> Option<f64>,
        gain: impl Fn(f64) -> f64,
    ) -> Option<Self> {
        let of = |method: Method| -> Vec<(u64, f64)> {
            let of = cells.iter().filter(|cell| cell.noise == noise && cell.result.method == method);
            of.filter_map(|cell| Some((cell.seed, value(cell)?))).collect()
        };
        let (baseline, own) = (of(Method::Baseline), of(method));
        if own.is_empty() {
            return None;
        }
        // On the seeds that both have.
        let minus_baseline = |values: &[(u64, f64)]| -> Vec<f64> {
            let base = |seed| baseline.iter().find(|(of, _)| *of == seed);
            values.iter().filter_map(|&(seed, value)| Some(value - base(seed)?.1)).collect()
        };
        let differences = minus_baseline(&own);
        let interval = paired_interval(&differences);
        let diff_vs_baseline = mean_and_std(&differences).0;
        let room = gain(mean_and_std(&minus_baseline(&of(Method::Oracle))).0);
        let (mean, std) = mean_and_std(&own.iter().map(|&(_, value)| value).collect::<Vec<_>>());
        Some(Self {
            mean,
            std,
            diff_vs_baseline,
            ci95_low: interval.map(|(low, _)| low),
            ci95_high: interval.map(|(_, high)| high),
            gap_closed: (room > 0.0).then(|| gain(diff_vs_baseline) / room),
        })
    }

    /// The difference from the baseline, its interval and the share of the gap, for a table: the first two for all but the
    /// baseline, the last for Swift Sampler.
    pub(crate) fn columns(&self, method: Method) -> [String; 3] {
        let compared = |text: String| if method == Method::Baseline { String::new() } else { text };
        let interval = match (self.ci95_low, self.ci95_high) {
            (Some(low), Some(high)) => format!("[{low:+.2}, {high:+.2}]"),
            _ => "one seed".into(),
        };
        let gap = self.gap_closed.filter(|_| method == Method::Ss);
        [
            compared(format!("{:+.2}", self.diff_vs_baseline)),
            compared(interval),
            gap.map_or_else(String::new, |share| format!("{:.0}%", 100.0 * share)),
        ]
    }
}

/// What the searches of one noise were and found.
#[derive(Debug, Serialize)]
pub(crate) struct SearchColumns {
    /// Runs.
    pub(crate) n: usize,
    /// Runs in which a rule was used.
    pub(crate) kept: usize,
    /// All trials in units of one full training.
    pub(crate) cost: f64,
    /// Mean cost of finalists that lost, in the same units.
    pub(crate) extra_cost: f64,
    /// Mean area under the ROC curve of the reference loss as a detector of wrong labels.
    pub(crate) loss_auroc: Option<f64>,
}

impl SearchColumns {
    /// The names of [`columns`](Self::columns).
    pub(crate) const HEADER: [&str; 4] = ["kept", "trials", "extra", "detects"];

    /// What the first three of them are, for a reader.
    pub(crate) const EXPLAINED: &str = "Kept: runs in which a rule was used; in the others the result is the baseline's. \
        Trials: their cost in units of one full\ntraining. Extra: cost of finalists that lost, in the same units.";

    /// Of Swift Sampler's cells of this noise.
    pub(crate) fn of(noise: f64, cells: &[Cell]) -> Self {
        let ss: Vec<&Cell> =
            cells.iter().filter(|c| c.noise == noise && c.result.method == Method::Ss).collect();
        let areas: Vec<f64> = ss.iter().filter_map(|cell| cell.auroc.get("loss").copied()).collect();
        let mean = |cost: fn(&Cell) -> f64| match ss.len() {
            0 => 0.0,
            _ => mean_and_std(&ss.iter().map(|cell| cost(cell)).collect::<Vec<_>>()).0,
        };
        Self {
            n: ss.len(),
            kept: ss.iter().filter(|c| c.result.search.as_ref().is_some_and(|search| search.kept)).count(),
            cost: mean(|cell| cell.result.search_cost),
            extra_cost: mean(|cell| cell.result.extra_cost),
            loss_auroc: (!areas.is_empty()).then(|| mean_and_std(&areas).0),
        }
    }

    /// For a table; nothing for methods that do not search.
    pub(crate) fn columns(search: Option<&Self>) -> [String; 4] {
        let Some(Self { n, kept, cost, extra_cost, loss_auroc }) = search else { return Default::default() };
        [
            format!("{kept}/{n}"),
            format!("{cost:.2}"),
            format!("{extra_cost:.2}"),
            loss_auroc.map_or_else(String::new, |area| format!("{area:.3}")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell(method: &str, seed: u64, top1: f64) -> Cell {
        serde_json::from_value(json!({
            "noise": 0.2, "realized_noise": 0.2, "seed": seed, "method": method, "top1_last": top1, "top1_best": 0.0,
            "top5_last": 0.0, "val_top1": 0.0, "train_seconds": 0.0, "search_seconds": 0.0, "search_cost": 2.0,
        }))
        .unwrap()
    }

    #[test]
    fn methods_are_compared_seed_by_seed() {
        let mut cells = Vec::new();
        for (seed, [base, oracle, ss]) in
            [[60.0, 80.0, 68.0], [64.0, 80.0, 74.0], [62.0, 86.0, 74.0]].iter().enumerate()
        {
            let seed = seed as u64;
            cells.extend([
                cell("baseline", seed, *base),
                cell("oracle", seed, *oracle),
                cell("ss", seed, *ss),
            ]);
        }
        let top1 = |cell: &Cell| Some(cell.result.top1_last);
        let ss = Comparison::of(0.2, Method::Ss, &cells, top1).unwrap();
        // Differences 8, 10, 12; scipy 1.16: stats.t.interval(0.95, 2, loc=10, scale=stats.sem([8, 10, 12])).
        assert_eq!((ss.mean, ss.diff_vs_baseline, ss.gap_closed), (72.0, 10.0, Some(0.5)));
        assert!((ss.ci95_low.unwrap() - 5.031_724_575).abs() < 1e-6, "{ss:?}");
        assert_eq!(ss.columns(Method::Ss), ["+10.00", "[+5.03, +14.97]", "50%"]);
        let base = Comparison::of(0.2, Method::Baseline, &cells, top1).unwrap();
        assert_eq!(base.columns(Method::Baseline), ["", "", ""]);
        assert!(Comparison::of(0.1, Method::Ss, &cells, top1).is_none());
        assert!(Comparison::of(0.2, Method::Ss, &cells, |_| None).is_none());
        // Two more finalists with one of the seeds.
        cells[2].result.extra_cost = 2.0;
        let columns = |noise| SearchColumns::columns(Some(&SearchColumns::of(noise, &cells)));
        assert_eq!(columns(0.2), ["0/3", "2.00", "0.67", ""]);
        assert_eq!(columns(0.1), ["0/0", "0.00", "0.00", ""]);
        assert_eq!(SearchColumns::columns(None), ["", "", "", ""]);
    }

    #[test]
    fn of_perplexities_less_is_better() {
        let cells = [cell("baseline", 0, 50.0), cell("oracle", 0, 40.0), cell("ss", 0, 46.0)];
        let compare =
            |method| Comparison::of_less(0.2, method, &cells, |cell| Some(cell.result.top1_last)).unwrap();
        assert_eq!(compare(Method::Ss).columns(Method::Ss), ["-4.00", "one seed", "40%"]);
        // The baseline kept: no difference, and not -0%.
        let mut same = cells.to_vec();
        same[2].result.top1_last = 50.0;
        let kept = Comparison::of_less(0.2, Method::Ss, &same, |cell| Some(cell.result.top1_last)).unwrap();
        assert_eq!(kept.columns(Method::Ss), ["+0.00", "one seed", "0%"]);
        // An oracle that is worse leaves no gap.
        assert!(
            Comparison::of(0.2, Method::Ss, &cells, |cell| Some(cell.result.top1_last))
                .unwrap()
                .gap_closed
                .is_none()
        );
    }
}
