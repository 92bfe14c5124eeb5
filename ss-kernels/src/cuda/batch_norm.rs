//! Batch normalisation with a residual addition and an activation, in two passes over memory forward and two back.

use candle_core::cuda_backend::cudarc::driver::{CudaView, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, CudaStorage, WrapErr};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, InplaceOp2, Layout, Result, Shape, Tensor, Var, bail};

use super::launch::{self, Kernels, NULL, buffer, grid, over};
use crate::Activation;
use crate::batch_norm::BatchStats;

pub(super) const KERNELS: Kernels = Kernels { name: "batch_norm", source: include_str!("batch_norm.cu") };

/// Threads of the blocks that add up a channel, as in the kernels.
const THREADS: usize = 256;
/// Values of a channel worth a block of their own.
const VALUES: usize = 8 * THREADS;
/// Blocks that a GPU works on at once, about.
const BLOCKS: usize = 1024;

/// The activation as the kernels number it.
fn number(act: Activation) -> i32 {
    match act {
        Activation::Identity => 0,
        Activation::Relu => 1,
        Activation::Relu6 => 2,
    }
}

/// `[n, c, h, w]` as the kernels take it.
#[derive(Clone, Copy)]
struct Planes {
    n: usize,
    c: usize,
    pixels: usize,
}

impl Planes {
    fn of(x: &Tensor) -> Result<Self> {
        let (n, c, h, w) = x.dims4()?;
        Ok(Self { n, c, pixels: h * w })
    }

    fn len(self) -> usize {
        self.n * self.c * self.pixels
    }

    /// The blocks that add up one channel: by shape alone, so that sums have one order.
    fn splits(self) -> usize {
        (self.n * self.pixels).div_ceil(VALUES).clamp(1, BLOCKS.div_ceil(self.c))
    }
}

/// `act((x - mean) / sqrt(var + eps) * scale + shift + residual)` with the batch's statistics.
pub(crate) fn batch_norm_train(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    eps: f64,
    act: Activation,
) -> Result<(Tensor, BatchStats)> {
    let planes = Planes::of(x)?;
    let params = packed(scale, shift)?;
    let x = x.contiguous()?;
    let (stats, factors) = statistics(planes, &x, &params, eps)?;
    let result = BatchStats { mean: stats.get(0)?, var: stats.get(1)? };
    let op = BatchNorm { planes, stats, factors, eps, act };
    let y = match residual {
        Some(residual) => x.apply_op3(&residual.contiguous()?, &params, op)?,
        None => x.apply_op2(&params, op)?,
    };
    Ok((y, result))
}

/// `act(x * scale + shift + residual)`, outside any graph.
pub(crate) fn normalised(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    let planes = Planes::of(x)?;
    let op =
        BatchNorm { planes, stats: scale.clone(), factors: packed(scale, shift)?.detach(), eps: 0.0, act };
    let x = x.detach().contiguous()?;
    match residual {
        // The last operand is for the backward pass only.
        Some(residual) => x.apply_op3_no_bwd(&residual.detach().contiguous()?, &op.factors, &op),
        None => x.apply_op2_no_bwd(&x, &op),
    }
}

/// `running += share * (batch * correction - running)`, `[c]`.
pub(crate) fn running_average(running: &Var, batch: &Tensor, share: f64, correction: f64) -> Result<()> {
    let op = RunningAverage { share: share as f32, correction: correction as f32 };
    running.as_tensor().inplace_op2(&batch.detach().contiguous()?, &op)
}

/// Mean and variance, and what `x` is multiplied by and what is added then: `[2, c]` each.
fn statistics(planes: Planes, x: &Tensor, params: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    let device = launch::device_of(x)?;
    let Planes { n, c, pixels } = planes;
    let ((xs, xl), (ps, pl)) = (x.storage_and_layout(), params.storage_and_layout());
    let (x, params) = (launch::values(&xs, xl)?, launch::values(&ps, pl)?);
    let splits = planes.splits();
    // SAFETY: `moments` writes all of them, and f64 has no invalid bits.
    let mut parts = unsafe { device.alloc::<f64>(2 * c * splits) }?;
    let (mut stats, mut factors) = (buffer(&device, 2 * c)?, buffer(&device, 2 * c)?);
    let (ni, ci, pi, si) = (n as i32, c as i32, pixels as i32, splits as i32);
    let kernel = KERNELS.get(&device, "moments")?;
    let mut launch = kernel.builder();
    launch.arg(&x).arg(&mut parts).arg(&ni).arg(&ci).arg(&pi);
    // SAFETY: `x` holds n * c * pixels values, `parts` two for each block; the blocks have THREADS threads.
    unsafe { launch.launch(grid(splits, c, THREADS)) }.w()?;
    let kernel = KERNELS.get(&device, "factors_of_moments")?;
    let mut launch = kernel.builder();
    launch.arg(&x).arg(&parts).arg(&params).arg(&mut stats).arg(&mut factors);
    launch.arg(&ni).arg(&ci).arg(&pi).arg(&si).arg(&eps);
    // SAFETY: as above; `params`, `stats` and `factors` hold two values a channel.
    unsafe { launch.launch(grid(c.div_ceil(THREADS / 32), 1, THREADS)) }.w()?;
    Ok((launch::tensor(stats, &device, (2, c)), launch::tensor(factors, &device, (2, c))))
}

