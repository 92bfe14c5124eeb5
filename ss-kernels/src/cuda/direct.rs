//! Convolution with 3x3 kernels for few channels, without unfolding.

use candle_core::cuda_backend::cudarc::driver::{CudaView, CudaViewMut, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Result, bail};

use super::launch::{Kernels, buffer, grid};
use super::sizes::Sizes;
use super::sum::sum_parts;
use crate::conv::Geometry;

pub(super) const KERNELS: Kernels = Kernels { name: "direct", source: include_str!("direct.cu") };

/// As in the kernels.
const THREADS: usize = 128;
const TILE: usize = 8;
const STRIP: usize = 4;
const OUT: usize = 8;
/// Channels of a tile of weight gradients.
const SIDE: usize = 16;
/// Pixels of results that a block of the weight gradient holds at a time, about.
const BAND: usize = 128;
/// Values of shared memory that a block has without asking for more.
const MOST_SHARED: usize = 48 * 1024 / 4;
/// Blocks that a GPU works on at once, about.
const BLOCKS: usize = 528;

/// Input or output channels beyond which unfolding and cuBLAS are faster.
const MOST_CHANNELS: usize = 32;

/// Whether these kernels take a convolution.
pub(super) fn takes(g: &Geometry) -> bool {
    let small = g.c.max(g.o) <= MOST_CHANNELS && g.ow <= 64;
    small && (g.kh, g.kw, g.padding, g.groups) == (3, 3, 1, 1) && g.stride <= 2
}

/// `y = conv2d(x, w)`, or with `turned` what the input gradient of a convolution of stride 1 is: `x` is then the gradient of its
/// result, `w` its weights, and `g` the convolution from the one to the other.
pub(super) fn convolve(
    device: &CudaDevice,
    g: &Geometry,
    x: &CudaView<'_, f32>,
    w: &CudaView<'_, f32>,
    y: &mut CudaViewMut<'_, f32>,
    turned: bool,
) -> Result<()> {
    let fits = x.len() == g.n * g.image() && w.len() == g.o * g.c * 9 && y.len() == g.n * g.out_image();
    if !fits || (turned && g.stride != 1) {
        bail!(
            "direct convolution: operands of {}, {} and {} values do not fit {g:?}",
            x.len(),
            w.len(),
            y.len()
        );
    }
    let (groups, name) = match (g.stride, g.o.div_ceil(OUT)) {
        (1, ..=2) => (2, "convolve_1_16"),
        (1, ..=4) => (4, "convolve_1_32"),
        (1, _) => (8, "convolve_1_64"),
        (_, ..=2) => (2, "convolve_2_16"),
        (_, ..=4) => (4, "convolve_2_32"),
        _ => (8, "convolve_2_64"),
    };
    let tiles = g.n * g.oh.div_ceil(TILE) * g.ow.div_ceil(TILE);
    let per_block = THREADS / (TILE * TILE / STRIP * groups);
    let (sizes, turned) = (Sizes::new(g, g.n), i32::from(turned));
    let kernel = KERNELS.get(device, name)?;
    let mut launch = kernel.builder();
    launch.arg(x).arg(w).arg(y).arg(&sizes).arg(&turned);
    // SAFETY: `x`, `w` and `y` have the lengths that the sizes say, and the blocks cover the tiles: checked above.
    unsafe { launch.launch(grid(tiles.div_ceil(per_block), g.o.div_ceil(groups * OUT), THREADS)) }
        .w()
        .map(drop)
}

/// The weights' gradient into `dw`.
pub(super) fn weight_grad(
    device: &CudaDevice,
    g: &Geometry,
    x: &CudaView<'_, f32>,
    dy: &CudaView<'_, f32>,
    dw: &mut CudaViewMut<'_, f32>,
) -> Result<()> {
    let weights = g.o * g.c * 9;
    if x.len() != g.n * g.image() || dy.len() != g.n * g.out_image() || dw.len() != weights {
        bail!(
            "direct convolution: operands of {}, {} and {} values do not fit {g:?}",
            x.len(),
            dy.len(),
            dw.len()
        );
    }
    // Odd steps between channels as in the kernel; at its end 36 values of 65 threads.
    let shared = |rows: usize| {
        let seen = ((g.ow - 1) * g.stride + 3) * ((rows - 1) * g.stride + 3);
        (SIDE * ((seen | 1) + ((rows * g.ow) | 1))).max(36 * 65)
    };
    let most = (BAND / g.ow).clamp(1, g.oh);
    let rows = (1..=most).rev().find(|&rows| shared(rows) <= MOST_SHARED).unwrap_or(1);
    let shared = shared(rows);
    let tiles = g.o.div_ceil(SIDE) * g.c.div_ceil(SIDE);
    let splits = (g.n * g.oh.div_ceil(rows)).min(BLOCKS.div_ceil(tiles));
    let mut parts = buffer(device, splits * weights)?;
    let (sizes, rows) = (Sizes::new(g, g.n), rows as i32);
    let kernel = KERNELS.get(device, if g.stride == 1 { "weight_grad_1" } else { "weight_grad_2" })?;
    let config = LaunchConfig { shared_mem_bytes: (4 * shared) as u32, ..grid(splits, tiles, THREADS) };
    let mut launch = kernel.builder();
    launch.arg(x).arg(dy).arg(&mut parts).arg(&sizes).arg(&rows);
    // SAFETY: `x` and `dy` have the lengths that the sizes say: checked above. `parts` holds all weights for each of the grid's
    // splits, whose tiles write every one of them.
    unsafe { launch.launch(config) }.w()?;
    sum_parts(device, &parts, dw, splits, false)
}
