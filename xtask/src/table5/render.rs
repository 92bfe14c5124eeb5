//! `table5.json`, `table5.md` and `table5.svg`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_cli::Method;

use super::{Cell, Plan, plot};
use crate::statistics::{mean_and_std, paired_interval, spread};
use crate::{markdown_table, outputs};

/// One row: a method under one noise, over seeds.
#[derive(Debug, Serialize)]
struct Row {
    noise: f64,
    method: Method,
    n: usize,
    /// Test top-1 and top-5 of the finished model, in percent.
    top1: (f64, Option<f64>),
    top5: (f64, Option<f64>),
    /// Mean difference of top-1 from the baseline of the same seed, and the ends of its 95% interval.
    difference: Option<f64>,
    interval: Option<(f64, f64)>,
    /// Seeds whose curve reaches the top-1 that the baseline of the same seed ends with.
    reached: usize,
    /// Of these, the means: epochs of the training until then, and its seconds.
    epochs: Option<f64>,
    seconds: Option<f64>,
    /// Mean seconds before the training.
    seconds_before: f64,
    /// Runs in which a rule was used.
    kept: usize,
}

/// Writes the files and returns the table with a line that says where they are.
pub(super) fn write(plan: &Plan, config: serde_json::Value, cells: &[Cell]) -> Result<String> {
    let pairs =
        plan.noise.iter().flat_map(|noise| [(noise.rate(), Method::Baseline), (noise.rate(), Method::Ss)]);
    let rows: Vec<Row> = pairs.map(|(noise, method)| row(noise, method, cells)).collect();
    let text = markdown(plan, &rows);
    let json = serde_json::json!({
        "format_version": 1, "profile": plan.settings.profile, "config": config, "cells": cells, "summary": rows,
    });
    let files = [
        ("table5.json", serde_json::to_string_pretty(&json)? + "\n"),
        ("table5.svg", plot::draw(plan, cells)?),
        ("table5.md", text.clone()),
    ];
    Ok(format!("{text}\nWritten: {}\n", outputs::write(&plan.settings.run.out, files)?))
}

fn row(noise: f64, method: Method, cells: &[Cell]) -> Row {
    let of = |method: Method| cells.iter().filter(move |c| c.noise == noise && c.result.method == method);
    let values = |value: fn(&Cell) -> f64| mean_and_std(&of(method).map(value).collect::<Vec<_>>());
    let target = |cell: &Cell| {
        of(Method::Baseline).find(|base| base.seed == cell.seed).map(|base| base.result.top1_last)
    };
    let differences: Vec<f64> =
        of(method).filter_map(|cell| Some(cell.result.top1_last - target(cell)?)).collect();
    let arrivals: Vec<(f64, f64)> = of(method)
        .filter_map(|cell| {
            let epoch = cell.curve.epoch_of(target(cell)?)? as f64;
            Some((epoch, epoch * cell.curve.epoch_seconds))
        })
        .collect();
    let mean = |value: fn(&(f64, f64)) -> f64| {
        (!arrivals.is_empty()).then(|| mean_and_std(&arrivals.iter().map(value).collect::<Vec<_>>()).0)
    };
    let is_rule = method == Method::Ss;
    Row {
        noise,
        method,
        n: of(method).count(),
        top1: values(|cell| cell.result.top1_last),
        top5: values(|cell| cell.result.top5_last),
        difference: (is_rule && !differences.is_empty()).then(|| mean_and_std(&differences).0),
        interval: paired_interval(&differences).filter(|_| is_rule),
        reached: arrivals.len(),
        epochs: mean(|arrival| arrival.0),
        seconds: mean(|arrival| arrival.1),
        seconds_before: values(|cell| cell.seconds_before).0,
        kept: of(method).filter(|cell| cell.result.search.as_ref().is_some_and(|s| s.kept)).count(),
    }
}

fn markdown(plan: &Plan, rows: &[Row]) -> String {
    let settings = &plan.settings;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 5: all of {}, profile `{}`\n\n\
         {} on {} training images, {} epochs, symmetric label noise; seeds {}; {} trials of {} epochs.\n\
         Test accuracy of the finished model in percent, mean +- deviation over seeds; intervals paired over seeds, 95%, Student's\n\
         t. Reached: after how many epochs of the training test accuracy first is what the baseline of the same seed\n\
         ends with, and the seconds of these epochs, over the seeds that reach it. Before: seconds of the uniform run, its\n\
         features and all trials. Kept: runs in which a rule was used; the others are the baseline's.\n",
        settings.dataset,
        settings.profile,
        settings.recipe.network,
        settings.train_size_text(),
        settings.recipe.train.epochs,
        settings.run.seeds_text(),
        settings.recipe.trials,
        settings.recipe.trial_epochs,
    );
    let header = [
        "noise",
        "method",
        "top-1",
        "top-5",
        "minus baseline",
        "95% interval",
        "reached",
        "epochs",
        "seconds",
        "before",
        "kept",
    ]
    .map(String::from);
    let number =
        |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
    let lines = rows.iter().map(|row| {
        let of_rule = |text: String| if row.method == Method::Ss { text } else { String::new() };
        [
            format!("{:.0}%", 100.0 * row.noise),
            row.method.to_string(),
            spread(row.top1.0, row.top1.1),
            spread(row.top5.0, row.top5.1),
            row.difference.map_or_else(String::new, |d| format!("{d:+.2}")),
            of_rule(
                row.interval
                    .map_or_else(|| "one seed".into(), |(low, high)| format!("[{low:+.2}, {high:+.2}]")),
            ),
            format!("{}/{}", row.reached, row.n),
            number(row.epochs, 1),
            number(row.seconds, 1),
            format!("{:.1}", row.seconds_before),
            of_rule(format!("{}/{}", row.kept, row.n)),
        ]
    });
    out + &markdown_table::aligned(&header, &lines.collect::<Vec<_>>())
}
