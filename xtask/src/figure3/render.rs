//! `figure3.md`, `figure3.json` and `figure3.svg`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use ss_approx::Score;
use ss_data::DatasetKind;

use super::arms::name;
use super::plan::Plan;
use super::plot;
use super::summary::{Difference, Mean, Summary};
use crate::bench::search::arm::Arm;
use crate::markdown_table::aligned;
use crate::outputs;

/// Results on the seeds of the digits below this one were looked at while the method's defaults were chosen.
const SEEN: u64 = 5;

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    profile: &'a str,
    dataset: String,
    noise: f64,
    score: String,
    config: Value,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Writes the files into `--out`, each whole or not at all, and returns their paths.
pub(super) fn write(plan: &Plan, config: Value, summary: &Summary) -> Result<String> {
    let document = Document {
        format_version: 1,
        profile: plan.settings.profile,
        dataset: plan.settings.dataset.to_string(),
        noise: plan.noise.rate(),
        score: plan.settings.recipe.score.to_string(),
        config,
        summary,
    };
    let files = [
        ("figure3.json", serde_json::to_string_pretty(&document)? + "\n"),
        ("figure3.md", markdown(plan, summary)),
        ("figure3.svg", plot::draw(plan, summary)?),
    ];
    outputs::write(&plan.settings.run.out, files)
}

/// The numbers behind the figure.
pub(super) fn markdown(plan: &Plan, summary: &Summary) -> String {
    let r = &plan.settings.recipe;
    let show = Units::of(r.score);
    let mut out = format!(
        "# Figure 3, search curves: {}, profile `{}`\n\n\
         {} on {} training images, {} epochs; {} validation images with noisy labels; {:.0}% symmetric label noise; {} seeds\n\
         ({}). {} trials of {} epochs from epoch {}, scored by {}.\n\n\
         What an arm has after a trial: the best score so far, in {}, minus the score of uniform sampling on the same seed; and\n\
         the accuracy, in percent, that the rule with that score has on the true labels of the same validation images, which no\n\
         arm is told. `area`: the mean of that over trials, the area under the curve; `end`: after the last trial. Mean over\n\
         seeds, with Student's 95% interval. `test`: accuracy, after a trial, of the rule that the optimiser recommends at the end.\n\
         A best score is chosen among noisy scores and so too high, the more so the more a search concentrates on good rules; true\n\
         labels are not chosen.\n\n\
         Starts: the arms with simple rules begin with the same 13 (uniform sampling; drop or ramp down the largest losses;\n\
         prefer the middle), each written in its own coordinate: their first 13 trials are nearly the same for cgf and cdf.\n\
         A Sobol start is six quasi-random points of the cube, the same for cgf and cdf. RL, random search and evolution begin with\n\
         points of their own; they search the raw cube of cgf rules.\n\n",
        plan.settings.dataset,
        plan.settings.profile,
        r.network,
        plan.settings.train_size_text(),
        r.train.epochs,
        r.validation_size,
        100.0 * plan.noise.rate(),
        plan.settings.run.seeds,
        plan.settings.run.seeds_text(),
        r.trials,
        r.trial_epochs,
        r.start_epoch,
        r.score,
        show.name,
    );
    if plan.settings.dataset == DatasetKind::Digits && plan.settings.run.seeds().any(|seed| seed < SEEN) {
        out +=
            &format!("Seeds 0 to {} of the digits were looked at while defaults were chosen.\n\n", SEEN - 1);
    }
    if !summary.left_out.is_empty() {
        let seeds: Vec<String> = summary.left_out.iter().map(u64::to_string).collect();
        out += &format!(
            "Left out, because training under uniform sampling diverged: seeds {}.\n\n",
            seeds.join(", ")
        );
    }
    let header =
        ["arm", "seeds", "score: area", "end", "true labels: area", "end", "test"].map(str::to_owned);
    let rows = summary.arms.iter().map(|row| {
        [
            name(row.arm),
            row.seeds.len().to_string(),
            show.mean(row.score.area),
            show.mean(row.score.last),
            PERCENT.plain(row.truth.area),
            PERCENT.plain(row.truth.last),
            row.recommended_test.map_or_else(String::new, |test| format!("{:.1}", 100.0 * test)),
        ]
    });
    out += &aligned(&header, &rows.collect::<Vec<_>>());
    if !summary.differences.is_empty() {
        out += "\n## Differences, paired by seed\n\n\
                Mean and Student's 95% interval; below zero: worse than the other. The intervals are not adjusted for their number.\n\n";
        let header =
            ["arm", "minus", "seeds", "score: area", "end", "true labels: area", "end"].map(str::to_owned);
        let rows = summary.differences.iter().map(|d| {
            [
                name(d.arm),
                name(d.from),
                d.seeds.to_string(),
                show.mean(d.score_area),
                show.mean(d.score_last),
                PERCENT.mean(d.truth_area),
                PERCENT.mean(d.truth_last),
            ]
        });
        out += &aligned(&header, &rows.collect::<Vec<_>>());
        out += &verdict(summary, &show);
    }
    out += "\n## Beside them\n\nWeightings that no search chose, after a trial; means over seeds.\n\n";
    let header = ["weighting", "score", "true labels"].map(str::to_owned);
    let rows = summary
        .references
        .iter()
        .map(|row| [row.name.clone(), show.number(row.score), format!("{:.1}", 100.0 * row.truth)]);
    out + &aligned(&header, &rows.collect::<Vec<_>>())
}

/// Whether cgf helps, in plain words.
fn verdict(summary: &Summary, show: &Units) -> String {
    let mut out = String::new();
    for (arm, from, what) in [
        (Arm::CanonicalRulesCdf, Arm::CanonicalRules, "simple rules"),
        (Arm::CanonicalSobolCdf, Arm::CanonicalSobol, "a Sobol start"),
    ] {
        let pair = |d: &&Difference| d.arm == arm && d.from == from;
        let Some(found) = summary.differences.iter().find(pair) else { continue };
        // The difference is cdf minus cgf.
        let say = |mean: Mean| match (mean.is_clear(), mean.mean < 0.0) {
            (true, true) => "better than cdf",
            (true, false) => "worse than cdf",
            (false, _) => "not told apart from cdf",
        };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\nWith {what}, cgf is {} by the area under the best score (cdf minus cgf {}), and {} by true labels ({} points).\n",
            say(found.score_area),
            show.mean(found.score_area),
            say(found.truth_area),
            PERCENT.mean(found.truth_area),
        );
    }
    out
}

/// How numbers of one kind are written.
struct Units {
    name: &'static str,
    scale: f64,
    digits: usize,
}

/// Shares as percent.
const PERCENT: Units = Units { name: "percent", scale: 100.0, digits: 2 };

impl Units {
    fn of(score: Score) -> Self {
        match score {
            Score::Accuracy | Score::Verification | Score::NearestCentroid => PERCENT,
            Score::Likelihood | Score::Calibrated => {
                Self { name: "hundredths of a nat", scale: 100.0, digits: 2 }
            }
        }
    }

    fn number(&self, value: f64) -> String {
        format!("{:+.*}", self.digits, self.scale * value)
    }

    /// With signs: a difference.
    fn mean(&self, mean: Mean) -> String {
        let interval = match (mean.low, mean.high) {
            (Some(low), Some(high)) => format!(" [{}, {}]", self.number(low), self.number(high)),
            _ => String::new(),
        };
        self.number(mean.mean) + &interval
    }

    /// Without signs.
    fn plain(&self, mean: Mean) -> String {
        self.mean(mean).replace('+', "")
    }
}
