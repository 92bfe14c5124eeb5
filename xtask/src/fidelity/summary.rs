//! How well each approximation ranks the panel, against what it costs.

use serde::Serialize;
use ss_cli::ValidationLabels;

use super::rank_correlation::spearman;
use super::record::{FullTraining, Setting, Trial, Yardstick};

/// Least mean correlation over the whole panel that an approximation should have.
pub(super) const WHOLE_BAR: f64 = 0.95;
/// The same over the better half.
pub(super) const HALF_BAR: f64 = 0.8;

/// The study's result.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// The panel, the best first.
    pub(super) panel: Vec<PanelRow>,
    /// A seed's full trainings against the mean of the other seeds', as its trials are: what another full training of
    /// each sampler would have in the place of a trial. Absent with one seed.
    pub(super) full_training: Option<Fidelity>,
    pub(super) rows: Vec<Row>,
}

/// A sampler and its full trainings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PanelRow {
    pub(super) sampler: String,
    /// Mean test accuracy over seeds, in `[0, 1]`. A training that diverged counts as 0. A seed's trials are compared with
    /// the mean over the others.
    pub(super) test: f64,
    pub(super) test_by_seed: Vec<f64>,
    /// Whether it is in the better half of that mean.
    pub(super) better_half: bool,
}

/// A way to judge a sampler.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) setting: Setting,
    #[serde(flatten)]
    pub(super) yardstick: Yardstick,
    /// Of one trial, in full trainings.
    pub(super) cost: f64,
    /// Of all trials of a search, in full trainings.
    pub(super) search_cost: f64,
    #[serde(flatten)]
    pub(super) fidelity: Fidelity,
    /// The search's default.
    pub(super) default: bool,
    /// Whether both bars are met by the mean over seeds.
    pub(super) meets: bool,
    /// Whether both are met by each seed.
    pub(super) meets_on_every_seed: bool,
    /// The cheapest with noisy labels that meets both.
    pub(super) cheapest: bool,
}

/// Agreement of the ranking of one seed with the truth: the mean of full trainings over the other seeds, or, where there is
/// one seed only, its own full trainings.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fidelity {
    /// Spearman's correlation over the panel.
    pub(super) whole: Option<OverSeeds>,
    /// Over the half of the panel that the truth puts first.
    pub(super) better_half: Option<OverSeeds>,
    /// Spread between samplers over the spread between seeds.
    pub(super) separation: Option<f64>,
    /// What is lost by the choice of the sampler with the best score: its truth below that of the panel's best, mean over
    /// seeds, in `[0, 1]`. The oracle, which no search can choose, is left out.
    pub(super) choice_loss: f64,
}

/// One number a seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct OverSeeds {
    pub(super) mean: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
    pub(super) by_seed: Vec<f64>,
}

impl OverSeeds {
    /// `None` without values or where one of them is missing.
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let by_seed: Vec<f64> = values.collect::<Option<_>>()?;
        let of = |f: fn(f64, f64) -> f64| by_seed.iter().copied().reduce(f);
        let mean = by_seed.iter().sum::<f64>() / by_seed.len() as f64;
        Some(Self { mean, lowest: of(f64::min)?, highest: of(f64::max)?, by_seed })
    }
}

/// What the rows are about.
pub(super) struct Frame<'a> {
    pub(super) seeds: &'a [u64],
    pub(super) settings: &'a [Setting],
    /// Epochs of a full training.
    pub(super) epochs: usize,
    /// `E_o`.
    pub(super) trials: usize,
    pub(super) default: (Setting, Yardstick),
}

