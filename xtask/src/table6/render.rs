//! `table6.json` and `table6.md`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_approx::{EpisodeAccuracy, Episodes};
use ss_cli::Method;

use super::plan::{Drawings, Plan};
use crate::own_methods::{Cell, Comparison, SearchColumns};
use crate::statistics::spread;
use crate::{markdown_table, outputs};

/// One (noise, shots, method) over seeds, in percent.
#[derive(Debug, Serialize)]
struct Row {
    noise: f64,
    /// Mean share of the training labels that is really wrong.
    realized_noise: f64,
    shots: usize,
    queries: usize,
    method: Method,
    /// Accuracy over episodes.
    accuracy: Comparison,
    /// Mean over seeds of the half-widths of the 95% intervals over episodes.
    half_width: f64,
    /// For Swift Sampler alone.
    search: Option<SearchColumns>,
}

/// Writes both files and returns the second with a line that says where they are.
pub(super) fn write(
    plan: &Plan,
    drawings: &Drawings,
    config: serde_json::Value,
    cells: &[Cell],
) -> Result<String> {
    let mut rows = Vec::new();
    for &noise in &plan.settings.noise {
        for episodes in &drawings.episodes {
            rows.extend(Method::OWN.into_iter().filter_map(|method| row(noise, *episodes, method, cells)));
        }
    }
    let text = markdown(plan, drawings, &rows);
    let json = serde_json::json!({
        "format_version": 1, "profile": plan.profile, "config": config, "cells": cells, "summary": rows,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let written =
        outputs::write(&plan.settings.run.out, [("table6.json", json), ("table6.md", text.clone())])?;
    Ok(format!("{text}\nWritten: {written}\n"))
}

fn row(noise: f64, episodes: Episodes, method: Method, cells: &[Cell]) -> Option<Row> {
    let seen = |cell: &Cell| -> Option<EpisodeAccuracy> {
        cell.result.few_shot().iter().find(|seen| seen.of == episodes).copied()
    };
    Some(Row {
        noise,
        realized_noise: Comparison::of(noise, method, cells, |cell| Some(cell.realized_noise))?.mean,
        shots: episodes.shots,
        queries: episodes.queries,
        method,
        accuracy: Comparison::of(noise, method, cells, |cell| Some(100.0 * seen(cell)?.mean))?,
        half_width: Comparison::of(noise, method, cells, |cell| Some(100.0 * seen(cell)?.half_width))?.mean,
        search: (method == Method::Ss).then(|| SearchColumns::of(noise, cells)),
    })
}

fn markdown(plan: &Plan, drawings: &Drawings, rows: &[Row]) -> String {
    let recipe = &plan.settings.recipe;
    let first = drawings.episodes.first().copied().unwrap_or_default();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 6: few-shot recognition, profile `{}`\n\n\
         {} on {} of {} base classes, {} pixels, {} epochs; rules and models are chosen by the other {}, leave-one-out to the nearest\n\
         centroid, and tested on {} novel classes ({}): {} episodes of {} ways, with nearest centroids. Seeds {}, each with another split of the base\n\
         classes and other episodes, the same for all methods. Noise: share of the training labels that are wrong; classes to validate and\n\
         test on have right labels. Accuracy in percent, of the finished model, mean +- deviation over seeds. Episodes: half of the\n\
         95% interval over the episodes of one model. Minus baseline: paired over seeds, 95% interval by Student's t. Gap closed:\n\
         (value - baseline) / (oracle - baseline).\n\
         {}\n\
         Detects: area under the ROC curve of the reference loss against the wrong labels.\n",
        plan.profile,
        recipe.network,
        drawings.base.images.classes() - plan.split.validation,
        drawings.base.images.classes(),
        drawings.base.images.shape(),
        recipe.train.epochs,
        plan.split.validation,
        drawings.novel.images.classes(),
        drawings.alphabets,
        first.episodes,
        first.way,
        plan.settings.run.seeds_text(),
        SearchColumns::EXPLAINED,
    );
    let own = ["noise", "realised", "shots", "queries", "method", "accuracy", "episodes"];
    let header = [&own[..], &Comparison::HEADER, &SearchColumns::HEADER].concat();
    let rows = rows.iter().map(|row| {
        let own = [
            format!("{:.0}%", 100.0 * row.noise),
            format!("{:.1}%", 100.0 * row.realized_noise),
            row.shots.to_string(),
            row.queries.to_string(),
            row.method.to_string(),
            spread(row.accuracy.mean, row.accuracy.std),
            format!("+- {:.2}", row.half_width),
        ];
        [&own[..], &row.accuracy.columns(row.method), &SearchColumns::columns(row.search.as_ref())].concat()
    });
    out + &markdown_table::aligned(&header.into_iter().map(String::from).collect(), &rows.collect::<Vec<_>>())
}
