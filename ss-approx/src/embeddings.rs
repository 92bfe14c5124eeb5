//! Vectors that are compared by angle.

use crate::{Error, Result};

/// Embeddings of a set of images, made to length one.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// `[n, dim]`.
    rows: Vec<f64>,
    dim: usize,
}

impl Embeddings {
    /// The rows of `values` `[n, dim]`, each divided by its length. A row of zeros stays what it is: its cosine with every other is 0.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for no row and for values that do not fill the last one; [`Error::NonFiniteEmbedding`] for a model that
    /// has diverged.
    pub fn new(values: &[f32], dim: usize) -> Result<Self> {
        if dim == 0 || values.is_empty() || !values.len().is_multiple_of(dim) {
            return Err(Error::Mismatch {
                what: "embeddings",
                expected: format!("at least one row of {dim} values, at least one value each"),
                found: format!("{} values", values.len()),
            });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NonFiniteEmbedding { row: at / dim, value: values[at] });
        }
        let mut rows: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        rows.chunks_exact_mut(dim).for_each(make_unit);
        Ok(Self { rows, dim })
    }

    /// The number of rows, at least 1.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dim
    }

    /// Always `false`.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The numbers of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Row `i`, of length one or zero.
    ///
    /// # Panics
    /// When `i` is not below [`len`](Self::len).
    pub fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.dim..][..self.dim]
    }

    /// The cosine of the angle between two rows, in `[-1, 1]` up to rounding.
    ///
    /// # Panics
    /// When a number is not below [`len`](Self::len).
    pub fn cosine(&self, i: usize, j: usize) -> f64 {
        dot(self.row(i), self.row(j))
    }
}

/// Divides by the length, if there is one.
pub(crate) fn make_unit(row: &mut [f64]) {
    let length = dot(row, row).sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|value| *value /= length);
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_length_one_and_bad_ones_are_located() {
        let seen = Embeddings::new(&[3.0, 4.0, 0.0, 0.0, -6.0, 8.0], 2).unwrap();
        assert_eq!((seen.len(), seen.row(0), seen.row(1)), (3, &[0.6, 0.8][..], &[0.0, 0.0][..]));
        assert!((seen.cosine(0, 2) - 0.28).abs() < 1e-15 && seen.cosine(0, 1) == 0.0);
        let message = |values: &[f32], dim| Embeddings::new(values, dim).unwrap_err().to_string();
        assert!(message(&[1.0, 2.0, f32::NAN, 0.0], 2).contains("image 1 contains NaN"));
        assert!(message(&[1.0, 2.0, 3.0], 2).contains("3 values") && message(&[], 2).contains("0 values"));
        assert!(Embeddings::new(&[f32::INFINITY], 1).unwrap_err().is_divergence());
    }
}
