//! Cholesky factors of covariance matrices: failure names the pivot, the jitter that was needed is
//! reported, and rows can be appended.
//!
//! Matrices are small (tens to a few thousand rows) and row-major, so that all inner loops are dot products
//! and sums over contiguous rows.

use crate::error::{Error, Result};

/// The lower triangular factor `L` of a symmetric positive definite matrix `A = L L^T`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cholesky {
    /// Rows of `L`, row `i` at `i * stride`; entries right of the diagonal are unused.
    rows: Vec<f64>,
    n: usize,
    jitter: f64,
}

impl Cholesky {
    /// Factors the symmetric matrix `a` (`n x n`, row-major, only the lower triangle is read).
    ///
    /// When a pivot is not positive, a jitter relative to the mean of the diagonal is added to it: 1e-10,
    /// then ten times more, up to `1e-4`. [`jitter`](Self::jitter) tells what was added.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] with the first bad pivot when the largest jitter does not help.
    pub fn new(a: &[f64], n: usize) -> Result<Self> {
        debug_assert_eq!(a.len(), n * n);
        let scale = (0..n).map(|i| a[i * n + i]).sum::<f64>() / n.max(1) as f64;
        let mut rows = a.to_vec();
        let mut jitter = 0.0;
        let mut relative = 1e-10;
        loop {
            match factor(&mut rows, n) {
                Ok(()) => return Ok(Self { rows, n, jitter }),
                Err((pivot, value)) if relative > 1e-4 || !scale.is_finite() => {
                    return Err(Error::NotPositiveDefinite { pivot, value, size: n, jitter });
                }
                Err(_) => {
                    jitter = relative * scale;
                    relative *= 10.0;
                    rows.copy_from_slice(a);
                    for i in 0..n {
                        rows[i * n + i] += jitter;
                    }
                }
            }
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// What was added to the diagonal to make the factorisation succeed; 0 when nothing was.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Row `i` of `L`, its `i + 1` entries.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.n..i * self.n + i + 1]
    }

    /// `ln det A`.
    pub fn log_det(&self) -> f64 {
        2.0 * (0..self.n).map(|i| self.rows[i * self.n + i].ln()).sum::<f64>()
    }

    /// Solves `L v = b` in place.
    pub fn solve_lower(&self, b: &mut [f64]) {
        for i in 0..self.n {
            let row = self.row(i);
            b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
        }
    }

    /// Solves `L^T v = b` in place.
    pub fn solve_upper(&self, b: &mut [f64]) {
        for i in (0..self.n).rev() {
            let row = self.row(i);
            b[i] /= row[i];
            let bi = b[i];
            for (bj, l) in b[..i].iter_mut().zip(row) {
                *bj -= l * bi;
            }
        }
    }

    /// Solves `A v = b` in place.
    pub fn solve(&self, b: &mut [f64]) {
        self.solve_lower(b);
        self.solve_upper(b);
    }

    /// The lower triangle of `A^-1` (`n x n`, row-major; the rest is zero).
    pub fn inverse_lower(&self) -> Vec<f64> {
        let n = self.n;
        // Columns of L^-1 as rows: `w[j]` holds column j, nonzero from j on.
        let mut w = vec![0.0; n * n];
        for j in 0..n {
            let column = &mut w[j * n..(j + 1) * n];
            column[j] = 1.0 / self.rows[j * n + j];
            for i in j + 1..n {
                let row = self.row(i);
                column[i] = -dot(&row[j..i], &column[j..i]) / row[i];
            }
        }
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                inverse[i * n + j] = dot(&w[i * n + i..(i + 1) * n], &w[j * n + i..(j + 1) * n]);
            }
        }
        inverse
    }

    /// The factor of `A` with one more row and column: `cross` is the new row (length `len()`),
    /// `diagonal` the new
    /// diagonal entry. Costs `n^2 / 2` instead of `n^3 / 6` multiplications.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] naming the new pivot; refactor with [`new`](Self::new) then.
    pub fn append(&self, cross: &[f64], diagonal: f64) -> Result<Self> {
        let n = self.n;
        let mut last = cross.to_vec();
        self.solve_lower(&mut last);
        let value = diagonal + self.jitter - dot(&last, &last);
        if !(value > (n + 1) as f64 * f64::EPSILON * diagonal) {
            return Err(Error::NotPositiveDefinite { pivot: n, value, size: n + 1, jitter: self.jitter });
        }
        let mut rows = Vec::with_capacity((n + 1) * (n + 1));
        for i in 0..n {
            rows.extend_from_slice(&self.rows[i * n..(i + 1) * n]);
            rows.push(0.0);
        }
        rows.extend_from_slice(&last);
        rows.push(value.sqrt());
        Ok(Self { rows, n: n + 1, jitter: self.jitter })
    }
}

/// Factors in place; on failure gives the pivot's row and value.
fn factor(a: &mut [f64], n: usize) -> std::result::Result<(), (usize, f64)> {
    for i in 0..n {
        let (done, rest) = a.split_at_mut(i * n);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &done[j * n..j * n + j + 1];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let diagonal = row[i];
        let value = diagonal - dot(&row[..i], &row[..i]);
        // A pivot below the rounding error of its own computation is as bad as a negative one. The negated
        // comparison also catches NaN.
        if !(value > n as f64 * f64::EPSILON * diagonal) {
            return Err((i, value));
        }
        row[i] = value.sqrt();
    }
    Ok(())
}

/// Dot product with eight independent partial sums, so that it vectorises. The order of summation is fixed.
#[inline]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for k in 0..8 {
            lanes[k] += x[k] * y[k];
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + tail
}
