//! A checked view of logits.

use rayon::prelude::*;

use crate::{Error, Result};

/// Row-major logits `[n, k]` that are known to be finite, with `n >= 1` and `k >= 2`.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    values: &'a [f32],
    classes: usize,
}

impl<'a> Logits<'a> {
    /// Views `values` as rows of `classes` logits.
    ///
    /// # Errors
    /// Fewer than two classes, no rows, a length that is not a multiple of `classes`, or a value that is
    /// NaN or infinite (the first such row is named).
    pub fn new(values: &'a [f32], classes: usize) -> Result<Self> {
        if classes < 2 {
            return Err(Error::TooFewClasses { found: classes });
        }
        if values.is_empty() {
            return Err(Error::Empty { what: "logits".into() });
        }
        if !values.len().is_multiple_of(classes) {
            return Err(Error::Length {
                what: format!("logits with {classes} classes"),
                found: values.len(),
                expected: values.len().next_multiple_of(classes),
            });
        }
        check_finite(values, classes, "logit")?;
        Ok(Self { values, classes })
    }

    /// Number of rows `n`.
    pub const fn rows(&self) -> usize {
        self.values.len() / self.classes
    }

    /// Number of classes `k`.
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The logits of example `i`.
    ///
    /// # Panics
    /// If `i >= rows()`, as slice indexing does.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.classes..(i + 1) * self.classes]
    }
}

/// The first row of `width` values that holds a NaN or an infinity is an error.
pub(crate) fn check_finite(values: &[f32], width: usize, what: &str) -> Result<()> {
    match values.par_iter().with_min_len(1 << 14).position_first(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite { what: what.to_owned(), row: at / width, value: values[at] }),
    }
}
