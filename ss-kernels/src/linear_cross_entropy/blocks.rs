//! The passes over blocks of rows.
//!
//! A block's logits lie class by class, `[k, rows]`: so the weight is read as it lies, a class is one "pixel" of the matrix kernels of
//! the convolutions, and what has to be packed is the few rows. Classes are cut into tiles, the tasks of the threads:
//!
//! 1. of each tile the logits, and their exponentials relative to the tile's largest;
//! 2. of each row, from all tiles, its loss and the factors that make probabilities of the exponentials;
//! 3. of each tile the gradient of its classes' weights, to which the factors come by way of the rows, and the tile's part of
//!    the rows' gradient, to which they come when the parts are added in order.
//!
//! The target's logit has another gradient than the rest: its exponential is set to zero before step 3 and its products are added.

use std::ops::Range;

use super::softmax::{Exponentials, PAD, PER_ROW, Softmax};
use crate::conv::{Gather, Outer, Panels, Pixels, Steps};
use crate::cross_entropy::Examples;
use crate::memory::{Output, SharedMut, with_scratch};
use crate::parallel;
use crate::simd::{Isa, dispatch};

/// Exponentials of a block, in values: 4 MiB.
const BLOCK: usize = 1 << 20;
/// Rows of a block at most: as many as the kernels' sums are long.
const ROWS: usize = 128;
/// Classes of one product, whose weights and exponentials stay in the nearest cache.
const STRIP: usize = 64;
/// Tasks of a block at most.
const TILES: usize = 16;
/// Classes of a tile at least.
const TILE: usize = 256;

/// The operands: rows `x` `[n, d]`, the weight `[k, d]`.
pub(super) struct Head<'a> {
    pub(super) isa: Isa,
    pub(super) n: usize,
    pub(super) d: usize,
    pub(super) k: usize,
    pub(super) x: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) examples: &'a Examples,
}

/// Which gradients are computed.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) x: bool,
    pub(super) weight: bool,
}

/// Losses `[n]` and the gradients of their weighted mean, `[n, d]` and `[k, d]`.
pub(super) struct Computed {
    pub(super) per_example: Vec<f32>,
    pub(super) x_grad: Option<Vec<f32>>,
    pub(super) weight_grad: Option<Vec<f32>>,
}

/// Rows of a block and classes of a tile, by the shape alone.
struct Cut {
    rows: usize,
    tile: usize,
}

impl Cut {
    fn new(n: usize, k: usize) -> Self {
        let rows = (BLOCK / k / PAD * PAD).clamp(PAD, ROWS).min(n);
        let tile = k.div_ceil(TILES).next_multiple_of(STRIP).max(TILE).min(k);
        Self { rows, tile }
    }
}

impl Head<'_> {
    pub(super) fn run(&self, wanted: Wanted) -> Computed {
        let (n, d, k) = (self.n, self.d, self.k);
        let cut = Cut::new(n, k);
        let tiles = k.div_ceil(cut.tile);
        let mut per_example = vec![0.0; n];
        let mut x_grad = wanted.x.then(|| vec![0.0; n * d]);
        let mut weight_grad = wanted.weight.then(|| Output::new(k * d));
        let parts = if wanted.x { tiles * cut.rows * d } else { 0 };
        with_scratch(k * cut.rows.next_multiple_of(PAD), |exps| {
            with_scratch(parts, |parts| {
                for first in (0..n).step_by(cut.rows) {
                    let rows = cut.rows.min(n - first);
                    let width = rows.next_multiple_of(PAD);
                    let block = Block { head: self, tile: cut.tile, tiles, first, rows, width };
                    let softmaxes = block.forward(exps);
                    for (each, softmax) in per_example[first..].iter_mut().zip(&softmaxes.of_row) {
                        *each = softmax.loss;
                    }
                    if !wanted.x && !wanted.weight {
                        continue;
                    }
                    let gradients = block.gradients(&softmaxes);
                    if let Some(weight_grad) = &mut weight_grad {
                        block.weight_grad(exps, &gradients, weight_grad.ptr());
                    }
                    if let Some(x_grad) = &mut x_grad {
                        let x_grad = &mut x_grad[first * d..][..rows * d];
                        block.x_grad(exps, &gradients, parts, x_grad);
                    }
                }
            });
        });
        // SAFETY: the first block set the gradient of every class.
        let weight_grad = weight_grad.map(|grad| unsafe { grad.finish(k * d) });
        Computed { per_example, x_grad, weight_grad }
    }
}

/// Rows that are computed together.
struct Block<'a> {
    head: &'a Head<'a>,
    tile: usize,
    tiles: usize,
    /// The first of the rows.
    first: usize,
    rows: usize,
    /// Values from one class to the next: `rows` padded with columns that nobody looks at.
    width: usize,
}

