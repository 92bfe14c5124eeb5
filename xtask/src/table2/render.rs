//! `table2.json` and `table2.md`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_data::FileDataset;
use ss_models::NetworkSpec;

use super::{Cell, Column, Plan};
use crate::statistics::{mean_and_std, paired_interval, spread};
use crate::{markdown_table, outputs};

/// A mean over seeds, in percent.
#[derive(Debug, Serialize)]
struct Mean {
    mean: f64,
    std: Option<f64>,
    /// Mean of the differences to the baseline of the same seed, and the ends of their 95% interval; absent with fewer than two
    /// seeds.
    minus_baseline: f64,
    ci95: Option<(f64, f64)>,
}

/// One (noise, network, column) over seeds: accuracies of the finished models on test images.
#[derive(Debug, Serialize)]
struct Row {
    noise: f64,
    network: NetworkSpec,
    column: Column,
    n: usize,
    top1: Mean,
    top5: Mean,
    /// Runs in which a rule was used.
    kept: usize,
}

/// What a column is called.
pub(super) fn label(column: &Column) -> String {
    match column {
        Column::Baseline => "Baseline".into(),
        Column::SsSelf => "SS(self)".into(),
        Column::SsFrom(source) => format!("SS({source})"),
    }
}

/// Writes both files and returns the second with a line that says where they are.
pub(super) fn write(
    plan: &Plan,
    dataset: &FileDataset,
    config: serde_json::Value,
    cells: &[Cell],
) -> Result<String> {
    let seeds = plan.settings.run.seeds();
    // The journal may hold rates, networks and seeds of other runs.
    let mut ordered: Vec<&Cell> = Vec::new();
    let mut rows = Vec::new();
    for &noise in &plan.noise {
        for network in &plan.settings.networks {
            for column in plan.columns(network) {
                let mut of: Vec<&Cell> = cells
                    .iter()
                    .filter(|cell| cell.is(noise, network, &column) && seeds.contains(&cell.seed))
                    .collect();
                of.sort_by_key(|cell| cell.seed);
                rows.push(row(noise, network, column, &of, cells));
                ordered.extend(of);
            }
        }
    }
    let text = markdown(plan, dataset, &rows);
    let json = serde_json::json!({
        "format_version": 1,
        "profile": plan.settings.profile.name(),
        "config": config,
        "skipped": dataset.skipped.len(),
        "cells": ordered,
        "summary": rows,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let written =
        outputs::write(&plan.settings.run.out, [("table2.json", json), ("table2.md", text.clone())])?;
    Ok(format!("{text}\nWritten: {written}\n"))
}

fn row(noise: f64, network: &NetworkSpec, column: Column, of: &[&Cell], cells: &[Cell]) -> Row {
    let mean = |value: fn(&Cell) -> f64| {
        let (mean, std) = mean_and_std(&of.iter().map(|cell| value(cell)).collect::<Vec<_>>());
        let differences: Vec<f64> = of
            .iter()
            .filter_map(|cell| {
                let base =
                    |base: &&Cell| base.is(noise, network, &Column::Baseline) && base.seed == cell.seed;
                Some(value(cell) - value(cells.iter().find(base)?))
            })
            .collect();
        Mean { mean, std, minus_baseline: mean_and_std(&differences).0, ci95: paired_interval(&differences) }
    };
    Row {
        noise,
        network: network.clone(),
        column,
        n: of.len(),
        top1: mean(|cell| cell.result.top1_last),
        top5: mean(|cell| cell.result.top5_last),
        kept: of.iter().filter(|cell| cell.kept == Some(true)).count(),
    }
}

fn markdown(plan: &Plan, dataset: &FileDataset, rows: &[Row]) -> String {
    let settings = &plan.settings;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 2: networks on images in folders, profile `{}`\n\n\
         {}; seeds {}. Test top-1 / top-5 of the finished model in percent, mean +- deviation over seeds. SS(self): the sampler\n\
         searched on the network itself; SS(network): the one searched on that network, applied to the ranks of this network's own\n\
         features. Minus baseline: paired over seeds, 95% interval by Student's t. Kept: runs in which a rule was used; in the\n\
         others the result is the baseline's.",
        settings.profile.name(),
        settings.describe(dataset),
        settings.run.seeds_text(),
    );
    for &noise in &plan.noise {
        let of: Vec<&Row> = rows.iter().filter(|row| row.noise == noise).collect();
        let _ = writeln!(
            out,
            "\n## {:.0}% wrong labels\n\n{}\n{}",
            100.0 * noise,
            accuracies(plan, &of),
            differences(&of)
        );
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// Networks by columns.
fn accuracies(plan: &Plan, rows: &[&Row]) -> String {
    let mut columns = vec![Column::Baseline, Column::SsSelf];
    columns.extend(plan.sources.iter().cloned().map(Column::SsFrom));
    let header: Vec<String> = ["network".into()].into_iter().chain(columns.iter().map(label)).collect();
    let lines = plan.settings.networks.iter().map(|network| {
        let cells = columns.iter().map(|column| {
            let own = Column::SsFrom(network.clone()) == *column;
            let found = rows.iter().find(|row| row.network == *network && row.column == *column);
            match found {
                Some(row) => format!(
                    "{} / {}",
                    spread(row.top1.mean, row.top1.std),
                    spread(row.top5.mean, row.top5.std)
                ),
                None if own => "as self".into(),
                None => String::new(),
            }
        });
        [network.to_string()].into_iter().chain(cells).collect::<Vec<String>>()
    });
    markdown_table::aligned(&header, &lines.collect::<Vec<_>>())
}

fn differences(rows: &[&Row]) -> String {
    let header = [
        "network",
        "sampler",
        "top-1 minus baseline",
        "95% interval",
        "top-5 minus baseline",
        "95% interval",
        "kept",
    ];
    let interval = |mean: &Mean| match mean.ci95 {
        Some((low, high)) => format!("[{low:+.2}, {high:+.2}]"),
        None => "one seed".into(),
    };
    let lines = rows.iter().filter(|row| row.column != Column::Baseline).map(|row| {
        [
            row.network.to_string(),
            label(&row.column),
            format!("{:+.2}", row.top1.minus_baseline),
            interval(&row.top1),
            format!("{:+.2}", row.top5.minus_baseline),
            interval(&row.top5),
            format!("{}/{}", row.kept, row.n),
        ]
    });
    markdown_table::aligned(&header.map(String::from), &lines.collect::<Vec<_>>())
}
