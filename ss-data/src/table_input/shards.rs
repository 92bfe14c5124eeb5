//! Datasets in shards: rows one after another, read block by block by several threads.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::Hasher;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use twox_hash::XxHash3_64;

use super::reading::Reading;
use super::{Kind, Shape, TableInput, Values};
use crate::columns::{floats, integers};
use crate::error::{Error, Result};
use crate::in_order::in_order;
use crate::parquet_file::{ParquetFile, TABLE_ROWS, located};
use crate::table::{to_f32, to_id};
use crate::table_format::TableFormat;

/// The most rows of a block: a few megabytes.
pub const BLOCK_ROWS: usize = 1 << 18;

/// Bytes of a file that are read at a time for its digest.
const DIGEST_PIECE: usize = 1 << 20;

/// Some rows of a dataset, neighbours in one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct RowBlock {
    /// Which shard, from 0.
    pub shard: usize,
    /// The first of the rows, counted in the shard.
    pub row_in_shard: usize,
    /// The first of the rows, counted over all shards.
    pub first_row: u64,
    /// The columns asked for, each `[rows]`, finite.
    pub columns: Vec<Vec<f32>>,
    /// Identifiers, `[rows]`; none where no column of them was asked for.
    pub ids: Vec<u64>,
}

impl RowBlock {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(self.ids.len(), Vec::len)
    }
}

/// Tables whose rows belong together, one table after another, in memory for a few blocks of [`BLOCK_ROWS`] rows.
///
/// The blocks of a Parquet file are read by several threads at once; a table of another format, or of several files side by
/// side, is read by one thread and handed to several.
#[derive(Clone, Debug)]
pub struct Shards {
    inputs: Vec<TableInput>,
}

impl Shards {
    /// These tables in this order.
    ///
    /// # Errors
    /// [`Error::Empty`] without any; [`Error::GivenTwice`] for a file in two shards.
    pub fn new(inputs: Vec<TableInput>) -> Result<Self> {
        if inputs.is_empty() {
            return Err(Error::Empty { what: "the list of shards".into() });
        }
        let mut seen = BTreeMap::new();
        for (shard, input) in inputs.iter().enumerate() {
            for file in &input.files {
                // A file that is not there is told of when it is read.
                let place = file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
                if seen.insert(place, shard).is_some_and(|before| before != shard) {
                    return Err(Error::GivenTwice { path: file.shown.clone() });
                }
            }
        }
        Ok(Self { inputs })
    }

    /// The files that are meant by a list of files and folders: of a folder those whose names end in one of the formats
    /// ([`TableFormat`]), in the order of their names, hidden ones left out.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::DatasetNotFound`] for a folder without such files.
    pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in paths {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let io = |error| Error::io("read", path, error);
            let mut found = Vec::new();
            for entry in std::fs::read_dir(path).map_err(io)? {
                let file = entry.map_err(io)?.path();
                let hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
                if !hidden && file.is_file() && TableFormat::of_name(&file).is_some() {
                    found.push(file);
                }
            }
            if found.is_empty() {
                return Err(Error::DatasetNotFound {
                    dataset: "a dataset in shards".into(),
                    looked_for: TableFormat::ALL.map(|format| format!("*.{format}")).join(", "),
                    searched: path.display().to_string(),
                    remedy: "name the folder that holds the files, or the files".into(),
                });
            }
            found.sort();
            files.extend(found);
        }
        Ok(files)
    }

    /// Number of rows, where the files say so before they are read.
    pub fn rows(&self) -> Option<u64> {
        self.inputs.iter().map(|input| input.files.iter().find_map(|file| file.rows)).sum()
    }

    /// Number of shards, at least one.
    #[allow(clippy::len_without_is_empty, reason = "there is always a shard")]
    pub const fn len(&self) -> usize {
        self.inputs.len()
    }

    /// The files of a shard, for messages.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn place_name(&self, shard: usize) -> String {
        self.inputs[shard].place_name()
    }

    /// The files of all shards, for messages.
    pub fn place_names(&self) -> String {
        match self.inputs.as_slice() {
            [only] => only.place_name(),
            [first, .., last] => {
                format!("{} to {} ({} shards)", first.place_name(), last.place_name(), self.len())
            }
            [] => String::new(),
        }
    }

    /// The name of a shard's files without their folders, and a digest of all their bytes: tells whether a file has
    /// changed, and is no protection against intent. Reads the files.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn fingerprint(&self, shard: usize) -> Result<(String, u64)> {
        let (mut names, mut digest) = (Vec::new(), XxHash3_64::with_seed(0));
        for file in &self.inputs[shard].files {
            let name = file.shown.file_name().unwrap_or(file.shown.as_os_str());
            names.push(name.to_string_lossy().into_owned());
            digest_of_file(&file.path, &mut digest).map_err(|error| Error::io("read", &file.path, error))?;
        }
        Ok((names.join(", "), digest.finish()))
    }

    /// Hands every block of these columns, and of the identifiers where `id` names their column, to `work` on one of
    /// `threads` threads, and what that gives to `done` in the order of the rows.
    ///
    /// # Errors
    /// The first one in the order of the rows: columns that are missing or of another type, values that are null, not
    /// finite, beyond the range of f32 or not numbers (file, column and row are named), files that are damaged; no rows in a
    /// shard; those of `work` and `done`.
    pub fn for_each_block<T: Send, E: From<Error> + Send>(
        &self,
        columns: &[&str],
        id: Option<&str>,
        threads: usize,
        work: impl Fn(RowBlock) -> std::result::Result<T, E> + Sync,
        done: impl FnMut(T) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let request = Request { columns, id };
        let mut source = Source { inputs: &self.inputs, request, shard: 0, first_row: 0, within: None };
        in_order(threads, || source.next().map_err(E::from), |piece: Piece| work(piece.load(request)?), done)
    }
}

