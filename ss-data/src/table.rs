//! Numbers per example in a Parquet file: an identifier and one column a feature.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};

use crate::columns::{floats, integers};
use crate::error::{Error, Result};
use crate::fnv::Fnv;
use crate::parquet_file::{ParquetFile, TABLE_ROWS, located, write_batches};
use crate::table_input::{Kind, TableInput, Values};

/// The name under which identifiers are written.
pub const ID_COLUMN: &str = "id";

/// A table of finite numbers: one row an example, known by `ids`, one named column a feature.
///
/// ```
/// use ss_data::NumericTable;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("features.parquet");
/// let table = NumericTable { ids: vec![7, 3], columns: vec![("loss".into(), vec![0.25, 2.5])] };
/// table.write_parquet(&path)?;
/// assert_eq!(NumericTable::read_parquet(&path, "id")?, table);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumericTable {
    /// One identifier a row, unique.
    pub ids: Vec<u64>,
    /// Name and values of each column; names unique, values finite and as many as `ids`.
    pub columns: Vec<(String, Vec<f32>)>,
}

impl NumericTable {
    /// Reads a Parquet file whose columns, but for `id_column`, are all numbers (float16, float32, float64,
    /// integers, or bool as 0 and 1).
    ///
    /// Values are kept as `f32`: float64 columns are rounded to the nearest, and integers beyond 2^24 lose
    /// their last digits. See [`read_parquet_columns`](Self::read_parquet_columns) for files that hold other
    /// columns.
    ///
    /// # Errors
    /// Unreadable or damaged files; a missing column or one of another type, by name; null, NaN, infinite or
    /// (in `f32`) overflowing values, by column and row; negative or repeated identifiers; no rows.
    pub fn read_parquet(path: &Path, id_column: &str) -> Result<Self> {
        read(path, id_column, None).map_err(|error| located(error, path))
    }

    /// Reads the columns of these names, in this order, and no others.
    ///
    /// # Errors
    /// As [`read_parquet`](Self::read_parquet).
    pub fn read_parquet_columns(path: &Path, id_column: &str, columns: &[&str]) -> Result<Self> {
        read(path, id_column, Some(columns)).map_err(|error| located(error, path))
    }

    /// Reads the columns of these names, in this order, from files of any format. Without `id_column` the identifiers
    /// are the row numbers, from 0.
    ///
    /// # Errors
    /// Those of [`TableInput::read`]; values beyond the range of `f32`; negative or repeated identifiers.
    pub fn read_input(input: &TableInput, id_column: Option<&str>, columns: &[&str]) -> Result<Self> {
        let wanted: Vec<(&str, Kind)> = columns
            .iter()
            .map(|&name| (name, Kind::Number))
            .chain(id_column.map(|name| (name, Kind::Integer)))
            .collect();
        let place = input.place_name();
        let place = Path::new(&place);
        let mut table =
            Self { ids: Vec::new(), columns: columns.iter().map(|&n| (n.to_owned(), Vec::new())).collect() };
        input.read(&wanted, |values, first_row| {
            for ((name, all), values) in table.columns.iter_mut().zip(values) {
                for (i, &value) in values.numbers().iter().enumerate() {
                    all.push(to_f32(value, name, first_row + i).map_err(|error| error.in_file(place))?);
                }
            }
            match id_column {
                Some(name) => {
                    let ids = values.last().map_or(&[][..], Values::integers);
                    for (i, &id) in ids.iter().enumerate() {
                        table.ids.push(input.to_id(id, name, first_row + i)?);
                    }
                }
                None => {
                    let rows = values.first().map_or(0, Values::rows);
                    table.ids.extend((first_row..first_row + rows).map(|row| row as u64));
                }
            }
            Result::Ok(())
        })?;
        table.check().map_err(|error| error.in_file(place))?;
        Ok(table)
    }

