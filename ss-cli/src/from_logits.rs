//! Features from the logits of a network that was trained elsewhere, some rows at a time.

use std::path::Path;

use ss_data::{Kind, NumericTableWriter, Shape, TableInput, Values};
use ss_features::{ExampleFeatures, FeatureKind, compute};

use crate::{Error, Result};

/// The columns that features are computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct LogitColumns {
    logits: Logits,
    labels: String,
    hidden_norm: Option<String>,
    id: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Logits {
    /// One column with a vector a row.
    Vector(String),
    /// One column a class, in the order of the classes.
    Scalars(Vec<String>),
}

impl LogitColumns {
    /// Finds the columns in a table.
    ///
    /// `logits` is a column of vectors, or what the names of the columns of the classes begin with: `logit` stands
    /// for `logit0`, `logit1`, ... or `logit_0`, `logit_1`, .... `labels` holds class numbers from 0, `hidden_norm`
    /// the norm of the input of the last linear layer, `id` identifiers (the row numbers where it is not given).
    ///
    /// # Errors
    /// [`Error::NoLogits`] where no column or not every class has its logits; [`Error::Data`] for other columns that
    /// are missing.
    pub fn find(
        input: &TableInput,
        logits: &str,
        labels: &str,
        hidden_norm: Option<&str>,
        id: Option<&str>,
    ) -> Result<Self> {
        let found = match input.shape(logits) {
            Some(Shape::Vector(_)) => Logits::Vector(logits.to_owned()),
            // A column of that name that holds no vectors: reading it says what is wrong with it.
            Some(Shape::Scalar) => class_columns(input, logits)
                .map_or_else(|_| Logits::Vector(logits.to_owned()), Logits::Scalars),
            None => Logits::Scalars(class_columns(input, logits)?),
        };
        let owned = |name: Option<&str>| name.map(str::to_owned);
        let (hidden_norm, id) = (owned(hidden_norm), owned(id));
        Ok(Self { logits: found, labels: labels.to_owned(), hidden_norm, id })
    }

    fn wanted(&self) -> Vec<(&str, Kind)> {
        let mut wanted: Vec<(&str, Kind)> = match &self.logits {
            Logits::Vector(name) => vec![(name, Kind::Vector)],
            Logits::Scalars(names) => names.iter().map(|name| (name.as_str(), Kind::Number)).collect(),
        };
        wanted.push((&self.labels, Kind::Integer));
        wanted.extend(self.hidden_norm.as_deref().map(|name| (name, Kind::Number)));
        wanted.extend(self.id.as_deref().map(|name| (name, Kind::Integer)));
        wanted
    }
}

