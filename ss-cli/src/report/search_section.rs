//! The figures of one search, with the captions that teach how to read them.

use maud::{Markup, html};

use super::data_table::DataTable;
use super::figure::{Glyph, figure};
use super::record::SearchRecord;
use super::thumbnail::Thumbnail;
use crate::search::TrialRecord;
use crate::{Result, picture};

impl SearchRecord {
    /// The search's trials, in order.
    pub(super) fn trials(&self) -> &[TrialRecord] {
        self.ss.search.as_ref().map_or(&[], |search| &search.trials)
    }

    /// What was chosen and why, in a sentence or two.
    pub(super) fn verdict(&self) -> String {
        let Some(search) = &self.ss.search else { return String::new() };
        let best = match search.finalists {
            0 | 1 => "the best rule".to_owned(),
            several => format!("of the {several} best rules, the one with the best model"),
        };
        let trial = format!(
            "{best} ({}) gained {:+.4} ± {:.4} over uniform sampling in its trial (score: {})",
            search.chosen, search.gain, search.standard_error, self.score
        );
        match (search.kept, search.final_gain) {
            (true, Some(gain)) => format!(
                "A rule is in use: {trial}, and the model trained under it gained {:+.2} points of validation accuracy \
                 over the baseline.",
                100.0 * gain
            ),
            (true, None) => format!("A rule is in use: {trial}."),
            (false, Some(gain)) => format!(
                "Uniform sampling stays in use: {trial}, but the model trained under it was not clearly more accurate \
                 than the baseline on validation data ({:+.2} points).",
                100.0 * gain
            ),
            (false, None) if search.diverged() => {
                format!("Uniform sampling stays in use: {trial}, but the training under it diverged.")
            }
            (false, None) => {
                "Uniform sampling stays in use: no rule gained clearly more in its trial.".to_owned()
            }
        }
    }

    /// The rule and what it does to the examples; the history of the search; the images.
    pub(super) fn sections(&self) -> Result<Markup> {
        Ok(html! {
            div.charts {
                (self.rule()?)
                (self.examples()?)
                @if let Some(map) = self.wrong_map()? { (map) }
                @if let Some(labels) = self.labels()? { (labels) }
                (self.history()?)
            }
            details {
                summary { "All " (self.trials().len()) " trials" }
                (self.trial_table().markup())
            }
            (self.images())
        })
    }

    fn rule(&self) -> Result<Markup> {
        let order = self.view.order_in_words();
        let label = format!("The learned rule: weight against the coordinate u; {order}");
        let caption = html! {
            @if self.view.is_uniform() {
                "A flat line: uniform sampling, every example is drawn alike."
            } @else {
                "An example has its place u on the horizontal axis (" (order) "), and is drawn in proportion to the height "
                "of the line there. To the right lies what comes last in that order. The dots are the knots that the "
                "search moves."
            }
        };
        Ok(figure(&picture::rule(&self.view)?, "The learned rule", &label, &[], &caption))
    }

    fn examples(&self) -> Result<Markup> {
        let caption = html! {
            "Each dot is a training example, placed by the rank of its loss and of the entropy E' over the classes other "
            "than its label. To the right the model contradicts the label; to the right and low it is sure of one other "
            "class, which is where wrong labels gather. The colour says how often the rule draws it: 1.0 is as often "
            "as uniform sampling, 0.0 never."
        };
        let label = "Training examples by rank of loss and of renormalised entropy, coloured by how often they are drawn";
        Ok(figure(&picture::examples(&self.view)?, "How often each example is drawn", label, &[], &caption))
    }

    fn wrong_map(&self) -> Result<Option<Markup>> {
        let caption = html! {
            "The same plane in cells, coloured by the share of wrong labels in each, from none (0.0) to all (1.0); over the "
            "whole plane it is " (percent(self.realized_noise)) ". A cell without examples is empty. Where this map is "
            "near 1, the map of draws should be near 0. Only this report knows which labels are wrong: the search does not."
        };
        let label = "Share of wrong labels by rank of loss and of renormalised entropy";
        Ok(picture::wrong_map(&self.view)?
            .map(|map| figure(&map, "Where the wrong labels are", label, &[], &caption)))
    }

