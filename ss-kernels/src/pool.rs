//! Pooling.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, bail};

use crate::graph::{self, Slot};
use crate::memory::{Output, SharedMut, to_vec, with_data};
use crate::parallel;

/// Mean over height and width: `[n, c, h, w]` to `[n, c]`. Differentiable.
///
/// # Errors
/// An input that is not of rank four or is empty.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    if !graph::is_ours(x) {
        return candle_global_avg_pool2d(x);
    }
    let (n, c, h, w) = dims_of_some(x)?;
    let input = graph::enter(x)?;
    let area = h * w;
    let means = with_data(&input.data, |x| {
        let mut means = vec![0.0f32; n * c];
        let out = SharedMut::new(&mut means);
        parallel::for_each(n, x.len(), |i| {
            // SAFETY: each task owns one image's means.
            let mean = unsafe { std::slice::from_raw_parts_mut(out.at(i * c), c) };
            for pixel in x[i * area * c..][..area * c].chunks_exact(c) {
                mean.iter_mut().zip(pixel).for_each(|(m, v)| *m += v);
            }
            let inverse = 1.0 / area as f32;
            mean.iter_mut().for_each(|m| *m *= inverse);
        });
        Ok(means)
    })?;
    let op = GlobalAvgPool { means, dims: (n, area, c), x_slot: input.slot };
    if op.x_slot.is_some() {
        input.handle.apply_op1(op)
    } else {
        Tensor::from_vec(op.means, (n, c), &Device::Cpu)
    }
}

/// [`global_avg_pool2d`] by candle's own operations.
pub(crate) fn candle_global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    dims_of_some(x)?;
    x.flatten_from(2)?.mean(2)
}

fn dims_of_some(x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    let (n, c, h, w) = x.dims4()?;
    if n * c * h * w == 0 {
        bail!("global_avg_pool2d: the input must hold at least one value, found {:?}", x.dims());
    }
    Ok((n, c, h, w))
}

struct GlobalAvgPool {
    means: Vec<f32>,
    /// Images, pixels, channels.
    dims: (usize, usize, usize),
    x_slot: Option<Arc<Slot>>,
}

impl CustomOp1 for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "ss-kernels-global-avg-pool"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, _, c) = self.dims;
        Ok((CpuStorage::F32(self.means.clone()), Shape::from((n, c))))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n, area, c) = self.dims;
        let Some(slot) = &self.x_slot else { return Ok(None) };
        let mut grad = to_vec(grad)?;
        let inverse = 1.0 / area as f32;
        grad.iter_mut().for_each(|g| *g *= inverse);
        let mut dx = Vec::with_capacity(n * area * c);
        for image in grad.chunks_exact(c) {
            for _ in 0..area {
                dx.extend_from_slice(image);
            }
        }
        slot.deposit(dx);
        Ok(Some(graph::handle_grad()?))
    }
}

/// Maximum over windows of `kernel` by `kernel` pixels every `stride` pixels, with `padding` ignored
/// pixels at each border: `[n, c, h, w]` to `[n, c, oh, ow]`, `oh = (h + 2 * padding - kernel) / stride +
/// 1`. Differentiable; of equal values the first in row order receives the gradient.
///
/// # Errors
/// Zero sizes, `padding` above half the kernel, a window larger than the padded input.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let window = Window::new("max_pool2d", x, kernel, stride, padding)?;
    if !graph::is_ours(x) {
        return candle_max_pool2d(x, kernel, stride, padding);
    }
    pool(x, window, true)
}

/// [`max_pool2d`] by candle's own operations.
pub(crate) fn candle_max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    Window::new("max_pool2d", x, kernel, stride, padding)?;
    // Candle has no padding here; the lowest finite value never wins over a real one, and no
    // window lies in the padding alone.
    let lowest = |dim: usize| -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        dims[dim] = padding;
        (Tensor::ones(dims, x.dtype(), x.device())? * f64::from(f32::MIN))?.detach().to_dtype(x.dtype())
    };
    let x = if padding == 0 {
        x.clone()
    } else {
        let rows = lowest(2)?;
        let x = Tensor::cat(&[&rows, x, &rows], 2)?;
        let mut dims = x.dims().to_vec();
        dims[3] = padding;
        let columns = (Tensor::ones(dims, x.dtype(), x.device())? * -1e30)?.detach();
        Tensor::cat(&[&columns, &x, &columns], 3)?
    };
    stock_max_pool(&x, kernel, stride)
}

