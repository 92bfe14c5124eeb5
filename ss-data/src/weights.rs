//! `weights.parquet`: how often each example is to be drawn.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{Float64Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};

use npyz::WriterBuilder;

use crate::atomic::write_atomically;
use crate::columns::{floats, integers};
use crate::error::{Error, Result};
use crate::parquet_file::{ParquetFile, TABLE_ROWS, located, write_batches};
use crate::table::{ID_COLUMN, check_ids, to_id};
use crate::table_format::TableFormat;

/// The column of the probabilities.
pub const PROBABILITY_COLUMN: &str = "probability";

/// One probability an example: identifiers unique; probabilities finite, not negative, not all zero.
///
/// They need not sum to 1, so that a part of a table is a table; readers divide by the sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    ids: Vec<u64>,
    probabilities: Vec<f64>,
}

impl Weights {
    /// Weights of these examples.
    ///
    /// # Errors
    /// No rows, mismatched lengths, repeated identifiers, a probability that is negative or not finite, or a
    /// sum that is not positive and finite.
    pub fn new(ids: Vec<u64>, probabilities: Vec<f64>) -> Result<Self> {
        check_ids(&ids)?;
        if probabilities.len() != ids.len() {
            return Err(Error::LengthMismatch {
                what: "probabilities".into(),
                expected: ids.len(),
                found: probabilities.len(),
            });
        }
        let value = |row: usize, value: f64, expected| Error::Value {
            column: PROBABILITY_COLUMN.into(),
            row,
            value: value.to_string(),
            expected,
        };
        if let Some(row) = probabilities.iter().position(|p| !(p.is_finite() && *p >= 0.0)) {
            return Err(value(row, probabilities[row], "a finite number that is not negative"));
        }
        let sum: f64 = probabilities.iter().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(Error::Setting {
                name: "sum of all probabilities",
                value: sum.to_string(),
                expected: "a positive finite number: at least one example must be drawn".into(),
            });
        }
        Ok(Self { ids, probabilities })
    }

    /// One identifier a row.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// One probability a row, not necessarily normalised.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Writes columns `id` (uint64) and `probability` (float64); the file appears whole or not at all.
    ///
    /// # Errors
    /// A failed write.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        let schema = Schema::new(vec![
            Field::new(ID_COLUMN, DataType::UInt64, false),
            Field::new(PROBABILITY_COLUMN, DataType::Float64, false),
        ]);
        write_batches(path, Arc::new(schema), self.ids.len(), |rows| {
            vec![
                Arc::new(UInt64Array::from_iter_values(self.ids[rows.clone()].iter().copied())),
                Arc::new(Float64Array::from_iter_values(self.probabilities[rows].iter().copied())),
            ]
        })
    }

    /// Writes the probabilities alone, in the order of the rows, as a NumPy array of float64; the file appears whole
    /// or not at all.
    ///
    /// # Errors
    /// A failed write.
    pub fn write_npy(&self, path: &Path) -> Result<()> {
        write_atomically(path, |out| {
            let shape = [self.probabilities.len() as u64];
            let mut array = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
            array.extend(self.probabilities.iter().copied())?;
            array.finish()
        })
    }

    /// Writes the format that the file's name ends in: `.parquet` or `.npy`.
    ///
    /// # Errors
    /// [`Error::Setting`] for another name; a failed write.
    pub fn write(&self, path: &Path) -> Result<()> {
        match TableFormat::of_name(path) {
            Some(TableFormat::Parquet) => self.write_parquet(path),
            Some(TableFormat::Npy) => self.write_npy(path),
            _ => Err(Self::unknown_format(path)),
        }
    }

    /// Whether [`write`](Self::write) knows a format for this name: to be asked before the work.
    ///
    /// # Errors
    /// [`Error::Setting`] when it does not.
    pub fn check_name(path: &Path) -> Result<()> {
        match TableFormat::of_name(path) {
            Some(TableFormat::Parquet | TableFormat::Npy) => Ok(()),
            _ => Err(Self::unknown_format(path)),
        }
    }

    fn unknown_format(path: &Path) -> Error {
        Error::Setting {
            name: "file of weights",
            value: path.display().to_string(),
            expected: "a name that ends in .parquet or .npy".into(),
        }
    }

    /// Reads what [`write_parquet`](Self::write_parquet) wrote, or any file with those two columns.
    ///
    /// # Errors
    /// Unreadable or damaged files, missing columns, and all that [`new`](Self::new) refuses.
    pub fn read_parquet(path: &Path) -> Result<Self> {
        let (mut ids, mut probabilities) = (Vec::new(), Vec::new());
        ParquetFile::open(path)
            .and_then(|file| {
                file.read(&[ID_COLUMN, PROBABILITY_COLUMN], TABLE_ROWS, |arrays, first_row| {
                    for (i, id) in integers(&arrays[0], ID_COLUMN, first_row)?.into_iter().enumerate() {
                        ids.push(to_id(id, ID_COLUMN, first_row + i)?);
                    }
                    probabilities.extend(floats(&arrays[1], PROBABILITY_COLUMN, first_row)?);
                    Ok(())
                })
            })
            .and_then(|()| Self::new(ids, probabilities))
            .map_err(|error| located(error, path))
    }
}