/// What step 1 and 2 leave beside the exponentials.
struct Softmaxes {
    /// [`Exponentials::of_tile`] of each tile.
    of_tile: Vec<f32>,
    of_row: Vec<Softmax>,
}

/// What step 3 multiplies with.
struct Gradients {
    /// `[tiles, rows]`: the gradient of a logit is its exponential times this, but for the targets'.
    factors: Vec<f32>,
    /// `[rows]`: the gradients of the targets' logits.
    at_target: Vec<f32>,
}

impl Block<'_> {
    fn x(&self) -> &[f32] {
        &self.head.x[self.first * self.head.d..][..self.rows * self.head.d]
    }

    fn targets(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        self.head.examples.targets[self.first..][..self.rows].iter().map(|&target| target as usize)
    }

    /// The classes of a tile.
    fn classes(&self, tile: usize) -> Range<usize> {
        tile * self.tile..((tile + 1) * self.tile).min(self.head.k)
    }

    /// The rows, counted in the block, whose targets are in a tile.
    fn targets_in(&self, tile: usize) -> impl Iterator<Item = (usize, usize)> {
        let classes = self.classes(tile);
        self.targets().enumerate().filter(move |(_, target)| classes.contains(target))
    }

    /// Floating-point operations of one product of all rows and classes.
    fn flops(&self) -> usize {
        2 * self.rows * self.head.d * self.head.k
    }

    /// Steps 1 and 2; the targets' exponentials are zero afterwards.
    fn forward(&self, exps: &mut [f32]) -> Softmaxes {
        let Head { isa, d, weight, .. } = *self.head;
        let (rows, width) = (self.rows, self.width);
        let columns: Vec<usize> = (0..d).collect();
        let panels = Panels::pack(isa, self.x(), &columns, rows, d);
        let strips = Strips::new(self, d, width);
        let mut of_tile = vec![0.0; self.tiles * PER_ROW * width];
        let mut at_target = vec![0.0; rows];
        let (e, tile_values) = (SharedMut::new(exps), SharedMut::new(&mut of_tile));
        let target_logits = SharedMut::new(&mut at_target);
        parallel::for_each(self.tiles, self.flops(), |tile| {
            let classes = self.classes(tile);
            // SAFETY: `exps` holds `k * width` values and each task has its own classes of them, its own `of_tile`, and the
            // targets of its classes. A class's offset is inside the weight and its `rows <= width` logits inside `exps`;
            // `isa` is available and the panels were packed for it.
            unsafe {
                for (start, pixels) in strips.of(&classes) {
                    dispatch(
                        isa,
                        Gather {
                            input: weight.as_ptr().add(start * d),
                            output: e.at(start * width),
                            pixels,
                            taps: &[0],
                            run: d,
                            panels: panels.view(),
                        },
                    );
                }
                for (row, target) in self.targets_in(tile) {
                    *target_logits.at(row) = *e.at(target * width + row);
                }
                let values = e.at(classes.start * width);
                let of_tile = tile_values.at(tile * PER_ROW * width);
                dispatch(isa, Exponentials { values, classes: classes.len(), width, of_tile });
                for (row, target) in self.targets_in(tile) {
                    *e.at(target * width + row) = 0.0;
                }
            }
        });
        let of_row = (0..rows).map(|row| {
            let tiles = of_tile.chunks_exact(PER_ROW * width);
            let tiles = tiles.map(|tile| [0, 1, 2].map(|value| tile[value * width + row]));
            Softmax::new(tiles, at_target[row])
        });
        Softmaxes { of_row: of_row.collect(), of_tile }
    }

    fn gradients(&self, softmaxes: &Softmaxes) -> Gradients {
        let share = |row: usize| self.head.examples.share(self.first + row);
        let rows = || softmaxes.of_row.iter().enumerate();
        let tiles = softmaxes.of_tile.chunks_exact(PER_ROW * self.width);
        let factors = tiles.flat_map(|tops| {
            rows().map(move |(row, softmax)| (share(row) * softmax.factor(tops[row])) as f32)
        });
        Gradients {
            factors: factors.collect(),
            at_target: rows().map(|(row, softmax)| (share(row) * softmax.at_target) as f32).collect(),
        }
    }

    /// Sets the weight's gradient in the first block, adds to it in the others.
    fn weight_grad(&self, exps: &[f32], gradients: &Gradients, grad: SharedMut) {
        let Head { isa, d, .. } = *self.head;
        let (rows, width, x) = (self.rows, self.width, self.x());
        let strips = Strips::new(self, width, d);
        let places: Vec<usize> = (0..rows).map(|row| row * d).collect();
        parallel::for_each(self.tiles, self.flops(), |tile| {
            let factors = &gradients.factors[tile * rows..][..rows];
            with_scratch((rows + STRIP) * d, |scratch| {
                let (scaled, sums) = scratch.split_at_mut(rows * d);
                for ((to, from), factor) in scaled.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(factors) {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = factor * from);
                }
                let panels = Panels::pack(isa, scaled, &places, d, 1);
                let sums = SharedMut::new(sums);
                for (start, pixels) in strips.of(&self.classes(tile)) {
                    // SAFETY: each task has its own classes of the gradient `[k, d]`; a class's `rows` exponentials are inside
                    // `exps`, the sums of a strip inside `sums`; `isa` is available and the panels were packed for it.
                    unsafe {
                        let output = if self.first == 0 { grad.at(start * d) } else { sums.at(0) };
                        dispatch(
                            isa,
                            Gather {
                                input: exps.as_ptr().add(start * width),
                                output,
                                pixels,
                                taps: &[0],
                                run: rows,
                                panels: panels.view(),
                            },
                        );
                        if self.first > 0 {
                            let classes = STRIP.min(self.classes(tile).end - start);
                            let sums = std::slice::from_raw_parts(sums.at(0), classes * d);
                            let grad = std::slice::from_raw_parts_mut(grad.at(start * d), classes * d);
                            grad.iter_mut().zip(sums).for_each(|(grad, sum)| *grad += sum);
                        }
                    }
                }
            });
            for (row, target) in self.targets_in(tile) {
                // SAFETY: the task's own class, which was set above.
                let grad = unsafe { std::slice::from_raw_parts_mut(grad.at(target * d), d) };
                add_scaled(grad, gradients.at_target[row], &x[row * d..][..d]);
            }
        });
    }

    /// The gradient of the block's rows, by way of each tile's part `[tiles, rows, d]`.
    fn x_grad(&self, exps: &[f32], gradients: &Gradients, parts: &mut [f32], grad: &mut [f32]) {
        let Head { isa, d, weight, .. } = *self.head;
        let (rows, width) = (self.rows, self.width);
        let steps = |column| Steps { image: 0, row: 0, column };
        let out = SharedMut::new(parts);
        parallel::for_each(self.tiles, self.flops(), |tile| {
            let classes = self.classes(tile);
            for start in classes.clone().step_by(STRIP) {
                // SAFETY: each task has its own part; the strip's classes are inside `exps` and the weight; `isa` is available.
                unsafe {
                    dispatch(
                        isa,
                        Outer {
                            x: exps.as_ptr().add(start * width),
                            x_steps: steps(width),
                            rows,
                            dy: weight.as_ptr().add(start * d),
                            dy_steps: steps(d),
                            columns: d,
                            out: out.at(tile * rows * d),
                            out_step: d,
                            accumulate: start > classes.start,
                            extent: [1, 1, STRIP.min(classes.end - start)],
                        },
                    );
                }
            }
        });
        for ((row, grad), target) in grad.chunks_exact_mut(d).enumerate().zip(self.targets()) {
            add_scaled(grad, gradients.at_target[row], &weight[target * d..][..d]);
            for tile in 0..self.tiles {
                let part = &parts[(tile * rows + row) * d..][..d];
                add_scaled(grad, gradients.factors[tile * rows + row], part);
            }
        }
    }
}

/// `sum += factor * x`.
fn add_scaled(sum: &mut [f32], factor: f32, x: &[f32]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
}

/// The classes of a product as pixels of the matrix kernel, [`STRIP`] at a time.
struct Strips {
    whole: Pixels,
    /// Of the last strip, of so many classes, where it has fewer.
    last: Option<(usize, Pixels)>,
}

impl Strips {
    /// With classes that are `input` values apart where they are read and `output` where they are written.
    fn new(block: &Block, input: usize, output: usize) -> Self {
        let pixels = |classes: usize| {
            Pixels::new(&(0..classes).map(|class| (class * input, class * output)).collect::<Vec<_>>())
        };
        // Tiles are whole strips but for the last.
        let left = block.head.k % STRIP;
        Self { whole: pixels(STRIP), last: (left > 0).then(|| (left, pixels(left))) }
    }

    /// The strips of a tile: first class, and pixels.
    fn of(&self, classes: &Range<usize>) -> impl Iterator<Item = (usize, &Pixels)> {
        classes.clone().step_by(STRIP).map(|start| match &self.last {
            Some((left, pixels)) if classes.end - start == *left => (start, pixels),
            _ => (start, &self.whole),
        })
    }
}