/// Candle's own max pooling has a gradient only where windows do not overlap, so the maximum is taken
/// over the shifted, strided views.
fn stock_max_pool(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let (oh, ow) = ((h - kernel) / stride + 1, (w - kernel) / stride + 1);
    let places = |first: usize, count: usize| -> Result<Tensor> {
        let ids: Vec<u32> = (0..count).map(|i| (first + i * stride) as u32).collect();
        Tensor::from_vec(ids, count, x.device())
    };
    let mut best: Option<Tensor> = None;
    for i in 0..kernel {
        let rows = x.index_select(&places(i, oh)?, 2)?;
        for j in 0..kernel {
            let view = rows.index_select(&places(j, ow)?, 3)?;
            best = Some(match best {
                // Of equal values the first stays, and has the gradient; NaN stays.
                Some(b) => {
                    let taken = (view.detach().gt(&b.detach())? + view.detach().ne(&view.detach())?)?;
                    taken.where_cond(&view, &b)?
                }
                None => view,
            });
        }
    }
    best.ok_or_else(|| candle_core::Error::Msg("max_pool2d: the kernel is empty".into()))
}

/// Mean over windows of `kernel` by `kernel` pixels every `stride` pixels, without padding:
/// `[n, c, h, w]` to `[n, c, (h - kernel) / stride + 1, (w - kernel) / stride + 1]`. Differentiable.
///
/// # Errors
/// Zero sizes, a window larger than the input.
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let window = Window::new("avg_pool2d", x, kernel, stride, 0)?;
    if !graph::is_ours(x) {
        return candle_avg_pool2d(x, kernel, stride);
    }
    pool(x, window, false)
}

/// [`avg_pool2d`] by candle's own operations.
pub(crate) fn candle_avg_pool2d(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    Window::new("avg_pool2d", x, kernel, stride, 0)?;
    let (_, _, h, w) = x.dims4()?;
    let (oh, ow) = ((h - kernel) / stride + 1, (w - kernel) / stride + 1);
    let mut sum: Option<Tensor> = None;
    for (i, j) in (0..kernel).flat_map(|i| (0..kernel).map(move |j| (i, j))) {
        let ids = |first: usize, count: usize| -> Result<Tensor> {
            let ids: Vec<u32> = (0..count).map(|k| (first + k * stride) as u32).collect();
            Tensor::from_vec(ids, count, x.device())
        };
        let view = x.index_select(&ids(i, oh)?, 2)?.index_select(&ids(j, ow)?, 3)?;
        sum = Some(match sum {
            Some(s) => (s + view)?,
            None => view,
        });
    }
    let sum = sum.ok_or_else(|| candle_core::Error::Msg("avg_pool2d: empty".into()))?;
    sum / (kernel * kernel) as f64
}

