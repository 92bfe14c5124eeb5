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
        // W = L^-1 by forward substitution on whole rows: row i is (e_i - sum_{j<i} L_ij W_j) / L_ii.
        let mut w = vec![0.0; n * n];
        for i in 0..n {
            let (done, rest) = w.split_at_mut(i * n);
            let (row, l) = (&mut rest[..=i], self.row(i));
            let groups = i - i % BLOCK;
            for j in (0..groups).step_by(BLOCK) {
                let factors = [l[j], l[j + 1], l[j + 2], l[j + 3]];
                add_rows(&mut row[..j + BLOCK], factors, &done[j * n..], n);
            }
            for j in groups..i {
                row.iter_mut().zip(&done[j * n..=j * n + j]).for_each(|(r, w)| *r += l[j] * w);
            }
            let scale = -1.0 / l[i];
            row.iter_mut().for_each(|r| *r *= scale);
            row[i] = -scale;
        }
        // A^-1 = W^T W, a row of it at a time: sum_{k>=i} W_ki W_k.
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            let row = &mut inverse[i * n..=i * n + i];
            let groups = n - (n - i) % BLOCK;
            for k in (i..groups).step_by(BLOCK) {
                let factors = [0, 1, 2, 3].map(|q| w[(k + q) * n + i]);
                add_rows(row, factors, &w[k * n..], n);
            }
            for k in groups..n {
                let factor = w[k * n + i];
                row.iter_mut().zip(&w[k * n..=k * n + i]).for_each(|(r, w)| *r += factor * w);
            }
        }
        inverse
    }

    /// The factor of `A` with one more row and column: `cross` is the new row (length `len()`), `diagonal`
    /// the new diagonal entry. Costs `n^2 / 2` instead of `n^3 / 6` multiplications.
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

/// Columns that are factored, and rows that are added, at a time: each row that they change is then loaded and
/// stored once for four multiplications of an entry.
const BLOCK: usize = 4;

/// Factors in place, four columns at a time; on failure gives the pivot's row and value.
fn factor(a: &mut [f64], n: usize) -> std::result::Result<(), (usize, f64)> {
    let diagonal: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    // The four columns of L as contiguous vectors.
    let mut columns = vec![0.0; BLOCK * n];
    for k in (0..n).step_by(BLOCK) {
        let end = n.min(k + BLOCK);
        for i in k..n {
            let row = &mut a[i * n + k..i * n + end];
            for q in 0..(end - k).min(i + 1 - k) {
                let value = (0..q).fold(row[q], |value, p| value - row[p] * columns[p * n + k + q]);
                row[q] = if i > k + q {
                    value / columns[q * n + k + q]
                } else if value > n as f64 * f64::EPSILON * diagonal[i] {
                    value.sqrt()
                } else {
                    // A pivot below the rounding error of its own computation is as bad as a negative one; NaN,
                    // too, ends here.
                    return Err((i, value));
                };
                columns[q * n + i] = row[q];
            }
        }
        for i in end..n {
            let (done, rest) = a[i * n + k..=i * n + i].split_at_mut(BLOCK);
            let factors = [-done[0], -done[1], -done[2], -done[3]];
            add_rows(rest, factors, &columns[end..], n);
        }
    }
    Ok(())
}

/// `target += sum_q factors[q] * rows[q]`, where `rows` are `stride` apart and at least as long as `target`. Entries are
/// independent of each other, so this vectorises, and the order of summation is fixed.
#[inline]
fn add_rows(target: &mut [f64], factors: [f64; BLOCK], rows: &[f64], stride: usize) {
    let len = target.len();
    let [a, b, c, d] = [0, 1, 2, 3].map(|q| &rows[q * stride..q * stride + len]);
    for i in 0..len {
        target[i] += factors[0] * a[i] + factors[1] * b[i] + (factors[2] * c[i] + factors[3] * d[i]);
    }
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
