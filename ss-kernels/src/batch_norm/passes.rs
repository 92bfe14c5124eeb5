//! The three passes over activations, channels-last: normalise, reduce the gradient, apply it.

use crate::Activation;
use crate::memory::{Output, SharedMut};
use crate::parallel;
use crate::simd::{Isa, Kernel, Simd, dispatch};

/// Pixels of one task: 64 KiB of values.
fn task_pixels(channels: usize) -> usize {
    (16384 / channels).max(8)
}

/// `act(x * a + b + residual)` with `a`, `b` of one value a channel.
pub(crate) fn normalise(
    isa: Isa,
    x: &[f32],
    a: &[f32],
    b: &[f32],
    residual: Option<&[f32]>,
    act: Activation,
) -> Vec<f32> {
    let channels = a.len();
    let per_task = task_pixels(channels) * channels;
    let mut y = Output::new(x.len());
    let out = y.ptr();
    parallel::for_each(x.len().div_ceil(per_task), 4 * x.len(), |task| {
        let range = task * per_task..((task + 1) * per_task).min(x.len());
        let start = range.start;
        let residual = residual.map(|r| &r[range.clone()]);
        // SAFETY: `isa` is available; tasks own disjoint ranges of the output.
        unsafe {
            let y = out.at(start);
            dispatch(isa, Normalise { x: &x[range], a, b, residual, act, y });
        }
    });
    // SAFETY: the tasks cover all of it.
    unsafe { y.finish(x.len()) }
}

struct Normalise<'a> {
    x: &'a [f32],
    a: &'a [f32],
    b: &'a [f32],
    residual: Option<&'a [f32]>,
    act: Activation,
    y: *mut f32,
}

impl Kernel for Normalise<'_> {
    type Out = ();

    // SAFETY conditions: `y` has room for as many values as `x`, whose length is a multiple of the
    // channels; a residual is as long as `x`.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.a.len();
        let pixels = self.x.len() / channels;
        let mut c = 0;
        while c < channels {
            let valid = S::LANES.min(channels - c);
            // SAFETY: channels `c..c + valid` of pixels that exist.
            unsafe {
                let a = S::load_n(self.a.as_ptr().add(c), valid);
                let b = S::load_n(self.b.as_ptr().add(c), valid);
                for p in 0..pixels {
                    let at = p * channels + c;
                    let mut v = S::fma(S::load_n(self.x.as_ptr().add(at), valid), a, b);
                    if let Some(r) = self.residual {
                        v = S::add(v, S::load_n(r.as_ptr().add(at), valid));
                    }
                    S::store_n(self.y.add(at), self.act.vector::<S>(v), valid);
                }
            }
            c += S::LANES;
        }
    }
}

/// What tells where the activation let the gradient through.
#[derive(Clone, Copy)]
pub(crate) enum Mask<'a> {
    /// Everywhere.
    None,
    /// By its argument `x * a + b`, computed again as the forward pass did.
    Recompute,
    /// By its result (a residual was added).
    Output(&'a [f32]),
}

/// Per channel: sums of the masked gradient, and of it times `x - mean`.
pub(crate) struct Sums {
    pub(crate) grad: Vec<f64>,
    pub(crate) grad_x: Vec<f64>,
}

/// Everything that the backward passes read.
#[derive(Clone, Copy)]
pub(crate) struct Backward<'a> {
    pub(crate) isa: Isa,
    pub(crate) x: &'a [f32],
    /// The forward pass's `a` and `b`.
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) act: Activation,
    pub(crate) mask: Mask<'a>,
}

impl Backward<'_> {
    /// Reduces the gradient `dy` of the result.
    pub(crate) fn sums(&self, dy: &[f32]) -> Sums {
        let channels = self.a.len();
        let per_task = task_pixels(channels) * channels;
        let tasks = dy.len().div_ceil(per_task);
        let mut partial = vec![0.0f32; tasks * 2 * channels];
        let out = SharedMut::new(&mut partial);
        parallel::for_each(tasks, 6 * dy.len(), |task| {
            let start = task * per_task;
            let len = per_task.min(dy.len() - start);
            // SAFETY: the instruction set is available; each task has its own part of `partial`.
            unsafe {
                let out = out.at(task * 2 * channels);
                dispatch(self.isa, Reduce { of: *self, dy: dy.as_ptr(), start, len, out });
            }
        });
        let mut sums = Sums { grad: vec![0.0; channels], grad_x: vec![0.0; channels] };
        for part in partial.chunks_exact(2 * channels) {
            for c in 0..channels {
                sums.grad[c] += f64::from(part[c]);
                sums.grad_x[c] += f64::from(part[channels + c]);
            }
        }
        sums
    }

    /// Overwrites `dy` with the input's gradient `g * p + x * q + r`, where `g` is the masked
    /// gradient and `p`, `q`, `r` have one value a channel. Returns `g` when `keep_masked`.
    pub(crate) fn apply(
        &self,
        dy: &mut [f32],
        [p, q, r]: [&[f32]; 3],
        keep_masked: bool,
    ) -> Option<Vec<f32>> {
        let channels = self.a.len();
        let per_task = task_pixels(channels) * channels;
        let total = dy.len();
        let mut masked = Output::new(if keep_masked { total } else { 0 });
        let masked_out = masked.ptr();
        let out = SharedMut::new(dy);
        parallel::for_each(total.div_ceil(per_task), 6 * total, |task| {
            let start = task * per_task;
            let len = per_task.min(total - start);
            // SAFETY: the instruction set is available; tasks own disjoint ranges of both outputs.
            unsafe {
                let dy = out.at(0);
                let masked = keep_masked.then(|| masked_out.at(0));
                dispatch(self.isa, Apply { of: *self, dy, start, len, p, q, r, masked });
            }
        });
        // SAFETY: the tasks cover all of it.
        keep_masked.then(|| unsafe { masked.finish(total) })
    }
}