#[derive(Clone, Copy)]
struct Window {
    n: usize,
    c: usize,
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Window {
    fn new(op: &str, x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        let (n, c, h, w) = x.dims4()?;
        if kernel == 0 || stride == 0 || n * c * h * w == 0 {
            bail!("{op}: kernel {kernel}, stride {stride} and all of {:?} must be at least 1", x.dims());
        }
        if 2 * padding > kernel {
            bail!("{op}: padding {padding} must be at most half the kernel ({kernel})");
        }
        if h + 2 * padding < kernel || w + 2 * padding < kernel {
            bail!("{op}: kernel {kernel} is larger than the padded input {:?}", x.dims());
        }
        let oh = (h + 2 * padding - kernel) / stride + 1;
        let ow = (w + 2 * padding - kernel) / stride + 1;
        Ok(Self { n, c, h, w, oh, ow, kernel, stride, padding })
    }

    /// Input pixels of the window of output pixel `(i, j)`, in row order, as offsets of one image.
    fn pixels(self, i: usize, j: usize) -> impl Iterator<Item = usize> {
        let span = move |at: usize, size: usize| {
            let start = at * self.stride;
            start.saturating_sub(self.padding)..(start + self.kernel).saturating_sub(self.padding).min(size)
        };
        let columns = span(j, self.w);
        span(i, self.h).flat_map(move |r| columns.clone().map(move |k| (r * self.w + k) * self.c))
    }

    fn image(&self) -> usize {
        self.h * self.w * self.c
    }

    fn out_image(&self) -> usize {
        self.oh * self.ow * self.c
    }
}

fn pool(x: &Tensor, window: Window, max: bool) -> Result<Tensor> {
    let Window { n, c, oh, ow, .. } = window;
    let input = graph::enter(x)?;
    let len = n * window.out_image();
    let y = with_data(&input.data, |x| {
        let mut y = Output::new(len);
        let out = y.ptr();
        parallel::for_each(n, window.kernel * window.kernel * len, |image| {
            let x = &x[image * window.image()..][..window.image()];
            for p in 0..oh * ow {
                // SAFETY: each task owns one image, each pixel is written in full before it is read.
                let y = unsafe {
                    let y = out.at(image * window.out_image() + p * c);
                    std::ptr::write_bytes(y, 0, c);
                    std::slice::from_raw_parts_mut(y, c)
                };
                if max {
                    y.fill(f32::NEG_INFINITY);
                }
                for at in window.pixels(p / ow, p % ow) {
                    let x = &x[at..at + c];
                    if max {
                        // Not `max`: a NaN stays.
                        y.iter_mut().zip(x).for_each(|(y, &v)| {
                            *y = if v > *y || v.is_nan() { v } else { *y };
                        });
                    } else {
                        y.iter_mut().zip(x).for_each(|(y, v)| *y += v);
                    }
                }
                if !max {
                    let inverse = 1.0 / (window.kernel * window.kernel) as f32;
                    y.iter_mut().for_each(|y| *y *= inverse);
                }
            }
        });
        // SAFETY: all images were written in full.
        Ok(unsafe { y.finish(len) })
    })?;
    let handle = match &input.slot {
        Some(x_slot) => {
            let slot = Arc::new(Slot::default());
            let op = Pool { window, max, x: input.data.clone(), x_slot: x_slot.clone(), slot: slot.clone() };
            Some((input.handle.apply_op1(op)?, slot))
        }
        None => None,
    };
    graph::leave(y, (n, oh, ow, c), handle)
}

struct Pool {
    window: Window,
    max: bool,
    x: Tensor,
    x_slot: Arc<Slot>,
    slot: Arc<Slot>,
}

impl Pool {
    fn backward(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let window = self.window;
        let Window { n, c, ow, oh, .. } = window;
        let mut dx = vec![0.0; x.len()];
        let out = SharedMut::new(&mut dx);
        parallel::for_each(n, window.kernel * window.kernel * dy.len(), |image| {
            let x = &x[image * window.image()..][..window.image()];
            let dy = &dy[image * window.out_image()..][..window.out_image()];
            // SAFETY: each task owns one image.
            let dx =
                unsafe { std::slice::from_raw_parts_mut(out.at(image * window.image()), window.image()) };
            let inverse = 1.0 / (window.kernel * window.kernel) as f32;
            for p in 0..oh * ow {
                let dy = &dy[p * c..][..c];
                if !self.max {
                    for at in window.pixels(p / ow, p % ow) {
                        let dx = &mut dx[at..at + c];
                        dx.iter_mut().zip(dy).for_each(|(d, g)| *d += g * inverse);
                    }
                    continue;
                }
                for (k, g) in dy.iter().enumerate() {
                    let mut places = window.pixels(p / ow, p % ow).map(|at| at + k);
                    let Some(mut best) = places.next() else { continue };
                    for at in places {
                        if x[at] > x[best] || (x[at].is_nan() && !x[best].is_nan()) {
                            best = at;
                        }
                    }
                    dx[best] += g;
                }
            }
        });
        dx
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "ss-kernels-pool"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(graph::handle_value())
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let dy = self.slot.take(self.window.n * self.window.out_image())?;
        let dx = with_data(&self.x, |x| Ok(self.backward(x, &dy)))?;
        self.x_slot.deposit(dx);
        Ok(Some(graph::handle_grad()?))
    }
}
