//! `fidelity.md`, `fidelity.json` and `fidelity.svg`.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use ss_cli::ValidationLabels;

use super::plan::Plan;
use super::plot;
use super::record::Yardstick;
use super::summary::{Fidelity, HALF_BAR, OverSeeds, Row, Summary, WHOLE_BAR};
use crate::markdown_table::aligned;
use crate::outputs;

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    profile: &'a str,
    dataset: String,
    noise: f64,
    seeds: Vec<u64>,
    config: Value,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Writes the files into `--out`, each whole or not at all, and returns their paths.
pub(super) fn write(plan: &Plan, config: Value, summary: &Summary) -> Result<String> {
    let document = Document {
        format_version: 1,
        profile: plan.settings.profile,
        dataset: plan.settings.dataset.to_string(),
        noise: plan.noise.rate(),
        seeds: plan.settings.run.seeds().collect(),
        config,
        summary,
    };
    let files = [
        ("fidelity.json", serde_json::to_string_pretty(&document)? + "\n"),
        ("fidelity.md", markdown(plan, summary)),
        ("fidelity.svg", plot::draw(plan, summary)?),
    ];
    outputs::write(&plan.settings.run.out, files)
}

/// The result in words and tables.
pub(super) fn markdown(plan: &Plan, summary: &Summary) -> String {
    let r = &plan.settings.recipe;
    let mut out = format!(
        "# Fidelity of the fast approximation: {}, profile `{}`\n\n\
         {} on {} training images, {} epochs; {} validation images; {:.0}% symmetric label noise; seeds {}; a panel of {}\n\
         samplers, fixed, their weights not re-read. Truth: test accuracy after the last epoch of a full training under each\n\
         sampler, {}. Every trial starts from a\n\
         checkpoint of the seed's uniform run and its learning rate falls to zero.\n\n",
        plan.settings.dataset,
        plan.settings.profile,
        r.network,
        plan.settings.train_size_text(),
        r.train.epochs,
        r.validation_size,
        100.0 * plan.noise.rate(),
        plan.settings.run.seeds_text(),
        summary.panel.len(),
        if plan.settings.run.seeds().nth(1).is_some() {
            "of a seed's trials the mean over the other seeds"
        } else {
            "of the same seed, there being no other, so that chance in its data counts as agreement"
        },
    );
    out += &verdict(summary);
    out += &format!(
        "\n## Noisy validation labels\n\n\
         `whole`, `half`: Spearman's correlation of score and truth over the panel, and over the half that the truth puts first;\n\
         mean [lowest, highest] over seeds. `separation`: deviation between samplers over the deviation between seeds. `choice`: test accuracy,\n\
         in points, by which the sampler of the best score lies below the truth's best (the oracle left out), mean over seeds.\n\
         `rate`: first learning rate over the training's. Costs in full trainings: of a trial, and of the {} trials of a search;\n\
         evaluations are not counted. `default`: what the search does. `cheapest`: the cheapest that has at least {WHOLE_BAR} and\n\
         {HALF_BAR} on average; of several, the best over the panel. `meets`: the others that do.\n\n",
        r.trials
    );
    out += &table(summary, ValidationLabels::Noisy);
    out += "\n## Clean validation labels\n\nThe same trials, scored with true labels, which a user does not have.\n\n";
    out += &table(summary, ValidationLabels::Clean);
    out += "\n## The panel\n\nTest accuracy of full trainings in percent; the better half by the mean.\n\n";
    out + &panel(plan, summary)
}