/// Sums up complete records: every (seed, sampler), and every (seed, sampler, setting).
pub(super) fn summarise(frame: &Frame, full: &[FullTraining], trials: &[Trial]) -> Summary {
    let names: Vec<&str> =
        full.iter().filter(|run| run.seed == frame.seeds[0]).map(|run| run.sampler.as_str()).collect();
    let tests: Vec<Vec<f64>> = frame
        .seeds
        .iter()
        .map(|&seed| {
            let test = |name: &&str| {
                let run = full.iter().find(|run| run.seed == seed && run.sampler == *name);
                run.and_then(|run| run.test).unwrap_or(0.0)
            };
            names.iter().map(test).collect()
        })
        .collect();
    let truths = Truths::new(&tests, &names);
    let rows = frame.settings.iter().flat_map(|&setting| {
        let of_setting: Vec<&Trial> = trials.iter().filter(|trial| trial.setting == setting).collect();
        Yardstick::ALL.map(|yardstick| {
            let scores: Vec<Vec<f64>> = frame
                .seeds
                .iter()
                .map(|&seed| {
                    let score = |name: &&str| {
                        let trial = of_setting.iter().find(|t| t.seed == seed && t.sampler == *name);
                        let readings = trial.and_then(|trial| trial.readings);
                        readings.map_or(f64::NEG_INFINITY, |readings| readings.at(yardstick))
                    };
                    names.iter().map(score).collect()
                })
                .collect();
            let cost = setting.epochs / frame.epochs as f64;
            let fidelity = truths.fidelity(&scores);
            let both = |value: fn(&OverSeeds) -> f64| {
                let at_least =
                    |found: &Option<OverSeeds>, bar| found.as_ref().is_some_and(|f| value(f) >= bar);
                at_least(&fidelity.whole, WHOLE_BAR) && at_least(&fidelity.better_half, HALF_BAR)
            };
            Row {
                setting,
                yardstick,
                cost,
                search_cost: cost * frame.trials as f64,
                default: (setting, yardstick) == frame.default,
                meets: both(|over| over.mean),
                meets_on_every_seed: both(|over| over.lowest),
                cheapest: false,
                fidelity,
            }
        })
    });
    let mut rows: Vec<Row> = rows.collect();
    mark_cheapest(&mut rows);
    let mut panel: Vec<PanelRow> = (0..names.len())
        .map(|k| PanelRow {
            sampler: names[k].into(),
            test: truths.together.mean[k],
            test_by_seed: tests.iter().map(|of_seed| of_seed[k]).collect(),
            better_half: truths.together.better_half.contains(&k),
        })
        .collect();
    panel.sort_by(|a, b| b.test.total_cmp(&a.test));
    let full_training = (tests.len() > 1).then(|| truths.fidelity(&tests));
    Summary { panel, full_training, rows }
}

/// Of the cheapest rows with noisy labels that meet the bars, the one that is best over the whole panel.
fn mark_cheapest(rows: &mut [Row]) {
    let whole = |row: &Row| row.fidelity.whole.as_ref().map_or(f64::NEG_INFINITY, |whole| whole.mean);
    let best = (0..rows.len())
        .filter(|&i| rows[i].meets && rows[i].yardstick.labels == ValidationLabels::Noisy)
        .min_by(|&i, &j| {
            rows[i].cost.total_cmp(&rows[j].cost).then(whole(&rows[j]).total_cmp(&whole(&rows[i])))
        });
    if let Some(best) = best {
        rows[best].cheapest = true;
    }
}

/// Full trainings' verdict on the panel, apart from the seed that is judged by it.
struct Truths {
    /// Of every seed together.
    together: Truth,
    /// What the trials of each seed are compared with: the mean over the other seeds, or the only seed's own.
    of_seed: Vec<Truth>,
    /// What a search could choose.
    eligible: Vec<usize>,
}

/// Full trainings' verdict on the panel.
struct Truth {
    /// Mean over seeds.
    mean: Vec<f64>,
    /// The upper half of the panel, the middle one included.
    better_half: Vec<usize>,
}

impl Truths {
    /// Of `tests[seed][sampler]`.
    fn new(tests: &[Vec<f64>], names: &[&str]) -> Self {
        let eligible = (0..names.len()).filter(|&k| names[k] != "oracle").collect();
        // Trials and the full trainings of their seed share data, wrong labels and initial weights: with them in the
        // truth, a trial would be compared in part with what chance has done to both.
        let without = |left_out: usize| {
            let others = tests.iter().enumerate().filter(move |(seed, _)| *seed != left_out).map(|(_, t)| t);
            Truth::of(&others.collect::<Vec<_>>())
        };
        let together = Truth::of(&tests.iter().collect::<Vec<_>>());
        let of_seed = match tests {
            [only] => vec![Truth::of(&[only])],
            several => (0..several.len()).map(without).collect(),
        };
        Self { together, of_seed, eligible }
    }

    /// Of `scores[seed][sampler]`.
    fn fidelity(&self, scores: &[Vec<f64>]) -> Fidelity {
        let pairs = || scores.iter().zip(&self.of_seed);
        Fidelity {
            whole: OverSeeds::of(pairs().map(|(scores, truth)| spearman(scores, &truth.mean))),
            better_half: OverSeeds::of(pairs().map(|(scores, truth)| {
                spearman(&pick(scores, &truth.better_half), &pick(&truth.mean, &truth.better_half))
            })),
            separation: separation(scores),
            choice_loss: pairs().map(|(scores, truth)| self.choice_loss(scores, truth)).sum::<f64>()
                / scores.len() as f64,
        }
    }

    fn choice_loss(&self, scores: &[f64], truth: &Truth) -> f64 {
        let best = |of: &[f64]| self.eligible.iter().copied().max_by(|&a, &b| of[a].total_cmp(&of[b]));
        match (best(&truth.mean), best(scores)) {
            (Some(best), Some(chosen)) => truth.mean[best] - truth.mean[chosen],
            _ => 0.0,
        }
    }
}

