//! The page of one search.

use maud::{Markup, html};
use serde_json::Value;

use super::data_table::{DataTable, TableRow};
use super::search_section::percent;
use super::{SearchRecord, origin, page};
use crate::provenance::Provenance;
use crate::{MethodResult, Result};

/// Everything that the page of a search says.
#[derive(Clone, Debug)]
pub struct SearchPage<'a> {
    /// What was found.
    pub record: &'a SearchRecord,
    /// Everything on which the result depends.
    pub settings: &'a Value,
    /// Where it comes from.
    pub provenance: &'a Provenance,
}

impl SearchPage<'_> {
    /// The page as a document of its own.
    ///
    /// # Errors
    /// [`Error::Picture`](crate::Error::Picture).
    pub fn html(&self) -> Result<String> {
        let record = self.record;
        let lead = html! {
            "A sampler for " (record.examples) " training images of " (record.dataset)
            @if record.realized_noise > 0.0 { ", of which " (percent(record.realized_noise)) " carry a wrong label" }
            ", learned for " (record.network) ". " (record.verdict())
        };
        let body = html! {
            section {
                h2 { "Result" }
                (record.key_figures())
                (record.result_table().markup())
                p.note {
                    "Test images carry true labels and were read after all training had ended. Both methods train for the "
                    "same number of steps from the same initial weights. ‘Best epoch’ is the epoch of best validation "
                    "accuracy, which early stopping would give. This is one run: for intervals over seeds see "
                    code { "cargo xtask reproduce-table1" } "."
                }
                p { (record.words) }
            }
            section {
                h2 { "The sampler" }
                (record.sections()?)
            }
            section {
                h2 { "Cost" }
                (record.cost_table().markup())
                p.note {
                    "In units of one full training, and in seconds of this run. The uniform run is the baseline, which "
                    "everyone has anyway. A forward pass that reads features counts as a third of an epoch; its seconds are part of the others."
                }
            }
            (origin::section(self.provenance, self.settings))
        };
        Ok(page::page(&format!("Swift Sampler: {}", record.dataset), &lead, &body))
    }
}

impl SearchRecord {
    /// Four numbers in large print.
    fn key_figures(&self) -> Markup {
        let search = self.ss.search.as_ref();
        let mut figures = Vec::new();
        if let Some(baseline) = &self.baseline {
            let change = format!("{:.1}% → {:.1}%", baseline.top1_last, self.ss.top1_last);
            figures.push(("test accuracy, uniform → in use", change));
        }
        if let Some(search) = search.filter(|search| search.kept) {
            figures.push(("effective sample size", percent(search.effective_share)));
            if self.view.knows_wrong_labels() {
                figures.push(("of the draws are clean", format!("{:.1}%", 100.0 * search.clean_mass)));
            }
        }
        figures.push(("full trainings for all trials", format!("{:.2}", self.ss.search_cost)));
        html! {
            dl.figures { @for (name, value) in figures { div { dt { (name) } dd { (value) } } } }
        }
    }

    fn result_table(&self) -> DataTable {
        let search = self.ss.search.as_ref();
        let row = |name: &str, result: &MethodResult, gain: String, emphasised| TableRow {
            cells: vec![
                name.to_owned(),
                format!("{:.2}", result.top1_last),
                format!("{:.2}", result.top1_best),
                format!("{:.2}", result.val_top1),
                gain,
            ],
            emphasised,
        };
        let name = match search {
            Some(search) if search.kept => format!("chosen rule ({})", search.chosen),
            _ => "Swift Sampler (uniform stays)".to_owned(),
        };
        let gain = search
            .filter(|search| search.kept)
            .map_or_else(String::new, |search| format!("{:+.4} ± {:.4}", search.gain, search.standard_error));
        let baseline =
            self.baseline.as_ref().map(|result| row("uniform sampling", result, String::new(), false));
        let header = [
            "sampler",
            "test top-1, %",
            "best epoch, %",
            "validation top-1, %",
            "gain in its trial (± standard error)",
        ];
        DataTable {
            title: "Uniform sampling and the chosen rule".to_owned(),
            header: header.map(str::to_owned).into(),
            rows: baseline.into_iter().chain([row(&name, &self.ss, gain, true)]).collect(),
        }
    }

    fn cost_table(&self) -> DataTable {
        let seconds = |seconds: f64| format!("{seconds:.1}");
        let uniform = self.baseline.as_ref().map(|baseline| baseline.train_seconds);
        let mut rows = Vec::new();
        if let Some(uniform) = uniform {
            rows.push(["the uniform run (the baseline)".to_owned(), "1.00".to_owned(), seconds(uniform)]);
        }
        rows.push([
            format!("{} trials", self.trials().len()),
            format!("{:.2}", self.ss.search_cost),
            seconds(self.ss.search_seconds),
        ]);
        rows.push(["reading features".to_owned(), format!("{:.2}", self.ss.feature_cost), String::new()]);
        let (trained, kept) = self.ss.search.as_ref().map_or((0, false), |s| (s.trained(), s.kept));
        let what = match (trained, kept) {
            (0, _) => None,
            (1, true) => Some("the training under the rule".to_owned()),
            (1, false) => Some("a training under the rule, not kept".to_owned()),
            (rules, true) => Some(format!("trainings under {rules} rules, one of them kept")),
            (rules, false) => Some(format!("trainings under {rules} rules, none of them kept")),
        };
        // The method's seconds are those of all its trainings, the uniform run among them.
        if let Some(what) = what {
            let beside = self.ss.train_seconds - uniform.unwrap_or(0.0);
            rows.push([what, format!("{trained}.00"), seconds(beside)]);
        }
        DataTable::plain("Cost", ["what", "full trainings", "seconds"], rows)
    }
}
