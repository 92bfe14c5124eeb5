//! Markdown tables that also read well in a terminal.

use std::fmt::Write;

/// A table whose columns are aligned to the right. Rows have as many cells as the header.
pub(crate) fn aligned<R: AsRef<[String]>>(header: &R, rows: &[R]) -> String {
    let header = header.as_ref();
    let width = |k: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(k));
        cells.chain([&header[k]]).map(|cell| cell.chars().count()).max().unwrap_or(0).max(1)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &[String]| {
        for (cell, width) in cells.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(out, "| {cell:>width$} ");
        }
        out.push_str("|\n");
    };
    line(header);
    line(&widths.iter().map(|width| "-".repeat(width - 1) + ":").collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row.as_ref()));
    out
}
