//! `report.html` of the table.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;
use ss_cli::Method;
use ss_cli::picture::{NoisePoint, NoiseSeries};
use ss_cli::provenance::Provenance;
use ss_cli::report::{DataTable, TablePage, TableRow, TableSearch};

use super::cells::Cell;
use super::profile::Plan;
use super::render::{COLUMNS, columns};
use super::searches;
use super::statistics::Row;
use crate::statistics::mean_and_std;

/// The page: the table, the searches of the first seed, the costs.
pub(super) fn html(plan: &Plan, config: Value, cells: &[Cell], summary: &[Row]) -> Result<String> {
    let rows = summary.iter().map(|row| TableRow {
        cells: columns(plan, row).map(|text| text.replace("+-", "±")).into(),
        emphasised: row.method == Method::Ss,
    });
    let page = TablePage {
        title: format!("Table 1: {}, profile {}", plan.settings.dataset, plan.settings.profile),
        lead: super::render::setting(plan),
        table: DataTable {
            title: "Methods against label noise".to_owned(),
            header: COLUMNS.map(|(name, _)| name.to_owned()).into(),
            rows: rows.collect(),
        },
        columns: COLUMNS.map(|(name, meaning)| (name.to_owned(), meaning.to_owned())).into(),
        accuracy: lines(summary, accuracy),
        gains: lines(summary, gain),
        searches: searches_shown(plan, &config, summary),
        cost: cost(cells),
        settings: config,
        provenance: Provenance::collect("cargo xtask"),
    };
    Ok(page.html()?)
}

/// The methods in the order of their first rows.
fn methods<'a>(of: impl Iterator<Item = &'a Method>) -> Vec<Method> {
    let mut seen = BTreeSet::new();
    of.copied().filter(|&method| seen.insert(method)).collect()
}

/// One line a method, of the rows for which `point` gives one.
fn lines(summary: &[Row], point: fn(&Row) -> Option<NoisePoint>) -> Vec<NoiseSeries> {
    let line = |method: Method| {
        let rows = summary.iter().filter(|row| row.method == method);
        NoiseSeries { name: method.to_string(), points: rows.filter_map(point).collect() }
    };
    methods(summary.iter().map(|row| &row.method)).into_iter().map(line).collect()
}

fn accuracy(row: &Row) -> Option<NoisePoint> {
    let bar = row.std.map(|std| (row.mean - std, row.mean + std));
    Some(NoisePoint { noise: row.noise, value: row.mean, bar })
}

fn gain(row: &Row) -> Option<NoisePoint> {
    let value = row.diff_vs_baseline.filter(|_| row.method != Method::Baseline)?;
    Some(NoisePoint { noise: row.noise, value, bar: row.ci95_low.zip(row.ci95_high) })
}

fn searches_shown(plan: &Plan, config: &Value, summary: &[Row]) -> Vec<TableSearch> {
    let (out, seed) = (&plan.settings.run.out, plan.settings.run.first_seed);
    let searched = summary.iter().filter(|row| row.method == Method::Ss);
    let search = |row: &Row| TableSearch {
        title: format!("{:.0}% wrong labels, seed {seed}", 100.0 * row.noise),
        record: searches::read(out, config, row.noise, seed),
    };
    searched.map(search).collect()
}

fn cost(cells: &[Cell]) -> DataTable {
    let header = [
        "method",
        "training, s",
        "search, s",
        "trials, full trainings",
        "features, full trainings",
        "extra, full trainings",
    ];
    let row = |method: Method| {
        let mean = |value: fn(&Cell) -> f64| {
            let values = cells.iter().filter(|cell| cell.result.method == method).map(value);
            mean_and_std(&values.collect::<Vec<_>>()).0
        };
        let texts = [
            method.to_string(),
            format!("{:.1}", mean(|cell| cell.result.train_seconds)),
            format!("{:.1}", mean(|cell| cell.result.search_seconds)),
            format!("{:.2}", mean(|cell| cell.result.search_cost)),
            format!("{:.2}", mean(|cell| cell.result.feature_cost)),
            format!("{:.2}", mean(|cell| cell.result.extra_cost)),
        ];
        TableRow { cells: texts.into(), emphasised: method == Method::Ss }
    };
    DataTable {
        title: "Cost of each method".to_owned(),
        header: header.map(str::to_owned).into(),
        rows: methods(cells.iter().map(|cell| &cell.result.method)).into_iter().map(row).collect(),
    }
}
