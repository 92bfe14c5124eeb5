//! Weights of datasets that do not fit into memory, encoded by several threads and written in order.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::atomic::AtomicFile;
use crate::error::{Error, Result};
use crate::table::ID_COLUMN;
use crate::table_format::TableFormat;
use crate::weights::{PROBABILITY_COLUMN, Weights};

/// A file of weights, as [`Weights`] writes it, that grows block by block: threads encode blocks, and one thread appends
/// them in the order of the rows. The file appears, whole, by [`finish`](Self::finish).
///
/// ```
/// use ss_data::{Weights, WeightsWriter};
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("weights.parquet");
/// let (mut writer, encoder) = WeightsWriter::create(&path, 3)?;
/// writer.append(encoder.encode(vec![7, 3], vec![0.25, 0.5])?)?;
/// writer.append(encoder.encode(vec![9], vec![0.25])?)?;
/// writer.finish()?;
/// assert_eq!(Weights::read_parquet(&path)?.ids(), [7, 3, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WeightsWriter {
    path: PathBuf,
    sink: Sink,
    expected: u64,
    rows: u64,
}

enum Sink {
    Parquet(SerializedFileWriter<AtomicFile>),
    Npy(AtomicFile),
}

/// Turns blocks into pieces of the file; may be used by several threads.
pub struct WeightsEncoder {
    path: PathBuf,
    schema: Arc<Schema>,
    /// For Parquet; NPY needs none.
    columns: Option<ArrowRowGroupWriterFactory>,
}

/// A piece of the file.
pub struct EncodedWeights {
    rows: u64,
    bytes: Encoded,
}

enum Encoded {
    Columns(Vec<ArrowColumnChunk>),
    Numbers(Vec<u8>),
}

impl WeightsWriter {
    /// A file of so many rows in the format that its name ends in, `.parquet` or `.npy`, in a folder that exists.
    ///
    /// # Errors
    /// [`Error::Setting`] for another name; [`Error::Io`].
    pub fn create(path: &Path, rows: u64) -> Result<(Self, WeightsEncoder)> {
        Weights::check_name(path)?;
        let schema = Arc::new(Schema::new(vec![
            Field::new(ID_COLUMN, DataType::UInt64, false),
            Field::new(PROBABILITY_COLUMN, DataType::Float64, false),
        ]));
        let mut file = AtomicFile::create(path)?;
        let (sink, columns) = if TableFormat::of_name(path) == Some(TableFormat::Npy) {
            file.write_all(&npy_header(rows)).map_err(|error| Error::io("write", path, error))?;
            (Sink::Npy(file), None)
        } else {
            let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties()));
            let (writer, columns) =
                writer.and_then(ArrowWriter::into_serialized_writer).map_err(|error| failed(path, error))?;
            (Sink::Parquet(writer), Some(columns))
        };
        let encoder = WeightsEncoder { path: path.to_owned(), schema, columns };
        Ok((Self { path: path.to_owned(), sink, expected: rows, rows: 0 }, encoder))
    }

    /// Appends the next block.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn append(&mut self, block: EncodedWeights) -> Result<()> {
        self.rows += block.rows;
        match (&mut self.sink, block.bytes) {
            (Sink::Parquet(writer), Encoded::Columns(chunks)) => {
                let write = || {
                    let mut group = writer.next_row_group()?;
                    for chunk in chunks {
                        chunk.append_to_row_group(&mut group)?;
                    }
                    group.close()
                };
                write().map(drop).map_err(|error| failed(&self.path, error))
            }
            (Sink::Npy(file), Encoded::Numbers(bytes)) => {
                file.write_all(&bytes).map_err(|error| Error::io("write", &self.path, error))
            }
            _ => Err(failed(&self.path, std::io::Error::other("a block was encoded for another file"))),
        }
    }

    /// Makes the file appear.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] when it has not the number of rows that it was made for; [`Error::Io`]; there is then no
    /// new file.
    pub fn finish(self) -> Result<()> {
        if self.rows != self.expected {
            let what = "rows of the weights".into();
            let (expected, found) = (self.expected as usize, self.rows as usize);
            return Err(Error::LengthMismatch { what, expected, found }.in_file(&self.path));
        }
        let file = match self.sink {
            Sink::Parquet(writer) => writer.into_inner().map_err(|error| failed(&self.path, error))?,
            Sink::Npy(file) => file,
        };
        file.commit()
    }
}

impl WeightsEncoder {
    /// Encodes a block: an identifier and a probability a row. NPY files hold no identifiers.
    ///
    /// # Errors
    /// Lengths that differ; [`Error::Io`].
    pub fn encode(&self, ids: Vec<u64>, probabilities: Vec<f64>) -> Result<EncodedWeights> {
        if ids.len() != probabilities.len() {
            let (expected, found) = (ids.len(), probabilities.len());
            return Err(Error::LengthMismatch { what: "probabilities".into(), expected, found });
        }
        let rows = ids.len() as u64;
        let Some(columns) = &self.columns else {
            let bytes = probabilities.iter().flat_map(|p| p.to_le_bytes()).collect();
            return Ok(EncodedWeights { rows, bytes: Encoded::Numbers(bytes) });
        };
        let arrays: [ArrayRef; 2] =
            [Arc::new(UInt64Array::from(ids)), Arc::new(Float64Array::from(probabilities))];
        let encode = || -> parquet::errors::Result<Vec<ArrowColumnChunk>> {
            let mut chunks = Vec::with_capacity(arrays.len());
            // The number of the row group matters to encrypted files alone.
            let writers = columns.create_column_writers(0)?;
            for ((mut writer, array), field) in writers.into_iter().zip(&arrays).zip(self.schema.fields()) {
                for leaf in compute_leaves(field, array)? {
                    writer.write(&leaf)?;
                }
                chunks.push(writer.close()?);
            }
            Ok(chunks)
        };
        let chunks = encode().map_err(|error| failed(&self.path, error))?;
        Ok(EncodedWeights { rows, bytes: Encoded::Columns(chunks) })
    }
}

/// Identifiers mostly count up, and their differences take next to no room. Probabilities are nearly all distinct and are
/// written as they are: to compress them takes longer than to write them.
fn properties() -> WriterProperties {
    let id = ColumnPath::from(ID_COLUMN);
    WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_encoding(id.clone(), Encoding::DELTA_BINARY_PACKED)
        .set_column_statistics_enabled(id, EnabledStatistics::Chunk)
        .build()
}

/// The header of an NPY file (version 1.0) of one dimension of little-endian float64.
fn npy_header(rows: u64) -> Vec<u8> {
    let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows},), }}");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    // Ten bytes, the text, spaces and a line feed: a multiple of 64.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    header.extend((length as u16).to_le_bytes());
    header.extend(text.bytes());
    header.resize(10 + length - 1, b' ');
    header.push(b'\n');
    header
}

fn failed(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::io("write", path, std::io::Error::other(error.to_string()))
}
