//! `table1.json` and `table1.md`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_cli::Method;

use super::cells::Cell;
use super::profile::Plan;
use super::statistics::Row;
use crate::markdown_table;

#[derive(Serialize)]
struct Table<'a> {
    format_version: u32,
    profile: &'a str,
    dataset: String,
    config: serde_json::Value,
    cells: &'a [Cell],
    summary: &'a [Row],
}

/// Writes both files into `--out`, each whole or not at all.
pub(crate) fn write(plan: &Plan, config: serde_json::Value, cells: &[Cell], summary: &[Row]) -> Result<()> {
    let table = Table {
        format_version: 1,
        profile: plan.settings.profile,
        dataset: plan.settings.dataset.to_string(),
        config,
        cells,
        summary,
    };
    let json = serde_json::to_string_pretty(&table)? + "\n";
    let text = markdown(plan, summary);
    for (name, content) in [("table1.json", json), ("table1.md", text)] {
        ss_cli::artifact::write_text(&plan.settings.out.join(name), &content)?;
    }
    Ok(())
}

/// The table as Markdown that also reads well in a terminal.
pub(crate) fn markdown(plan: &Plan, summary: &[Row]) -> String {
    let mut out = String::new();
    let r = &plan.settings.recipe;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 1: {}, profile `{}`\n\n\
         {} on {} training images, {} epochs; seeds {}; {} label noise; {} validation labels ({} images).\n\
         Search: {} trials of {} epochs from epoch {}, scored by {}, transform {}.\n\
         Test top-1 of the finished model in percent, mean +- deviation over seeds; `best` is the epoch with the\n\
         best validation accuracy. Intervals: paired over seeds, 95%, Student's t. Costs are in units of one full\n\
         training, beyond the final training and the uniform run that is the baseline: all trials; the forward\n\
         passes that read features. Time: wall-clock seconds of training and search over those of the baseline. Kept: runs in which a rule was used; in the others ss is the baseline. Gap closed:\n\
         (ss - baseline) / (oracle - baseline).\n",
        plan.settings.dataset,
        plan.settings.profile,
        r.network,
        plan.settings.train_size_text(),
        r.train.epochs,
        plan.settings.seeds_text(),
        plan.noise.kind(),
        serde_name(&plan.settings.validation_labels),
        r.validation_size,
        r.trials,
        r.trial_epochs,
        r.start_epoch,
        r.score,
        plan.settings.spec.transform(),
    );
    let header = [
        "noise",
        "realised",
        "method",
        "top-1",
        "best",
        "top-5",
        "minus baseline",
        "95% interval",
        "gap closed",
        "kept",
        "trials",
        "features",
        "time",
    ];
    let cost = |cost: f64| if cost > 0.0 { format!("{cost:.2}") } else { "0".into() };
    let rows = summary.iter().map(|row| {
        let std = row.std.map_or(String::new(), |std| format!(" +- {std:.2}"));
        let interval = match (row.method, row.ci95_low, row.ci95_high) {
            (Method::Baseline, ..) => String::new(),
            (_, Some(low), Some(high)) => format!("[{low:+.2}, {high:+.2}]"),
            _ => "one seed".into(),
        };
        let unless_baseline = |text: Option<String>| match row.method {
            Method::Baseline => String::new(),
            _ => text.unwrap_or_default(),
        };
        [
            format!("{:.0}%", 100.0 * row.noise),
            format!("{:.1}%", 100.0 * row.realized_noise),
            row.method.to_string(),
            format!("{:.2}{std}", row.mean),
            format!("{:.2}", row.mean_best),
            format!("{:.2}", row.mean_top5),
            unless_baseline(row.diff_vs_baseline.map(|d| format!("{d:+.2}"))),
            interval,
            match row.method {
                Method::Ss => {
                    row.gap_closed.map_or_else(String::new, |share| format!("{:.0}%", 100.0 * share))
                }
                Method::Baseline | Method::Oracle => String::new(),
            },
            row.kept.map_or_else(String::new, |kept| format!("{kept}/{}", row.n)),
            cost(row.search_cost),
            cost(row.feature_cost),
            row.relative_time.map_or_else(String::new, |time| format!("{time:.1}")),
        ]
    });
    out + &markdown_table::aligned(&header.map(String::from), &rows.collect::<Vec<_>>())
}

fn serde_name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