impl Truth {
    /// The mean over at least one seed of `tests[seed][sampler]`.
    fn of(tests: &[&Vec<f64>]) -> Self {
        let (seeds, size) = (tests.len() as f64, tests[0].len());
        let mean: Vec<f64> =
            (0..size).map(|k| tests.iter().map(|of_seed| of_seed[k]).sum::<f64>() / seeds).collect();
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| mean[b].total_cmp(&mean[a]));
        order.truncate(size.div_ceil(2));
        Self { mean, better_half: order }
    }
}

fn pick(values: &[f64], at: &[usize]) -> Vec<f64> {
    at.iter().map(|&k| values[k]).collect()
}

/// Deviation between samplers (of their means over seeds) over the deviation of a sampler between seeds, after the
/// mean of each seed, which all samplers share, is taken off: a two-way layout without interaction. `None` with fewer
/// than two seeds or samplers, where a trial diverged, or where seeds do not differ.
fn separation(scores: &[Vec<f64>]) -> Option<f64> {
    let (seeds, samplers) = (scores.len(), scores.first()?.len());
    if seeds < 2 || samplers < 2 || scores.iter().flatten().any(|score| !score.is_finite()) {
        return None;
    }
    let of_seed: Vec<f64> = scores.iter().map(|s| s.iter().sum::<f64>() / samplers as f64).collect();
    let of_sampler: Vec<f64> =
        (0..samplers).map(|k| scores.iter().map(|s| s[k]).sum::<f64>() / seeds as f64).collect();
    let grand = of_seed.iter().sum::<f64>() / seeds as f64;
    let between = of_sampler.iter().map(|m| (m - grand).powi(2)).sum::<f64>() / (samplers - 1) as f64;
    let mut residual = 0.0;
    for (scores, of_seed) in scores.iter().zip(&of_seed) {
        residual +=
            scores.iter().zip(&of_sampler).map(|(s, m)| (s - of_seed - m + grand).powi(2)).sum::<f64>();
    }
    let within = residual / ((seeds - 1) * (samplers - 1)) as f64;
    (within > 0.0).then(|| (between / within).sqrt())
}

#[cfg(test)]
mod tests {
    use ss_approx::Score;

    use super::*;
    use crate::fidelity::record::Readings;

    const NAMES: [&str; 4] = ["uniform", "drop-20", "oracle", "hard-first"];
    const TRUTH: [f64; 4] = [0.6, 0.8, 0.9, 0.3];

    fn full(seed: u64, shift: f64) -> Vec<FullTraining> {
        let run = |(name, test): (&&str, f64)| FullTraining {
            seed,
            sampler: (*name).into(),
            test: Some(test + shift),
        };
        NAMES.iter().zip(TRUTH).map(run).collect()
    }

    fn trials(seed: u64, setting: Setting, accuracy: [f64; 4]) -> Vec<Trial> {
        let trial = |(name, accuracy): (&&str, f64)| {
            let scores =
                serde_json::json!({"accuracy": accuracy, "calibrated": -accuracy, "likelihood": 0.0});
            let readings: Readings =
                serde_json::from_value(serde_json::json!({"noisy": scores, "clean": scores})).unwrap();
            Trial { seed, sampler: (*name).into(), setting, readings: Some(readings) }
        };
        NAMES.iter().zip(accuracy).map(trial).collect()
    }