/// Which columns are read.
#[derive(Clone, Copy)]
struct Request<'a> {
    columns: &'a [&'a str],
    id: Option<&'a str>,
}

impl Request<'_> {
    fn all(&self) -> Vec<(&str, Kind)> {
        let columns = self.columns.iter().map(|&name| (name, Kind::Number));
        columns.chain(self.id.map(|name| (name, Kind::Integer))).collect()
    }
}

/// Walks over the blocks of all shards.
struct Source<'a> {
    inputs: &'a [TableInput],
    request: Request<'a>,
    shard: usize,
    first_row: u64,
    within: Option<Within<'a>>,
}

/// A place in a shard.
enum Within<'a> {
    Parquet {
        file: &'a Path,
        metadata: ArrowReaderMetadata,
        names: Vec<String>,
        group: usize,
        row: usize,
        row_in_shard: usize,
    },
    Stream(Reading<'a>),
}

/// A block, or where to find it.
enum Piece<'a> {
    Parquet {
        input: &'a TableInput,
        file: &'a Path,
        metadata: ArrowReaderMetadata,
        names: Vec<String>,
        group: usize,
        rows: Range<usize>,
        block: RowBlock,
    },
    Read {
        input: &'a TableInput,
        values: Vec<Vec<Values>>,
        block: RowBlock,
    },
}

impl<'a> Source<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        loop {
            let inputs = self.inputs;
            let Some(input) = inputs.get(self.shard) else { return Ok(None) };
            if self.within.is_none() {
                self.within = Some(enter(input, self.request)?);
            }
            let (shard, first_row) = (self.shard, self.first_row);
            let block = |row_in_shard| RowBlock {
                shard,
                row_in_shard,
                first_row,
                columns: Vec::new(),
                ids: Vec::new(),
            };
            match self.within.as_mut() {
                Some(Within::Parquet { file, metadata, names, group, row, row_in_shard }) => {
                    while let Some(found) = metadata.metadata().row_groups().get(*group) {
                        let rows = usize::try_from(found.num_rows()).unwrap_or(0);
                        if *row >= rows {
                            (*group, *row) = (*group + 1, 0);
                            continue;
                        }
                        let range = *row..rows.min(*row + BLOCK_ROWS);
                        let block = block(*row_in_shard);
                        *row = range.end;
                        *row_in_shard += range.len();
                        self.first_row += range.len() as u64;
                        return Ok(Some(Piece::Parquet {
                            input,
                            file,
                            metadata: metadata.clone(),
                            names: names.clone(),
                            group: *group,
                            rows: range,
                            block,
                        }));
                    }
                }
                Some(Within::Stream(reading)) => {
                    let (mut values, mut rows, mut start) = (Vec::new(), 0, 0);
                    while rows < BLOCK_ROWS
                        && let Some((batch, row)) = reading.next()?
                    {
                        if rows == 0 {
                            start = row;
                        }
                        rows += batch.first().map_or(0, Values::rows);
                        values.push(batch);
                    }
                    if rows > 0 {
                        self.first_row += rows as u64;
                        return Ok(Some(Piece::Read { input, values, block: block(start) }));
                    }
                }
                None => {}
            }
            (self.within, self.shard) = (None, self.shard + 1);
        }
    }
}

