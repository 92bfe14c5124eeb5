//! Sums of outer products, the weight gradient's inner loop:
//! `out[r, j] (+)= sum_pixel x[pixel, r] * dy[pixel, j]`, with a block of `out` held in registers while
//! the pixels of several images stream by.

use crate::simd::{Kernel, Simd};

/// Offsets of images, rows and columns of one operand, in values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) image: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Outer {
    pub(crate) x: *const f32,
    pub(crate) x_steps: Steps,
    /// Contiguous values of `x` at each pixel: rows of the result.
    pub(crate) rows: usize,
    pub(crate) dy: *const f32,
    pub(crate) dy_steps: Steps,
    /// Contiguous values of `dy` at each pixel: columns of the result.
    pub(crate) columns: usize,
    pub(crate) out: *mut f32,
    /// Values from one row of the result to the next.
    pub(crate) out_step: usize,
    /// Add to what `out` holds, rather than set it.
    pub(crate) accumulate: bool,
    /// Pixels: images, image rows, image columns.
    pub(crate) extent: [usize; 3],
}

impl Kernel for Outer {
    type Out = ();

    // SAFETY conditions: all pixels of both operands and the result lie inside their buffers.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let most = if S::WIDE { 8 } else { 4 };
        let blocks = self.rows.div_ceil(most);
        let mut row = 0;
        for block in 0..blocks {
            let height = (self.rows - row).div_ceil(blocks - block);
            // SAFETY: `row + height <= rows`; the rest is this function's own condition.
            unsafe {
                match height {
                    8 => self.strip::<S, 8>(row),
                    7 => self.strip::<S, 7>(row),
                    6 => self.strip::<S, 6>(row),
                    5 => self.strip::<S, 5>(row),
                    4 => self.strip::<S, 4>(row),
                    3 => self.strip::<S, 3>(row),
                    2 => self.strip::<S, 2>(row),
                    _ => self.strip::<S, 1>(row),
                }
            }
            row += height;
        }
    }
}

impl Outer {
    #[inline(always)]
    unsafe fn strip<S: Simd, const R: usize>(&self, row: usize) {
        let mut column = 0;
        while column < self.columns {
            let left = self.columns - column;
            // SAFETY: see `run`.
            unsafe {
                if left >= 2 * S::LANES {
                    self.tile::<S, R, 2, false>(row, column, left);
                    column += 2 * S::LANES;
                } else if left > S::LANES {
                    self.tile::<S, R, 2, true>(row, column, left);
                    column += 2 * S::LANES;
                } else if left == S::LANES {
                    self.tile::<S, R, 1, false>(row, column, left);
                    column += S::LANES;
                } else {
                    self.tile::<S, R, 1, true>(row, column, left);
                    column += S::LANES;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const NV: usize, const PART: bool>(
        &self,
        row: usize,
        column: usize,
        left: usize,
    ) {
        // Only the last vector of a partial tile is partial.
        let tail = left.saturating_sub((NV - 1) * S::LANES);
        // SAFETY: see `run`.
        unsafe {
            let mut acc = [[S::zero(); NV]; R];
            for image in 0..self.extent[0] {
                for i in 0..self.extent[1] {
                    let mut x = self.x.add(row + image * self.x_steps.image + i * self.x_steps.row);
                    let mut d = self.dy.add(column + image * self.dy_steps.image + i * self.dy_steps.row);
                    for _ in 0..self.extent[2] {
                        let mut b = [S::zero(); NV];
                        for v in 0..NV {
                            b[v] = if PART && v == NV - 1 {
                                S::load_n(d.add(v * S::LANES), tail)
                            } else {
                                S::load(d.add(v * S::LANES))
                            };
                        }
                        for r in 0..R {
                            let a = S::splat(*x.add(r));
                            for v in 0..NV {
                                acc[r][v] = S::fma(a, b[v], acc[r][v]);
                            }
                        }
                        // Wrapping: past the last pixel the pointers may leave the buffer unread.
                        x = x.wrapping_add(self.x_steps.column);
                        d = d.wrapping_add(self.dy_steps.column);
                    }
                }
            }
            for r in 0..R {
                let o = self.out.add((row + r) * self.out_step + column);
                for v in 0..NV {
                    let p = o.add(v * S::LANES);
                    if PART && v == NV - 1 {
                        let sum =
                            if self.accumulate { S::add(S::load_n(p, tail), acc[r][v]) } else { acc[r][v] };
                        S::store_n(p, sum, tail);
                    } else {
                        let sum = if self.accumulate { S::add(S::load(p), acc[r][v]) } else { acc[r][v] };
                        S::store(p, sum);
                    }
                }
            }
        }
    }
}
