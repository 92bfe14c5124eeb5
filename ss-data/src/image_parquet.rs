//! Labelled images in the Hugging Face Parquet layout: `struct<bytes: binary, path: string>` and an integer.

use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use rayon::prelude::*;

use crate::columns::integers;
use crate::error::{Error, Result};
use crate::image_decode::{decode, write_planes};
use crate::image_set::{ImageSet, ImageShape};
use crate::parquet_file::{ParquetFile, located};

/// Rows decoded at once: bounds the encoded bytes in memory, large enough to feed all threads.
const BATCH_ROWS: usize = 1024;

/// The outcome of decoding: nothing, or why not.
type Refused<E> = std::result::Result<(), E>;

/// Where to find what.
pub(crate) struct Columns<'a> {
    /// Names of the image column, in order of preference.
    pub(crate) images: &'a [&'a str],
    /// Name of the label column.
    pub(crate) label: &'a str,
}

/// The files `<part>-*.parquet` (or `<part>.parquet`) of a folder in order of name; none when there is no
/// such folder. Names like `train-00000-of-00002.parquet` say how many there are, and all must be there.
pub(crate) fn shards(folder: &Path, part: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| Error::io("list", folder, error))? {
        let name = entry.map_err(|error| Error::io("list", folder, error))?.file_name();
        let name = name.to_string_lossy().into_owned();
        let rest = name.strip_prefix(part).and_then(|rest| rest.strip_suffix(".parquet"));
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
            names.push(name);
        }
    }
    names.sort();
    let announced = names.first().and_then(|name| {
        name.strip_suffix(".parquet")?.rsplit_once("-of-").and_then(|(_, total)| total.parse::<usize>().ok())
    });
    if let Some(total) = announced
        && total != names.len()
    {
        return Err(Error::damaged(
            folder,
            format!("{total} files {part}-*-of-*.parquet"),
            format!("{}: {}", names.len(), names.join(", ")),
        ));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Reads all rows of these files in order.
pub(crate) fn read(
    shards: &[PathBuf],
    columns: &Columns<'_>,
    shape: ImageShape,
    classes: usize,
) -> Result<ImageSet> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for path in shards {
        read_file(path, columns, shape, classes, &mut pixels, &mut labels)?;
    }
    ImageSet::new(shape, classes, pixels, labels).map_err(|error| match shards {
        [only] => error.in_file(only),
        _ => error,
    })
}

fn read_file(
    path: &Path,
    columns: &Columns<'_>,
    shape: ImageShape,
    classes: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u32>,
) -> Result<()> {
    let file = ParquetFile::open(path)?;
    let image_column = columns
        .images
        .iter()
        .copied()
        .find(|&name| file.column_names().any(|column| column == name))
        .unwrap_or(columns.images[0]);
    file.read(&[image_column, columns.label], BATCH_ROWS, |arrays, first_row| {
        read_labels(&arrays[1], columns.label, classes, first_row, labels)?;
        let encoded = encoded_images(&arrays[0], image_column, first_row)?;
        decode_rows(&encoded, shape, pixels).map_err(|(row, reason)| Error::Image {
            path: path.to_path_buf(),
            row: first_row + row,
            reason,
        })
    })
    .map_err(|error| located(error, path))
}

fn read_labels(
    array: &ArrayRef,
    name: &str,
    classes: usize,
    first_row: usize,
    labels: &mut Vec<u32>,
) -> Result<()> {
    for (i, label) in integers(array, name, first_row)?.into_iter().enumerate() {
        match u32::try_from(label) {
            Ok(label) if (label as usize) < classes => labels.push(label),
            _ => {
                let label = i64::try_from(label).unwrap_or(i64::MAX);
                return Err(Error::LabelOutOfRange { row: first_row + i, label, classes });
            }
        }
    }
    Ok(())
}

/// One slice of encoded bytes a row.
fn encoded_images<'a>(array: &'a ArrayRef, name: &str, first_row: usize) -> Result<Vec<&'a [u8]>> {
    let of_type = |found: &DataType| Error::ColumnType {
        column: name.to_owned(),
        expected: "struct<bytes: binary, path: string>",
        found: found.to_string(),
    };
    let bytes = array
        .as_struct_opt()
        .and_then(|fields| fields.column_by_name("bytes"))
        .ok_or_else(|| of_type(array.data_type()))?;
    let null = (0..array.len()).find(|&i| array.is_null(i) || bytes.is_null(i));
    if let Some(i) = null {
        return Err(Error::Value {
            column: format!("{name}.bytes"),
            row: first_row + i,
            value: "null".into(),
            expected: "an encoded image",
        });
    }
    match bytes.data_type() {
        DataType::Binary => Ok(bytes.as_binary::<i32>().iter().flatten().collect()),
        DataType::LargeBinary => Ok(bytes.as_binary::<i64>().iter().flatten().collect()),
        DataType::BinaryView => Ok(bytes.as_binary_view().iter().flatten().collect()),
        other => Err(of_type(other)),
    }
}

/// Appends the decoded planes of all rows; on failure, the first bad row and the reason.
fn decode_rows(encoded: &[&[u8]], shape: ImageShape, pixels: &mut Vec<u8>) -> Refused<(usize, String)> {
    let start = pixels.len();
    pixels.resize(start + encoded.len() * shape.bytes(), 0);
    let outcomes: Vec<Refused<String>> = pixels[start..]
        .par_chunks_exact_mut(shape.bytes())
        .zip(encoded)
        .map(|(out, bytes)| write_planes(&decode(bytes)?, shape, out))
        .collect();
    outcomes.into_iter().enumerate().try_for_each(|(row, outcome)| outcome.map_err(|reason| (row, reason)))
}