    fn labels(&self) -> Result<Option<Markup>> {
        let legend = [
            (Glyph::Square("--clean"), "clean"),
            (Glyph::Square("--wrong"), "wrong"),
            (Glyph::Line("--ink".into()), "mean draws (right axis)"),
        ];
        let caption = html! {
            "Bars: the examples in twenty steps of the loss, small to large, clean and wrong ones stacked. Line: how often "
            "those of a step are drawn on average, relative to uniform sampling. A good rule keeps the line up over clean "
            "bars and down over wrong ones."
        };
        let label = "Clean and wrong examples by rank of loss, and how often they are drawn";
        let drawing = picture::labels(&self.view)?;
        Ok(drawing.map(|labels| figure(&labels, "What happens to wrong labels", label, &legend, &caption)))
    }

    fn history(&self) -> Result<Markup> {
        let trials = self.trials();
        let any = |which: fn(&TrialRecord) -> bool| trials.iter().any(which);
        let mut legend = vec![
            (Glyph::Hollow, "start-up shape"),
            (Glyph::Dot, "proposed by the model"),
            (Glyph::Step, "best so far"),
            (Glyph::Dashes, "uniform sampling"),
            (Glyph::Ring, "in use"),
        ];
        if any(|trial| trial.pruned.is_some()) {
            legend.push((Glyph::Triangle, "stopped on the way"));
        }
        if any(|trial| trial.failure.is_some()) {
            legend.push((Glyph::Cross, "failed"));
        }
        let caption = html! {
            "Each mark is a trial: " (self.trial_epochs) @if self.trial_epochs == 1.0 { " epoch" } @else { " epochs" } " of fine-tuning under one rule, from the weights of epoch "
            (self.start_epoch) " of the uniform run, scored on validation data. The first trials are simple shapes; the "
            "others are proposed by the model of the scores. All see the same random numbers, so that differences between "
            "trials are differences of rules. Marks on the lower edge may lie below it."
        };
        let best = trials.iter().filter_map(|trial| trial.score).fold(f64::NEG_INFINITY, f64::max);
        let label = format!("Scores of {} trials in order; the best is {best:.4}", trials.len());
        let drawing = picture::history(trials, self.used, &self.score)?;
        Ok(figure(&drawing, "The search", &label, &legend, &caption))
    }

    fn trial_table(&self) -> DataTable {
        let row = |(number, trial): (usize, &TrialRecord)| {
            let score = trial.score.or(trial.pruned).map_or_else(String::new, |score| format!("{score:.4}"));
            let state = match (&trial.failure, trial.pruned) {
                (Some(reason), _) => format!("failed: {reason}"),
                (None, Some(_)) => "stopped on the way".into(),
                (None, None) if number == self.used => "in use".into(),
                (None, None) => String::new(),
            };
            [(number + 1).to_string(), trial.name.clone(), score, percent(trial.effective_share), state]
        };
        let rows = self.trials().iter().enumerate().map(row).collect();
        DataTable::plain("Trials", ["trial", "rule", "score", "effective sample size", "state"], rows)
    }

    fn images(&self) -> Markup {
        let known = self.view.knows_wrong_labels();
        let group = |title: &str, thumbnails: &[Thumbnail], caption: &str| {
            let wrong = thumbnails.iter().filter(|thumbnail| thumbnail.truth.is_some()).count();
            html! {
                section.images {
                    h3 { (title) }
                    p {
                        (caption)
                        @if known { " Of these " (thumbnails.len()) ", " (wrong) @if wrong == 1 { " carries" } @else { " carry" } " a wrong label." }
                    }
                    ul.thumbnails { @for thumbnail in thumbnails { (thumbnail.markup()) } }
                }
            }
        };
        if self.view.is_uniform() {
            return html! { p.note { "Every image is drawn alike: none is drawn least or most." } };
        }
        html! {
            (group(
                "Drawn least",
                &self.images.least,
                if known {
                    "The training images that the rule draws least, with the label that the training sees; ✗ says what an \
                     image with a wrong label really shows. Of images drawn equally often, some are shown from all over \
                     the data."
                } else {
                    "The training images that the rule draws least, with the label that the training sees. Of images \
                     drawn equally often, some are shown from all over the data."
                }
            ))
            (group("Drawn most", &self.images.most, "The images that it draws most."))
        }
    }
}

impl Thumbnail {
    fn markup(&self) -> Markup {
        let (width, height) = self.size();
        let description = self.description();
        html! {
            li {
                img src=(self.data_uri()) width=(width) height=(height) alt=(description) title=(description);
                span.label { (self.label) }
                @if let Some(truth) = &self.truth { span.truth { "✗ " (truth) } }
                span.draws { "× " (format!("{:.2}", self.relative)) }
            }
        }
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}
