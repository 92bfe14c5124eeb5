//! Named feature columns of a set of examples.

use crate::logits::check_finite;
use crate::{Error, ExampleFeatures, FeatureKind, Result};

/// Example ids and any number of named f32 columns of the same length, all finite.
///
/// Beside the columns of [`FeatureKind`] a table may hold any others, such as running means or the user's
/// own scores. Ids are the user's; they are carried along and need not be unique.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureTable {
    ids: Vec<u64>,
    columns: Vec<(String, Vec<f32>)>,
}

impl FeatureTable {
    /// A table of these examples, without columns yet.
    ///
    /// # Errors
    /// No ids.
    pub fn new(ids: Vec<u64>) -> Result<Self> {
        if ids.is_empty() {
            return Err(Error::Empty { what: "feature table".into() });
        }
        Ok(Self { ids, columns: Vec::new() })
    }

    /// A table with one column for each [`FeatureKind`].
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`insert`](Self::insert).
    pub fn from_features(ids: Vec<u64>, features: ExampleFeatures) -> Result<Self> {
        let mut table = Self::new(ids)?;
        let ExampleFeatures { loss, renormed_entropy, grad_norm, el2n, margin, confidence } = features;
        for (kind, values) in
            FeatureKind::ALL.into_iter().zip([loss, renormed_entropy, grad_norm, el2n, margin, confidence])
        {
            table.insert(kind.name(), values)?;
        }
        Ok(table)
    }

    /// Adds a column at the end.
    ///
    /// # Errors
    /// A name that is empty or taken, another length than the ids, NaN or infinite values (the first row
    /// is named). The table is unchanged then.
    pub fn insert(&mut self, name: impl Into<String>, values: Vec<f32>) -> Result<()> {
        let name = name.into();
        if name.is_empty() {
            return Err(Error::ColumnName { name, problem: "empty" });
        }
        if self.columns.iter().any(|(taken, _)| *taken == name) {
            return Err(Error::ColumnName { name, problem: "already taken" });
        }
        if values.len() != self.ids.len() {
            let what = format!("column `{name}`");
            return Err(Error::Length { what, found: values.len(), expected: self.ids.len() });
        }
        check_finite(&values, 1, &format!("column `{name}`"))?;
        self.columns.push((name, values));
        Ok(())
    }

    /// Number of examples, at least one.
    #[allow(clippy::len_without_is_empty, reason = "a table is never empty")]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The example ids, `[n]`.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The column of this name, `[n]`.
    ///
    /// # Errors
    /// No such column; the message lists those there are.
    pub fn column(&self, name: &str) -> Result<&[f32]> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, values)| values.as_slice()).ok_or_else(|| {
            Error::NoColumn { name: name.to_owned(), available: self.names().collect::<Vec<_>>().join(", ") }
        })
    }

    /// Several columns in the given order, as a sampler wants them.
    ///
    /// # Errors
    /// As [`column`](Self::column).
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<&[f32]>> {
        names.iter().map(|name| self.column(name.as_ref())).collect()
    }

    /// Column names in the order of insertion.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }
}
