//! Tables that other programs wrote: columns by name, from one file or several side by side, some rows at a time.

mod csv_columns;
mod npy_columns;
mod parquet_columns;
mod reading;
pub(crate) mod shards;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use reading::Reading;

use crate::atomic::Temporary;
use crate::error::{Error, Result};
use crate::parquet_file::{TABLE_ROWS, located};
use crate::table::{to_f32, to_id};
use crate::table_format::TableFormat;

/// What a row holds in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One number.
    Scalar,
    /// A vector of numbers, of this length where the file says so before it is read.
    Vector(Option<usize>),
}

/// How a column is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers, one a row.
    Integer,
    /// Finite numbers, one a row.
    Number,
    /// Vectors of finite numbers, all of one length.
    Vector,
}

/// Some rows of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Integers, one a row.
    Integers(Vec<i128>),
    /// `width` numbers a row, row by row.
    Numbers {
        /// `[rows, width]`.
        values: Vec<f64>,
        /// Numbers a row.
        width: usize,
    },
}

impl Values {
    pub(crate) fn of_integers(values: Vec<i128>, width: usize) -> Self {
        if width == 1 {
            return Self::Integers(values);
        }
        Self::Numbers { values: values.into_iter().map(|v| v as f64).collect(), width }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Numbers { values, width } => values.len() / width,
        }
    }

    /// The integers; none in a column of other numbers.
    pub fn integers(&self) -> &[i128] {
        match self {
            Self::Integers(values) => values,
            Self::Numbers { .. } => &[],
        }
    }

    /// The numbers, `[rows, width]`; none in a column that was read as integers.
    pub fn numbers(&self) -> &[f64] {
        match self {
            Self::Integers(_) => &[],
            Self::Numbers { values, .. } => values,
        }
    }

    /// Holds a column to what was asked for, with its rows counted from `first_row`.
    fn checked(self, column: &str, kind: Kind, first_row: usize) -> Result<Self> {
        let of_type =
            |expected, found: String| Err(Error::ColumnType { column: column.to_owned(), expected, found });
        let values = match (kind, self) {
            (Kind::Integer, Self::Integers(values)) => return Ok(Self::Integers(values)),
            (Kind::Integer, Self::Numbers { width, .. }) if width != 1 => {
                return of_type("one integer a row", format!("{width} numbers a row"));
            }
            (Kind::Integer, Self::Numbers { .. }) => {
                return of_type("an integer type", "floating-point numbers".into());
            }
            (Kind::Number, Self::Numbers { width, .. }) if width != 1 => {
                return of_type("one number a row", format!("{width} numbers a row"));
            }
            (_, Self::Integers(values)) => {
                return Ok(Self::Numbers {
                    values: values.into_iter().map(|v| v as f64).collect(),
                    width: 1,
                });
            }
            (_, values @ Self::Numbers { .. }) => values,
        };
        if let Self::Numbers { values, width } = &values
            && let Some(at) = values.iter().position(|v| !v.is_finite())
        {
            let column = if *width == 1 { column.to_owned() } else { format!("{column}[{}]", at % width) };
            return Err(Error::Value {
                column,
                row: first_row + at / width,
                value: values[at].to_string(),
                expected: "a finite number",
            });
        }
        Ok(values)
    }
}

/// Reads some columns of one file from its beginning to its end.
trait ColumnReader: Send {
    /// Up to `rows` further rows of each column; no rows at the end and only there. Rows are counted from
    /// `first_row` in messages.
    fn next(&mut self, rows: usize, first_row: usize) -> Result<Vec<Values>>;
}

/// What a file says of itself before it is read.
#[derive(Clone, Debug)]
struct Contents {
    columns: Vec<(String, Shape)>,
    /// Number of rows, where the file says so.
    rows: Option<u64>,
}

