//! Depthwise convolution (one input and one output channel in each group): direct, vectorised over
//! channels. 3x3 at strides 1 and 2 has kernels of its own.

use super::depthwise_3x3;
use super::geometry::{Frame, Geometry};
use crate::memory::{SharedMut, with_scratch};
use crate::parallel;
use crate::simd::{Isa, Kernel, Simd, dispatch};

/// `[c, 1, kh, kw]` to `[kh * kw, c]`.
pub(crate) fn by_tap(g: &Geometry, weight: &[f32]) -> Vec<f32> {
    let area = g.kh * g.kw;
    (0..area * g.c).map(|i| weight[i % g.c * area + i / g.c]).collect()
}

/// One image, from its padded frame.
pub(crate) struct Forward<'a> {
    pub(crate) g: &'a Geometry,
    pub(crate) frame: &'a Frame,
    pub(crate) input: *const f32,
    /// `[kh * kw, c]`.
    pub(crate) weight: *const f32,
    pub(crate) output: *mut f32,
}

impl Kernel for Forward<'_> {
    type Out = ();

    // SAFETY conditions: `input` is a whole frame, `output` a whole output image.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let g = self.g;
        if depthwise_3x3::applies(g) {
            let forward = depthwise_3x3::Forward {
                channels: g.c,
                stride: g.stride,
                size: [g.oh, g.ow],
                row: self.frame.row(),
                input: self.input,
                weight: self.weight,
                output: self.output,
            };
            // SAFETY: this function's own condition.
            return unsafe { forward.run::<S>() };
        }
        for p in 0..g.oh * g.ow {
            let pixel = p / g.ow * g.stride * self.frame.row() + p % g.ow * g.stride * g.c;
            let mut c = 0;
            while c < g.c {
                let valid = S::LANES.min(g.c - c);
                // SAFETY: channels `c..c + valid` of pixels inside the frame and the image.
                unsafe {
                    let mut sum = S::zero();
                    for t in 0..g.kh * g.kw {
                        let tap = t / g.kw * self.frame.row() + t % g.kw * g.c;
                        let x = S::load_n(self.input.add(pixel + tap + c), valid);
                        sum = S::fma(x, S::load_n(self.weight.add(t * g.c + c), valid), sum);
                    }
                    S::store_n(self.output.add(p * g.o + c), sum, valid);
                }
                c += S::LANES;
            }
        }
    }
}

/// One image's input gradient, gathered tap by tap.
pub(crate) struct InputGrad<'a> {
    pub(crate) g: &'a Geometry,
    pub(crate) dy: *const f32,
    /// `[kh * kw, c]`.
    pub(crate) weight: *const f32,
    pub(crate) dx: *mut f32,
}

/// The output coordinate that tap `k` links to input coordinate `i`, if there is one.
#[inline(always)]
fn linked(i: usize, k: usize, g: &Geometry, size: usize) -> Option<usize> {
    let at = (i + g.padding).checked_sub(k)?;
    (at.is_multiple_of(g.stride) && at / g.stride < size).then(|| at / g.stride)
}

impl Kernel for InputGrad<'_> {
    type Out = ();

    // SAFETY conditions: `dy` is a whole output image, `dx` a whole image.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let g = self.g;
        for p in 0..g.h * g.w {
            let mut c = 0;
            while c < g.c {
                let valid = S::LANES.min(g.c - c);
                // SAFETY: channels `c..c + valid` of pixels inside both images.
                unsafe {
                    let mut sum = S::zero();
                    for ki in 0..g.kh {
                        let Some(i) = linked(p / g.w, ki, g, g.oh) else { continue };
                        for kj in 0..g.kw {
                            let Some(j) = linked(p % g.w, kj, g, g.ow) else { continue };
                            let d = S::load_n(self.dy.add((i * g.ow + j) * g.o + c), valid);
                            let w = self.weight.add((ki * g.kw + kj) * g.c + c);
                            sum = S::fma(d, S::load_n(w, valid), sum);
                        }
                    }
                    S::store_n(self.dx.add(p * g.c + c), sum, valid);
                }
                c += S::LANES;
            }
        }
    }
}

/// One image's weight gradient, added to `dw`.
struct WeightGrad<'a> {
    g: &'a Geometry,
    frame: &'a Frame,
    input: *const f32,
    dy: *const f32,
    /// `[kh * kw, c]`.
    dw: *mut f32,
}

impl Kernel for WeightGrad<'_> {
    type Out = ();

    // SAFETY conditions: `input` is a whole frame, `dy` a whole output image, `dw` a whole weight.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let g = self.g;
        if depthwise_3x3::applies(g) {
            let grad = depthwise_3x3::WeightGrad {
                channels: g.c,
                stride: g.stride,
                size: [g.oh, g.ow],
                row: self.frame.row(),
                input: self.input,
                dy: self.dy,
                dw: self.dw,
            };
            // SAFETY: this function's own condition.
            return unsafe { grad.run::<S>() };
        }
        for t in 0..g.kh * g.kw {
            let tap = t / g.kw * self.frame.row() + t % g.kw * g.c;
            let mut c = 0;
            while c < g.c {
                let valid = S::LANES.min(g.c - c);
                // SAFETY: channels `c..c + valid` of pixels inside the frame and the image.
                unsafe {
                    let to = self.dw.add(t * g.c + c);
                    let mut sum = S::load_n(to, valid);
                    for i in 0..g.oh {
                        let x = self.input.add(tap + i * g.stride * self.frame.row() + c);
                        let d = self.dy.add(i * g.ow * g.o + c);
                        for j in 0..g.ow {
                            let a = S::load_n(x.add(j * g.stride * g.c), valid);
                            sum = S::fma(a, S::load_n(d.add(j * g.o), valid), sum);
                        }
                    }
                    S::store_n(to, sum, valid);
                }
                c += S::LANES;
            }
        }
    }
}

/// `x` is `[n, h, w, c]`, `dy` `[n, oh, ow, c]`, the result `[c, 1, kh, kw]`.
pub(crate) fn weight_grad(isa: Isa, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let frame = Frame::of_input(g);
    let area = g.kh * g.kw;
    let size = area * g.c;
    let per_chunk = g.n.div_ceil(16);
    let chunks = g.n.div_ceil(per_chunk);
    let mut partials = vec![0.0; chunks * size];
    let out = SharedMut::new(&mut partials);
    parallel::for_each(chunks, g.flops(), |chunk| {
        with_scratch(frame.len(), |scratch| {
            for image in chunk * per_chunk..((chunk + 1) * per_chunk).min(g.n) {
                frame.fill(scratch, &x[image * g.image()..][..g.image()], g.h, g.w);
                // SAFETY: `isa` is available; each task owns one chunk's partial gradient.
                unsafe {
                    let dw = out.at(chunk * size);
                    let dy = dy.as_ptr().add(image * g.out_image());
                    let input = scratch.as_ptr();
                    dispatch(isa, WeightGrad { g, frame: &frame, input, dy, dw });
                }
            }
        });
    });
    let sum = |at: usize| (0..chunks).map(|k| partials[k * size + at]).sum::<f32>();
    (0..size).map(|i| sum(i % area * g.c + i / area)).collect()
}
