//! Winograd's minimal filtering for 3x3 kernels of stride 1: tiles of 4x4 output pixels take 36
//! multiplications in place of 144, tiles of 2x2 take 16 in place of 36.
//!
//! The forward pass and the input gradient are the same computation ([`convolve`]); the weight gradient is
//! the transposed one ([`weight_grad`]). Rounding errors are a few times those of the direct sums:
//! the tests state the tolerance.

mod tiles;
mod transforms;
mod weight_grad;
mod weights;

use super::forward::Epilogue;
use super::gather::{Gather, Pixels};
use super::geometry::Geometry;
use crate::memory::{Output, with_scratch};
use crate::parallel;
use crate::simd::{Isa, dispatch};
use tiles::{Images, InputTiles, OutputTiles, Plane};
pub(super) use weight_grad::weight_grad;
use weights::{Source, Weights};

/// Floats of transformed data that one block of tiles may take: most of a second-level cache.
const BLOCK: usize = 160 << 10;
/// Above this many channel pairs the transformed weights no longer stay in any cache near.
const MOST_WEIGHTS: usize = 256 * 256;

/// Which tiles pay for a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tile {
    /// 2x2 output pixels.
    Two,
    /// 4x4 output pixels.
    Four,
}

/// The tiles to use for `height` by `width` results, or `None` where direct sums are faster.
///
/// Costs in vector operations, `work` being the channel pairs and `channels` all channels: a direct pixel
/// takes nine products of a pair; a tile one for each of its points, and its transforms.
fn choose(g: &Geometry, height: usize, width: usize) -> Option<Tile> {
    let fits = g.groups == 1 && g.kh == 3 && g.kw == 3 && g.stride == 1 && g.padding <= 2;
    if !fits || g.c < 8 || g.o < 8 || g.c * g.o > MOST_WEIGHTS {
        return None;
    }
    let (work, channels) = ((g.c * g.o) as f64, (g.c + g.o) as f64);
    let tiles = |m: usize| (height.div_ceil(m) * width.div_ceil(m)) as f64;
    let direct = 9.0 * work * (height * width) as f64;
    let two = tiles(2) * (16.0 * work + 60.0 * channels);
    let four = tiles(4) * (36.0 * work + 170.0 * channels);
    if direct <= two.min(four) {
        None
    } else if two < four {
        Some(Tile::Two)
    } else {
        Some(Tile::Four)
    }
}

/// Tiles for the forward pass and the weight gradient.
pub(crate) fn for_output(g: &Geometry) -> Option<Tile> {
    choose(g, g.oh, g.ow)
}

/// Tiles for the input gradient.
pub(crate) fn for_input_grad(g: &Geometry) -> Option<Tile> {
    choose(g, g.h, g.w)
}

/// The forward pass; arguments and result as [`forward`](super::forward::forward).
pub(crate) fn forward(
    isa: Isa,
    g: &Geometry,
    tile: Tile,
    x: &[f32],
    weight: &[f32],
    epilogue: &impl Epilogue,
) -> Vec<f32> {
    let source =
        Source { weight, depth: g.c, columns: g.o, depth_step: 9, column_step: 9 * g.c, reversed: false };
    let sizes = Sizes {
        n: g.n,
        from: [g.h, g.w, g.c],
        to: [g.oh, g.ow, g.o],
        padding: g.padding,
        flops: g.flops() / 3,
    };
    match tile {
        Tile::Two => convolve::<2>(isa, &sizes, x, source, epilogue),
        Tile::Four => convolve::<4>(isa, &sizes, x, source, epilogue),
    }
}

/// The input gradient; arguments and result as [`input_grad`](super::input_grad::input_grad).
pub(crate) fn input_grad(isa: Isa, g: &Geometry, tile: Tile, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let source =
        Source { weight, depth: g.o, columns: g.c, depth_step: 9 * g.c, column_step: 9, reversed: true };
    let sizes = Sizes {
        n: g.n,
        from: [g.oh, g.ow, g.o],
        to: [g.h, g.w, g.c],
        padding: 2 - g.padding,
        flops: g.flops() / 3,
    };
    match tile {
        Tile::Two => convolve::<2>(isa, &sizes, dy, source, &()),
        Tile::Four => convolve::<4>(isa, &sizes, dy, source, &()),
    }
}

struct Sizes {
    n: usize,
    /// Height, width and channels of source and result.
    from: [usize; 3],
    to: [usize; 3],
    padding: usize,
    flops: usize,
}

