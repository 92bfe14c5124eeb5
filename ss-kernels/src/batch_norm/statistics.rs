//! Per-channel mean and variance in one pass over memory.
//!
//! Pixels are cut into blocks that fit the first-level cache; of each block the mean and the centred
//! sum of squares are formed (two sweeps over cached values), and blocks are combined in `f64` by the
//! formula of Chan, Golub and LeVeque (1983), in order. No cancellation however large the mean is.

use crate::memory::SharedMut;
use crate::parallel;
use crate::simd::{Isa, Kernel, Simd, dispatch};

/// Pixels of one block: 16 KiB of values.
pub(crate) fn block_pixels(channels: usize) -> usize {
    (4096 / channels).max(8)
}

/// Mean and biased variance of each channel of `x`, `[pixels, channels]`.
pub(crate) fn mean_and_variance(isa: Isa, x: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let pixels = x.len() / channels;
    let per_block = block_pixels(channels);
    let blocks = pixels.div_ceil(per_block);
    let mut partial = vec![0.0f32; blocks * 2 * channels];
    let out = SharedMut::new(&mut partial);
    let per_task = 8;
    parallel::for_each(blocks.div_ceil(per_task), 4 * x.len(), |task| {
        for block in task * per_task..((task + 1) * per_task).min(blocks) {
            let start = block * per_block;
            let count = per_block.min(pixels - start);
            // SAFETY: `isa` is available; each block has its own part of `partial`.
            unsafe {
                let out = out.at(block * 2 * channels);
                dispatch(isa, Block { x: x.as_ptr().add(start * channels), count, channels, out });
            }
        }
    });
    combine(&partial, channels, pixels, per_block)
}

fn combine(partial: &[f32], channels: usize, pixels: usize, per_block: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut mean, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
    let mut seen = 0usize;
    for block in partial.chunks_exact(2 * channels) {
        let count = per_block.min(pixels - seen);
        seen += count;
        let share = count as f64 / seen as f64;
        let weight = (seen - count) as f64 * share;
        let (means, sums) = block.split_at(channels);
        for c in 0..channels {
            let delta = f64::from(means[c]) - mean[c];
            mean[c] += delta * share;
            squares[c] += f64::from(sums[c]) + delta * delta * weight;
        }
    }
    squares.iter_mut().for_each(|s| *s /= pixels as f64);
    (mean, squares)
}

/// Mean and centred sum of squares of one block, `[2, channels]`.
struct Block {
    x: *const f32,
    count: usize,
    channels: usize,
    out: *mut f32,
}

impl Kernel for Block {
    type Out = ();

    // SAFETY conditions: `x` has `count * channels` values, `out` `2 * channels`.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut c = 0;
        while c < self.channels {
            let left = self.channels - c;
            // SAFETY: channels from `c` on that exist; see above.
            unsafe {
                if left >= 4 * S::LANES {
                    self.columns::<S, 4>(c, S::LANES);
                    c += 4 * S::LANES;
                } else if left >= S::LANES {
                    self.columns::<S, 1>(c, S::LANES);
                    c += S::LANES;
                } else {
                    self.columns::<S, 1>(c, left);
                    c += left;
                }
            }
        }
    }
}

impl Block {
    #[inline(always)]
    unsafe fn columns<S: Simd, const NV: usize>(&self, c: usize, valid: usize) {
        // SAFETY: see `run`; only a single vector is partial.
        unsafe {
            let load = |p: *const f32, v: usize| {
                if valid == S::LANES { S::load(p.add(v * S::LANES)) } else { S::load_n(p, valid) }
            };
            let mut sum = [S::zero(); NV];
            for p in 0..self.count {
                let x = self.x.add(p * self.channels + c);
                for v in 0..NV {
                    sum[v] = S::add(sum[v], load(x, v));
                }
            }
            let inverse = S::splat(1.0 / self.count as f32);
            let mean = sum.map(|s| S::mul(s, inverse));
            let mut squares = [S::zero(); NV];
            for p in 0..self.count {
                let x = self.x.add(p * self.channels + c);
                for v in 0..NV {
                    let d = S::sub(load(x, v), mean[v]);
                    squares[v] = S::fma(d, d, squares[v]);
                }
            }
            for v in 0..NV {
                let to = self.out.add(c + v * S::LANES);
                S::store_n(to, mean[v], valid);
                S::store_n(to.add(self.channels), squares[v], valid);
            }
        }
    }
}