/// One channel vector's masked gradient at `at`.
#[inline(always)]
unsafe fn masked<S: Simd>(
    of: &Backward<'_>,
    dy: *const f32,
    at: usize,
    valid: usize,
    (x, a, b): (S::V, S::V, S::V),
) -> S::V {
    // SAFETY: the caller keeps `at..at + valid` inside the activation.
    unsafe {
        let g = S::load_n(dy.add(at), valid);
        match of.mask {
            Mask::None => g,
            Mask::Recompute => of.act.gradient::<S>(S::fma(x, a, b), g),
            Mask::Output(y) => of.act.gradient::<S>(S::load_n(y.as_ptr().add(at), valid), g),
        }
    }
}

struct Reduce<'a> {
    of: Backward<'a>,
    dy: *const f32,
    start: usize,
    len: usize,
    out: *mut f32,
}

impl Kernel for Reduce<'_> {
    type Out = ();

    // SAFETY conditions: `start..start + len` lies inside the activation and holds whole pixels;
    // `out` has room for twice the channels.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.of.a.len();
        let mut c = 0;
        while c < channels {
            let valid = S::LANES.min(channels - c);
            // SAFETY: channels `c..c + valid` of pixels that exist.
            unsafe {
                let a = S::load_n(self.of.a.as_ptr().add(c), valid);
                let b = S::load_n(self.of.b.as_ptr().add(c), valid);
                let mean = S::load_n(self.of.mean.as_ptr().add(c), valid);
                // Two sums each, so that additions do not wait for each other.
                let (mut g0, mut g1) = (S::zero(), S::zero());
                let (mut x0, mut x1) = (S::zero(), S::zero());
                let pixels = self.len / channels;
                let mut at = self.start + c;
                for p in 0..pixels {
                    let x = S::load_n(self.of.x.as_ptr().add(at), valid);
                    let g = masked::<S>(&self.of, self.dy, at, valid, (x, a, b));
                    let d = S::sub(x, mean);
                    if p % 2 == 0 {
                        g0 = S::add(g0, g);
                        x0 = S::fma(g, d, x0);
                    } else {
                        g1 = S::add(g1, g);
                        x1 = S::fma(g, d, x1);
                    }
                    at += channels;
                }
                S::store_n(self.out.add(c), S::add(g0, g1), valid);
                S::store_n(self.out.add(channels + c), S::add(x0, x1), valid);
            }
            c += S::LANES;
        }
    }
}

struct Apply<'a> {
    of: Backward<'a>,
    dy: *mut f32,
    start: usize,
    len: usize,
    p: &'a [f32],
    q: &'a [f32],
    r: &'a [f32],
    masked: Option<*mut f32>,
}

impl Kernel for Apply<'_> {
    type Out = ();

    // SAFETY conditions: `start..start + len` lies inside the activation, the gradient and (where
    // given) `masked`, and holds whole pixels.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.of.a.len();
        let mut c = 0;
        while c < channels {
            let valid = S::LANES.min(channels - c);
            // SAFETY: channels `c..c + valid` of pixels that exist.
            unsafe {
                let a = S::load_n(self.of.a.as_ptr().add(c), valid);
                let b = S::load_n(self.of.b.as_ptr().add(c), valid);
                let p = S::load_n(self.p.as_ptr().add(c), valid);
                let q = S::load_n(self.q.as_ptr().add(c), valid);
                let r = S::load_n(self.r.as_ptr().add(c), valid);
                let mut at = self.start + c;
                for _ in 0..self.len / channels {
                    let x = S::load_n(self.of.x.as_ptr().add(at), valid);
                    let g = masked::<S>(&self.of, self.dy, at, valid, (x, a, b));
                    if let Some(masked) = self.masked {
                        S::store_n(masked.add(at), g, valid);
                    }
                    let dx = S::fma(g, p, S::fma(x, q, r));
                    S::store_n(self.dy.add(at), dx, valid);
                    at += channels;
                }
            }
            c += S::LANES;
        }
    }
}
