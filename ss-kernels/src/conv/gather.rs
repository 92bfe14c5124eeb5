//! The gathering matrix product: every output pixel is a dot product over a list of *taps*, each a
//! run of contiguous channels at a fixed offset from the pixel's own place in the input. No im2col
//! matrix is formed: the micro-kernel reads the (padded) image itself.
//!
//! Forward convolution, the input gradient (one product per stride phase) and the products inside
//! Winograd are all this.

use crate::simd::{Isa, Kernel, Simd};

/// Four pixels: where the first one reads and writes, and the offsets of the other three from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quad {
    input: usize,
    output: usize,
    input_step: [usize; 3],
    output_step: [usize; 3],
}

/// One or two quads with the same steps.
#[derive(Clone, Copy, Debug)]
struct Group {
    first: Quad,
    second: Option<(usize, usize)>,
}

/// The pixels of a plane in groups that the micro-kernel takes at once. The last quad overlaps the
/// one before (or repeats a pixel) where the number of pixels is no multiple of four: it
/// then writes the same values twice.
#[derive(Debug)]
pub(crate) struct Pixels(Vec<Group>);

impl Pixels {
    /// From the offsets `(input, output)` of each pixel, at least one, both ascending.
    pub(crate) fn new(offsets: &[(usize, usize)]) -> Self {
        let last = offsets.len() - 1;
        let mut quads = Vec::with_capacity(offsets.len().div_ceil(4));
        let mut start = 0;
        while start <= last {
            let first = if start + 3 <= last { start } else { last.saturating_sub(3) };
            let at = |i: usize| offsets[(first + i).min(last)];
            let (input, output) = at(0);
            quads.push(Quad {
                input,
                output,
                input_step: [1, 2, 3].map(|i| at(i).0 - input),
                output_step: [1, 2, 3].map(|i| at(i).1 - output),
            });
            start += 4;
        }
        let mut groups: Vec<Group> = Vec::with_capacity(quads.len().div_ceil(2));
        for quad in quads {
            match groups.last_mut() {
                Some(Group { first, second: second @ None })
                    if first.input_step == quad.input_step && first.output_step == quad.output_step =>
                {
                    *second = Some((quad.input, quad.output));
                }
                _ => groups.push(Group { first: quad, second: None }),
            }
        }
        Self(groups)
    }
}

/// Weights in panels of two vectors of output channels (the last of one vector where one is
/// enough), each panel `[taps * run][width]`, zero beyond the last channel.
#[derive(Debug, Default)]
pub(crate) struct Panels {
    values: Vec<f32>,
    /// Length of the reduction: taps times run.
    depth: usize,
    /// Output channels.
    columns: usize,
    lanes: usize,
}

impl Panels {
    /// Packs the matrix `[rows.len(), columns]` whose element `(k, j)` is `weight[rows[k] + j * step]`.
    pub(crate) fn pack(isa: Isa, weight: &[f32], rows: &[usize], columns: usize, step: usize) -> Self {
        let depth = rows.len();
        let lanes = isa.lanes();
        let padded = columns.next_multiple_of(lanes);
        let mut values = vec![0.0; depth * padded];
        let mut start = 0;
        while start < columns {
            let width = panel_width(columns - start, lanes);
            let filled = width.min(columns - start);
            let panel = values[depth * start..].chunks_exact_mut(width);
            for (to, row) in panel.zip(rows) {
                let from = weight[row + start * step..].iter().step_by(step);
                to[..filled].iter_mut().zip(from).for_each(|(v, w)| *v = *w);
            }
            start += width;
        }
        Self { values, depth, columns, lanes }
    }

    pub(crate) fn view(&self) -> PanelView<'_> {
        PanelView { values: &self.values, depth: self.depth, columns: self.columns, lanes: self.lanes }
    }
}

/// Packed weights, see [`Panels`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PanelView<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) depth: usize,
    pub(crate) columns: usize,
    pub(crate) lanes: usize,
}

/// Columns of the panel that starts where `columns` are left.
pub(crate) fn panel_width(columns: usize, lanes: usize) -> usize {
    if columns > lanes { 2 * lanes } else { lanes }
}

