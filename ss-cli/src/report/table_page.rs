//! The page of a table: methods against label noise.

use maud::{Markup, html};
use serde_json::Value;

use super::data_table::DataTable;
use super::figure::{Glyph, figure};
use super::search_section::percent;
use super::{SearchRecord, origin, page};
use crate::Result;
use crate::picture::{self, AccuracySeries};
use crate::provenance::Provenance;

/// Everything that the page of a table says.
#[derive(Clone, Debug)]
pub struct TablePage {
    /// The title.
    pub title: String,
    /// What was computed, in a few sentences.
    pub lead: String,
    /// The table.
    pub table: DataTable,
    /// What the columns mean: name and explanation.
    pub columns: Vec<(String, String)>,
    /// The accuracies of the table, for its figure.
    pub accuracy: Vec<AccuracySeries>,
    /// One search for each noise rate.
    pub searches: Vec<TableSearch>,
    /// Time and cost of the methods.
    pub cost: DataTable,
    /// Everything on which the results depend.
    pub settings: Value,
    /// Where they come from.
    pub provenance: Provenance,
}

/// The search behind one cell of the table.
#[derive(Clone, Debug)]
pub struct TableSearch {
    /// Which cell.
    pub title: String,
    /// The search, or why there is nothing to show of it.
    pub record: std::result::Result<SearchRecord, String>,
}

impl TablePage {
    /// The page as a document of its own.
    ///
    /// # Errors
    /// [`Error::Picture`](crate::Error::Picture).
    pub fn html(&self) -> Result<String> {
        let body = html! {
            section {
                h2 { "Table" }
                (self.table.markup())
                details {
                    summary { "What the columns mean" }
                    dl.pairs { @for (name, meaning) in &self.columns { dt { (name) } dd { (meaning) } } }
                }
                div.charts { (self.chart()?) }
            }
            @if !self.searches.is_empty() {
                section {
                    h2 { "What was learned" }
                    p { "One search for each noise rate; open one to see its rule, its history and the images." }
                    @for search in &self.searches { (search.markup()?) }
                }
            }
            section {
                h2 { "Cost" }
                (self.cost.markup())
                p.note {
                    "Means over noise rates and seeds. Seconds were measured as the cells were computed, with whatever else "
                    "the machine was doing; costs in full trainings do not depend on that."
                }
            }
            (origin::section(&self.provenance, &self.settings))
        };
        Ok(page::page(&self.title, &html! { (self.lead) }, &body))
    }

    fn chart(&self) -> Result<Markup> {
        let glyph = |k: usize| Glyph::Line(picture::series_name(k));
        let legend: Vec<(Glyph, &str)> =
            self.accuracy.iter().enumerate().map(|(k, line)| (glyph(k), line.name.as_str())).collect();
        let caption = html! {
            "Mean over seeds of the finished model's accuracy on test images, against the share of wrong training labels; "
            "vertical bars reach one standard deviation up and down. Points at one rate are set apart a little. A method "
            "that copes with wrong labels stays flat."
        };
        let label =
            "Test accuracy against label noise, one line a method; the numbers are those of the table";
        Ok(figure(
            &picture::accuracy(&self.accuracy)?,
            "Accuracy against label noise",
            label,
            &legend,
            &caption,
        ))
    }
}

impl TableSearch {
    fn markup(&self) -> Result<Markup> {
        let record = match &self.record {
            Ok(record) => record,
            Err(reason) => return Ok(html! { p.note { (self.title) ": no figures, " (reason) "." } }),
        };
        let found = record.ss.search.as_ref().map(|search| {
            let kept = if search.kept { "rule in use" } else { "uniform stays" };
            format!("{kept}, effective sample size {}", percent(search.effective_share))
        });
        Ok(html! {
            details.search {
                summary { strong { (self.title) } @if let Some(found) = found { ": " (found) } }
                p { (record.verdict()) }
                p { (record.words) }
                (record.sections()?)
            }
        })
    }
}
