//! Columns of CSV files with a header line.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{Reader as CsvReader, StringRecord};

use super::{ColumnReader, Contents, Kind, Shape, Values};
use crate::error::{Error, Result};

pub(super) fn inspect(path: &Path) -> Result<Contents> {
    let (_, header) = open(path)?;
    if header.is_empty() {
        return Err(Error::Corrupt {
            path: path.to_owned(),
            expected: "a first line of column names".into(),
            found: "an empty file".into(),
            remedy: "write the names of the columns in the first line",
        });
    }
    if let Some(number) = header.iter().find(|name| name.parse::<f64>().is_ok()) {
        return Err(Error::Corrupt {
            path: path.to_owned(),
            expected: "a first line of column names".into(),
            found: format!("the number `{number}` in it"),
            remedy: "write the names of the columns in the first line; a name is not a number",
        });
    }
    for (second, name) in header.iter().enumerate() {
        if let Some(first) = header.iter().take(second).position(|other| other == name) {
            let value = format!("`{name}`");
            return Err(Error::Duplicate { what: "column", value, first, second }.in_file(path));
        }
    }
    let columns = header.iter().map(|name| (name.to_owned(), Shape::Scalar)).collect();
    Ok(Contents { columns, rows: None })
}

fn open(path: &Path) -> Result<(CsvReader<File>, StringRecord)> {
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let header = reader.headers().map_err(|error| damaged(path, &error))?.clone();
    Ok((reader, header))
}

fn damaged(path: &Path, error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(reason) => {
            Error::io("read", path, std::io::Error::new(reason.kind(), reason.to_string()))
        }
        _ => Error::Corrupt {
            path: path.to_owned(),
            expected: "comma-separated values in UTF-8 with the same number of fields in each line".into(),
            found: error.to_string(),
            remedy: "repair that line",
        },
    }
}

pub(super) struct Reader {
    path: PathBuf,
    reader: CsvReader<File>,
    columns: Vec<Column>,
    record: StringRecord,
}

struct Column {
    name: String,
    field: usize,
    kind: Kind,
}

impl Reader {
    pub(super) fn open(path: &Path, names: &[&str], kinds: &[Kind]) -> Result<Self> {
        let (reader, header) = open(path)?;
        let column = |(name, kind): (&&str, &Kind)| {
            let field = header.iter().position(|column| column == *name).ok_or_else(|| {
                let available = header.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                Error::MissingColumn { column: (*name).to_owned(), available }
            })?;
            Ok(Column { name: (*name).to_owned(), field, kind: *kind })
        };
        let columns = names.iter().zip(kinds).map(column).collect::<Result<Vec<_>>>()?;
        Ok(Self { path: path.to_owned(), reader, columns, record: StringRecord::new() })
    }
}

impl ColumnReader for Reader {
    fn next(&mut self, rows: usize, first_row: usize) -> Result<Vec<Values>> {
        let mut values: Vec<Values> = self
            .columns
            .iter()
            .map(|column| match column.kind {
                Kind::Integer => Values::Integers(Vec::new()),
                Kind::Number | Kind::Vector => Values::Numbers { values: Vec::new(), width: 1 },
            })
            .collect();
        for row in first_row..first_row + rows {
            if !self.reader.read_record(&mut self.record).map_err(|error| damaged(&self.path, &error))? {
                break;
            }
            for (column, values) in self.columns.iter().zip(&mut values) {
                let text = self.record.get(column.field).unwrap_or_default();
                let bad = |expected| Error::Value {
                    column: column.name.clone(),
                    row,
                    value: if text.is_empty() { "an empty field".into() } else { format!("`{text}`") },
                    expected,
                };
                match values {
                    Values::Integers(all) => all.push(text.parse().map_err(|_| bad("an integer"))?),
                    Values::Numbers { values, .. } => {
                        values.push(text.parse().map_err(|_| bad("a finite number"))?);
                    }
                }
            }
        }
        Ok(values)
    }
}
