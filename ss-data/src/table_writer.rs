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
    ids: bool,
    rows: usize,
}

impl NumericTableWriter {
    /// A table with the column [`ID_COLUMN`] (uint64) and these (float32), in a folder that exists.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, columns: &[&str]) -> Result<Self> {
        Self::create_with(path, columns, true)
    }

    /// A table without identifiers, of these columns alone: none are given to [`push`](Self::push) either.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_without_ids(path: &Path, columns: &[&str]) -> Result<Self> {
        Self::create_with(path, columns, false)
    }

    fn create_with(path: &Path, columns: &[&str], ids: bool) -> Result<Self> {
        let id = ids.then(|| Field::new(ID_COLUMN, DataType::UInt64, false));
        let columns = columns.iter().map(|&name| Field::new(name, DataType::Float32, false));
        let schema = Arc::new(Schema::new(id.into_iter().chain(columns).collect::<Vec<_>>()));
        let file = AtomicFile::create(path)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(writer_properties()))
            .map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_owned(), schema, writer, ids, rows: 0 })
    }

    /// Appends rows: identifiers, and the values of each column in order.
    ///
    /// # Errors
    /// Lengths that differ; values that are not finite; [`Error::Io`].
    pub fn push(&mut self, ids: &[u64], columns: &[&[f32]]) -> Result<()> {
        let rows = if self.ids { ids.len() } else { columns.first().map_or(0, |column| column.len()) };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len() + 1);
        if self.ids {
            arrays.push(Arc::new(UInt64Array::from(ids.to_vec())));
        }
        let names = self.schema.fields().iter().skip(usize::from(self.ids)).map(|field| field.name());
        for (name, values) in names.zip(columns) {
            if values.len() != rows {
                let what = format!("column `{name}`");
                return Err(Error::LengthMismatch { what, expected: rows, found: values.len() });
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
        self.rows += rows;
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
