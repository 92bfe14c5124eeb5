//! Convolution as unfolding and matrix products, in all three passes.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, CudaStorage, WrapErr};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::direct;
use super::launch::{self, Kernels, Matrix, Transposed, buffer, grid, over, products};
use super::sizes::Sizes;
use super::sum::sum_parts;
use crate::conv::Geometry;

pub(super) const KERNELS: Kernels = Kernels { name: "convolution", source: include_str!("convolution.cu") };

/// Values of the unfolded input of one piece of a batch at most: half a gigabyte.
const MOST_COLUMNS: usize = 1 << 27;
/// Blocks that a GPU works on at once, about; 64 x 64 values of a product make one.
const BLOCKS: usize = 264;

/// Convolution of contiguous or other `x`, `[n, c, h, w]`; differentiable in both.
pub(crate) fn conv2d(g: &Geometry, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&weight.contiguous()?, Conv2d(*g))
}

/// Some images of a batch.
struct Piece {
    first: usize,
    images: usize,
    sizes: Sizes,
}

struct Conv2d(Geometry);

impl Conv2d {
    fn taps(&self) -> usize {
        self.0.kh * self.0.kw
    }

    fn pixels(&self) -> usize {
        self.0.oh * self.0.ow
    }

    /// Whether the unfolded input is the input.
    fn is_pointwise(&self) -> bool {
        self.taps() == 1 && self.0.stride == 1 && self.0.padding == 0
    }

    /// Rows of the unfolded input of one group.
    fn rows(&self) -> usize {
        self.0.cg * self.taps()
    }

    fn weights(&self) -> usize {
        self.0.o * self.rows()
    }