/// One file with its columns.
#[derive(Clone, Debug)]
struct TableFile {
    path: PathBuf,
    /// What the file is called in messages.
    shown: PathBuf,
    format: TableFormat,
    columns: Vec<(String, Shape)>,
    /// Number of rows, where the file says so before it is read.
    rows: Option<u64>,
}

impl TableFile {
    fn open(path: &Path, shown: &Path, format: Option<TableFormat>) -> Result<Self> {
        let format = format.map_or_else(|| TableFormat::of_file(path), Ok)?;
        let Contents { columns, rows } = match format {
            TableFormat::Parquet => parquet_columns::inspect(path)?,
            TableFormat::Npy | TableFormat::Npz => npy_columns::inspect(path, shown, format)?,
            TableFormat::Csv => csv_columns::inspect(path)?,
        };
        Ok(Self { path: path.to_owned(), shown: shown.to_owned(), format, columns, rows })
    }

    fn reader(&self, names: &[&str], kinds: &[Kind], batch_rows: usize) -> Result<Box<dyn ColumnReader>> {
        Ok(match self.format {
            TableFormat::Parquet => Box::new(parquet_columns::Reader::open(&self.path, names, batch_rows)?),
            TableFormat::Npy | TableFormat::Npz => {
                Box::new(npy_columns::Reader::open(&self.path, &self.shown, self.format, names)?)
            }
            TableFormat::Csv => Box::new(csv_columns::Reader::open(&self.path, names, kinds)?),
        })
    }
}

/// Columns of numbers in Parquet, NPY, NPZ and CSV files, from one file or from several that hold the same rows.
///
/// A column of an NPY file has the name of the file without its extension. Files are read some rows at a time:
/// memory does not grow with the number of rows.
///
/// ```
/// use ss_data::{Kind, TableInput, Values};
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("features.csv");
/// std::fs::write(&path, "id,loss\n7,0.25\n8,1.5\n")?;
/// let input = TableInput::open(&[path], None)?.renamed("loss", "difficulty")?;
/// let mut rows = Vec::new();
/// input.read(&[("id", Kind::Integer), ("difficulty", Kind::Number)], |columns, _first_row| {
///     rows.extend(columns[0].integers().iter().copied().zip(columns[1].numbers().iter().copied()));
///     Ok::<_, ss_data::Error>(())
/// })?;
/// assert_eq!(rows, [(7, 0.25), (8, 1.5)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TableInput {
    files: Vec<TableFile>,
    /// New name to the name in the file.
    renames: BTreeMap<String, String>,
    /// Where a stream was spooled to, until the last reader is done.
    _spool: Option<Arc<Temporary>>,
}

impl TableInput {
    /// Opens files that hold the same rows in the same order. The format is told by each name, else by the first
    /// bytes, unless it is given.
    ///
    /// # Errors
    /// No file; a file that cannot be opened, is damaged, or whose format nothing tells; numbers of rows that
    /// differ, where the files say them at their start.
    pub fn open(paths: &[PathBuf], format: Option<TableFormat>) -> Result<Self> {
        let files = paths
            .iter()
            .map(|path| TableFile::open(path, path, format).map_err(|error| located(error, path)))
            .collect::<Result<Vec<_>>>()?;
        Self { files, renames: BTreeMap::new(), _spool: None }.checked()
    }

    /// Takes in a whole stream, called `shown` in messages, and files beside it. The stream is kept in a temporary
    /// file: formats whose directory is at the end cannot be read in passing.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`Error::Io`] for the stream and the temporary file.
    pub fn open_stream(
        stream: &mut dyn Read,
        shown: &str,
        format: TableFormat,
        beside: &[PathBuf],
    ) -> Result<Self> {
        let shown = Path::new(shown);
        let io = |error: io::Error| Error::io("read", shown, error);
        let (mut file, spool) = NamedTempFile::new().map_err(io)?.into_parts();
        let spool = Temporary::new(spool);
        io::copy(stream, &mut file).and_then(|_| file.flush()).map_err(io)?;
        drop(file);
        let file = TableFile::open(spool.path(), shown, Some(format))
            .map_err(|error| renamed_file(error, spool.path(), shown))?;
        let mut input = match beside {
            [] => Self { files: Vec::new(), renames: BTreeMap::new(), _spool: None },
            paths => Self::open(paths, None)?,
        };
        input.files.insert(0, file);
        input._spool = Some(Arc::new(spool));
        input.checked()
    }

