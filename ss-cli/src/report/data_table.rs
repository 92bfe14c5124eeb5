//! A table of text that scrolls by itself where the screen is narrow.

use maud::{Markup, html};

/// A table. Rows have as many cells as the header; neighbours with the same first cell form a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataTable {
    /// What the table shows, in a few words.
    pub title: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The rows.
    pub rows: Vec<TableRow>,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRow {
    /// One text a column.
    pub cells: Vec<String>,
    /// Whether the row is what the reader came for.
    pub emphasised: bool,
}

impl DataTable {
    /// A table without emphasis.
    pub(super) fn plain<const N: usize>(title: &str, header: [&str; N], rows: Vec<[String; N]>) -> Self {
        let row = |cells: [String; N]| TableRow { cells: cells.into(), emphasised: false };
        Self {
            title: title.to_owned(),
            header: header.map(str::to_owned).into(),
            rows: rows.into_iter().map(row).collect(),
        }
    }

    pub(super) fn markup(&self) -> Markup {
        // Numbers stand at the right, words at the left.
        let words: Vec<bool> = (0..self.header.len())
            .map(|k| {
                let mut cells = self.rows.iter().filter_map(|row| row.cells.get(k));
                cells.any(|cell| cell.starts_with(char::is_alphabetic))
            })
            .collect();
        let word = |k: usize| words.get(k).copied().unwrap_or(false);
        let groups = self.rows.chunk_by(|a, b| a.cells.first() == b.cells.first());
        html! {
            div.scroll role="region" aria-label=(self.title) tabindex="0" {
                table {
                    thead { tr { @for (k, name) in self.header.iter().enumerate() { th.words[word(k)] scope="col" { (name) } } } }
                    @for group in groups {
                        tbody {
                            @for row in group {
                                tr.emphasised[row.emphasised] { @for (k, cell) in row.cells.iter().enumerate() { td.words[word(k)] { (cell) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}
