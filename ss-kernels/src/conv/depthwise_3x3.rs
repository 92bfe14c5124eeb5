//! Depthwise 3x3 convolution at strides 1 and 2: a channel vector's nine weights stay in registers while four pixels are
//! made at a time, so that a value that is read serves up to three of them.

use super::depthwise::by_tap;
use super::geometry::Geometry;
use crate::memory::{Output, with_scratch};
use crate::parallel;
use crate::simd::{Isa, Kernel, Simd, dispatch};

/// Whether the kernels of this file do this convolution.
pub(crate) fn applies(g: &Geometry) -> bool {
    g.is_depthwise() && g.kh == 3 && g.kw == 3 && g.stride <= 2 && g.padding <= 2
}

/// One image, from a frame that covers every tap.
#[derive(Clone, Copy)]
pub(crate) struct Forward {
    pub(crate) channels: usize,
    pub(crate) stride: usize,
    /// Height and width of the result.
    pub(crate) size: [usize; 2],
    /// Values of one row of the frame.
    pub(crate) row: usize,
    pub(crate) input: *const f32,
    /// `[9, channels]`.
    pub(crate) weight: *const f32,
    pub(crate) output: *mut f32,
}

impl Kernel for Forward {
    type Out = ();

    // SAFETY conditions: `input` is a whole frame, `weight` nine taps, `output` a whole output image.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: this function's own condition.
        unsafe { if self.stride == 1 { self.strided::<S, 1>() } else { self.strided::<S, 2>() } }
    }
}

impl Forward {
    #[inline(always)]
    unsafe fn strided<S: Simd, const STRIDE: usize>(self) {
        let mut c = 0;
        while c < self.channels {
            let valid = S::LANES.min(self.channels - c);
            // SAFETY: channels `c..c + valid` of pixels inside the frame and the image.
            unsafe {
                let mut weight = [S::zero(); 9];
                for (t, w) in weight.iter_mut().enumerate() {
                    *w = S::load_n(self.weight.add(t * self.channels + c), valid);
                }
                for i in 0..self.size[0] {
                    let x = self.input.add(i * STRIDE * self.row + c);
                    let y = self.output.add(i * self.size[1] * self.channels + c);
                    let mut j = 0;
                    while j + 4 <= self.size[1] {
                        self.pixels::<S, STRIDE, 4>(x, y, j, &weight, valid);
                        j += 4;
                    }
                    while j < self.size[1] {
                        self.pixels::<S, STRIDE, 1>(x, y, j, &weight, valid);
                        j += 1;
                    }
                }
            }
            c += S::LANES;
        }
    }

    /// `J` neighbouring pixels from column `first` on.
    #[inline(always)]
    unsafe fn pixels<S: Simd, const STRIDE: usize, const J: usize>(
        self,
        x: *const f32,
        y: *mut f32,
        first: usize,
        weight: &[S::V; 9],
        valid: usize,
    ) {
        // SAFETY: the condition of `run`; columns up to `(first + J - 1) * STRIDE + 2` lie inside the frame.
        unsafe {
            let x = x.add(first * STRIDE * self.channels);
            let mut sums = [S::zero(); J];
            for ki in 0..3 {
                for t in 0..(J - 1) * STRIDE + 3 {
                    let v = S::load_n(x.add(ki * self.row + t * self.channels), valid);
                    for j in 0..J {
                        let kj = t.wrapping_sub(j * STRIDE);
                        if kj < 3 {
                            sums[j] = S::fma(v, weight[3 * ki + kj], sums[j]);
                        }
                    }
                }
            }
            for (j, sum) in sums.into_iter().enumerate() {
                S::store_n(y.add((first + j) * self.channels), sum, valid);
            }
        }
    }
}

/// One image's weight gradient, added to `dw`.
#[derive(Clone, Copy)]
pub(crate) struct WeightGrad {
    pub(crate) channels: usize,
    pub(crate) stride: usize,
    /// Height and width of the output gradient.
    pub(crate) size: [usize; 2],
    /// Values of one row of the frame.
    pub(crate) row: usize,
    pub(crate) input: *const f32,
    pub(crate) dy: *const f32,
    /// `[9, channels]`.
    pub(crate) dw: *mut f32,
}

impl Kernel for WeightGrad {
    type Out = ();

    // SAFETY conditions: `input` is a whole frame, `dy` a whole output image, `dw` a whole weight.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: this function's own condition.
        unsafe { if self.stride == 1 { self.strided::<S, 1>() } else { self.strided::<S, 2>() } }
    }
}

