//! Two-dimensional transforms of runs of tiles, vectorised over channels.
//!
//! Transformed data lies in `[point][tile][channel]` order, so that each point's data is the matrix of a
//! product over channels (or, for the weight gradient, over tiles).

use super::transforms::{Line, input, output, output_transposed, taps_transposed};
use crate::simd::{Kernel, Simd};

/// The images that patches are cut from.
#[derive(Clone, Copy)]
pub(super) struct Images {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// Zero rows above and zero columns to the left of the first patch's image part.
    pub(super) padding: usize,
    /// Tiles along one row of tiles.
    pub(super) across: usize,
}

/// Transforms input patches of `M + 2` by `M + 2` pixels, zero outside the image: `Bt d B`.
pub(super) struct InputTiles<'a, const M: usize> {
    pub(super) images: &'a Images,
    pub(super) image: *const f32,
    /// A row of `M + 2` zero pixels.
    pub(super) zeros: &'a [f32],
    /// The first tile's index in its image, and how many tiles.
    pub(super) first: usize,
    pub(super) count: usize,
    /// First tile's place, and values from one point to the next.
    pub(super) out: *mut f32,
    pub(super) point: usize,
}

impl<const M: usize> Kernel for InputTiles<'_, M> {
    type Out = ();

    // SAFETY conditions: `image` is a whole image; `zeros` holds `(M + 2) * channels` values; `out` has
    // room for all points.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = M + 2;
        let Images { height, width, channels, padding, across } = *self.images;
        for t in 0..self.count {
            let tile = self.first + t;
            // Wrapping: the patch may begin above or left of the image; only pixels inside are read.
            let top = (tile / across * M).wrapping_sub(padding);
            let left = (tile % across * M).wrapping_sub(padding);
            let mut rows = [self.zeros.as_ptr(); 6];
            for (i, row) in rows.iter_mut().enumerate().take(n) {
                let y = top.wrapping_add(i);
                if y < height {
                    let pixel = y.wrapping_mul(width).wrapping_add(left);
                    *row = self.image.wrapping_add(pixel.wrapping_mul(channels));
                }
            }
            let mut c = 0;
            while c < channels {
                let valid = S::LANES.min(channels - c);
                // SAFETY: channels `c..c + valid` of pixels inside the image, or of the zero row.
                unsafe {
                    let mut half = [[S::zero(); 6]; 6];
                    for j in 0..n {
                        if left.wrapping_add(j) >= width {
                            continue;
                        }
                        let mut line: Line<S> = [S::zero(); 6];
                        for (l, row) in line.iter_mut().zip(rows).take(n) {
                            *l = S::load_n(row.wrapping_add(j * channels + c), valid);
                        }
                        let line = input::<S, M>(line);
                        for i in 0..n {
                            half[i][j] = line[i];
                        }
                    }
                    let mut out = self.out.add(t * channels + c);
                    for i in 0..n {
                        let line = input::<S, M>(half[i]);
                        for j in 0..n {
                            S::store_n(out, line[j], valid);
                            out = out.wrapping_add(self.point);
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}

/// An output plane that tiles of `M` by `M` pixels cover, the last ones partly.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Channels of one pixel in memory.
    pub(super) channels: usize,
    pub(super) across: usize,
}

impl Plane {
    /// A tile's first row and column, and how many of each exist (at most `m`).
    #[inline(always)]
    fn tile(&self, index: usize, m: usize) -> (usize, usize, usize, usize) {
        let (i, j) = (index / self.across * m, index % self.across * m);
        (i, j, m.min(self.height - i), m.min(self.width - j))
    }
}

/// Transforms products back to output pixels: `At m A`.
pub(super) struct OutputTiles<const M: usize> {
    pub(super) products: *const f32,
    /// Values from one point to the next.
    pub(super) point: usize,
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) plane: Plane,
    pub(super) image: *mut f32,
}

impl<const M: usize> Kernel for OutputTiles<M> {
    type Out = ();

    // SAFETY conditions: `image` is a whole plane, `products` holds all points of all tiles.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = M + 2;
        let channels = self.plane.channels;
        for t in 0..self.count {
            let (y, x, rows, columns) = self.plane.tile(self.first + t, M);
            let mut c = 0;
            while c < channels {
                let valid = S::LANES.min(channels - c);
                // SAFETY: channels `c..c + valid`; pixels of the tile that exist.
                unsafe {
                    let m = self.products.add(t * channels + c);
                    let mut half = [[S::zero(); 6]; 6];
                    for j in 0..n {
                        let mut line: Line<S> = [S::zero(); 6];
                        for (i, l) in line.iter_mut().enumerate().take(n) {
                            *l = S::load_n(m.add((i * n + j) * self.point), valid);
                        }
                        let line = output::<S, M>(line);
                        for i in 0..M {
                            half[i][j] = line[i];
                        }
                    }
                    for i in 0..M {
                        if i < rows {
                            let line = output::<S, M>(half[i]);
                            let to = ((y + i) * self.plane.width + x) * channels + c;
                            for j in 0..M {
                                if j < columns {
                                    S::store_n(self.image.add(to + j * channels), line[j], valid);
                                }
                            }
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}

/// Transforms output gradients to points: `A dy At`, for a slice of the channels.
pub(super) struct GradientTiles<const M: usize> {
    /// The plane's first pixel, at the slice's first channel.
    pub(super) image: *const f32,
    pub(super) plane: Plane,
    /// Channels of the slice.
    pub(super) channels: usize,
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) out: *mut f32,
    pub(super) point: usize,
}

impl<const M: usize> Kernel for GradientTiles<M> {
    type Out = ();

    // SAFETY conditions: `image` is a plane; `out` has room for all points of all tiles.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = M + 2;
        for t in 0..self.count {
            let (y, x, rows, columns) = self.plane.tile(self.first + t, M);
            let mut c = 0;
            while c < self.channels {
                let valid = S::LANES.min(self.channels - c);
                // SAFETY: channels `c..c + valid`; pixels of the tile that exist.
                unsafe {
                    let mut half = [[S::zero(); 6]; 6];
                    for j in 0..M {
                        let mut line: Line<S> = [S::zero(); 6];
                        if j < columns {
                            for (i, l) in line.iter_mut().enumerate().take(M) {
                                if i < rows {
                                    let at = (y + i) * self.plane.width + x + j;
                                    *l = S::load_n(self.image.add(at * self.plane.channels + c), valid);
                                }
                            }
                        }
                        let line = output_transposed::<S, M>(line);
                        for i in 0..n {
                            half[i][j] = line[i];
                        }
                    }
                    let mut out = self.out.add(t * self.channels + c);
                    for i in 0..n {
                        let line = output_transposed::<S, M>(half[i]);
                        for j in 0..n {
                            S::store_n(out, line[j], valid);
                            out = out.wrapping_add(self.point);
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}

/// Transforms the gradient at the points to that of the nine taps: `Gt u G`.
pub(super) struct TapGradients<const M: usize> {
    /// `[point][rows][columns]`.
    pub(super) points: *const f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// `[tap][row][..]`: values from one row, and from one tap, to the next.
    pub(super) out: *mut f32,
    pub(super) out_row: usize,
    pub(super) out_tap: usize,
}

impl<const M: usize> Kernel for TapGradients<M> {
    type Out = ();

    // SAFETY conditions: both buffers hold the sizes stated.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = M + 2;
        let point = self.rows * self.columns;
        for r in 0..self.rows {
            let mut c = 0;
            while c < self.columns {
                let valid = S::LANES.min(self.columns - c);
                // SAFETY: columns `c..c + valid` of row `r`.
                unsafe {
                    let u = self.points.add(r * self.columns + c);
                    let mut half = [[S::zero(); 6]; 6];
                    for j in 0..n {
                        let mut line: Line<S> = [S::zero(); 6];
                        for (i, l) in line.iter_mut().enumerate().take(n) {
                            *l = S::load_n(u.add((i * n + j) * point), valid);
                        }
                        let line = taps_transposed::<S, M>(line);
                        for i in 0..3 {
                            half[i][j] = line[i];
                        }
                    }
                    for i in 0..3 {
                        let line = taps_transposed::<S, M>(half[i]);
                        for j in 0..3 {
                            let to = (i * 3 + j) * self.out_tap + r * self.out_row + c;
                            S::store_n(self.out.add(to), line[j], valid);
                        }
                    }
                }
                c += S::LANES;
            }
        }
    }
}