/// The columns `PREFIX0`, `PREFIX1`, ... or `PREFIX_0`, `PREFIX_1`, ... by class.
fn class_columns(input: &TableInput, prefix: &str) -> Result<Vec<String>> {
    let names = input.column_names();
    let class = |name: &str| -> Option<usize> {
        let rest = name.strip_prefix(prefix)?;
        let digits = rest.strip_prefix('_').unwrap_or(rest);
        // Not `+1` or ` 1`, which parse too.
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let mut columns: Vec<(usize, String)> =
        names.iter().filter_map(|name| Some((class(name)?, name.clone()))).collect();
    columns.sort();
    let none =
        |missing: String| Error::NoLogits { place: input.place_name(), missing, found: names.join(", ") };
    if columns.len() < 2 {
        return Err(none(format!("`{prefix}` of vectors, or `{prefix}0`, `{prefix}1`, ...")));
    }
    match columns.iter().enumerate().find(|(expected, (class, _))| expected != class) {
        None => Ok(columns.into_iter().map(|(_, name)| name).collect()),
        Some((expected, _)) => Err(none(format!("`{prefix}{expected}` exactly once"))),
    }
}

/// Computes the features of every row and writes them to `out` with the identifiers, and returns how many there are.
/// Memory is that of some rows, and of the row group (2^20 rows) that is being written, however many rows there are.
/// The file appears whole or not at all.
///
/// # Errors
/// Those of reading ([`TableInput::read`]), of the features ([`compute`]) with the row of the whole input, and of
/// writing.
pub fn write_features(input: &TableInput, columns: &LogitColumns, out: &Path) -> Result<usize> {
    let names = FeatureKind::ALL.map(FeatureKind::name);
    let mut writer = NumericTableWriter::create(out, &names)?;
    let classes = match &columns.logits {
        Logits::Vector(_) => 1,
        Logits::Scalars(names) => names.len(),
    };
    input.read(&columns.wanted(), |values, first_row| -> Result<()> {
        let (logits, rest) = values.split_at(classes);
        let rows = rest[0].rows();
        let (logits, classes) = match &columns.logits {
            Logits::Vector(name) => {
                let flat = input.to_f32(&logits[0], name, first_row)?;
                let classes = flat.len() / rows;
                (flat, classes)
            }
            Logits::Scalars(names) => (interleaved(input, names, logits, first_row)?, classes),
        };
        let labels = labels(input, &columns.labels, &rest[0], first_row)?;
        let mut rest = rest[1..].iter();
        let hidden = match &columns.hidden_norm {
            None => None,
            Some(name) => rest.next().map(|values| squared(input, name, values, first_row)).transpose()?,
        };
        let ids = match (&columns.id, rest.next()) {
            (Some(name), Some(values)) => {
                let ids = values.integers().iter().enumerate();
                ids.map(|(i, &id)| input.to_id(id, name, first_row + i))
                    .collect::<ss_data::Result<Vec<_>>>()?
            }
            _ => (first_row..first_row + rows).map(|row| row as u64).collect(),
        };
        let features = compute(&logits, classes, &labels, hidden.as_deref()).map_err(|error| {
            Error::FeaturesOf { place: input.place_name(), reason: error.counted_from(first_row) }
        })?;
        let ExampleFeatures { loss, renormed_entropy, grad_norm, el2n, margin, confidence, .. } = &features;
        writer.push(&ids, &[loss, renormed_entropy, grad_norm, el2n, margin, confidence])?;
        Ok(())
    })?;
    Ok(writer.finish()?)
}

/// The columns of the classes as rows of logits.
fn interleaved(
    input: &TableInput,
    names: &[String],
    columns: &[Values],
    first_row: usize,
) -> Result<Vec<f32>> {
    let classes = names.len();
    let mut logits = vec![0.0; columns[0].rows() * classes];
    for (class, (name, values)) in names.iter().zip(columns).enumerate() {
        for (row, value) in input.to_f32(values, name, first_row)?.into_iter().enumerate() {
            logits[row * classes + class] = value;
        }
    }
    Ok(logits)
}

fn labels(input: &TableInput, column: &str, values: &Values, first_row: usize) -> Result<Vec<u32>> {
    let label = |(i, &label): (usize, &i128)| {
        u32::try_from(label)
            .map_err(|_| bad_value(input, column, first_row + i, label.to_string(), "a class number from 0"))
    };
    values.integers().iter().enumerate().map(label).collect()
}

/// Squared norms of the penultimate activations, as the gradient norm takes them.
fn squared(input: &TableInput, column: &str, values: &Values, first_row: usize) -> Result<Vec<f32>> {
    let square = |(i, &norm): (usize, &f64)| {
        let square = (norm * norm) as f32;
        if norm >= 0.0 && square.is_finite() {
            return Ok(square);
        }
        let expected = "a norm: not negative, with a square within the range of float32";
        Err(bad_value(input, column, first_row + i, norm.to_string(), expected))
    };
    values.numbers().iter().enumerate().map(square).collect()
}

fn bad_value(input: &TableInput, column: &str, row: usize, value: String, expected: &'static str) -> Error {
    let error = ss_data::Error::Value { column: column.to_owned(), row, value, expected };
    ss_data::Error::InFile { path: input.place_name().into(), error: Box::new(error) }.into()
}
