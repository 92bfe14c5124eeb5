//! The forward convolution.

use super::gather::{Gather, Panels, Pixels};
use super::geometry::{Frame, Geometry};
use super::winograd;
use crate::memory::{Output, with_scratch};
use crate::parallel;
use crate::simd::{Isa, dispatch};

/// What happens to an output image while it is still in the cache.
pub(crate) trait Epilogue: Sync {
    /// `index` is the image's number, `image` its `[oh, ow, o]` values.
    fn finish(&self, index: usize, image: &mut [f32]);
}

impl Epilogue for () {
    fn finish(&self, _: usize, _: &mut [f32]) {}
}

/// `x` is `[n, h, w, c]`, `weight` `[o, c / groups, kh, kw]`, the result `[n, oh, ow, o]`.
pub(crate) fn forward(
    isa: Isa,
    g: &Geometry,
    x: &[f32],
    weight: &[f32],
    epilogue: &impl Epilogue,
) -> Vec<f32> {
    if let Some(tile) = winograd::for_output(g) {
        return winograd::forward(isa, g, tile, x, weight, epilogue);
    }
    let frame = Frame::of_input(g);
    let in_place = frame.is_image(g.w) && frame.height <= g.h;
    let depthwise = g.is_depthwise();
    // Without groups the kernel's columns and the channels are one run.
    let (run, taps): (usize, Vec<usize>) = if g.groups == 1 {
        (g.kw * g.c, (0..g.kh).map(|i| i * frame.row()).collect())
    } else {
        let taps = (0..g.kh * g.kw).map(|t| t / g.kw * frame.row() + t % g.kw * g.c);
        (g.cg, taps.collect())
    };
    let area = g.kh * g.kw;
    let panels: Vec<Panels> = if depthwise {
        Vec::new()
    } else {
        (0..g.groups)
            .map(|group| {
                let first = group * g.og * g.cg * area;
                let rows: Vec<usize> = (0..area * g.cg).map(|k| first + k % g.cg * area + k / g.cg).collect();
                Panels::pack(isa, weight, &rows, g.og, g.cg * area)
            })
            .collect()
    };
    let transposed = if depthwise { super::depthwise::by_tap(g, weight) } else { Vec::new() };
    let step = g.stride * g.c;
    let offsets: Vec<(usize, usize)> =
        (0..g.oh * g.ow).map(|p| (p / g.ow * g.stride * frame.row() + p % g.ow * step, p * g.o)).collect();
    let pixels = Pixels::new(&offsets);

    let len = g.n * g.out_image();
    let mut output = Output::new(len);
    let out = output.ptr();
    let per_task = g.images_per_task();
    parallel::for_each(g.n.div_ceil(per_task), g.flops(), |task| {
        with_scratch(if in_place { 0 } else { frame.len() }, |scratch| {
            for image in task * per_task..((task + 1) * per_task).min(g.n) {
                let source = &x[image * g.image()..][..g.image()];
                let input = if in_place {
                    source
                } else {
                    frame.fill(scratch, source, g.h, g.w);
                    &*scratch
                };
                // SAFETY: images are disjoint and each belongs to one task. The frame covers
                // every tap of every pixel, and the offsets above stay inside one output image;
                // `isa` is available and the panels were packed for it.
                let result = unsafe {
                    let result = out.at(image * g.out_image());
                    if depthwise {
                        dispatch(
                            isa,
                            super::depthwise::Forward {
                                g,
                                frame: &frame,
                                input: input.as_ptr(),
                                weight: transposed.as_ptr(),
                                output: result,
                            },
                        );
                    }
                    for (group, panels) in panels.iter().enumerate() {
                        dispatch(
                            isa,
                            Gather {
                                input: input.as_ptr().add(group * g.cg),
                                output: result.add(group * g.og),
                                pixels: &pixels,
                                taps: &taps,
                                run,
                                panels: panels.view(),
                            },
                        );
                    }
                    std::slice::from_raw_parts_mut(result, g.out_image())
                };
                epilogue.finish(image, result);
            }
        });
    });
    // SAFETY: every image was written in full.
    unsafe { output.finish(len) }
}