/// `output[pixel, j] = sum_tap sum_r input[pixel + tap + r] * weights[tap * run + r, j]`.
pub(crate) struct Gather<'a> {
    pub(crate) input: *const f32,
    pub(crate) output: *mut f32,
    pub(crate) pixels: &'a Pixels,
    pub(crate) taps: &'a [usize],
    /// Contiguous input values of one tap.
    pub(crate) run: usize,
    pub(crate) panels: PanelView<'a>,
}

impl Kernel for Gather<'_> {
    type Out = ();

    // SAFETY conditions: every pixel's taps lie inside `input`, its `columns` outputs inside
    // `output`, and `panels` was packed for the same instruction set with depth taps * run.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        debug_assert_eq!(self.panels.lanes, S::LANES);
        debug_assert_eq!(self.panels.depth, self.taps.len() * self.run);
        let mut start = 0;
        while start < self.panels.columns {
            let left = self.panels.columns - start;
            let width = panel_width(left, S::LANES);
            // SAFETY: the panel starts at `depth * start` (see `Panels::pack`); the rest is this
            // function's own condition.
            unsafe {
                let weights = self.panels.values.as_ptr().add(self.panels.depth * start);
                if width == S::LANES {
                    self.panel::<S, 1>(weights, start, left);
                } else {
                    self.panel::<S, 2>(weights, start, left);
                }
            }
            start += width;
        }
    }
}

impl Gather<'_> {
    #[inline(always)]
    unsafe fn panel<S: Simd, const NV: usize>(&self, w: *const f32, start: usize, left: usize) {
        for group in &self.pixels.0 {
            let q = &group.first;
            // SAFETY: offsets are inside the buffers by the conditions of `run`.
            unsafe {
                let a = self.input.add(q.input);
                let o = self.output.add(q.output + start);
                match group.second {
                    Some((input, output)) if S::WIDE => {
                        let a = [a, self.input.add(input)];
                        let o = [o, self.output.add(output + start)];
                        self.tile::<S, 2, NV>(a, o, q, w, left);
                    }
                    Some((input, output)) => {
                        self.tile::<S, 1, NV>([a], [o], q, w, left);
                        let a = [self.input.add(input)];
                        let o = [self.output.add(output + start)];
                        self.tile::<S, 1, NV>(a, o, q, w, left);
                    }
                    None => self.tile::<S, 1, NV>([a], [o], q, w, left),
                }
            }
        }
    }

    /// `Q` quads times `NV` vectors of output channels, all sums in registers.
    #[inline(always)]
    unsafe fn tile<S: Simd, const Q: usize, const NV: usize>(
        &self,
        input: [*const f32; Q],
        output: [*mut f32; Q],
        quad: &Quad,
        mut w: *const f32,
        left: usize,
    ) {
        let [s1, s2, s3] = quad.input_step;
        // SAFETY: see `run`.
        unsafe {
            let mut acc = [[[S::zero(); NV]; 4]; Q];
            for &tap in self.taps {
                let mut a = input;
                for q in 0..Q {
                    a[q] = a[q].add(tap);
                }
                for _ in 0..self.run {
                    let mut b = [S::zero(); NV];
                    for v in 0..NV {
                        b[v] = S::load(w.add(v * S::LANES));
                    }
                    w = w.add(NV * S::LANES);
                    for q in 0..Q {
                        let x = [*a[q], *a[q].add(s1), *a[q].add(s2), *a[q].add(s3)];
                        a[q] = a[q].add(1);
                        for i in 0..4 {
                            let x = S::splat(x[i]);
                            for v in 0..NV {
                                acc[q][i][v] = S::fma(x, b[v], acc[q][i][v]);
                            }
                        }
                    }
                }
            }
            let [t1, t2, t3] = quad.output_step;
            for q in 0..Q {
                for (i, t) in [0, t1, t2, t3].into_iter().enumerate() {
                    let o = output[q].add(t);
                    for v in 0..NV {
                        let valid = left.saturating_sub(v * S::LANES);
                        if valid >= S::LANES {
                            S::store(o.add(v * S::LANES), acc[q][i][v]);
                        } else if valid > 0 {
                            S::store_n(o.add(v * S::LANES), acc[q][i][v], valid);
                        }
                    }
                }
            }
        }
    }
}
