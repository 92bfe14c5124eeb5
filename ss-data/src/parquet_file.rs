//! Parquet files: chosen columns read batch by batch, tables written atomically.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::atomic::write_atomically;
use crate::error::{Error, Result};

/// Rows of numbers handled at once when reading and writing.
pub(crate) const TABLE_ROWS: usize = 1 << 16;

/// A Parquet file of which the schema has been read.
pub(crate) struct ParquetFile<'a> {
    path: &'a Path,
    metadata: ArrowReaderMetadata,
    file: File,
}

impl<'a> ParquetFile<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let metadata = decode(path, || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))?;
        check_places(&metadata).map_err(|found| damaged(path, &found))?;
        Ok(Self { path, metadata, file })
    }

    /// Opens a file again whose footer has been read: with a place to read from of its own.
    pub(crate) fn open_again(path: &'a Path, metadata: ArrowReaderMetadata) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        Ok(Self { path, metadata, file })
    }

    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.metadata.schema().fields().iter().map(|field| field.name().as_str())
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    pub(crate) fn schema(&self) -> &Schema {
        self.metadata.schema()
    }

    /// What the footer says, to read from this file again without reading that.
    pub(crate) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// The arrays of these columns in this order, `batch_rows` rows at a time (fewer in the last batch).
    pub(crate) fn batches(&self, names: &[&str], batch_rows: usize) -> Result<ParquetBatches> {
        self.batches_of(names, batch_rows, |reader| reader)
    }

    /// As [`batches`](Self::batches), of some rows of a row group.
    pub(crate) fn batches_within(
        &self,
        names: &[&str],
        batch_rows: usize,
        row_group: usize,
        rows: Range<usize>,
    ) -> Result<ParquetBatches> {
        self.batches_of(names, batch_rows, |reader| {
            reader.with_row_groups(vec![row_group]).with_offset(rows.start).with_limit(rows.len())
        })
    }

    fn batches_of(
        &self,
        names: &[&str],
        batch_rows: usize,
        choose: impl FnOnce(ParquetRecordBatchReaderBuilder<File>) -> ParquetRecordBatchReaderBuilder<File>,
    ) -> Result<ParquetBatches> {
        let schema = self.metadata.schema();
        let roots = names
            .iter()
            .map(|name| schema.index_of(name).map_err(|_| missing(name, schema)))
            .collect::<Result<Vec<usize>>>()?;
        let file = self.file.try_clone().map_err(|error| Error::io("read", self.path, error))?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::roots(reader.parquet_schema(), roots);
        let reader = choose(reader.with_projection(mask).with_batch_size(batch_rows));
        let batches = decode(self.path, || reader.build())?;
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Ok(ParquetBatches { path: self.path.to_owned(), names, batches })
    }

    /// Hands over the arrays of these columns in this order, batch by batch, with the row that the batch
    /// starts at.
    pub(crate) fn read(
        &self,
        names: &[&str],
        batch_rows: usize,
        mut take: impl FnMut(&[ArrayRef], usize) -> Result<()>,
    ) -> Result<()> {
        let mut batches = self.batches(names, batch_rows)?;
        let mut first_row = 0;
        while let Some(arrays) = batches.next()? {
            take(&arrays, first_row)?;
            first_row += arrays.first().map_or(0, |array| array.len());
        }
        Ok(())
    }
}

/// Chosen columns of a Parquet file, batch by batch.
pub(crate) struct ParquetBatches {
    path: PathBuf,
    names: Vec<String>,
    batches: ParquetRecordBatchReader,
}

impl ParquetBatches {
    /// The next rows of every column; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        let batches = &mut self.batches;
        let Some(batch) = decode(&self.path, || batches.next().transpose())? else { return Ok(None) };
        let schema = batch.schema();
        let array = |name: &String| batch.column_by_name(name).cloned().ok_or_else(|| missing(name, &schema));
        self.names.iter().map(array).collect::<Result<Vec<ArrayRef>>>().map(Some)
    }
}

/// How tables are written. Dictionaries do not help with numbers that are nearly all distinct; Snappy is read by
/// every tool.
pub(crate) fn writer_properties() -> WriterProperties {
    WriterProperties::builder().set_compression(Compression::SNAPPY).set_dictionary_enabled(false).build()
}

/// Writes `rows` rows, a range at a time, atomically.
pub(crate) fn write_batches(
    path: &Path,
    schema: SchemaRef,
    rows: usize,
    arrays: impl Fn(Range<usize>) -> Vec<ArrayRef>,
) -> Result<()> {
    write_atomically(path, |out| {
        let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(writer_properties()))?;
        for start in (0..rows).step_by(TABLE_ROWS) {
            let range = start..rows.min(start + TABLE_ROWS);
            let batch = RecordBatch::try_new(schema.clone(), arrays(range)).map_err(io::Error::other)?;
            writer.write(&batch)?;
        }
        writer.close()?;
        Ok(())
    })
}

/// Adds the file to an error that does not name it yet.
pub(crate) fn located(error: Error, path: &Path) -> Error {
    match error {
        Error::Io { .. } | Error::Corrupt { .. } | Error::Image { .. } | Error::InFile { .. } => error,
        other => other.in_file(path),
    }
}

/// The decoder takes some damage for a mistake of the program and panics: to a user it is a damaged file like
/// any other. Whatever was being decoded is dropped, so nothing half-done is seen again.
fn decode<T, E: Display>(path: &Path, work: impl FnOnce() -> std::result::Result<T, E>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| damaged(path, &error)),
        Err(_) => Err(damaged(path, &"its pages contradict each other")),
    }
}

/// Every column lies at a place and has a length that can be.
fn check_places(metadata: &ArrowReaderMetadata) -> std::result::Result<(), String> {
    for column in metadata.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        if start < 0 || column.compressed_size() < 0 {
            let (name, length) = (column.column_path().string(), column.compressed_size());
            return Err(format!("column `{name}` would start at byte {start} and be {length} long"));
        }
    }
    Ok(())
}

/// A Parquet file that cannot be read as one.
fn damaged(path: &Path, error: &dyn Display) -> Error {
    Error::damaged(path, "a complete Parquet file", format!("a damaged or foreign one ({error})"))
}

fn missing(column: &str, schema: &Schema) -> Error {
    let available: Vec<String> = schema.fields().iter().map(|f| format!("`{}`", f.name())).collect();
    Error::MissingColumn { column: column.to_owned(), available: available.join(", ") }
}
