//! `table11.json` and `table11.md`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_cli::Method;
use ss_cli::method::Perplexity;

use super::plan::{Parts, Plan};
use crate::own_methods::{Cell, Comparison, SearchColumns};
use crate::statistics::spread;
use crate::{markdown_table, outputs};

/// One (noise, method) over seeds.
#[derive(Debug, Serialize)]
struct Row {
    noise: f64,
    /// Mean share of the windows that is really shuffled.
    realized_noise: f64,
    method: Method,
    /// Perplexities of the finished models.
    validation: Comparison,
    test: Comparison,
    /// For Swift Sampler alone.
    search: Option<SearchColumns>,
}

/// Writes both files and returns the second with a line that says where they are.
pub(super) fn write(plan: &Plan, parts: &Parts, config: serde_json::Value, cells: &[Cell]) -> Result<String> {
    let all = plan.settings.noise.iter().flat_map(|&noise| Method::OWN.map(|method| (noise, method)));
    let rows: Vec<Row> = all.filter_map(|(noise, method)| row(noise, method, cells)).collect();
    let text = markdown(plan, parts, &rows);
    let json = serde_json::json!({
        "format_version": 2, "profile": plan.profile, "config": config, "cells": cells, "summary": rows,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let written =
        outputs::write(&plan.settings.run.out, [("table11.json", json), ("table11.md", text.clone())])?;
    Ok(format!("{text}\nWritten: {written}\n"))
}

fn row(noise: f64, method: Method, cells: &[Cell]) -> Option<Row> {
    let perplexity = |of: fn(Perplexity) -> f64| {
        Comparison::of_less(noise, method, cells, move |cell| cell.result.perplexity().map(of))
    };
    Some(Row {
        noise,
        realized_noise: Comparison::of(noise, method, cells, |cell| Some(cell.realized_noise))?.mean,
        method,
        validation: perplexity(|seen| seen.validation)?,
        test: perplexity(|seen| seen.last)?,
        search: (method == Method::Ss).then(|| SearchColumns::of(noise, cells)),
    })
}

fn markdown(plan: &Plan, parts: &Parts, rows: &[Row]) -> String {
    let recipe = &plan.settings.recipe;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 11: text, profile `{}`\n\n\
         {} on {} training, {} validation and {} test windows of {} tokens, vocabulary {}, {} epochs; seeds {}. Noise: share of the\n\
         training windows whose tokens are shuffled; validation text: {}; test text as it is. Perplexity a token of the finished model,\n\
         mean +- deviation over seeds, lower is better. Every token is predicted from those before it in its own window alone, so that\n\
         the numbers are not those of models that read on. Minus baseline: of test perplexities, paired over seeds, 95% interval by\n\
         Student's t. Gap closed: (baseline - value) / (baseline - oracle).\n\
         {}\n\
         Detects: area under the ROC curve of the reference loss against the shuffled windows.\n",
        plan.profile,
        recipe.network,
        parts.train.len(),
        parts.validation.len(),
        parts.test.len(),
        parts.train.context(),
        parts.train.vocabulary(),
        recipe.train.epochs,
        plan.settings.run.seeds_text(),
        match plan.val_text {
            ss_cli::ValidationLabels::Clean => "as it is",
            ss_cli::ValidationLabels::Noisy => "the same share shuffled",
        },
        SearchColumns::EXPLAINED,
    );
    let own = ["noise", "realised", "method", "validation", "test"];
    let header = [&own[..], &Comparison::HEADER, &SearchColumns::HEADER].concat();
    let rows = rows.iter().map(|row| {
        let own = [
            format!("{:.0}%", 100.0 * row.noise),
            format!("{:.1}%", 100.0 * row.realized_noise),
            row.method.to_string(),
            spread(row.validation.mean, row.validation.std),
            spread(row.test.mean, row.test.std),
        ];
        [&own[..], &row.test.columns(row.method), &SearchColumns::columns(row.search.as_ref())].concat()
    });
    out + &markdown_table::aligned(&header.into_iter().map(String::from).collect(), &rows.collect::<Vec<_>>())
}