    /// The batch in pieces whose unfolded input fits the memory set aside for it, and whose values are counted in 32 bits.
    fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let g = self.0;
        let largest = (g.c * self.taps() * self.pixels()).max(g.image()).max(g.out_image());
        let step = (MOST_COLUMNS / largest).clamp(1, g.n);
        (0..g.n).step_by(step).map(move |first| {
            let images = step.min(g.n - first);
            Piece { first, images, sizes: Sizes::new(&g, images) }
        })
    }

    /// The unfolded input of one piece, by image or by row.
    fn unfold(
        &self,
        device: &CudaDevice,
        x: &CudaView<'_, f32>,
        piece: &Piece,
        by_image: bool,
    ) -> Result<CudaSlice<f32>> {
        let values = piece.images * self.0.c * self.pixels();
        let mut columns = buffer(device, values * self.taps())?;
        let kernel = KERNELS.get(device, "unfold")?;
        let by_image = i32::from(by_image);
        let mut launch = kernel.builder();
        launch.arg(x).arg(&mut columns).arg(&piece.sizes).arg(&by_image);
        // SAFETY: `x` holds the images of the piece, `columns` one value for each tap of each output pixel and channel.
        unsafe { launch.launch(over(values)) }.w()?;
        Ok(columns)
    }

    fn forward(
        &self,
        device: &CudaDevice,
        x: &CudaView<'_, f32>,
        w: &CudaView<'_, f32>,
    ) -> Result<CudaSlice<f32>> {
        let g = &self.0;
        let mut y = buffer(device, g.n * g.out_image())?;
        if direct::takes(g) {
            direct::convolve(device, g, x, w, &mut y.slice_mut(..), false)?;
            return Ok(y);
        }
        for piece in self.pieces() {
            let x = x.slice(piece.first * g.image()..(piece.first + piece.images) * g.image());
            let mut y =
                y.slice_mut(piece.first * g.out_image()..(piece.first + piece.images) * g.out_image());
            if g.is_depthwise() {
                let kernel = KERNELS.get(device, "depthwise")?;
                let mut launch = kernel.builder();
                launch.arg(&x).arg(w).arg(&mut y).arg(&piece.sizes);
                // SAFETY: `x`, `w` and `y` hold the images, the weights and the results of the piece.
                unsafe { launch.launch(over(piece.images * g.out_image())) }.w()?;
                continue;
            }
            let columns =
                if self.is_pointwise() { None } else { Some(self.unfold(device, &x, &piece, true)?) };
            let columns = columns.as_ref().map_or(x, |columns| columns.slice(..));
            let (rows, pixels) = (self.rows(), self.pixels());
            for group in 0..g.groups {
                let w = w.slice(group * g.og * rows..(group + 1) * g.og * rows);
                let columns = columns.slice(group * rows * pixels..);
                let mut y = y.slice_mut(group * g.og * pixels..);
                products(
                    device,
                    piece.images,
                    Transposed::Neither,
                    (&w, Matrix::packed(g.og, rows, 0)),
                    (&columns, Matrix::packed(rows, pixels, g.groups * rows * pixels)),
                    (&mut y, Matrix::packed(g.og, pixels, g.o * pixels)),
                )?;
            }
        }
        Ok(y)
    }

    fn input_grad(
        &self,
        device: &CudaDevice,
        dy: &CudaView<'_, f32>,
        w: &CudaView<'_, f32>,
    ) -> Result<CudaSlice<f32>> {
        let g = &self.0;
        let mut dx = buffer(device, g.n * g.image())?;
        if direct::takes(g) && g.stride == 1 {
            let back =
                Geometry { c: g.o, h: g.oh, w: g.ow, o: g.c, oh: g.h, ow: g.w, cg: g.og, og: g.cg, ..*g };
            direct::convolve(device, &back, dy, w, &mut dx.slice_mut(..), true)?;
            return Ok(dx);
        }
        for piece in self.pieces() {
            let dy = dy.slice(piece.first * g.out_image()..(piece.first + piece.images) * g.out_image());
            let mut dx = dx.slice_mut(piece.first * g.image()..(piece.first + piece.images) * g.image());
            if g.is_depthwise() {
                let kernel = KERNELS.get(device, "depthwise_input_grad")?;
                let mut launch = kernel.builder();
                launch.arg(&dy).arg(w).arg(&mut dx).arg(&piece.sizes);
                // SAFETY: `dy`, `w` and `dx` hold the gradients, the weights and the input's gradients of the piece.
                unsafe { launch.launch(over(piece.images * g.image())) }.w()?;
                continue;
            }
            let (rows, pixels) = (self.rows(), self.pixels());
            let mut columns = match self.is_pointwise() {
                true => None,
                false => Some(buffer(device, piece.images * g.groups * rows * pixels)?),
            };
            for group in 0..g.groups {
                let w = w.slice(group * g.og * rows..(group + 1) * g.og * rows);
                let dy = dy.slice(group * g.og * pixels..);
                let mut to = match &mut columns {
                    Some(columns) => columns.slice_mut(group * rows * pixels..),
                    None => dx.slice_mut(group * rows * pixels..),
                };
                products(
                    device,
                    piece.images,
                    Transposed::Left,
                    (&w, Matrix::packed(g.og, rows, 0)),
                    (&dy, Matrix::packed(g.og, pixels, g.o * pixels)),
                    (&mut to, Matrix::packed(rows, pixels, g.groups * rows * pixels)),
                )?;
            }
            if let Some(columns) = &columns {
                let kernel = KERNELS.get(device, if g.stride == 1 { "fold_1" } else { "fold" })?;
                let mut launch = kernel.builder();
                launch.arg(columns).arg(&mut dx).arg(&piece.sizes);
                // SAFETY: `columns` holds what `unfold` would of the piece, `dx` its images.
                unsafe { launch.launch(over(piece.images * g.image())) }.w()?;
            }
        }
        Ok(dx)
    }

    fn weight_grad(
        &self,
        device: &CudaDevice,
        x: &CudaView<'_, f32>,
        dy: &CudaView<'_, f32>,
    ) -> Result<CudaSlice<f32>> {
        let g = &self.0;
        let mut dw = buffer(device, self.weights())?;
        if direct::takes(g) {
            direct::weight_grad(device, g, x, dy, &mut dw.slice_mut(..))?;
            return Ok(dw);
        }
        for piece in self.pieces() {
            let x = x.slice(piece.first * g.image()..(piece.first + piece.images) * g.image());
            let dy = dy.slice(piece.first * g.out_image()..(piece.first + piece.images) * g.out_image());
            let add = i32::from(piece.first > 0);
            if g.is_depthwise() {
                let kernel = KERNELS.get(device, "depthwise_weight_grad")?;
                let mut launch = kernel.builder();
                launch.arg(&x).arg(&dy).arg(&mut dw).arg(&piece.sizes).arg(&add);
                // SAFETY: as above; one block of 256 threads for each weight.
                unsafe { launch.launch(grid(self.taps(), g.c, 256)) }.w()?;
                continue;
            }
            let columns = self.unfold(device, &x, &piece, false)?;
            let dy = self.channels_first(device, &dy, &piece)?;
            let (rows, inner) = (self.rows(), piece.images * self.pixels());
            let splits = self.splits(piece.images);
            let part = inner / splits;
            let mut parts = buffer(device, splits * self.weights())?;
            for group in 0..g.groups {
                let mut parts = parts.slice_mut(group * g.og * rows..);
                let side = |rows| Matrix { rows, columns: part, stride: inner, batch: part };
                products(
                    device,
                    splits,
                    Transposed::Right,
                    (&dy.slice(group * g.og * inner..), side(g.og)),
                    (&columns.slice(group * rows * inner..), side(rows)),
                    (&mut parts, Matrix::packed(g.og, rows, self.weights())),
                )?;
            }
            sum_parts(device, &parts, &mut dw.slice_mut(..), splits, piece.first > 0)?;
        }
        Ok(dw)
    }

    /// `[images, o, pixels]` as `[o, images, pixels]`.
    fn channels_first(
        &self,
        device: &CudaDevice,
        dy: &CudaView<'_, f32>,
        piece: &Piece,
    ) -> Result<CudaSlice<f32>> {
        let values = piece.images * self.0.out_image();
        let mut turned = buffer(device, values)?;
        let (images, channels, pixels) = (piece.images as i32, self.0.o as i32, self.pixels() as i32);
        let kernel = KERNELS.get(device, "channels_first")?;
        let mut launch = kernel.builder();
        launch.arg(dy).arg(&mut turned).arg(&images).arg(&channels).arg(&pixels);
        // SAFETY: both hold the piece's results.
        unsafe { launch.launch(over(values)) }.w()?;
        Ok(turned)
    }

    /// In how many parts the images of a piece are summed: a product of few rows and columns over very many pixels would keep only a
    /// few multiprocessors busy. Divides the number of images.
    fn splits(&self, images: usize) -> usize {
        let tiles = self.0.og.div_ceil(64) * self.rows().div_ceil(64) * self.0.groups;
        let most = images * self.pixels() / 256;
        let divisors = (1..=images).filter(|d| images.is_multiple_of(*d) && (*d == 1 || *d <= most));
        let mut found = 1;
        for divisor in divisors {
            found = divisor;
            if tiles * divisor >= BLOCKS {
                break;
            }
        }
        found
    }
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "ss-kernels-cuda-conv2d"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("the convolution of GPUs was given tensors of the CPU")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        w: &CudaStorage,
        w_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = launch::device_in(x);
        let y = self.forward(&device, &launch::view(x, x_layout)?, &launch::view(w, w_layout)?)?;
        let g = &self.0;
        Ok((launch::storage(y, &device), Shape::from((g.n, g.o, g.oh, g.ow))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let device = launch::device_of(dy)?;
        let dy = dy.contiguous()?;
        let ((xs, xl), (ws, wl), (ds, dl)) =
            (x.storage_and_layout(), w.storage_and_layout(), dy.storage_and_layout());
        let dy = launch::values(&ds, dl)?;
        let dx = match x.track_op() {
            true => {
                let dx = self.input_grad(&device, &dy, &launch::values(&ws, wl)?)?;
                Some(launch::tensor(dx, &device, x.dims()))
            }
            false => None,
        };
        let dw = match w.track_op() {
            true => {
                let dw = self.weight_grad(&device, &launch::values(&xs, xl)?, &dy)?;
                Some(launch::tensor(dw, &device, w.dims()))
            }
            false => None,
        };
        Ok((dx, dw))
    }
}