struct BatchNorm {
    planes: Planes,
    /// `[2, c]`: mean and variance.
    stats: Tensor,
    /// `[2, c]`: what `x` is multiplied by, and what is added then.
    factors: Tensor,
    eps: f64,
    act: Activation,
}

/// Gradients of `x`, of the residual and of the packed parameters.
struct Gradients {
    x: Tensor,
    residual: Option<Tensor>,
    params: Tensor,
}

impl BatchNorm {
    fn forward(
        &self,
        device: &CudaDevice,
        x: &CudaView<'_, f32>,
        residual: Option<&CudaView<'_, f32>>,
    ) -> Result<CudaStorage> {
        let Planes { c, pixels, .. } = self.planes;
        let (fs, fl) = self.factors.storage_and_layout();
        let factors = launch::values(&fs, fl)?;
        let mut y = buffer(device, self.planes.len())?;
        let (total, ci, pi, act) = (self.planes.len() as i32, c as i32, pixels as i32, number(self.act));
        let kernel = KERNELS.get(device, "normalise")?;
        let mut launch = kernel.builder();
        launch.arg(x).arg(&factors);
        match residual {
            Some(residual) => launch.arg(residual),
            None => launch.arg(&NULL),
        };
        launch.arg(&mut y).arg(&total).arg(&ci).arg(&pi).arg(&act);
        // SAFETY: `x`, `y` and the residual, where it is not null, hold `total` values, `factors` two a channel.
        unsafe { launch.launch(over(self.planes.len())) }.w()?;
        Ok(launch::storage(y, device))
    }

    fn backward(
        &self,
        x: &Tensor,
        params: &Tensor,
        y: &Tensor,
        dy: &Tensor,
        residual: bool,
    ) -> Result<Gradients> {
        let device = launch::device_of(dy)?;
        let dy = dy.contiguous()?;
        let Planes { n, c, pixels } = self.planes;
        let ((xs, xl), (ys, yl)) = (x.storage_and_layout(), y.storage_and_layout());
        let ((ds, dl), (ps, pl)) = (dy.storage_and_layout(), params.storage_and_layout());
        let (ss, sl) = self.stats.storage_and_layout();
        let (x_values, y_values) = (launch::values(&xs, xl)?, launch::values(&ys, yl)?);
        let (dy_values, params_values) = (launch::values(&ds, dl)?, launch::values(&ps, pl)?);
        let stats = launch::values(&ss, sl)?;
        let splits = self.planes.splits();
        // SAFETY: `gradient_moments` writes all of them, and f64 has no invalid bits.
        let mut parts = unsafe { device.alloc::<f64>(2 * c * splits) }?;
        let (ni, ci, pi, si) = (n as i32, c as i32, pixels as i32, splits as i32);
        let (total, act) = (self.planes.len() as i32, number(self.act));
        let kernel = KERNELS.get(&device, "gradient_moments")?;
        let mut launch = kernel.builder();
        launch.arg(&x_values).arg(&y_values).arg(&dy_values).arg(&stats).arg(&mut parts);
        launch.arg(&ni).arg(&ci).arg(&pi).arg(&act);
        // SAFETY: `x`, `y` and `dy` hold n * c * pixels values, `stats` two a channel, `parts` two a block of THREADS threads.
        unsafe { launch.launch(grid(splits, c, THREADS)) }.w()?;
        let (mut dparams, mut factors) = (buffer(&device, 2 * c)?, buffer(&device, 3 * c)?);
        let kernel = KERNELS.get(&device, "gradient_factors")?;
        let mut launch = kernel.builder();
        launch.arg(&parts).arg(&params_values).arg(&stats).arg(&mut dparams).arg(&mut factors);
        launch.arg(&ni).arg(&ci).arg(&pi).arg(&si).arg(&self.eps);
        // SAFETY: as above; `dparams` holds two, `factors` three values a channel.
        unsafe { launch.launch(grid(c.div_ceil(THREADS / 32), 1, THREADS)) }.w()?;
        let mut dx = buffer(&device, self.planes.len())?;
        let mut dresidual = if residual { Some(buffer(&device, self.planes.len())?) } else { None };
        let kernel = KERNELS.get(&device, "gradients")?;
        let mut launch = kernel.builder();
        launch.arg(&x_values).arg(&y_values).arg(&dy_values).arg(&factors).arg(&mut dx);
        match &mut dresidual {
            Some(dresidual) => launch.arg(dresidual),
            None => launch.arg(&NULL),
        };
        launch.arg(&total).arg(&ci).arg(&pi).arg(&act);
        // SAFETY: `dx`, and the residual's gradient where it is not null, hold `total` values as `x`, `y` and `dy` do.
        unsafe { launch.launch(over(self.planes.len())) }.w()?;
        Ok(Gradients {
            x: launch::tensor(dx, &device, x.dims()),
            residual: dresidual.map(|values| launch::tensor(values, &device, x.dims())),
            params: launch::tensor(dparams, &device, (2, c)),
        })
    }
}

