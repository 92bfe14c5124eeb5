//! Columns of several files side by side, some rows at a time.

use super::{ColumnReader, Kind, TableFile, TableInput, Values, rest, rows_differ};
use crate::error::{Error, Result};

/// A pass over the rows of a table, from the first to the last.
pub(super) struct Reading<'a> {
    input: &'a TableInput,
    columns: Vec<(String, Kind)>,
    readers: Vec<FileReader<'a>>,
    batch_rows: usize,
    first_row: usize,
}

/// The columns that come from one file: their numbers among those asked for, and their reader.
struct FileReader<'a> {
    file: &'a TableFile,
    own: Vec<usize>,
    reader: Box<dyn ColumnReader>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(input: &'a TableInput, columns: &[(&str, Kind)]) -> Result<Self> {
        let places = columns.iter().map(|(name, _)| input.place(name)).collect::<Result<Vec<_>>>()?;
        let batch_rows = input.batch_rows(&places);
        let mut readers = Vec::new();
        for (number, file) in input.files.iter().enumerate() {
            let own: Vec<usize> = (0..columns.len()).filter(|&c| places[c].0 == number).collect();
            if own.is_empty() {
                continue;
            }
            let names: Vec<&str> = own.iter().map(|&c| file.columns[places[c].1].0.as_str()).collect();
            let kinds: Vec<Kind> = own.iter().map(|&c| columns[c].1).collect();
            let reader = file.reader(&names, &kinds, batch_rows).map_err(|error| input.shown(error, file))?;
            readers.push(FileReader { file, own, reader });
        }
        let columns = columns.iter().map(|&(name, kind)| (name.to_owned(), kind)).collect();
        Ok(Self { input, columns, readers, batch_rows, first_row: 0 })
    }

    /// The next rows of every column in the order asked for, and the row that the first of them is; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Vec<Values>, usize)>> {
        let first_row = self.first_row;
        let mut batch: Vec<Option<Values>> = vec![None; self.columns.len()];
        let mut counts = Vec::with_capacity(self.readers.len());
        for FileReader { file, own, reader } in &mut self.readers {
            let values =
                reader.next(self.batch_rows, first_row).map_err(|error| self.input.shown(error, file))?;
            counts.push(values.first().map_or(0, Values::rows));
            for (&c, values) in own.iter().zip(values) {
                let (name, kind) = &self.columns[c];
                let checked = values.checked(name, *kind, first_row);
                batch[c] = Some(checked.map_err(|error| self.input.shown(error, file))?);
            }
        }
        let rows = counts.first().copied().unwrap_or(0);
        if let Some(other) = counts.iter().position(|&count| count != rows) {
            let mut totals = counts.clone();
            for (total, FileReader { reader, .. }) in totals.iter_mut().zip(&mut self.readers) {
                *total += first_row + rest(reader.as_mut(), self.batch_rows)?;
            }
            let (a, b) = (&self.readers[0].file.shown, &self.readers[other].file.shown);
            return Err(rows_differ(a, totals[0], b, totals[other]));
        }
        if rows == 0 {
            if first_row == 0 {
                let empty = Error::Empty { what: "the table".into() };
                return Err(empty.in_file(&self.input.files[0].shown));
            }
            return Ok(None);
        }
        self.first_row += rows;
        Ok(Some((batch.into_iter().flatten().collect(), first_row)))
    }
}
