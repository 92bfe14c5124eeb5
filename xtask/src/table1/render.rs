//! `table1.json` and `table1.md`.

use anyhow::Result;
use serde::Serialize;
use ss_cli::Method;

use super::cells::Cell;
use super::profile::Plan;
use super::statistics::Row;
use crate::markdown_table;
use crate::statistics::spread;

#[derive(Serialize)]
struct Table<'a> {
    format_version: u32,
    profile: &'a str,
    dataset: String,
    config: serde_json::Value,
    cells: &'a [Cell],
    summary: &'a [Row],
}

/// `table1.json`.
pub(crate) fn json(
    plan: &Plan,
    config: serde_json::Value,
    cells: &[Cell],
    summary: &[Row],
) -> Result<String> {
    let table = Table {
        format_version: 1,
        profile: plan.settings.profile,
        dataset: plan.settings.dataset.to_string(),
        config,
        cells,
        summary,
    };
    Ok(serde_json::to_string_pretty(&table)? + "\n")
}

/// The columns of the table and what they mean.
pub(super) const COLUMNS: [(&str, &str); 16] = [
    ("noise", "share of training labels that are to be made wrong"),
    ("realised", "share that is really wrong"),
    (
        "method",
        "baseline: uniform sampling; oracle: uniform over the truly clean examples, which no method knows; ss: Swift Sampler; the \
         others: rivals after their own publications",
    ),
    ("told", "what the method learns from beside noisy training labels"),
    (
        "top-1",
        "test accuracy of the finished model in percent, mean and standard deviation over seeds; runs that diverged count in no mean",
    ),
    ("best", "test accuracy of the epoch with the best validation accuracy"),
    ("top-5", "share of test images whose class is among the five likeliest, in percent"),
    ("minus baseline", "difference of top-1 from the baseline of the same seed, mean, in points"),
    ("95% interval", "Student's t over these differences"),
    ("gap closed", "(method - baseline) / (oracle - baseline)"),
    ("kept", "runs in which a rule was used; in the others ss is the baseline"),
    ("trials", "cost of all trials in units of one full training"),
    ("features", "cost of the forward passes that read features, in the same units"),
    (
        "extra",
        "cost of a rival's passes through networks beside its training, and of finalists that lost, in the same units",
    ),
    (
        "ss minus it",
        "difference in top-1 of Swift Sampler from the method on the same seed, mean, and Student's 95% interval",
    ),
    (
        "time",
        "seconds of all that the method takes, the uniform run included where it starts from it, over those of the baseline",
    ),
];

/// The texts of a row, one a column.
pub(super) fn columns(plan: &Plan, row: &Row) -> [String; COLUMNS.len()] {
    let cost = |cost: f64| if cost > 0.0 { format!("{cost:.2}") } else { "0".into() };
    let top1 = spread(row.mean, row.std);
    let interval = match (row.method, row.ci95_low, row.ci95_high) {
        (Method::Baseline, ..) => String::new(),
        (_, Some(low), Some(high)) => format!("[{low:+.2}, {high:+.2}]"),
        _ if row.diff_vs_baseline.is_none() => String::new(),
        _ => "one seed".into(),
    };
    let unless_baseline = |text: Option<String>| match row.method {
        Method::Baseline => String::new(),
        _ => text.unwrap_or_default(),
    };
    // Published settings cannot be out of range.
    let told = row
        .method
        .information(plan.settings.validation_labels)
        .map_or_else(|_| String::new(), |told| told.to_string());
    [
        format!("{:.0}%", 100.0 * row.noise),
        format!("{:.1}%", 100.0 * row.realized_noise),
        row.method.to_string(),
        told,
        match (row.n, row.diverged) {
            (0, lost) => format!("{lost} diverged"),
            (_, 0) => top1,
            (_, lost) => format!("{top1}, {lost} diverged"),
        },
        if row.n == 0 { String::new() } else { format!("{:.2}", row.mean_best) },
        if row.n == 0 { String::new() } else { format!("{:.2}", row.mean_top5) },
        unless_baseline(row.diff_vs_baseline.map(|d| format!("{d:+.2}"))),
        interval,
        match row.method {
            Method::Baseline | Method::Oracle => String::new(),
            _ => row.gap_closed.map_or_else(String::new, |share| format!("{:.0}%", 100.0 * share)),
        },
        row.kept.map_or_else(String::new, |kept| format!("{kept}/{}", row.n)),
        cost(row.search_cost),
        cost(row.feature_cost),
        cost(row.extra_cost),
        match (row.ss_minus, row.ss_minus_low, row.ss_minus_high) {
            (Some(mean), Some(low), Some(high)) => format!("{mean:+.2} [{low:+.2}, {high:+.2}]"),
            (Some(mean), ..) => format!("{mean:+.2}"),
            _ => String::new(),
        },
        row.relative_time.map_or_else(String::new, |time| format!("{time:.1}")),
    ]
}

/// What was computed, in a few sentences.
pub(super) fn setting(plan: &Plan) -> String {
    let r = &plan.settings.recipe;
    format!(
        "{} on {} training images, {} epochs; seeds {}; {} label noise; {} validation labels ({} images).\n\
         Search: {} trials of {} {} from epoch {}, scored by {}, transform {}.",
        r.network,
        plan.settings.train_size_text(),
        r.train.epochs,
        plan.settings.run.seeds_text(),
        plan.noise.kind(),
        serde_name(&plan.settings.validation_labels),
        r.validation_size,
        r.trials,
        r.trial_epochs,
        if r.trial_epochs == 1.0 { "epoch" } else { "epochs" },
        r.start_epoch,
        r.score,
        plan.settings.spec.transform(),
    )
}

/// The table as Markdown that also reads well in a terminal.
pub(crate) fn markdown(plan: &Plan, summary: &[Row]) -> String {
    let out = format!(
        "# Table 1: {}, profile `{}`\n\n\
         {}\n\
         Test top-1 of the finished model in percent, mean +- deviation over seeds; `best` is the epoch with the\n\
         best validation accuracy. Intervals: paired over seeds, 95%, Student's t. Costs are in units of one full\n\
         training, beyond the final training and the uniform run that is the baseline: all trials; the forward\n\
         passes that read features; a rival's passes through networks beside its training, and finalists that lost. Time: wall-clock seconds of all\n\
         that a method takes, the uniform run included where it starts from it, over those of the baseline. Kept: runs in which a rule was used; in the others ss is the\n\
         baseline. Gap closed: (method - baseline) / (oracle - baseline). Told: what the method learns from beside noisy\n\
         training labels. Ss minus it: mean difference in top-1 over seeds, with its interval.\n\n",
        plan.settings.dataset,
        plan.settings.profile,
        setting(plan),
    );
    let rows: Vec<_> = summary.iter().map(|row| columns(plan, row)).collect();
    out + &markdown_table::aligned(&COLUMNS.map(|(name, _)| name.to_owned()), &rows)
}

fn serde_name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