impl WeightGrad {
    #[inline(always)]
    unsafe fn strided<S: Simd, const STRIDE: usize>(self) {
        let mut c = 0;
        while c < self.channels {
            let valid = S::LANES.min(self.channels - c);
            // SAFETY: channels `c..c + valid` of pixels inside the frame and the image.
            unsafe {
                let mut sums = [S::zero(); 9];
                for (t, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load_n(self.dw.add(t * self.channels + c), valid);
                }
                for i in 0..self.size[0] {
                    let x = self.input.add(i * STRIDE * self.row + c);
                    let dy = self.dy.add(i * self.size[1] * self.channels + c);
                    let mut j = 0;
                    while j + 4 <= self.size[1] {
                        self.pixels::<S, STRIDE, 4>(x, dy, j, &mut sums, valid);
                        j += 4;
                    }
                    while j < self.size[1] {
                        self.pixels::<S, STRIDE, 1>(x, dy, j, &mut sums, valid);
                        j += 1;
                    }
                }
                for (t, sum) in sums.into_iter().enumerate() {
                    S::store_n(self.dw.add(t * self.channels + c), sum, valid);
                }
            }
            c += S::LANES;
        }
    }

    /// Adds `J` neighbouring pixels from column `first` on.
    #[inline(always)]
    unsafe fn pixels<S: Simd, const STRIDE: usize, const J: usize>(
        self,
        x: *const f32,
        dy: *const f32,
        first: usize,
        sums: &mut [S::V; 9],
        valid: usize,
    ) {
        // SAFETY: as in `Forward::pixels`.
        unsafe {
            let x = x.add(first * STRIDE * self.channels);
            let mut d = [S::zero(); J];
            for (j, d) in d.iter_mut().enumerate() {
                *d = S::load_n(dy.add((first + j) * self.channels), valid);
            }
            for ki in 0..3 {
                for t in 0..(J - 1) * STRIDE + 3 {
                    let v = S::load_n(x.add(ki * self.row + t * self.channels), valid);
                    for j in 0..J {
                        let kj = t.wrapping_sub(j * STRIDE);
                        if kj < 3 {
                            sums[3 * ki + kj] = S::fma(v, d[j], sums[3 * ki + kj]);
                        }
                    }
                }
            }
        }
    }
}

/// The input's gradient: a convolution at stride 1 of the output's gradient, spread out by the stride among zeros, with
/// the kernel turned round. `dy` is `[n, oh, ow, c]`, `weight` `[c, 1, 3, 3]`, the result `[n, h, w, c]`.
pub(crate) fn input_grad(isa: Isa, g: &Geometry, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let mut turned = by_tap(g, weight);
    let (row, height) = ((g.w + 2) * g.c, g.h + 2);
    for t in 0..4 {
        let (a, b) = turned.split_at_mut((8 - t) * g.c);
        a[t * g.c..][..g.c].swap_with_slice(&mut b[..g.c]);
    }
    // Where the first gradient lies in the frame, along both axes.
    let start = 2 - g.padding;
    let len = g.n * g.image();
    let mut output = Output::new(len);
    let out = output.ptr();
    let per_task = g.images_per_task();
    parallel::for_each(g.n.div_ceil(per_task), g.flops(), |task| {
        with_scratch(height * row, |frame| {
            frame.fill(0.0);
            for image in task * per_task..((task + 1) * per_task).min(g.n) {
                let dy = &dy[image * g.out_image()..][..g.out_image()];
                for (i, source) in dy.chunks_exact(g.ow * g.c).enumerate() {
                    let to = &mut frame[(start + i * g.stride) * row + start * g.c..];
                    for (j, pixel) in source.chunks_exact(g.c).enumerate() {
                        to[j * g.stride * g.c..][..g.c].copy_from_slice(pixel);
                    }
                }
                // SAFETY: the frame has two more rows and columns than the result, which is one task's own image;
                // `isa` is available.
                unsafe {
                    let forward = Forward {
                        channels: g.c,
                        stride: 1,
                        size: [g.h, g.w],
                        row,
                        input: frame.as_ptr(),
                        weight: turned.as_ptr(),
                        output: out.at(image * g.image()),
                    };
                    dispatch(isa, forward);
                }
            }
        });
    });
    // SAFETY: every image was written in full.
    unsafe { output.finish(len) }
}
