//! `transfer.json` and `transfer.md`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_models::NetworkSpec;

use super::{Cell, Column, Plan, columns};
use crate::statistics::{mean_and_std, paired_interval, spread};
use crate::{markdown_table, outputs};

/// One (network, column) over seeds. Accuracies are test top-1 of the finished model, in percent.
#[derive(Debug, Serialize)]
struct Row {
    network: NetworkSpec,
    column: Column,
    n: usize,
    mean: f64,
    std: Option<f64>,
    diff_vs_baseline: f64,
    /// Ends of its paired 95% interval; absent with fewer than two seeds.
    ci95_low: Option<f64>,
    ci95_high: Option<f64>,
    /// `(mean - baseline) / (oracle - baseline)`; absent unless the oracle is better.
    gap_closed: Option<f64>,
    /// Runs in which a rule was used.
    kept: usize,
}

/// Writes both files and returns the second with a line that says where they are.
pub(super) fn write(plan: &Plan, config: serde_json::Value, cells: &[Cell]) -> Result<String> {
    let mut rows = Vec::new();
    for (place, network) in plan.networks.iter().enumerate() {
        rows.extend(columns(place).iter().map(|&column| row(network, column, cells)));
    }
    let text = markdown(plan, &rows);
    let json = serde_json::json!({
        "format_version": 1, "profile": plan.settings.profile, "config": config, "cells": cells, "summary": rows,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let files = [("transfer.json", json), ("transfer.md", text.clone())];
    let written = outputs::write(&plan.settings.run.out, files)?;
    Ok(format!("{text}\nWritten: {written}\n"))
}

fn row(network: &NetworkSpec, column: Column, cells: &[Cell]) -> Row {
    let of = |column| cells.iter().filter(move |cell| cell.network == *network && cell.column == column);
    let top1 = |column| of(column).map(|cell| cell.result.top1_last).collect::<Vec<_>>();
    let (mean, std) = mean_and_std(&top1(column));
    // On the seeds that both have.
    let minus_baseline = |column| -> Vec<f64> {
        let base = |seed| of(Column::Baseline).find(|base| base.seed == seed);
        of(column)
            .filter_map(|cell| Some(cell.result.top1_last - base(cell.seed)?.result.top1_last))
            .collect()
    };
    let differences = minus_baseline(column);
    let interval = paired_interval(&differences);
    let diff_vs_baseline = mean_and_std(&differences).0;
    let room = mean_and_std(&minus_baseline(Column::Oracle)).0;
    Row {
        network: network.clone(),
        column,
        n: of(column).count(),
        mean,
        std,
        diff_vs_baseline,
        ci95_low: interval.map(|(low, _)| low),
        ci95_high: interval.map(|(_, high)| high),
        gap_closed: (room > 0.0).then(|| diff_vs_baseline / room),
        kept: of(column).filter(|cell| cell.kept == Some(true)).count(),
    }
}

fn markdown(plan: &Plan, rows: &[Row]) -> String {
    let settings = &plan.settings;
    let source = &plan.networks[0];
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Transfer of a sampler between networks, {}, profile `{}`\n\n\
         {} training images, {} epochs, {:.0}% symmetric label noise; seeds {}.\n\
         `ss(self)` is searched on the network itself; `ss(source)` is the sampler that was searched on {source}, applied to the\n\
         ranks of the network's own features: no trial on this network. It is transferred on the seeds on which it was kept on {source};\n\
         on the others the method ends with uniform sampling there, and so here, with the baseline's result. Test top-1 of the finished model in percent, mean +- deviation\n\
         over seeds. Intervals: paired over seeds, 95%, Student's t. Gap closed: (value - baseline) / (oracle - baseline).\n\
         Kept: runs in which the rule was used; in the others the result is the baseline's.\n",
        settings.dataset,
        settings.profile,
        settings.train_size_text(),
        settings.recipe.train.epochs,
        100.0 * plan.noise.rate(),
        settings.run.seeds_text(),
    );
    let header = ["network", "sampler", "top-1", "minus baseline", "95% interval", "gap closed", "kept"];
    let rows = rows.iter().map(|row| {
        let searched = matches!(row.column, Column::SsSelf | Column::SsSource);
        let compared = |text: String| if row.column == Column::Baseline { String::new() } else { text };
        [
            row.network.to_string(),
            match row.column {
                Column::Baseline => "baseline".into(),
                Column::Oracle => "oracle".into(),
                Column::SsSelf => "ss(self)".into(),
                Column::SsSource => "ss(source)".into(),
            },
            spread(row.mean, row.std),
            compared(format!("{:+.2}", row.diff_vs_baseline)),
            compared(match (row.ci95_low, row.ci95_high) {
                (Some(low), Some(high)) => format!("[{low:+.2}, {high:+.2}]"),
                _ => "one seed".into(),
            }),
            row.gap_closed
                .filter(|_| searched)
                .map_or_else(String::new, |share| format!("{:.0}%", 100.0 * share)),
            if searched { format!("{}/{}", row.kept, row.n) } else { String::new() },
        ]
    });
    out + &markdown_table::aligned(&header.map(String::from), &rows.collect::<Vec<_>>())
}
