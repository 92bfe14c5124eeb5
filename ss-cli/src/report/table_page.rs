//! The page of a table: methods against label noise.

use maud::{Markup, html};
use serde_json::Value;

use super::data_table::DataTable;
use super::figure::{Glyph, figure};
use super::search_section::percent;
use super::{SearchRecord, origin, page};
use crate::Result;
use crate::picture::{self, NoiseSeries};
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
    /// Accuracy of each method in percent; the bars are one standard deviation.
    pub accuracy: Vec<NoiseSeries>,
    /// Difference from the baseline in points; the bars are intervals. The methods are those of `accuracy`, in that
    /// order.
    pub gains: Vec<NoiseSeries>,
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
                div.charts { (self.accuracy()?) (self.gains()?) }
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
                    "the machine was doing; costs in full trainings do not depend on that. Cells that were finished before are "
                    "read from the journal: commit, machine and time below are those of the run that wrote this page."
                }
            }
            (origin::section(&self.provenance, &self.settings))
        };
        Ok(page::page(&self.title, &html! { (self.lead) }, &body))
    }

    fn accuracy(&self) -> Result<Markup> {
        let caption = html! {
            "Mean over seeds of the finished model's accuracy on test images, against the share of wrong training labels; "
            "vertical bars reach one standard deviation up and down. Points at one rate are set apart a little. A method "
            "that copes with wrong labels stays flat."
        };
        let label =
            "Test accuracy against label noise, one line a method; the numbers are those of the table";
        let drawing = picture::against_noise(&self.accuracy, "test top-1, %")?;
        Ok(figure(&drawing, "Accuracy against label noise", label, &legend(&self.accuracy), &caption))
    }

    fn gains(&self) -> Result<Markup> {
        let caption = html! {
            "The same as a difference from the baseline of the same seed, which takes out what the seeds have in common; "
            "vertical bars are 95% intervals (Student's t). Where a bar crosses the dashed line at zero, the seeds do not "
            "settle whether the method helps. Few seeds make long bars; one makes none."
        };
        let label = "Gain in test accuracy over the baseline against label noise, one line a method; the numbers are \
                     those of the table";
        let drawing = picture::against_noise(&self.gains, "points above the baseline")?;
        Ok(figure(&drawing, "Gain over the baseline", label, &legend(&self.gains), &caption))
    }
}

/// The lines of a figure that have points.
fn legend(lines: &[NoiseSeries]) -> Vec<(Glyph, &str)> {
    let glyph = |k: usize| Glyph::Line(picture::series_name(k));
    let shown = lines.iter().enumerate().filter(|(_, line)| !line.points.is_empty());
    shown.map(|(k, line)| (glyph(k), line.name.as_str())).collect()
}

impl TableSearch {
    fn markup(&self) -> Result<Markup> {
        let record = match &self.record {
            Ok(record) => record,
            Err(reason) => return Ok(html! { p.note { (self.title) ": no figures, " (reason) "." } }),
        };
        let found = record.ss.search.as_ref().map(|search| {
            if search.kept {
                format!("rule in use, effective sample size {}", percent(search.effective_share))
            } else {
                "uniform sampling stays".to_owned()
            }
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