/// The beginning of a shard.
fn enter<'a>(input: &'a TableInput, request: Request) -> Result<Within<'a>> {
    let wanted = request.all();
    if let [file] = input.files.as_slice()
        && file.format == TableFormat::Parquet
    {
        let places = wanted.iter().map(|(name, _)| input.place(name)).collect::<Result<Vec<_>>>()?;
        if places.iter().all(|&(_, column)| file.columns[column].1 == Shape::Scalar) {
            let names = places.iter().map(|&(_, column)| file.columns[column].0.clone()).collect();
            let opened = ParquetFile::open(&file.path).map_err(|error| input.shown(error, file))?;
            let metadata = opened.metadata().clone();
            return Ok(Within::Parquet {
                file: &file.path,
                metadata,
                names,
                group: 0,
                row: 0,
                row_in_shard: 0,
            });
        }
    }
    Ok(Within::Stream(Reading::new(input, &wanted)?))
}

impl Piece<'_> {
    fn load(self, request: Request) -> Result<RowBlock> {
        match self {
            Piece::Parquet { input, file, metadata, names, group, rows, mut block } => {
                let read = |block: &mut RowBlock| {
                    let opened = ParquetFile::open_again(file, metadata)?;
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let expected = rows.len();
                    let mut batches = opened.batches_within(&names, BLOCK_ROWS, group, rows)?;
                    block.columns = vec![Vec::new(); request.columns.len()];
                    let mut found = 0;
                    while let Some(arrays) = batches.next()? {
                        let first_row = block.row_in_shard + found;
                        for ((name, column), array) in
                            request.columns.iter().zip(&mut block.columns).zip(&arrays)
                        {
                            extend_numbers(column, array, name, first_row)?;
                        }
                        if let Some(name) = request.id
                            && let Some(array) = arrays.last()
                        {
                            extend_ids(&mut block.ids, array, name, first_row)?;
                        }
                        found += arrays.first().map_or(0, |array| array.len());
                    }
                    if found == expected {
                        return Ok(());
                    }
                    let found = format!("{found} rows where its footer promises {expected}");
                    Err(Error::damaged(file, "a complete Parquet file", found))
                };
                read(&mut block).map_err(|error| input.shown(located(error, file), &input.files[0]))?;
                Ok(block)
            }
            Piece::Read { input, values, mut block } => {
                block.columns = vec![Vec::new(); request.columns.len()];
                let mut first_row = block.row_in_shard;
                for batch in &values {
                    for ((name, column), values) in request.columns.iter().zip(&mut block.columns).zip(batch)
                    {
                        column.extend(input.to_f32(values, name, first_row)?);
                    }
                    if let Some(name) = request.id
                        && let Some(values) = batch.last()
                    {
                        for (i, &id) in values.integers().iter().enumerate() {
                            block.ids.push(input.to_id(id, name, first_row + i)?);
                        }
                    }
                    first_row += batch.first().map_or(0, Values::rows);
                }
                Ok(block)
            }
        }
    }
}

/// Appends a column of numbers as f32.
fn extend_numbers(column: &mut Vec<f32>, array: &ArrayRef, name: &str, first_row: usize) -> Result<()> {
    if array.data_type() == &DataType::Float32 && array.null_count() == 0 {
        let values = array.as_primitive::<Float32Type>().values();
        // Chunks without an early end are compared by vector instructions.
        if values
            .chunks(TABLE_ROWS.min(256))
            .all(|chunk| chunk.iter().fold(true, |good, v| good & v.is_finite()))
        {
            column.extend_from_slice(values);
            return Ok(());
        }
    }
    for (i, value) in floats(array, name, first_row)?.into_iter().enumerate() {
        column.push(to_f32(value, name, first_row + i)?);
    }
    Ok(())
}

/// Appends a column of identifiers.
fn extend_ids(ids: &mut Vec<u64>, array: &ArrayRef, name: &str, first_row: usize) -> Result<()> {
    if array.data_type() == &DataType::UInt64 && array.null_count() == 0 {
        ids.extend_from_slice(array.as_primitive::<UInt64Type>().values());
        return Ok(());
    }
    for (i, id) in integers(array, name, first_row)?.into_iter().enumerate() {
        ids.push(to_id(id, name, first_row + i)?);
    }
    Ok(())
}

/// XXH3 (64 bits) of the bytes.
fn digest_of_file(path: &Path, digest: &mut XxHash3_64) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; DIGEST_PIECE];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(()),
            read => digest.write(&bytes[..read]),
        }
    }
}