fn line_of_tiles(count: usize, from: usize, to: usize) -> Pixels {
    let offsets: Vec<(usize, usize)> = (0..count).map(|t| (t * from, t * to)).collect();
    Pixels::new(&offsets)
}

fn convolve<const M: usize>(
    isa: Isa,
    s: &Sizes,
    x: &[f32],
    source: Source<'_>,
    epilogue: &impl Epilogue,
) -> Vec<f32> {
    let weights = Weights::new::<M>(isa, source);
    let points = (M + 2) * (M + 2);
    let ([h, w, c], [oh, ow, o]) = (s.from, s.to);
    let (down, across) = (oh.div_ceil(M), ow.div_ceil(M));
    let per_image = down * across;
    let images_of = Images { height: h, width: w, channels: c, padding: s.padding, across };
    let plane = Plane { height: oh, width: ow, channels: o, across };
    let block = block_tiles(points * (c + o)).min(s.n * per_image);
    let pixels = line_of_tiles(block, c, o);
    let (image, out_image) = (h * w * c, oh * ow * o);

    let len = s.n * out_image;
    let mut output = Output::new(len);
    let out = output.ptr();
    // Whole images, enough for a few blocks; the same for any number of threads.
    let per_task = (2 * block).div_ceil(per_image).min(s.n.div_ceil(4)).max(1);
    parallel::for_each(s.n.div_ceil(per_task), s.flops, |task| {
        let images = task * per_task..((task + 1) * per_task).min(s.n);
        let tiles = images.start * per_image..images.end * per_image;
        with_scratch((M + 2) * c + points * block * (c + o), |scratch| {
            let (zeros, rest) = scratch.split_at_mut((M + 2) * c);
            zeros.fill(0.0);
            let (inputs, products) = rest.split_at_mut(points * block * c);
            let mut start = tiles.start;
            while start < tiles.end {
                let count = block.min(tiles.end - start);
                let runs = Runs { start, end: start + count, per_image };
                for (index, first, tiles, at) in runs {
                    // SAFETY: `inputs` holds `block` tiles a point.
                    unsafe {
                        dispatch(
                            isa,
                            InputTiles::<M> {
                                images: &images_of,
                                image: x[index * image..][..image].as_ptr(),
                                zeros,
                                first,
                                count: tiles,
                                out: inputs.as_mut_ptr().add(at * c),
                                point: block * c,
                            },
                        );
                    }
                }
                let fewer = (count < block).then(|| line_of_tiles(count, c, o));
                for p in 0..points {
                    // SAFETY: each point's matrices hold `block` rows.
                    unsafe {
                        dispatch(
                            isa,
                            Gather {
                                input: inputs.as_ptr().add(p * block * c),
                                output: products.as_mut_ptr().add(p * block * o),
                                pixels: fewer.as_ref().unwrap_or(&pixels),
                                taps: &[0],
                                run: c,
                                panels: weights.point(p),
                            },
                        );
                    }
                }
                for (index, first, tiles, at) in runs {
                    // SAFETY: each image belongs to one task; `products` as above.
                    unsafe {
                        let image = out.at(index * out_image);
                        dispatch(
                            isa,
                            OutputTiles::<M> {
                                products: products.as_ptr().add(at * o),
                                point: block * o,
                                first,
                                count: tiles,
                                plane,
                                image,
                            },
                        );
                        if first + tiles == per_image {
                            epilogue.finish(index, std::slice::from_raw_parts_mut(image, out_image));
                        }
                    }
                }
                start += count;
            }
        });
    });
    // SAFETY: the tiles cover every image.
    unsafe { output.finish(len) }
}

/// Tiles of one block when each takes `floats`: a multiple of eight, the micro-kernel's rows.
fn block_tiles(floats: usize) -> usize {
    (BLOCK / floats / 8 * 8).clamp(8, 64)
}

/// Cuts a range of tiles at image borders: image, first tile in it, number of tiles, place in the range.
#[derive(Clone, Copy)]
struct Runs {
    start: usize,
    end: usize,
    per_image: usize,
}

impl IntoIterator for Runs {
    type Item = (usize, usize, usize, usize);
    type IntoIter = Box<dyn Iterator<Item = Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        let Self { start, end, per_image } = self;
        let images = start / per_image..end.div_ceil(per_image);
        Box::new(images.map(move |image| {
            let from = start.max(image * per_image);
            let to = end.min((image + 1) * per_image);
            (image, from - image * per_image, to - from, from - start)
        }))
    }
}
