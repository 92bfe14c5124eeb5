//! The weight gradient by Winograd's transposed algorithm: products over tiles at each point.

use super::tiles::{GradientTiles, Images, InputTiles, Plane, TapGradients};
use super::{Runs, Tile, block_tiles};
use crate::conv::geometry::Geometry;
use crate::conv::outer::{Outer, Steps};
use crate::conv::weight_grad::Part;
use crate::memory::with_scratch;
use crate::simd::{Isa, dispatch};

/// One task's sums, in `[tap][c][o]` order.
///
/// # Safety
/// `isa` is available; nobody else touches the task's columns of its `out`.
pub(crate) unsafe fn weight_grad(isa: Isa, g: &Geometry, tile: Tile, x: &[f32], dy: &[f32], part: Part) {
    // SAFETY: the caller's conditions.
    unsafe {
        match tile {
            Tile::Two => partial::<2>(isa, g, x, dy, part),
            Tile::Four => partial::<4>(isa, g, x, dy, part),
        }
    }
}

unsafe fn partial<const M: usize>(isa: Isa, g: &Geometry, x: &[f32], dy: &[f32], part: Part) {
    let Part { images, first, width, out } = part;
    let points = (M + 2) * (M + 2);
    let (down, across) = (g.oh.div_ceil(M), g.ow.div_ceil(M));
    let per_image = down * across;
    let images_of = Images { height: g.h, width: g.w, channels: g.c, padding: g.padding, across };
    let plane = Plane { height: g.oh, width: g.ow, channels: g.o, across };
    let tiles = images.start * per_image..images.end * per_image;
    let block = (2 * block_tiles(points * (g.c + width))).clamp(1, tiles.len());
    let gradient = points * g.c * width;
    with_scratch((M + 2) * g.c + points * block * (g.c + width) + gradient, |scratch| {
        let (zeros, rest) = scratch.split_at_mut((M + 2) * g.c);
        zeros.fill(0.0);
        let (inputs, rest) = rest.split_at_mut(points * block * g.c);
        let (gradients, sums) = rest.split_at_mut(points * block * width);
        let mut start = tiles.start;
        while start < tiles.end {
            let count = block.min(tiles.end - start);
            for (index, from, run, at) in (Runs { start, end: start + count, per_image }) {
                // SAFETY: both buffers hold `block` tiles a point.
                unsafe {
                    dispatch(
                        isa,
                        InputTiles::<M> {
                            images: &images_of,
                            image: x[index * g.image()..][..g.image()].as_ptr(),
                            zeros,
                            first: from,
                            count: run,
                            out: inputs.as_mut_ptr().add(at * g.c),
                            point: block * g.c,
                        },
                    );
                    dispatch(
                        isa,
                        GradientTiles::<M> {
                            image: dy.as_ptr().add(index * g.out_image() + first),
                            plane,
                            channels: width,
                            first: from,
                            count: run,
                            out: gradients.as_mut_ptr().add(at * width),
                            point: block * width,
                        },
                    );
                }
            }
            for p in 0..points {
                // SAFETY: each point's matrices hold `block` rows and `g.c * width` sums.
                unsafe {
                    dispatch(
                        isa,
                        Outer {
                            x: inputs.as_ptr().add(p * block * g.c),
                            x_steps: Steps { image: 0, row: 0, column: g.c },
                            rows: g.c,
                            dy: gradients.as_ptr().add(p * block * width),
                            dy_steps: Steps { image: 0, row: 0, column: width },
                            columns: width,
                            out: sums.as_mut_ptr().add(p * g.c * width),
                            out_step: width,
                            accumulate: start != tiles.start,
                            extent: [1, 1, count],
                        },
                    );
                }
            }
            start += count;
        }
        // SAFETY: the caller owns these columns of `out`.
        unsafe {
            dispatch(
                isa,
                TapGradients::<M> {
                    points: sums.as_ptr(),
                    rows: g.c,
                    columns: width,
                    out: out.add(first),
                    out_row: g.o,
                    out_tap: g.c * g.o,
                },
            );
        }
    });
}