    fn checked(self) -> Result<Self> {
        let Some(first) = self.files.first() else {
            return Err(Error::Empty { what: "the list of input files".into() });
        };
        let counted = |file: &TableFile| file.rows.map(|rows| (rows, file.shown.clone()));
        if let Some((expected, of)) = self.files.iter().find_map(counted)
            && let Some((found, other)) =
                self.files.iter().filter_map(counted).find(|(rows, _)| *rows != expected)
        {
            return Err(rows_differ(&of, expected as usize, &other, found as usize));
        }
        if self.files.iter().any(|file| file.rows == Some(0)) {
            let path = first.shown.clone();
            return Err(Error::Empty { what: "the table".into() }.in_file(&path));
        }
        Ok(self)
    }

    /// The table with its column `from` called `to`.
    ///
    /// # Errors
    /// No such column, or one of the new name.
    pub fn renamed(mut self, from: &str, to: &str) -> Result<Self> {
        self.place(from)?;
        if self.shape(to).is_some() {
            return Err(Error::Duplicate {
                what: "column",
                value: format!("`{to}`"),
                first: self.position(to),
                second: self.position(from),
            });
        }
        // A column that was renamed before keeps its name in the file.
        let origin = self.renames.remove(from).unwrap_or_else(|| from.to_owned());
        self.renames.insert(to.to_owned(), origin);
        Ok(self)
    }

    /// The names of all columns, in the order of the files.
    pub fn column_names(&self) -> Vec<String> {
        let new = |name: &String| {
            self.renames.iter().find(|(_, from)| *from == name).map_or(name.clone(), |(to, _)| to.clone())
        };
        self.files.iter().flat_map(|file| &file.columns).map(|(name, _)| new(name)).collect()
    }

    /// What a row holds in the column of this name; `None` where there is none.
    pub fn shape(&self, name: &str) -> Option<Shape> {
        self.place(name).ok().map(|(file, column)| self.files[file].columns[column].1)
    }

    /// Hands over the columns of these names in this order, some rows at a time, with the row that the first one
    /// is.
    ///
    /// # Errors
    /// Columns that are missing or of another type, values that are null, not finite or not numbers (file, column
    /// and row are named), files that are damaged or end before others; no rows; those of `take`.
    pub fn read<E: From<Error>>(
        &self,
        columns: &[(&str, Kind)],
        mut take: impl FnMut(&[Values], usize) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut reading = Reading::new(self, columns)?;
        while let Some((batch, first_row)) = reading.next()? {
            take(&batch, first_row)?;
        }
        Ok(())
    }