const ON_CPU: &str = "batch normalisation of GPUs was given tensors of the CPU";

/// Without a residual: of `x` and the packed parameters.
impl CustomOp2 for BatchNorm {
    fn name(&self) -> &'static str {
        "ss-kernels-cuda-batch-norm"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("{ON_CPU}")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let y = self.forward(&launch::device_in(x), &launch::view(x, x_layout)?, None)?;
        Ok((y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        params: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let found = self.backward(x, params, y, dy, false)?;
        Ok((Some(found.x), Some(found.params)))
    }
}

/// With one: of `x`, the residual and the packed parameters.
impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "ss-kernels-cuda-batch-norm-residual"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("{ON_CPU}")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        residual: &CudaStorage,
        residual_layout: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let residual = launch::view(residual, residual_layout)?;
        let y = self.forward(&launch::device_in(x), &launch::view(x, x_layout)?, Some(&residual))?;
        Ok((y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        _: &Tensor,
        params: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let found = self.backward(x, params, y, dy, true)?;
        Ok((Some(found.x), found.residual, Some(found.params)))
    }
}

/// Two vectors `[c]` as one `[2, c]`.
fn packed(scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    scale.contiguous()?.apply_op2(&shift.contiguous()?, Pack)
}

struct Pack;

impl CustomOp2 for Pack {
    fn name(&self) -> &'static str {
        "ss-kernels-cuda-pack"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("{ON_CPU}")
    }

    fn cuda_fwd(
        &self,
        scale: &CudaStorage,
        scale_layout: &Layout,
        shift: &CudaStorage,
        shift_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = launch::device_in(scale);
        let (scale, shift) = (launch::view(scale, scale_layout)?, launch::view(shift, shift_layout)?);
        let c = scale.len();
        let mut both = buffer(&device, 2 * c)?;
        device.memcpy_dtod(&scale, &mut both.slice_mut(..c))?;
        device.memcpy_dtod(&shift, &mut both.slice_mut(c..))?;
        Ok((launch::storage(both, &device), Shape::from((2, c))))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(grad.get(0)?), Some(grad.get(1)?)))
    }
}

struct RunningAverage {
    share: f32,
    correction: f32,
}

impl InplaceOp2 for RunningAverage {
    fn name(&self) -> &'static str {
        "ss-kernels-cuda-running-average"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        bail!("{ON_CPU}")
    }

    fn cuda_fwd(
        &self,
        running: &mut CudaStorage,
        running_layout: &Layout,
        batch: &CudaStorage,
        batch_layout: &Layout,
    ) -> Result<()> {
        let device = launch::device_in(running);
        let batch = launch::view(batch, batch_layout)?;
        let Some((from, to)) = running_layout.contiguous_offsets() else {
            bail!("expected contiguous running statistics");
        };
        if batch.len() != to - from {
            bail!("running statistics of {} channels, a batch of {}", to - from, batch.len());
        }
        let mut running = running.as_cuda_slice_mut::<f32>()?.slice_mut(from..to);
        let len = batch.len() as i32;
        let kernel = KERNELS.get(&device, "running_average")?;
        let mut launch = kernel.builder();
        launch.arg(&mut running).arg(&batch).arg(&len).arg(&self.share).arg(&self.correction);
        // SAFETY: both hold `len` values.
        unsafe { launch.launch(over(batch.len())) }.w().map(drop)
    }
}