    /// Writes the table with its identifiers in the column [`ID_COLUMN`] (uint64) and the rest as float32;
    /// the file appears whole or not at all.
    ///
    /// # Errors
    /// A table that [`check`](Self::check) refuses, before anything is written; or a failed write.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        self.check().map_err(|error| error.in_file(path))?;
        let mut fields = vec![Field::new(ID_COLUMN, DataType::UInt64, false)];
        fields.extend(self.columns.iter().map(|(name, _)| Field::new(name, DataType::Float32, false)));
        write_batches(path, Arc::new(Schema::new(fields)), self.ids.len(), |rows| {
            let mut arrays: Vec<ArrayRef> =
                vec![Arc::new(UInt64Array::from_iter_values(self.ids[rows.clone()].iter().copied()))];
            for (_, values) in &self.columns {
                arrays.push(Arc::new(Float32Array::from_iter_values(values[rows.clone()].iter().copied())));
            }
            arrays
        })
    }

    /// The values of every column, in order.
    pub fn slices(&self) -> Vec<&[f32]> {
        self.columns.iter().map(|(_, values)| values.as_slice()).collect()
    }

    /// The values of a column.
    pub fn column(&self, name: &str) -> Option<&[f32]> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, values)| values.as_slice())
    }

    /// A digest of names, identifiers and values (FNV-1a, 64 bits): whether two tables are the same.
    pub fn digest(&self) -> u64 {
        let mut digest = Fnv::new();
        digest.add(self.ids.iter().flat_map(|id| id.to_le_bytes()));
        for (name, values) in &self.columns {
            digest.add(name.bytes().chain([0]));
            digest.add(values.iter().flat_map(|value| value.to_bits().to_le_bytes()));
        }
        digest.value()
    }

    /// Checks all that the fields promise.
    ///
    /// # Errors
    /// No rows, repeated identifiers, repeated or reserved column names, columns of another length than
    /// `ids`, values that are not finite.
    pub fn check(&self) -> Result<()> {
        check_ids(&self.ids)?;
        let mut seen = HashMap::from([(ID_COLUMN, 0)]);
        for (c, (name, values)) in self.columns.iter().enumerate() {
            if let Some(first) = seen.insert(name.as_str(), c + 1) {
                return Err(Error::Duplicate {
                    what: "column",
                    value: format!("`{name}`"),
                    first,
                    second: c + 1,
                });
            }
            if values.len() != self.ids.len() {
                return Err(Error::LengthMismatch {
                    what: format!("column `{name}`"),
                    expected: self.ids.len(),
                    found: values.len(),
                });
            }
            if let Some(row) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::Value {
                    column: name.clone(),
                    row,
                    value: values[row].to_string(),
                    expected: "a finite number",
                });
            }
        }
        Ok(())
    }
}

/// Identifiers are many and unique.
pub(crate) fn check_ids(ids: &[u64]) -> Result<()> {
    if ids.is_empty() {
        return Err(Error::Empty { what: "the table".into() });
    }
    // Rows are mostly in order of identifier: then one pass is enough.
    if ids.windows(2).all(|pair| pair[0] < pair[1]) {
        return Ok(());
    }
    let mut rows: Vec<usize> = (0..ids.len()).collect();
    rows.sort_unstable_by_key(|&row| (ids[row], row));
    match rows.windows(2).find(|pair| ids[pair[0]] == ids[pair[1]]) {
        None => Ok(()),
        Some(pair) => Err(Error::Duplicate {
            what: "identifier",
            value: ids[pair[0]].to_string(),
            first: pair[0],
            second: pair[1],
        }),
    }
}

fn read(path: &Path, id_column: &str, wanted: Option<&[&str]>) -> Result<NumericTable> {
    let file = ParquetFile::open(path)?;
    let mut names = vec![id_column];
    match wanted {
        Some(columns) => names.extend(columns),
        None => names.extend(file.column_names().filter(|&name| name != id_column)),
    }
    let mut ids = Vec::new();
    let mut columns: Vec<(String, Vec<f32>)> =
        names[1..].iter().map(|&name| (name.to_owned(), Vec::new())).collect();
    file.read(&names, TABLE_ROWS, |arrays, first_row| {
        for (i, id) in integers(&arrays[0], id_column, first_row)?.into_iter().enumerate() {
            ids.push(to_id(id, id_column, first_row + i)?);
        }
        for ((name, values), array) in columns.iter_mut().zip(&arrays[1..]) {
            for (i, value) in floats(array, name, first_row)?.into_iter().enumerate() {
                values.push(to_f32(value, name, first_row + i)?);
            }
        }
        Ok(())
    })?;
    let table = NumericTable { ids, columns };
    table.check()?;
    Ok(table)
}

pub(crate) fn to_id(id: i128, column: &str, row: usize) -> Result<u64> {
    u64::try_from(id).map_err(|_| Error::Value {
        column: column.to_owned(),
        row,
        value: id.to_string(),
        expected: "an identifier from 0 to 2^64 - 1",
    })
}

pub(crate) fn to_f32(value: f64, column: &str, row: usize) -> Result<f32> {
    let narrow = value as f32;
    if narrow.is_finite() {
        return Ok(narrow);
    }
    Err(Error::Value {
        column: column.to_owned(),
        row,
        value: format!("{value:e}"),
        expected: "a number within the range of float32 (3.4e38)",
    })
}