    #[test]
    fn the_cheapest_that_meets_the_bars_is_marked() {
        let setting = |epochs| Setting { start_epoch: 15, rate: 1.0, epochs };
        let settings = [setting(0.5), setting(1.0), setting(2.0)];
        let default = Yardstick { score: Score::Accuracy, labels: ValidationLabels::Noisy };
        let frame = Frame {
            seeds: &[4, 5],
            settings: &settings,
            epochs: 10,
            trials: 30,
            default: (settings[2], default),
        };
        let full = [full(4, 0.0), full(5, 0.01)].concat();
        let right = [0.1, 0.2, 0.3, 0.0];
        let trials = [
            // One seed's trials put the worst sampler first.
            trials(4, settings[0], right),
            trials(5, settings[0], [0.1, 0.2, 0.3, 0.9]),
            trials(4, settings[1], right),
            trials(5, settings[1], right),
            trials(4, settings[2], right),
            trials(5, settings[2], right),
        ]
        .concat();
        let summary = summarise(&frame, &full, &trials);
        assert_eq!(summary.rows.len(), 3 * 6);
        assert_eq!(summary.panel[0].sampler, "oracle");
        assert!((summary.panel[0].test - 0.905).abs() < 1e-12);
        assert_eq!(
            summary.panel.iter().map(|row| row.better_half).collect::<Vec<_>>(),
            [true, true, false, false]
        );
        let row = |epochs, yardstick| {
            let found =
                summary.rows.iter().find(|r| r.setting == setting(epochs) && r.yardstick == yardstick);
            found.unwrap()
        };
        let (half, one) = (row(0.5, default), row(1.0, default));
        assert!(
            !half.meets
                && one.meets
                && one.meets_on_every_seed
                && one.cheapest
                && !one.default
                && row(2.0, default).default
        );
        assert_eq!(summary.rows.iter().filter(|row| row.cheapest).count(), 1);
        assert!((one.cost - 0.1).abs() < 1e-12 && (one.search_cost - 3.0).abs() < 1e-12);
        let whole = half.fidelity.whole.as_ref().unwrap();
        // Ranks 1 2 3 0 against 1 2 3 0, and 0 1 2 3 against 1 2 3 0: 1 - 6 * 12 / 60.
        assert_eq!(whole.by_seed.len(), 2);
        assert!((whole.by_seed[0] - 1.0).abs() < 1e-12 && (whole.by_seed[1] + 0.2).abs() < 1e-12);
        assert_eq!((whole.highest, whole.lowest), (whole.by_seed[0], whole.by_seed[1]));
        // The second seed would choose the worst sampler in the place of the best that is no oracle.
        assert!((half.fidelity.choice_loss - 0.25).abs() < 1e-12);
        assert!(one.fidelity.choice_loss.abs() < 1e-12);
        let backwards = Yardstick { score: Score::Calibrated, ..default };
        assert!((row(1.0, backwards).fidelity.whole.as_ref().unwrap().mean + 1.0).abs() < 1e-12);
        let constant = Yardstick { score: Score::Likelihood, ..default };
        assert!(row(1.0, constant).fidelity.whole.is_none() && !row(1.0, constant).meets);
        // Full trainings of the two seeds agree.
        assert!((summary.full_training.unwrap().whole.unwrap().mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_seed_is_not_compared_with_its_own_full_trainings() {
        let setting = Setting { start_epoch: 15, rate: 1.0, epochs: 1.0 };
        let yardstick = Yardstick { score: Score::Accuracy, labels: ValidationLabels::Noisy };
        let frame =
            |seeds| Frame { seeds, settings: &[], epochs: 10, trials: 30, default: (setting, yardstick) };
        let frame = |seeds| Frame { settings: std::slice::from_ref(&setting), ..frame(seeds) };
        // Seed 5's full trainings and trials agree with each other, and are the reverse of the other seeds', which spread
        // twice as far and so decide a mean of one of each.
        let reversed: Vec<FullTraining> = full(5, 0.0)
            .into_iter()
            .map(|run| FullTraining { test: run.test.map(|t| 0.5 * (1.0 - t)), ..run })
            .collect();
        let all = [full(4, 0.0), reversed.clone(), full(6, 0.0)].concat();
        let same = |seed| trials(seed, setting, TRUTH);
        let of_reversed = || trials(5, setting, TRUTH.map(|t| 1.0 - t));
        let summary = summarise(&frame(&[4, 5, 6]), &all, &[same(4), of_reversed(), same(6)].concat());
        let row = summary.rows.iter().find(|row| row.yardstick == yardstick).unwrap();
        let by_seed = &row.fidelity.whole.as_ref().unwrap().by_seed;
        assert!((by_seed[1] + 1.0).abs() < 1e-12, "{by_seed:?}");
        assert_eq!(summary.full_training.unwrap().whole.unwrap().by_seed[1], by_seed[1]);
        // The only seed is compared with itself.
        let summary = summarise(&frame(&[5]), &reversed, &of_reversed());
        let row = summary.rows.iter().find(|row| row.yardstick == yardstick).unwrap();
        assert!((row.fidelity.whole.as_ref().unwrap().mean - 1.0).abs() < 1e-12);
        assert!(summary.full_training.is_none());
    }

    #[test]
    fn separation_is_that_of_a_two_way_layout() {
        // NumPy 2.4.6: x = np.array([[1, 2, 4], [2, 3.5, 4.5]]); m = x.mean(0); r = x - x.mean(1)[:, None] - m + x.mean()
        // (m.var(ddof=1) / ((r ** 2).sum() / 2)) ** 0.5
        let found = separation(&[vec![1.0, 2.0, 4.0], vec![2.0, 3.5, 4.5]]).unwrap();
        assert!((found - 3.894_440_481_849_307_5).abs() < 1e-12, "{found}");
        assert_eq!(separation(&[vec![1.0, 2.0]]), None);
        assert_eq!(separation(&[vec![1.0, 2.0], vec![3.0, 4.0]]), None, "seeds differ by a constant only");
        assert_eq!(separation(&[vec![1.0, f64::NEG_INFINITY], vec![3.0, 4.0]]), None);
    }
}
