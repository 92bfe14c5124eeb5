//! Columns of Parquet files, vectors included.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::{ColumnReader, Contents, Shape, Values};
use crate::columns::{floats, integers, is_integer};
use crate::error::{Error, Result};
use crate::parquet_file::{ParquetBatches, ParquetFile};

pub(super) fn inspect(path: &Path) -> Result<Contents> {
    let file = ParquetFile::open(path)?;
    let shape = |data_type: &DataType| match data_type {
        DataType::FixedSizeList(_, width) => Shape::Vector(usize::try_from(*width).ok()),
        DataType::List(_) | DataType::LargeList(_) => Shape::Vector(None),
        _ => Shape::Scalar,
    };
    let fields = file.schema().fields();
    let columns = fields.iter().map(|field| (field.name().clone(), shape(field.data_type()))).collect();
    Ok(Contents { columns, rows: Some(file.rows()) })
}

pub(super) struct Reader {
    batches: ParquetBatches,
    names: Vec<String>,
    /// Length of the vectors of each column, once seen.
    widths: Vec<Option<usize>>,
}

impl Reader {
    pub(super) fn open(path: &Path, names: &[&str], batch_rows: usize) -> Result<Self> {
        let batches = ParquetFile::open(path)?.batches(names, batch_rows)?;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Ok(Self { batches, widths: vec![None; names.len()], names })
    }
}

impl ColumnReader for Reader {
    fn next(&mut self, _rows: usize, first_row: usize) -> Result<Vec<Values>> {
        let Some(arrays) = self.batches.next()? else { return Ok(Vec::new()) };
        let columns = arrays.iter().zip(&self.names).zip(&mut self.widths);
        columns.map(|((array, name), width)| values(array, name, width, first_row)).collect()
    }
}

fn values(array: &ArrayRef, name: &str, width: &mut Option<usize>, first_row: usize) -> Result<Values> {
    let bad_row = |i: usize, value: String, expected| Error::Value {
        column: name.to_owned(),
        row: first_row + i,
        value,
        expected,
    };
    if is_integer(array.data_type()) {
        return Ok(Values::Integers(integers(array, name, first_row)?));
    }
    // The numbers of all vectors, and the length of each.
    let (numbers, lengths): (ArrayRef, Vec<usize>) = match array.data_type() {
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let from = list.value_offset_at(0);
            let length = list.len() * *size as usize;
            (list.values().slice(from, length), vec![*size as usize; list.len()])
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.offsets();
            let (from, to) = (offsets[0] as usize, offsets[list.len()] as usize);
            (list.values().slice(from, to - from), offsets.lengths().collect())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.offsets();
            let (from, to) = (offsets[0] as usize, offsets[list.len()] as usize);
            (list.values().slice(from, to - from), offsets.lengths().collect())
        }
        _ => return Ok(Values::Numbers { values: floats(array, name, first_row)?, width: 1 }),
    };
    if let Some(i) = (0..array.len()).find(|&i| array.is_null(i)) {
        return Err(bad_row(i, "null".into(), "a vector of numbers"));
    }
    let expected = *width.get_or_insert(lengths.first().copied().unwrap_or(0));
    if let Some(i) = lengths.iter().position(|&length| length != expected || length == 0) {
        let found = format!("a vector of {} numbers where others have {expected}", lengths[i]);
        return Err(bad_row(i, found, "vectors of one length, at least 1"));
    }
    // Rows of the vectors' numbers are counted one by one: say in which vector.
    let values = floats(&numbers, name, 0).map_err(|error| match error {
        Error::Value { row, value, expected: wanted, .. } => Error::Value {
            column: format!("{name}[{}]", row % expected),
            row: first_row + row / expected,
            value,
            expected: wanted,
        },
        other => other,
    })?;
    Ok(Values::Numbers { values, width: expected })
}