fn verdict(summary: &Summary) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut say = |what: &str, row: Option<&Row>, otherwise: &str| {
        let _ = match row {
            Some(row) => writeln!(
                out,
                "- {what}: {}, E_f = {}, rate {}, from epoch {}: whole {}, better half {}; {:.3} full trainings a trial, {:.2} a \
                 search.{}",
                row.yardstick.score,
                row.setting.epochs,
                row.setting.rate,
                row.setting.start_epoch,
                over_seeds(&row.fidelity.whole),
                over_seeds(&row.fidelity.better_half),
                row.cost,
                row.search_cost,
                match (row.meets, row.meets_on_every_seed) {
                    (_, true) => " It meets both bars, on every seed.",
                    (true, false) => " It meets both bars on average, not on every seed.",
                    (false, false) => " It does not meet both bars.",
                },
            ),
            None => writeln!(out, "- {what}: {otherwise}"),
        };
    };
    let noisy = || summary.rows.iter().filter(|row| row.yardstick.labels == ValidationLabels::Noisy);
    say("Default of the search", noisy().find(|row| row.default), "not among these settings.");
    let bars = format!("Cheapest with at least {WHOLE_BAR} and {HALF_BAR}");
    say(&bars, noisy().find(|row| row.cheapest), "none of these settings.");
    let sum = |row: &Row| match (&row.fidelity.whole, &row.fidelity.better_half) {
        (Some(whole), Some(half)) => whole.mean + half.mean,
        _ => f64::NEG_INFINITY,
    };
    say("Largest sum of both", noisy().max_by(|a, b| sum(a).total_cmp(&sum(b))), "none.");
    if let Some(full) = &summary.full_training {
        let _ = writeln!(
            out,
            "- A seed's full trainings, in the place of its trials: whole {}, better half {}.",
            over_seeds(&full.whole),
            over_seeds(&full.better_half)
        );
    }
    out
}

fn table(summary: &Summary, labels: ValidationLabels) -> String {
    let header =
        ["start", "rate", "E_f", "score", "whole", "half", "separation", "choice", "trial", "search", ""]
            .map(str::to_owned);
    let mut rows: Vec<&Row> = summary.rows.iter().filter(|row| row.yardstick.labels == labels).collect();
    // Stable: within a cost in the order of score, start and rate.
    let place = |of: Yardstick| Yardstick::ALL.iter().position(|y| *y == of);
    rows.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(place(a.yardstick).cmp(&place(b.yardstick))));
    let cells = rows.into_iter().map(|row| {
        let Fidelity { whole, better_half, separation, choice_loss } = &row.fidelity;
        let mut marks = Vec::new();
        if row.default {
            marks.push("default");
        }
        if row.cheapest {
            marks.push("cheapest");
        } else if row.meets {
            marks.push("meets");
        }
        [
            row.setting.start_epoch.to_string(),
            row.setting.rate.to_string(),
            row.setting.epochs.to_string(),
            row.yardstick.score.to_string(),
            over_seeds(whole),
            over_seeds(better_half),
            separation.map_or_else(String::new, |s| format!("{s:.1}")),
            format!("{:.1}", 100.0 * choice_loss),
            format!("{:.3}", row.cost),
            format!("{:.2}", row.search_cost),
            marks.join(", "),
        ]
    });
    aligned(&header, &cells.collect::<Vec<_>>())
}

fn panel(plan: &Plan, summary: &Summary) -> String {
    let mut header = vec!["sampler".to_owned(), "mean".into()];
    header.extend(plan.settings.run.seeds().map(|seed| format!("seed {seed}")));
    header.push("better half".into());
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let rows = summary.panel.iter().map(|row| {
        let mut cells = vec![row.sampler.clone(), percent(row.test)];
        cells.extend(row.test_by_seed.iter().map(|&test| percent(test)));
        cells.push(if row.better_half { "yes" } else { "" }.into());
        cells
    });
    aligned(&header, &rows.collect::<Vec<_>>())
}

fn over_seeds(values: &Option<OverSeeds>) -> String {
    let Some(OverSeeds { mean, lowest, highest, by_seed }) = values else { return "none".into() };
    if by_seed.len() == 1 { format!("{mean:.2}") } else { format!("{mean:.2} [{lowest:.2}, {highest:.2}]") }
}
