//! `table9.json` and `table9.md`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::{Cell, Plan};
use crate::own_methods::SearchColumns;
use crate::statistics::{mean_and_std, paired_interval, spread};
use crate::{markdown_table, outputs};

/// One row: a number of trials over seeds.
#[derive(Debug, Serialize)]
struct Row {
    steps: usize,
    n: usize,
    /// Test top-1 of the finished model, in percent.
    mean: f64,
    std: Option<f64>,
    /// Mean difference from the baseline over the seeds that both have, and the ends of its 95% interval.
    diff_vs_baseline: Option<f64>,
    ci95_low: Option<f64>,
    ci95_high: Option<f64>,
    /// All trials in units of one full training.
    search_cost: f64,
    /// Mean cost of finalists that lost, in the same units.
    extra_cost: f64,
    /// Runs in which a rule was used.
    kept: usize,
}

/// Writes both files and returns the second with a line that says where they are.
pub(super) fn write(plan: &Plan, config: serde_json::Value, cells: &[Cell]) -> Result<String> {
    let rows: Vec<Row> = plan.steps.iter().map(|&steps| row(steps, cells)).collect();
    let text = markdown(plan, cells, &rows);
    let json = serde_json::json!({
        "format_version": 1, "profile": plan.settings.profile, "config": config, "cells": cells, "summary": rows,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let files = [("table9.json", json), ("table9.md", text.clone())];
    let written = outputs::write(&plan.settings.run.out, files)?;
    Ok(format!("{text}\nWritten: {written}\n"))
}

fn row(steps: usize, cells: &[Cell]) -> Row {
    let of = |steps: usize| cells.iter().filter(move |cell| cell.steps == steps);
    let (mean, std) = mean_and_std(&of(steps).map(|cell| cell.result.top1_last).collect::<Vec<_>>());
    let differences: Vec<f64> = of(steps)
        .filter_map(|cell| {
            let base = of(0).find(|base| base.seed == cell.seed)?;
            Some(cell.result.top1_last - base.result.top1_last)
        })
        .collect();
    let interval = paired_interval(&differences);
    let cost = |cost: fn(&Cell) -> f64| mean_and_std(&of(steps).map(cost).collect::<Vec<_>>()).0;
    Row {
        steps,
        n: of(steps).count(),
        mean,
        std,
        diff_vs_baseline: (!differences.is_empty()).then(|| mean_and_std(&differences).0),
        ci95_low: interval.map(|(low, _)| low),
        ci95_high: interval.map(|(_, high)| high),
        search_cost: cost(|cell| cell.result.search_cost),
        extra_cost: cost(|cell| cell.result.extra_cost),
        kept: of(steps).filter(|cell| cell.result.search.as_ref().is_some_and(|s| s.kept)).count(),
    }
}

fn markdown(plan: &Plan, cells: &[Cell], rows: &[Row]) -> String {
    let fixed = cells
        .iter()
        .filter_map(|cell| cell.result.search.as_ref())
        .map(|search| search.trials.iter().filter(|trial| trial.name != ss_cli::TrialRecord::MODEL).count());
    let settings = &plan.settings;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 9: number of optimisation steps, {}, profile `{}`\n\n\
         {} on {} training images, {} epochs, {:.0}% symmetric label noise; seeds {}.\n\
         E_o trials of {} epochs from epoch {}; one search a seed, continued from row to row. Test top-1 of the finished\n\
         model in percent, mean +- deviation over seeds. Intervals: paired over seeds, 95%, Student's t.\n\
         {} The first {} trials are\n\
         a fixed list, uniform sampling and simple rules: Bayesian optimisation proposes the later ones.\n",
        settings.dataset,
        settings.profile,
        settings.recipe.network,
        settings.train_size_text(),
        settings.recipe.train.epochs,
        100.0 * plan.noise.rate(),
        settings.run.seeds_text(),
        settings.recipe.trial_epochs,
        settings.recipe.start_epoch,
        SearchColumns::EXPLAINED,
        fixed.max().unwrap_or(0),
    );
    let header =
        ["E_o", "top-1", "minus baseline", "95% interval", "kept", "trials", "extra"].map(String::from);
    let rows = rows.iter().map(|row| {
        let searched = |text: String| if row.steps == 0 { String::new() } else { text };
        [
            row.steps.to_string(),
            spread(row.mean, row.std),
            searched(row.diff_vs_baseline.map_or_else(String::new, |d| format!("{d:+.2}"))),
            searched(match (row.ci95_low, row.ci95_high) {
                (Some(low), Some(high)) => format!("[{low:+.2}, {high:+.2}]"),
                _ if row.diff_vs_baseline.is_none() => String::new(),
                _ => "one seed".into(),
            }),
            searched(format!("{}/{}", row.kept, row.n)),
            format!("{:.2}", row.search_cost),
            format!("{:.2}", row.extra_cost),
        ]
    });
    out + &markdown_table::aligned(&header, &rows.collect::<Vec<_>>())
}
