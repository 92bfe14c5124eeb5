//! NumPy arrays, row by row: any plain type of numbers, either byte order, memory for some rows only.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use half::f16;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

use crate::error::{Error, Result};
use crate::table_input::{Shape, Values};

/// The longest vector of a row. A header that claims more is damaged.
const MAX_WIDTH: u64 = 1 << 24;

/// The numbers that an array is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Signed(usize),
    Unsigned(usize),
    Float(usize),
}

impl Number {
    const fn size(self) -> usize {
        match self {
            Self::Signed(size) | Self::Unsigned(size) | Self::Float(size) => size,
        }
    }
}

/// An array of one dimension or two that is read from its beginning to its end.
pub(crate) struct NpyRows<R> {
    /// The file, for messages.
    path: PathBuf,
    /// The array's name, for messages.
    name: String,
    number: Number,
    big_endian: bool,
    pub(crate) rows: u64,
    pub(crate) shape: Shape,
    read: u64,
    reader: R,
    bytes: Vec<u8>,
}

impl<R: Read> NpyRows<R> {
    /// Reads the header.
    pub(crate) fn open(path: &Path, name: &str, mut reader: R) -> Result<Self> {
        let damaged = |found: String| Error::damaged(path, format!("the NumPy array `{name}`"), found);
        let header = NpyHeader::from_reader(&mut reader)
            .map_err(|error| damaged(format!("no NPY header ({error})")))?;
        let refuse = |found: String, expected| {
            Err(Error::ColumnType { column: name.to_owned(), expected, found }.in_file(path))
        };
        let (number, big_endian) = match header.dtype() {
            DType::Plain(text) => {
                let size = text.size_field() as usize;
                let number = match (text.type_char(), size) {
                    (TypeChar::Int, 1 | 2 | 4 | 8) => Number::Signed(size),
                    // Truth values are bytes, 0 and 1.
                    (TypeChar::Bool, 1) => Number::Unsigned(1),
                    (TypeChar::Uint, 1 | 2 | 4 | 8) => Number::Unsigned(size),
                    (TypeChar::Float, 2 | 4 | 8) => Number::Float(size),
                    _ => return refuse(text.to_string(), NUMBERS),
                };
                (number, text.endianness() == Endianness::Big)
            }
            other => return refuse(other.descr(), NUMBERS),
        };
        let shape = match *header.shape() {
            [_] => Shape::Scalar,
            [_, width] if width == 0 || width > MAX_WIDTH => {
                return Err(damaged(format!("rows of {width} numbers")));
            }
            [_, width] => Shape::Vector(Some(width as usize)),
            ref other => {
                return refuse(format!("shape {other:?}"), "one dimension (rows) or two (rows, vector)");
            }
        };
        if header.order() == Order::Fortran && shape != Shape::Scalar {
            return refuse("Fortran order".to_owned(), "C order (numpy.ascontiguousarray)");
        }
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            number,
            big_endian,
            rows: header.shape()[0],
            shape,
            read: 0,
            reader,
            bytes: Vec::new(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Up to `rows` further rows; none at the end.
    pub(crate) fn next(&mut self, rows: usize) -> Result<Values> {
        let width = match self.shape {
            Shape::Vector(Some(width)) => width,
            _ => 1,
        };
        let rows = (self.rows - self.read).min(rows as u64);
        let length = rows as usize * width * self.number.size();
        self.bytes.resize(length, 0);
        self.reader.read_exact(&mut self.bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Error::damaged(
                &self.path,
                format!("{} rows in the NumPy array `{}`", self.rows, self.name),
                format!("an end within rows {} to {}", self.read, self.read + rows),
            ),
            ErrorKind::InvalidData | ErrorKind::InvalidInput => Error::damaged(
                &self.path,
                format!("the NumPy array `{}`", self.name),
                format!("damaged data ({error})"),
            ),
            _ => Error::io("read", &self.path, error),
        })?;
        self.read += rows;
        if self.read == self.rows {
            // An archive checks what it holds when it is read to its end.
            let mut rest = [0; 1];
            self.reader.read(&mut rest).map_err(|error| {
                Error::damaged(&self.path, format!("the NumPy array `{}`", self.name), error.to_string())
            })?;
        }
        Ok(decode(&self.bytes, self.number, self.big_endian, width))
    }
}

/// What [`NpyRows`] reads.
const NUMBERS: &str = "float16, float32, float64, an integer type or bool";

fn decode(bytes: &[u8], number: Number, big_endian: bool, width: usize) -> Values {
    /// Numbers of one type, in the file's byte order.
    macro_rules! numbers {
        ($type:ty, $into:ty) => {
            bytes
                .as_chunks::<{ size_of::<$type>() }>()
                .0
                .iter()
                .map(|&raw| {
                    <$into>::from(if big_endian {
                        <$type>::from_be_bytes(raw)
                    } else {
                        <$type>::from_le_bytes(raw)
                    })
                })
                .collect()
        };
    }
    let values = match number {
        Number::Float(2) => numbers!(f16, f64),
        Number::Float(4) => numbers!(f32, f64),
        Number::Float(_) => numbers!(f64, f64),
        Number::Signed(1) => return Values::of_integers(numbers!(i8, i128), width),
        Number::Signed(2) => return Values::of_integers(numbers!(i16, i128), width),
        Number::Signed(4) => return Values::of_integers(numbers!(i32, i128), width),
        Number::Signed(_) => return Values::of_integers(numbers!(i64, i128), width),
        Number::Unsigned(1) => return Values::of_integers(numbers!(u8, i128), width),
        Number::Unsigned(2) => return Values::of_integers(numbers!(u16, i128), width),
        Number::Unsigned(4) => return Values::of_integers(numbers!(u32, i128), width),
        Number::Unsigned(_) => return Values::of_integers(numbers!(u64, i128), width),
    };
    Values::Numbers { values, width }
}
