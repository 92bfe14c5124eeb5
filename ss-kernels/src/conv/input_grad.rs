//! The gradient of a convolution with respect to its input.
//!
//! Input pixels whose coordinates agree modulo the stride receive the same set of kernel taps, so the
//! gradient falls apart into `stride * stride` phases, each a plain stride-1 gathering product of the
//! (padded) output gradient with a subset of the kernel.

use super::gather::{Gather, Panels, Pixels};
use super::geometry::{Frame, Geometry};
use super::{depthwise_3x3, winograd};
use crate::memory::{Output, with_scratch};
use crate::parallel;
use crate::simd::{Isa, dispatch};

/// The taps along one axis that reach the input coordinates `phase + stride * a`: kernel index and
/// offset `d`, so that the tap reads the output gradient at `a + d`.
fn axis_taps(phase: usize, k: usize, stride: usize, padding: usize) -> Vec<(usize, isize)> {
    (0..k)
        .filter(|i| (phase + padding + stride * k - i).is_multiple_of(stride))
        .map(|i| {
            let d = (phase + padding + stride * k - i) / stride;
            (i, d as isize - k as isize)
        })
        .collect()
}

/// Zeros needed before and places needed in all along one axis of the output gradient.
fn axis_extent(size: usize, k: usize, stride: usize, padding: usize) -> (usize, usize) {
    let (mut low, mut high) = (0, 0);
    for phase in 0..stride.min(size) {
        let last = ((size - 1 - phase) / stride) as isize;
        for (_, d) in axis_taps(phase, k, stride, padding) {
            low = low.min(d);
            high = high.max(last + d);
        }
    }
    (low.unsigned_abs(), (high - low) as usize + 1)
}

struct Phase {
    taps: Vec<usize>,
    pixels: Pixels,
    /// One for each group.
    panels: Vec<Panels>,
}

/// `dy` is `[n, oh, ow, o]`, `weight` `[o, c / groups, kh, kw]`, the result `[n, h, w, c]`.
pub(crate) fn input_grad(isa: Isa, g: &Geometry, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    if let Some(tile) = winograd::for_input_grad(g) {
        return winograd::input_grad(isa, g, tile, dy, weight);
    }
    if depthwise_3x3::applies(g) {
        return depthwise_3x3::input_grad(isa, g, dy, weight);
    }
    let (top, height) = axis_extent(g.h, g.kh, g.stride, g.padding);
    let (left, width) = axis_extent(g.w, g.kw, g.stride, g.padding);
    let frame = Frame { height, width, channels: g.o, top, left };
    let in_place = frame.is_image(g.ow) && height <= g.oh;
    let depthwise = g.is_depthwise();
    let area = g.kh * g.kw;

    let mut phases = Vec::new();
    let mut covered = true;
    for (pi, pj) in (0..g.stride.min(g.h)).flat_map(|i| (0..g.stride.min(g.w)).map(move |j| (i, j))) {
        let vertical = axis_taps(pi, g.kh, g.stride, g.padding);
        let horizontal = axis_taps(pj, g.kw, g.stride, g.padding);
        let mut taps = Vec::new();
        let mut places = Vec::new();
        for &(i, di) in &vertical {
            for &(j, dj) in &horizontal {
                let row = (di + top as isize) as usize;
                let column = (dj + left as isize) as usize;
                taps.push(row * frame.row() + column * g.o);
                places.push(i * g.kw + j);
            }
        }
        if taps.is_empty() {
            covered = false;
            continue;
        }
        if depthwise {
            continue;
        }
        let panels = (0..g.groups)
            .map(|group| {
                let outputs = |place: usize| (0..g.og).map(move |o| (group * g.og + o) * g.cg * area + place);
                let rows: Vec<usize> = places.iter().flat_map(|&p| outputs(p)).collect();
                Panels::pack(isa, weight, &rows, g.cg, area)
            })
            .collect();
        let mut offsets = Vec::new();
        for (a, i) in (pi..g.h).step_by(g.stride).enumerate() {
            for (b, j) in (pj..g.w).step_by(g.stride).enumerate() {
                offsets.push((a * frame.row() + b * g.o, (i * g.w + j) * g.c));
            }
        }
        phases.push(Phase { taps, pixels: Pixels::new(&offsets), panels });
    }
    let transposed = if depthwise { super::depthwise::by_tap(g, weight) } else { Vec::new() };

    let len = g.n * g.image();
    let mut output = Output::new(len);
    let out = output.ptr();
    let per_task = g.images_per_task();
    parallel::for_each(g.n.div_ceil(per_task), g.flops(), |task| {
        let needed = if in_place || depthwise { 0 } else { frame.len() };
        with_scratch(needed, |scratch| {
            for image in task * per_task..((task + 1) * per_task).min(g.n) {
                let source = &dy[image * g.out_image()..][..g.out_image()];
                // SAFETY: images are disjoint and each belongs to one task; the frame covers every
                // tap of every phase (`axis_extent`) and offsets stay inside one image; `isa` is
                // available and the panels were packed for it.
                unsafe {
                    let result = out.at(image * g.image());
                    if depthwise {
                        dispatch(
                            isa,
                            super::depthwise::InputGrad {
                                g,
                                dy: source.as_ptr(),
                                weight: transposed.as_ptr(),
                                dx: result,
                            },
                        );
                        continue;
                    }
                    if !covered {
                        std::slice::from_raw_parts_mut(result, g.image()).fill(0.0);
                    }
                    let input = if in_place {
                        source
                    } else {
                        frame.fill(scratch, source, g.oh, g.ow);
                        &*scratch
                    };
                    for phase in &phases {
                        for (group, panels) in phase.panels.iter().enumerate() {
                            dispatch(
                                isa,
                                Gather {
                                    input: input.as_ptr().add(group * g.og),
                                    output: result.add(group * g.cg),
                                    pixels: &phase.pixels,
                                    taps: &phase.taps,
                                    run: g.og,
                                    panels: panels.view(),
                                },
                            );
                        }
                    }
                }
            }
        });
    });
    // SAFETY: the phases cover every pixel of every image, or it was filled with zeros before.
    unsafe { output.finish(len) }
}
