//! `table11.json` and `table11.md`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_cli::Method;

use super::plan::{Parts, Plan};
use crate::own_methods::Cell;
use crate::statistics::{mean_and_std, paired_interval, spread};
use crate::{markdown_table, outputs};

/// One (noise, method) over seeds. Perplexities are of the finished models.
#[derive(Debug, Serialize)]
struct Row {
    noise: f64,
    /// Mean share of the windows that is really shuffled.
    realized_noise: f64,
    method: Method,
    n: usize,
    validation: f64,
    validation_std: Option<f64>,
    test: f64,
    test_std: Option<f64>,
    /// Mean difference of test perplexity from the baseline; negative is better.
    diff_vs_baseline: f64,
    /// Ends of its paired 95% interval; absent with fewer than two seeds.
    ci95_low: Option<f64>,
    ci95_high: Option<f64>,
    /// `(baseline - mean) / (baseline - oracle)`; absent unless the oracle is better.
    gap_closed: Option<f64>,
    /// Runs in which a rule was used.
    kept: usize,
    /// All trials in units of one full training.
    search_cost: f64,
    /// Mean cost of finalists that lost, in the same units.
    extra_cost: f64,
    /// Mean area under the ROC curve of the reference loss as a detector of shuffled windows.
    loss_auroc: Option<f64>,
}

/// Writes both files and returns the second with a line that says where they are.
pub(super) fn write(plan: &Plan, parts: &Parts, config: serde_json::Value, cells: &[Cell]) -> Result<String> {
    let rows: Vec<Row> =
        plan.noise.iter().flat_map(|&noise| Method::OWN.map(|method| row(noise, method, cells))).collect();
    let text = markdown(plan, parts, &rows);
    let json = serde_json::json!({
        "format_version": 1, "profile": plan.profile, "config": config, "cells": cells, "summary": rows,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let written = outputs::write(&plan.run.out, [("table11.json", json), ("table11.md", text.clone())])?;
    Ok(format!("{text}\nWritten: {written}\n"))
}

fn row(noise: f64, method: Method, cells: &[Cell]) -> Row {
    let of = |method| cells.iter().filter(move |cell| cell.noise == noise && cell.result.method == method);
    let mean = |value: fn(&Cell) -> f64, method| mean_and_std(&of(method).map(value).collect::<Vec<_>>());
    let (validation, validation_std) = mean(|cell| super::validation(&cell.result), method);
    let of_test = |cell: &Cell| super::test(&cell.result);
    let (test, test_std) = mean(of_test, method);
    let differences: Vec<f64> = of(method)
        .filter_map(|cell| {
            let base = of(Method::Baseline).find(|base| base.seed == cell.seed)?;
            Some(of_test(cell) - of_test(base))
        })
        .collect();
    let interval = paired_interval(&differences);
    let diff_vs_baseline = mean_and_std(&differences).0;
    let room = mean(of_test, Method::Baseline).0 - mean(of_test, Method::Oracle).0;
    let areas: Vec<f64> = of(method).filter_map(|cell| cell.auroc.get("loss").copied()).collect();
    Row {
        noise,
        realized_noise: mean(|cell| cell.realized_noise, method).0,
        method,
        n: of(method).count(),
        validation,
        validation_std,
        test,
        test_std,
        diff_vs_baseline,
        ci95_low: interval.map(|(low, _)| low),
        ci95_high: interval.map(|(_, high)| high),
        // A difference: the negative of zero would print as -0.
        gap_closed: (room > 0.0).then(|| (0.0 - diff_vs_baseline) / room),
        kept: of(method).filter(|cell| cell.result.search.as_ref().is_some_and(|search| search.kept)).count(),
        search_cost: mean(|cell| cell.result.search_cost, method).0,
        extra_cost: mean(|cell| cell.result.extra_cost, method).0,
        loss_auroc: (!areas.is_empty()).then(|| mean_and_std(&areas).0),
    }
}

fn markdown(plan: &Plan, parts: &Parts, rows: &[Row]) -> String {
    let recipe = plan.recipe(parts);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 11: text, profile `{}`\n\n\
         {} on {} training, {} validation and {} test windows of {} tokens, vocabulary {}, {} epochs; seeds {}. Noise: share of the\n\
         training windows whose tokens are shuffled; validation text: {}; test text as it is. Perplexity a token of the finished model,\n\
         mean +- deviation over seeds, lower is better. Every token is predicted from those before it in its own window alone, so that\n\
         the numbers are not those of models that read on. Minus baseline: of test perplexities, paired over seeds, 95% interval by\n\
         Student's t. Gap closed: (baseline - value) / (baseline - oracle). Kept: runs in which a rule was used; in the others the\n\
         result is the baseline's. Trials: their cost in units of one full training. Extra: cost of finalists that lost, in the same\n\
         units. Detects: area under the ROC curve of the reference loss against the shuffled windows.\n",
        plan.profile,
        recipe.network,
        parts.train.len(),
        parts.validation.len(),
        parts.test.len(),
        parts.train.context(),
        parts.train.vocabulary(),
        recipe.train.epochs,
        plan.run.seeds_text(),
        match plan.val_text {
            ss_cli::ValidationLabels::Clean => "as it is",
            ss_cli::ValidationLabels::Noisy => "the same share shuffled",
        },
    );
    let header = [
        "noise",
        "realised",
        "method",
        "validation",
        "test",
        "minus baseline",
        "95% interval",
        "gap closed",
        "kept",
        "trials",
        "extra",
        "detects",
    ];
    let rows = rows.iter().map(|row| {
        let compared = |text: String| if row.method == Method::Baseline { String::new() } else { text };
        let searched = |text: String| if row.method == Method::Ss { text } else { String::new() };
        [
            format!("{:.0}%", 100.0 * row.noise),
            format!("{:.1}%", 100.0 * row.realized_noise),
            row.method.to_string(),
            spread(row.validation, row.validation_std),
            spread(row.test, row.test_std),
            compared(format!("{:+.2}", row.diff_vs_baseline)),
            compared(match (row.ci95_low, row.ci95_high) {
                (Some(low), Some(high)) => format!("[{low:+.2}, {high:+.2}]"),
                _ => "one seed".into(),
            }),
            searched(row.gap_closed.map_or_else(String::new, |share| format!("{:.0}%", 100.0 * share))),
            searched(format!("{}/{}", row.kept, row.n)),
            searched(format!("{:.2}", row.search_cost)),
            searched(format!("{:.2}", row.extra_cost)),
            row.loss_auroc.map_or_else(String::new, |area| format!("{area:.3}")),
        ]
    });
    out + &markdown_table::aligned(&header.map(String::from), &rows.collect::<Vec<_>>())
}
