//! NumPy arrays as columns: one in an NPY file, several in an NPZ archive.

use std::fs::File;
use std::io::{self, BufReader, Error as IoError, ErrorKind, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::{ColumnReader, Contents, Shape, Values};
use crate::error::{Error, Result};
use crate::npy::NpyRows;
use crate::table_format::TableFormat;

type Array = NpyRows<Box<dyn Read + Send>>;

pub(super) fn inspect(path: &Path, shown: &Path, format: TableFormat) -> Result<Contents> {
    if format == TableFormat::Npy {
        let name = name_of(shown);
        let array = open(path, shown, format, &name)?;
        return Ok(Contents { columns: vec![(name, array.shape)], rows: Some(array.rows) });
    }
    let mut columns = Vec::new();
    for Member { name, .. } in members(path)? {
        // An array that is not wanted may be of any kind.
        let shape = open(path, shown, format, &name).map_or(Shape::Scalar, |array| array.shape);
        columns.push((name, shape));
    }
    // Nor need arrays of an archive belong together: those that are read are compared then.
    Ok(Contents { columns, rows: None })
}

/// The name of the one array of an NPY file.
fn name_of(shown: &Path) -> String {
    shown.file_stem().map_or("array".into(), |stem| stem.to_string_lossy().into_owned())
}

pub(super) struct Reader {
    path: PathBuf,
    arrays: Vec<Array>,
}

impl Reader {
    pub(super) fn open(path: &Path, shown: &Path, format: TableFormat, names: &[&str]) -> Result<Self> {
        let arrays = names.iter().map(|name| open(path, shown, format, name)).collect::<Result<Vec<_>>>()?;
        Ok(Self { path: path.to_owned(), arrays })
    }
}

impl ColumnReader for Reader {
    fn next(&mut self, rows: usize, _first_row: usize) -> Result<Vec<Values>> {
        let expected = self.arrays.first().map_or(0, |array| array.rows);
        if let Some(array) = self.arrays.iter().find(|array| array.rows != expected) {
            let what = format!("rows of the array `{}`", array.name());
            let error =
                Error::LengthMismatch { what, expected: expected as usize, found: array.rows as usize };
            return Err(error.in_file(&self.path));
        }
        self.arrays.iter_mut().map(|array| array.next(rows)).collect()
    }
}

fn open(path: &Path, shown: &Path, format: TableFormat, name: &str) -> Result<Array> {
    let io = |error| Error::io("open", path, error);
    let mut file = File::open(path).map_err(io)?;
    if format == TableFormat::Npy {
        let reader: Box<dyn Read + Send> = Box::new(BufReader::new(file));
        return NpyRows::open(path, &name_of(shown), reader);
    }
    let members = members(path)?;
    let Some(member) = members.into_iter().find(|member| member.name == name) else {
        return Err(
            Error::MissingColumn { column: name.to_owned(), available: "others".into() }.in_file(path)
        );
    };
    file.seek(SeekFrom::Start(member.start)).map_err(io)?;
    let raw = BufReader::new(file).take(member.stored);
    let data: Box<dyn Read + Send> = match member.compression {
        CompressionMethod::Stored => Box::new(Checked::new(raw, member.crc)),
        CompressionMethod::Deflated => Box::new(Checked::new(Inflated(DeflateDecoder::new(raw)), member.crc)),
        other => {
            return Err(Error::Corrupt {
                path: path.to_owned(),
                expected: "an NPZ archive as numpy.savez or numpy.savez_compressed writes it".into(),
                found: format!("the array `{name}` compressed by {other}"),
                remedy: "write it with one of those",
            });
        }
    };
    NpyRows::open(path, name, data)
}

/// An array in the directory of an archive.
struct Member {
    name: String,
    start: u64,
    stored: u64,
    compression: CompressionMethod,
    crc: u32,
}

fn members(path: &Path) -> Result<Vec<Member>> {
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let damaged = |found: String| Error::damaged(path, "a complete NPZ archive", found);
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| damaged(format!("a damaged or foreign one ({error})")))?;
    let mut members = Vec::new();
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(|error| damaged(error.to_string()))?;
        let name = entry.name().map_err(|error| damaged(error.to_string()))?;
        let Some(name) = npyz::npz::array_name_from_file_name(&name) else { continue };
        let start = entry.data_start().ok_or_else(|| damaged(format!("no data of `{name}`")))?;
        members.push(Member {
            name: name.to_owned(),
            start,
            stored: entry.compressed_size(),
            compression: entry.compression(),
            crc: entry.crc32(),
        });
    }
    Ok(members)
}

/// A decoder whose trouble is always damaged data.
struct Inflated(DeflateDecoder<Take<BufReader<File>>>);

impl Read for Inflated {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).map_err(|error| IoError::new(ErrorKind::InvalidData, error.to_string()))
    }
}

/// A reader that compares the checksum at its end.
struct Checked<R> {
    reader: CrcReader<R>,
    expected: u32,
}

impl<R: Read> Checked<R> {
    fn new(reader: R, expected: u32) -> Self {
        Self { reader: CrcReader::new(reader), expected }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(bytes)?;
        if count == 0 && !bytes.is_empty() && self.reader.crc().sum() != self.expected {
            return Err(IoError::new(ErrorKind::InvalidData, "the checksum does not match"));
        }
        Ok(count)
    }
}
