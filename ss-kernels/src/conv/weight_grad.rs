//! The gradient of a convolution with respect to its weight.
//!
//! For each kernel row the gradient is a sum of outer products of input runs and output gradients.
//! The batch is cut into a few chunks (their number depends on the shape alone); the chunks' partial
//! gradients, in `[kh, kw * c, o]` order, are added in a fixed order.

use super::geometry::{Frame, Geometry};
use super::outer::{Outer, Steps};
use super::winograd;
use crate::memory::{Output, with_scratch};
use crate::parallel;
use crate::simd::{Isa, dispatch};

/// Bytes of partial gradients that are worth keeping for the sake of parallelism.
const PARTIALS: usize = 4 << 20;
/// Pixels that make a chunk worthwhile.
const CHUNK_PIXELS: usize = 2048;
/// Floats of input and output gradient that a block of images may take in the cache.
const BLOCK: usize = 64 << 10;

/// Cuts of the batch and of the output channels into tasks.
struct Cut {
    chunks: usize,
    columns: usize,
}

impl Cut {
    fn new(g: &Geometry) -> Self {
        let bytes = 4 * g.o * g.cg * g.kh * g.kw;
        let by_size = (PARTIALS / bytes).clamp(1, 8);
        let by_pixels = (g.n * g.oh * g.ow).div_ceil(CHUNK_PIXELS);
        let chunks = by_size.min(by_pixels).min(g.n).max(1);
        // Columns in multiples of two AVX-512 vectors.
        let columns = if chunks < 8 && g.groups == 1 && g.o >= 64 { g.o / 32 } else { 1 };
        Self { chunks, columns: columns.min(8usize.div_ceil(chunks)) }
    }
}

/// `x` is `[n, h, w, c]`, `dy` `[n, oh, ow, o]`, the result `[o, c / groups, kh, kw]`.
pub(crate) fn weight_grad(isa: Isa, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    if g.is_depthwise() {
        return super::depthwise::weight_grad(isa, g, x, dy);
    }
    let frame = Frame::of_input(g);
    let size = g.o * g.cg * g.kh * g.kw;
    let cut = Cut::new(g);
    let tile = winograd::for_output(g);
    let per_chunk = g.n.div_ceil(cut.chunks);
    let chunks = g.n.div_ceil(per_chunk);
    let width = g.o.div_ceil(cut.columns).next_multiple_of(32).min(g.o);
    let slices = g.o.div_ceil(width);
    let len = chunks * size;
    let mut partials = Output::new(len);
    let out = partials.ptr();
    parallel::for_each(chunks * slices, g.flops(), |task| {
        let chunk = task / slices;
        let first = task % slices * width;
        let part = Part {
            images: chunk * per_chunk..((chunk + 1) * per_chunk).min(g.n),
            first,
            width: width.min(g.o - first),
            // SAFETY: `partials` holds `chunks` gradients.
            out: unsafe { out.at(chunk * size) },
        };
        // SAFETY: `isa` is available; each task writes its own columns of its own chunk.
        unsafe {
            match tile {
                Some(tile) => winograd::weight_grad(isa, g, tile, x, dy, part),
                None => partial(isa, g, &frame, x, dy, part),
            }
        };
    });
    // SAFETY: every chunk's first block of images set all of its values.
    let partials = unsafe { partials.finish(len) };
    to_weight_order(g, &partials, chunks)
}

/// One task: a chunk of the batch and a slice of the output channels.
pub(super) struct Part {
    pub(super) images: std::ops::Range<usize>,
    /// First output channel, and how many.
    pub(super) first: usize,
    pub(super) width: usize,
    /// The chunk's gradient, all channels.
    pub(super) out: *mut f32,
}

/// One task's direct sums.
///
/// # Safety
/// `isa` is available; nobody else touches the task's columns of its `out`.
unsafe fn partial(isa: Isa, g: &Geometry, frame: &Frame, x: &[f32], dy: &[f32], part: Part) {
    let Part { images, first, width, out } = part;
    let in_place = frame.is_image(g.w) && frame.height <= g.h;
    let image = if in_place { g.image() } else { frame.len() };
    let block = (BLOCK / (image + g.out_image())).clamp(1, images.len());
    with_scratch(if in_place { 0 } else { block * image }, |scratch| {
        let mut start = images.start;
        while start < images.end {
            let count = block.min(images.end - start);
            let input = if in_place {
                &x[start * image..]
            } else {
                for i in 0..count {
                    let source = &x[(start + i) * g.image()..][..g.image()];
                    frame.fill(&mut scratch[i * image..][..image], source, g.h, g.w);
                }
                &*scratch
            };
            let accumulate = start != images.start;
            let x_steps = Steps { image, row: g.stride * frame.row(), column: g.stride * g.c };
            let dy_steps = Steps { image: g.out_image(), row: g.ow * g.o, column: g.o };
            let extent = [count, g.oh, g.ow];
            let run = |tap: usize, rows: usize, group: usize, at: usize, step: usize| {
                // Groups keep their output channels together; without groups the task's slice.
                let (from, columns) = if g.groups == 1 { (first, width) } else { (group * g.og, g.og) };
                // SAFETY: the frame covers every tap; `at` lies in this chunk's gradient.
                unsafe {
                    dispatch(
                        isa,
                        Outer {
                            x: input.as_ptr().add(tap + group * g.cg),
                            x_steps,
                            rows,
                            dy: dy.as_ptr().add(start * g.out_image() + from),
                            dy_steps,
                            columns,
                            out: out.add(at),
                            out_step: step,
                            accumulate,
                            extent,
                        },
                    );
                }
            };
            if g.groups == 1 {
                let rows = g.kw * g.c;
                for i in 0..g.kh {
                    run(i * frame.row(), rows, 0, i * rows * g.o + first, g.o);
                }
            } else {
                let area = g.kh * g.kw;
                for group in 0..g.groups {
                    for t in 0..area {
                        let tap = t / g.kw * frame.row() + t % g.kw * g.c;
                        let at = (group * area + t) * g.cg * g.og;
                        run(tap, g.cg, group, at, g.og);
                    }
                }
            }
            start += count;
        }
    });
}

/// Adds the chunks, in order, and turns `[groups][kh * kw][cg][og]` into `[o][cg][kh * kw]`.
fn to_weight_order(g: &Geometry, partials: &[f32], chunks: usize) -> Vec<f32> {
    /// Output channels of one task: a cache line of the source, so many rows of the result.
    const LINE: usize = 16;
    let area = g.kh * g.kw;
    let row = g.cg * area;
    let size = g.o * row;
    let mut weight = Output::new(size);
    let out = weight.ptr();
    let lines = g.og.div_ceil(LINE);
    parallel::for_each(g.groups * lines, size * chunks, |task| {
        let (group, first) = (task / lines, task % lines * LINE);
        let count = LINE.min(g.og - first);
        for c in 0..g.cg {
            for t in 0..area {
                let at = ((group * area + t) * g.cg + c) * g.og + first;
                let mut sums = [0.0f32; LINE];
                sums[..count].copy_from_slice(&partials[at..at + count]);
                for chunk in 1..chunks {
                    let more = &partials[chunk * size + at..][..count];
                    sums.iter_mut().zip(more).for_each(|(s, v)| *s += v);
                }
                for (j, sum) in sums.iter().enumerate().take(count) {
                    let o = group * g.og + first + j;
                    // SAFETY: each task owns its output channels' weights.
                    unsafe { *out.at(o * row + c * area + t) = *sum };
                }
            }
        }
    });
    // SAFETY: every weight of every output channel was written.
    unsafe { weight.finish(size) }
}
