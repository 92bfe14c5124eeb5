//! Transformed weights, packed for the products.

use super::transforms::{Line, taps};
use crate::conv::gather::{PanelView, panel_width};
use crate::memory::{Output, SharedMut};
use crate::parallel;
use crate::simd::{Isa, Kernel, Simd, dispatch};

/// Where the tap `t` of the matrix element `(k, j)` lies in the weight: `k * depth_step + j *
/// column_step + t`, or with taps in reverse.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) weight: &'a [f32],
    pub(super) depth: usize,
    pub(super) columns: usize,
    pub(super) depth_step: usize,
    pub(super) column_step: usize,
    pub(super) reversed: bool,
}

/// For each point the matrix `[depth, columns]` in panels.
pub(super) struct Weights {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
    point: usize,
    lanes: usize,
}

impl Weights {
    pub(super) fn new<const M: usize>(isa: Isa, source: Source<'_>) -> Self {
        let Source { depth, columns, .. } = source;
        let lanes = isa.lanes();
        let point = depth * columns.next_multiple_of(lanes);
        let len = (M + 2) * (M + 2) * point;
        let mut values = Output::new(len);
        let out = values.ptr();
        let per_task = depth.div_ceil(8);
        parallel::for_each(depth.div_ceil(per_task), 100 * depth * columns, |task| {
            let rows = task * per_task..((task + 1) * per_task).min(depth);
            // SAFETY: `isa` is available; tasks own disjoint rows of every panel.
            unsafe { dispatch(isa, Transform::<'_, M> { source, rows, out, point }) };
        });
        // SAFETY: every row of every panel was written, padding included.
        let values = unsafe { values.finish(len) };
        Self { values, depth, columns, point, lanes }
    }

    pub(super) fn point(&self, index: usize) -> PanelView<'_> {
        PanelView {
            values: &self.values[index * self.point..][..self.point],
            depth: self.depth,
            columns: self.columns,
            lanes: self.lanes,
        }
    }
}

struct Transform<'a, const M: usize> {
    source: Source<'a>,
    rows: std::ops::Range<usize>,
    out: SharedMut,
    point: usize,
}

impl<const M: usize> Kernel for Transform<'_, M> {
    type Out = ();

    // SAFETY conditions: `out` has `(M + 2)^2` points of `point` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = M + 2;
        let Source { weight, depth, columns, depth_step, column_step, reversed } = self.source;
        let mut start = 0;
        while start < columns {
            let width = panel_width(columns - start, S::LANES);
            for k in self.rows.clone() {
                let mut v = 0;
                while v < width {
                    let valid = S::LANES.min(columns.saturating_sub(start + v));
                    let mut gathered = [[0.0f32; 16]; 9];
                    for j in 0..valid {
                        let at = k * depth_step + (start + v + j) * column_step;
                        let nine = &weight[at..at + 9];
                        for t in 0..9 {
                            gathered[if reversed { 8 - t } else { t }][j] = nine[t];
                        }
                    }
                    // SAFETY: the panel's row `k` is `width` values at `depth * start + k * width` of
                    // every point; `gathered` holds at least a vector in each row.
                    unsafe {
                        let mut half = [[S::zero(); 6]; 6];
                        for j in 0..3 {
                            let mut line: Line<S> = [S::zero(); 6];
                            for i in 0..3 {
                                line[i] = S::load(gathered[i * 3 + j].as_ptr());
                            }
                            let line = taps::<S, M>(line);
                            for i in 0..n {
                                half[i][j] = line[i];
                            }
                        }
                        for i in 0..n {
                            let line = taps::<S, M>(half[i]);
                            for j in 0..n {
                                let at = (i * n + j) * self.point + depth * start + k * width + v;
                                S::store(self.out.at(at), line[j]);
                            }
                        }
                    }
                    v += S::LANES;
                }
            }
            start += width;
        }
    }
}
