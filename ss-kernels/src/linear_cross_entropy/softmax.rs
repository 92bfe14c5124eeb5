//! The softmax of logits that come in tiles: exponentials relative to each tile's own largest logit, and what they are to be
//! multiplied with once all tiles are known.

use crate::simd::{Kernel, Simd, exp};

/// Values of a row in [`Exponentials::of_tile`].
pub(super) const PER_ROW: usize = 3;

/// What rows are padded to, a multiple of every instruction set's lanes.
pub(super) const PAD: usize = 16;

/// Turns a tile of logits `[classes, width]` into exponentials `e^(logit - top)` in place, where `top` is the largest of
/// the tile in that column.
pub(super) struct Exponentials {
    pub(super) values: *mut f32,
    pub(super) classes: usize,
    /// Columns, one a row of the batch: a multiple of [`PAD`].
    pub(super) width: usize,
    /// `[PER_ROW, width]`: `top`; the sum of the exponentials below 1; the number of those that are 1.
    pub(super) of_tile: *mut f32,
}

impl Kernel for Exponentials {
    type Out = ();

    // SAFETY conditions: `classes * width` values and `PER_ROW * width` of `of_tile` are the kernel's alone.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut column = 0;
        while column < self.width {
            // SAFETY: `width` is a multiple of the lanes, so the vectors end inside it.
            unsafe {
                if self.width - column >= 4 * S::LANES {
                    self.columns::<S, 4>(column);
                    column += 4 * S::LANES;
                } else {
                    self.columns::<S, 1>(column);
                    column += S::LANES;
                }
            }
        }
    }
}

impl Exponentials {
    #[inline(always)]
    unsafe fn columns<S: Simd, const NV: usize>(&self, column: usize) {
        /// The largest number below 1.
        const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;
        // SAFETY: see `run`.
        unsafe {
            // Finite, so that logits of minus infinity have an exponential.
            let mut top = [S::splat(f32::MIN); NV];
            for class in 0..self.classes {
                for v in 0..NV {
                    let logit = S::load(self.values.add(class * self.width + column + v * S::LANES));
                    top[v] = S::max(top[v], logit);
                }
            }
            // Apart from the ones, small losses keep their digits.
            let (mut below, mut ones) = ([S::zero(); NV], [S::zero(); NV]);
            for class in 0..self.classes {
                for v in 0..NV {
                    let p = self.values.add(class * self.width + column + v * S::LANES);
                    let e = exp::<S>(S::sub(S::load(p), top[v]));
                    S::store(p, e);
                    let above = S::sub(e, S::splat(BELOW_ONE));
                    // Written so that NaN stays in the sum.
                    below[v] = S::add(below[v], S::sub(e, S::where_positive(above, e)));
                    ones[v] = S::add(ones[v], S::where_positive(above, S::splat(1.0)));
                }
            }
            for v in 0..NV {
                let p = self.of_tile.add(column + v * S::LANES);
                S::store(p, top[v]);
                S::store(p.add(self.width), below[v]);
                S::store(p.add(2 * self.width), ones[v]);
            }
        }
    }
}

/// The softmax of one row.
pub(super) struct Softmax {
    /// The loss, in nats.
    pub(super) loss: f32,
    /// The gradient of the loss in the target's logit.
    pub(super) at_target: f64,
    top: f32,
    /// The sum of all exponentials relative to `top`.
    sum: f64,
}

impl Softmax {
    /// From `(top, below, ones)` of each tile and the target's logit.
    pub(super) fn new(tiles: impl Iterator<Item = [f32; PER_ROW]> + Clone, target: f32) -> Self {
        let top = tiles.clone().fold(f32::MIN, |top, tile| top.max(tile[0]));
        // All but one of the largest, in double precision: ln(1 + rest) keeps the digits of small losses.
        let (mut rest, mut left_out) = (0.0, 1.0);
        for [tile_top, below, ones] in tiles {
            let mut ones = f64::from(ones);
            if tile_top == top {
                ones -= left_out;
                left_out = 0.0;
            }
            rest += relative(tile_top, top) * (f64::from(below) + ones);
        }
        let sum = 1.0 + rest;
        // The other probabilities, which keep the digits of a small one; that left out above may be the target's.
        let others = if target == top { rest } else { sum - (f64::from(target) - f64::from(top)).exp() };
        let loss = rest.ln_1p() + (f64::from(top) - f64::from(target));
        Self { loss: loss as f32, at_target: -others / sum, top, sum }
    }

    /// What the exponentials of a tile are multiplied with to be probabilities.
    pub(super) fn factor(&self, tile_top: f32) -> f64 {
        relative(tile_top, self.top) / self.sum
    }
}

/// `e^(top - of all)`, most often of the tile that has the largest.
fn relative(tile_top: f32, top: f32) -> f64 {
    if tile_top == top { 1.0 } else { (f64::from(tile_top) - f64::from(top)).exp() }
}
