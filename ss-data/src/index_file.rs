//! The order of an epoch as a file, for training programs of any kind.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use npyz::WriterBuilder;
use parquet::arrow::ArrowWriter;

use crate::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::parquet_file::{TABLE_ROWS, writer_properties};

/// How indices are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexFormat {
    /// A NumPy array of one dimension: int64, which every framework indexes with; uint64 where an index needs it.
    Npy,
    /// Apache Parquet with one column of uint64.
    Parquet,
    /// uint64 in little-endian byte order and nothing else: to be mapped into memory or piped.
    Raw,
}

impl IndexFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Npy, Self::Parquet, Self::Raw];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Parquet => "parquet",
            Self::Raw => "raw",
        }
    }

    /// The format that a file name promises: `.npy`, `.parquet`, or `.raw`, `.u64` and `.bin`.
    ///
    /// # Errors
    /// [`Error::Setting`] for another name.
    pub fn of_name(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Self::Npy),
            Some("parquet") => Ok(Self::Parquet),
            Some("raw" | "u64" | "bin") => Ok(Self::Raw),
            _ => Err(Error::Setting {
                name: "format of the indices",
                value: format!("unknown for {}", path.display()),
                expected:
                    "a name that ends in .npy, .parquet, .raw, .u64 or .bin, or the format given explicitly"
                        .into(),
            }),
        }
    }
}

impl fmt::Display for IndexFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for IndexFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| Error::Setting {
            name: "format of the indices",
            value: name.to_owned(),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Writes indices to a file that appears whole or not at all; `column` names them in Parquet.
///
/// ```
/// use ss_data::{IndexFormat, write_indices};
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("epoch.raw");
/// write_indices(&path, IndexFormat::Raw, "index", [3_u64, 1].into_iter())?;
/// assert_eq!(std::fs::read(&path)?, [3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`].
pub fn write_indices(
    path: &Path,
    format: IndexFormat,
    column: &str,
    indices: impl ExactSizeIterator<Item = u64> + Clone,
) -> Result<()> {
    write_atomically(path, |out| write_indices_to(out, format, column, indices))
}

/// Writes indices to a stream, some at a time.
///
/// # Errors
/// Those of `out`.
pub fn write_indices_to(
    mut out: impl Write + Send,
    format: IndexFormat,
    column: &str,
    mut indices: impl ExactSizeIterator<Item = u64> + Clone,
) -> io::Result<()> {
    let shape = [indices.len() as u64];
    match format {
        IndexFormat::Npy if indices.clone().all(|index| i64::try_from(index).is_ok()) => {
            let mut array = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
            array.extend(indices.map(u64::cast_signed))?;
            array.finish()
        }
        IndexFormat::Npy => {
            let mut array = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
            array.extend(indices)?;
            array.finish()
        }
        IndexFormat::Parquet => {
            let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::UInt64, false)]));
            let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(writer_properties()))?;
            while indices.len() > 0 {
                let batch: Vec<u64> = indices.by_ref().take(TABLE_ROWS).collect();
                let array = Arc::new(UInt64Array::from(batch));
                let batch =
                    RecordBatch::try_new(Arc::clone(&schema), vec![array]).map_err(io::Error::other)?;
                writer.write(&batch)?;
            }
            writer.close()?;
            Ok(())
        }
        IndexFormat::Raw => {
            for index in indices {
                out.write_all(&index.to_le_bytes())?;
            }
            out.flush()
        }
    }
}