    /// A whole column of numbers.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let mut all = Vec::new();
        self.read(&[(name, Kind::Number)], |columns, _| {
            all.extend_from_slice(columns[0].numbers());
            Result::Ok(())
        })?;
        Ok(all)
    }

    /// A whole column of identifiers.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); a negative identifier or one beyond 2^64 - 1.
    pub fn identifiers(&self, name: &str) -> Result<Vec<u64>> {
        let mut all = Vec::new();
        self.read(&[(name, Kind::Integer)], |columns, first_row| {
            for (i, &id) in columns[0].integers().iter().enumerate() {
                all.push(self.to_id(id, name, first_row + i)?);
            }
            Result::Ok(())
        })?;
        Ok(all)
    }

    /// An integer that was read from a column of identifiers as one.
    ///
    /// # Errors
    /// [`Error::Value`] with file, column and row for a negative number or one beyond 2^64 - 1.
    pub fn to_id(&self, id: i128, column: &str, row: usize) -> Result<u64> {
        to_id(id, column, row).map_err(|error| error.in_file(Path::new(&self.place_name())))
    }

    /// The numbers of a column that was read, as `f32`; `first_row` is the row that the first ones are of.
    ///
    /// # Errors
    /// [`Error::Value`] with file, column and row for a number beyond the range of `f32`.
    pub fn to_f32(&self, values: &Values, column: &str, first_row: usize) -> Result<Vec<f32>> {
        let width = values.numbers().len() / values.rows().max(1);
        let narrow = |(i, &value)| to_f32(value, column, first_row + i / width);
        let all = values.numbers().iter().enumerate().map(narrow).collect::<Result<_>>();
        all.map_err(|error| error.in_file(Path::new(&self.place_name())))
    }

    /// The files, for messages.
    pub fn place_name(&self) -> String {
        self.files.iter().map(|file| file.shown.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// File and column of a name; an error where there is none, or where two files have it.
    fn place(&self, name: &str) -> Result<(usize, usize)> {
        let in_file = match self.renames.get(name) {
            Some(from) => Some(from.as_str()),
            // A column that has got another name no longer has its own.
            None if self.renames.values().any(|from| from == name) => None,
            None => Some(name),
        };
        let of_file = |(number, file): (usize, &TableFile)| {
            let column = file.columns.iter().position(|(column, _)| Some(column.as_str()) == in_file)?;
            Some((number, column))
        };
        let mut found = self.files.iter().enumerate().filter_map(of_file);
        let Some(first) = found.next() else {
            let available: Vec<String> = self.column_names().iter().map(|n| format!("`{n}`")).collect();
            let (column, available) = (name.to_owned(), available.join(", "));
            return Err(self.shown(Error::MissingColumn { column, available }, &self.files[0]));
        };
        match found.next() {
            None => Ok(first),
            Some(second) => Err(Error::Duplicate {
                what: "column",
                value: format!("`{name}`"),
                first: first.0,
                second: second.0,
            }),
        }
    }

    fn position(&self, name: &str) -> usize {
        self.column_names().iter().position(|column| column == name).unwrap_or(0)
    }

    /// Rows at a time, so that wide rows do not take more memory than narrow ones.
    fn batch_rows(&self, places: &[(usize, usize)]) -> usize {
        let width = |&(file, column): &(usize, usize)| match self.files[file].columns[column].1 {
            Shape::Scalar => 1,
            Shape::Vector(width) => width.unwrap_or(1 << 10),
        };
        let widest = places.iter().map(width).sum::<usize>().max(1);
        ((1 << 20) / widest).clamp(1, TABLE_ROWS)
    }

    /// The error with the name of its file, and not that of a temporary one.
    fn shown(&self, error: Error, file: &TableFile) -> Error {
        renamed_file(located(error, &file.path), &file.path, &file.shown)
    }
}

/// How many rows a reader has left, whatever they hold.
fn rest(reader: &mut dyn ColumnReader, batch_rows: usize) -> Result<usize> {
    let mut rows = 0;
    loop {
        match reader.next(batch_rows, rows)?.first().map_or(0, Values::rows) {
            0 => return Ok(rows),
            more => rows += more,
        }
    }
}

fn rows_differ(a: &Path, rows: usize, b: &Path, other: usize) -> Error {
    Error::LengthMismatch {
        what: format!("rows of {} beside {}", b.display(), a.display()),
        expected: rows,
        found: other,
    }
}

fn renamed_file(error: Error, from: &Path, to: &Path) -> Error {
    let new = |path: PathBuf| if path == from { to.to_owned() } else { path };
    match error {
        Error::InFile { path, error } => Error::InFile { path: new(path), error },
        Error::Io { action, path, error } => Error::Io { action, path: new(path), error },
        Error::Corrupt { path, expected, found, remedy } => {
            Error::Corrupt { path: new(path), expected, found, remedy }
        }
        other => other,
    }
}
