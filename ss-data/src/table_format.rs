//! The formats of tables that other programs write.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A format of tables of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableFormat {
    /// Apache Parquet: numbers, and lists of numbers for columns that hold a vector a row.
    Parquet,
    /// One NumPy array of one dimension (a column) or two (a vector a row).
    Npy,
    /// Several such arrays, by name, as `numpy.savez` or `numpy.savez_compressed` writes them.
    Npz,
    /// Comma-separated values with a header line of column names.
    Csv,
}

impl TableFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Parquet, Self::Npy, Self::Npz, Self::Csv];

    /// The name on the command line, which is also the usual file name extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Csv => "csv",
        }
    }

    /// The format that a file name promises.
    ///
    /// ```
    /// use ss_data::TableFormat;
    /// assert_eq!(TableFormat::of_name("features.parquet".as_ref()), Some(TableFormat::Parquet));
    /// assert_eq!(TableFormat::of_name("features".as_ref()), None);
    /// ```
    pub fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.name() == extension)
    }

    /// The format of a file: by its name, else by its first bytes.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Setting`] where neither says.
    pub fn of_file(path: &Path) -> Result<Self> {
        if let Some(format) = Self::of_name(path) {
            return Ok(format);
        }
        let mut start = [0_u8; 6];
        let read = File::open(path).and_then(|mut file| file.read(&mut start));
        let length = read.map_err(|error| Error::io("open", path, error))?;
        match &start[..length] {
            [b'P', b'A', b'R', b'1', ..] => Ok(Self::Parquet),
            b"\x93NUMPY" => Ok(Self::Npy),
            [b'P', b'K', 3, 4, ..] => Ok(Self::Npz),
            _ => Err(Error::Setting {
                name: "input format",
                value: format!("unknown for {}", path.display()),
                expected: "a name that ends in .parquet, .npy, .npz or .csv, or the format given explicitly"
                    .into(),
            }),
        }
    }
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TableFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| Error::Setting {
            name: "input format",
            value: name.to_owned(),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }
}
