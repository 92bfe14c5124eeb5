//! Tables of features that are written as they are computed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;

use crate::atomic::AtomicFile;
use crate::error::{Error, Result};
use crate::parquet_file::writer_properties;
use crate::table::ID_COLUMN;

/// Writes a table of numbers some rows at a time; the file appears, whole, by [`finish`](Self::finish), and what
/// [`NumericTable::read_parquet`](crate::NumericTable::read_parquet) reads is what was pushed.
///
/// That identifiers are unique is for readers to check: it takes memory for all of them.
///
/// ```
/// use ss_data::{NumericTable, NumericTableWriter};
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("features.parquet");
/// let mut writer = NumericTableWriter::create(&path, &["loss"])?;
/// writer.push(&[7, 3], &[&[0.25, 2.5]])?;
/// writer.push(&[9], &[&[1.0]])?;
/// assert_eq!(writer.finish()?, 3);
/// assert_eq!(NumericTable::read_parquet(&path, "id")?.ids, [7, 3, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NumericTableWriter {
    path: PathBuf,
    schema: Arc<Schema>,
    writer: ArrowWriter<AtomicFile>,
    rows: usize,
}

impl NumericTableWriter {
    /// A table with the column [`ID_COLUMN`] (uint64) and these (float32), in a folder that exists.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, columns: &[&str]) -> Result<Self> {
        let mut fields = vec![Field::new(ID_COLUMN, DataType::UInt64, false)];
        fields.extend(columns.iter().map(|&name| Field::new(name, DataType::Float32, false)));
        let schema = Arc::new(Schema::new(fields));
        let file = AtomicFile::create(path)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(writer_properties()))
            .map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_owned(), schema, writer, rows: 0 })
    }

    /// Appends rows: identifiers, and the values of each column in order.
    ///
    /// # Errors
    /// Lengths that differ; values that are not finite; [`Error::Io`].
    pub fn push(&mut self, ids: &[u64], columns: &[&[f32]]) -> Result<()> {
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(ids.to_vec()))];
        let names = self.schema.fields().iter().skip(1).map(|field| field.name());
        for (name, values) in names.zip(columns) {
            if values.len() != ids.len() {
                let what = format!("column `{name}`");
                return Err(Error::LengthMismatch { what, expected: ids.len(), found: values.len() });
            }
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::Value {
                    column: name.clone(),
                    row: self.rows + i,
                    value: values[i].to_string(),
                    expected: "a finite number",
                });
            }
            arrays.push(Arc::new(Float32Array::from(values.to_vec())));
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| failed(&self.path, error))?;
        self.writer.write(&batch).map_err(|error| failed(&self.path, error))?;
        self.rows += ids.len();
        Ok(())
    }

    /// Makes the file appear, and returns how many rows it has.
    ///
    /// # Errors
    /// [`Error::Empty`] without rows, [`Error::Io`]; there is then no new file.
    pub fn finish(self) -> Result<usize> {
        if self.rows == 0 {
            return Err(Error::Empty { what: "the table".into() });
        }
        self.writer.into_inner().map_err(|error| failed(&self.path, error))?.commit()?;
        Ok(self.rows)
    }
}

fn failed(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::io("write", path, std::io::Error::other(error.to_string()))
}
