//! `table3.json`, `table3.md` and `table3-roc.svg`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use ss_cli::Method;

use super::plan::{FOLDS, Faces, Plan};
use super::roc;
use crate::own_methods::{Cell, Comparison, SearchColumns};
use crate::statistics::spread;
use crate::{markdown_table, outputs};

/// One (noise, method) over seeds, in percent.
#[derive(Debug, Serialize)]
struct Row {
    noise: f64,
    /// Mean share of the training labels that is really wrong.
    realized_noise: f64,
    method: Method,
    /// Accuracy of verification by folds.
    accuracy: Comparison,
    /// True acceptance at each rate of false acceptance; absent where the pairs cannot tell.
    tar: Vec<(f64, Option<Comparison>)>,
    /// Area under the ROC curve of verification.
    area: Option<Comparison>,
    /// For Swift Sampler alone.
    search: Option<SearchColumns>,
}

/// Writes all files and returns the table with a line that says where they are.
pub(super) fn write(plan: &Plan, faces: &Faces, config: serde_json::Value, cells: &[Cell]) -> Result<String> {
    let all = plan.settings.noise.iter().flat_map(|&noise| Method::OWN.map(|method| (noise, method)));
    let rows: Vec<Row> = all.filter_map(|(noise, method)| row(plan, noise, method, cells)).collect();
    let text = markdown(plan, faces, cells, &rows);
    let json = serde_json::json!({
        "format_version": 1, "profile": plan.profile, "config": config,
        "skipped": faces.skipped.iter().map(|skipped| skipped.path.display().to_string()).collect::<Vec<_>>(),
        "cells": cells, "summary": rows,
    });
    let json = serde_json::to_string_pretty(&json)? + "\n";
    let files =
        [("table3.json", json), ("table3.md", text.clone()), ("table3-roc.svg", roc::draw(plan, cells)?)];
    let written = outputs::write(&plan.settings.run.out, files)?;
    Ok(format!("{text}\nWritten: {written}\n"))
}

fn row(plan: &Plan, noise: f64, method: Method, cells: &[Cell]) -> Option<Row> {
    let compare = |value: &dyn Fn(&Cell) -> Option<f64>| Comparison::of(noise, method, cells, value);
    let tar = |far: f64| {
        compare(&move |cell: &Cell| {
            let point = cell.result.verification()?.tar.iter().find(|point| point.far == far)?;
            point.tar.map(|tar| 100.0 * tar)
        })
    };
    Some(Row {
        noise,
        realized_noise: compare(&|cell: &Cell| Some(cell.realized_noise))?.mean,
        method,
        accuracy: compare(&|cell: &Cell| Some(100.0 * cell.result.verification()?.accuracy.mean))?,
        tar: plan.fars.iter().map(|&far| (far, tar(far))).collect(),
        area: compare(&|cell: &Cell| Some(100.0 * cell.result.verification()?.area)),
        search: (method == Method::Ss).then(|| SearchColumns::of(noise, cells)),
    })
}

fn markdown(plan: &Plan, faces: &Faces, cells: &[Cell], rows: &[Row]) -> String {
    let recipe = &plan.settings.recipe;
    let (validation, test) = (plan.split.validation, plan.split.test);
    let tested = match &faces.pairs {
        Some(listed) => format!(
            "the {} listed pairs of {} images, in their own folds",
            listed.pairs.len(),
            listed.images.len()
        ),
        None => format!("all pairs of images of {test} others, dealt to {FOLDS} folds at random"),
    };
    let seen = cells.iter().find_map(|cell| cell.result.verification());
    let pairs = seen.map_or_else(String::new, |seen| {
        format!(
            " ({} of one person and {} of two with seed {})",
            seen.positives, seen.negatives, plan.settings.run.first_seed
        )
    });
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Table 3: faces, profile `{}`\n\n\
         {} on images of {} of {} people, {} pixels, {} epochs; rules and models are chosen by images of {validation} others and tested on\n\
         {tested}{pairs}; seeds {}, each with\n\
         another split by person. Noise: share of the training labels that are wrong; people to validate and test on have right\n\
         labels. Percent, of the finished model, mean +- deviation over seeds. Accuracy: of verification by folds, each with the threshold\n\
         that is best on the others, pairs of one person and of two weighing half each. TAR@FAR: share of pairs of one person accepted at\n\
         the largest threshold at which no larger share of pairs of two is, without interpolation; n/a where there are fewer than\n\
         1 / FAR such pairs. Minus baseline: of accuracies, paired over seeds, 95% interval by Student's t. Gap closed:\n\
         (value - baseline) / (oracle - baseline).\n\
         {}\n\
         Detects: area under the ROC curve of the reference loss against the wrong labels. Images left out: {}.\n",
        plan.profile,
        recipe.network,
        faces.people.images.classes() - validation - test,
        faces.people.images.classes(),
        faces.people.images.shape(),
        recipe.train.epochs,
        plan.settings.run.seeds_text(),
        SearchColumns::EXPLAINED,
        faces.skipped.len(),
    );
    let rates: Vec<String> = plan.fars.iter().map(|far| format!("TAR@FAR {far}")).collect();
    let own = ["noise", "realised", "method", "accuracy"].into_iter().chain(rates.iter().map(String::as_str));
    let header = own.chain(Comparison::HEADER).chain(SearchColumns::HEADER).map(String::from).collect();
    let rows = rows.iter().map(|row| {
        let mut cells = vec![
            format!("{:.0}%", 100.0 * row.noise),
            format!("{:.1}%", 100.0 * row.realized_noise),
            row.method.to_string(),
            spread(row.accuracy.mean, row.accuracy.std),
        ];
        let shown = |tar: &Option<Comparison>| {
            tar.as_ref().map_or_else(|| "n/a".to_owned(), |tar| spread(tar.mean, tar.std))
        };
        cells.extend(row.tar.iter().map(|(_, tar)| shown(tar)));
        cells.extend(row.accuracy.columns(row.method));
        cells.extend(SearchColumns::columns(row.search.as_ref()));
        cells
    });
    out + &markdown_table::aligned(&header, &rows.collect::<Vec<_>>())
}
