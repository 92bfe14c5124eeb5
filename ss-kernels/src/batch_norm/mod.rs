//! Batch normalisation fused with a residual addition and an activation.

mod passes;
mod statistics;

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};

use crate::Activation;
use crate::graph::{self, Input, Slot};
use crate::memory::{to_vec, with_data};
use crate::simd::Isa;
use passes::{Backward, Mask};

/// A batch's statistics, outside the graph, from which running statistics are kept.
pub struct BatchStats {
    /// Mean of each channel, `[c]`.
    pub mean: Tensor,
    /// Biased variance of each channel (divided by the number of values, not by one less), `[c]`.
    pub var: Tensor,
}

/// Batch normalisation with the batch's own statistics:
/// `act((x - mean) / sqrt(var + eps) * scale + shift + residual)` (Ioffe and Szegedy, 2015).
///
/// `x` and `residual` are `[n, c, h, w]`, `scale` and `shift` are `[c]`. Differentiable in all four. The
/// statistics are those of `n * h * w` values of each channel; they come back for running averages.
///
/// # Errors
/// Shapes that do not fit each other, an empty batch, `eps` that is not positive.
pub fn batch_norm_train(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    eps: f64,
    act: Activation,
) -> Result<(Tensor, BatchStats)> {
    check(x, &[scale, shift], residual, eps)?;
    #[cfg(feature = "cuda")]
    if [Some(x), Some(scale), Some(shift), residual].into_iter().flatten().all(crate::cuda::is_ours) {
        return crate::cuda::batch_norm_train(x, scale, shift, residual, eps, act);
    }
    if !all_ours(x, &[scale, shift], residual) {
        return stock_train(x, scale, shift, residual, eps, act);
    }
    let isa = Isa::current();
    let input = graph::enter(x)?;
    let c = input.dims()?.3;
    let (mean, var) = with_data(&input.data, |x| Ok(statistics::mean_and_variance(isa, x, c)))?;
    let to_f32 = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let stats = BatchStats {
        mean: Tensor::from_vec(to_f32(&mean), c, &Device::Cpu)?,
        var: Tensor::from_vec(to_f32(&var), c, &Device::Cpu)?,
    };
    let y = run(isa, input, scale, shift, residual, (&mean, &var, eps), act, true)?;
    Ok((y, stats))
}

/// Batch normalisation with given (running) statistics `mean` and `var`, `[c]`, which are constants;
/// differentiable in `x`, `scale`, `shift` and `residual`. Otherwise as [`batch_norm_train`].
///
/// # Errors
/// As [`batch_norm_train`].
#[allow(clippy::too_many_arguments)]
pub fn batch_norm_eval(
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    eps: f64,
    act: Activation,
) -> Result<Tensor> {
    check(x, &[mean, var, scale, shift], residual, eps)?;
    if !all_ours(x, &[mean, var, scale, shift], residual) {
        return stock(x, &mean.detach(), &var.detach(), scale, shift, residual, eps, act);
    }
    let to_f64 = |t: &Tensor| -> Result<Vec<f64>> { Ok(to_vec(t)?.into_iter().map(f64::from).collect()) };
    let (mean, var) = (to_f64(mean)?, to_f64(var)?);
    let input = graph::enter(x)?;
    run(Isa::current(), input, scale, shift, residual, (&mean, &var, eps), act, false)
}

/// [`batch_norm_train`] by candle's own operations.
pub(crate) fn candle_train(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    eps: f64,
    act: Activation,
) -> Result<(Tensor, BatchStats)> {
    check(x, &[scale, shift], residual, eps)?;
    stock_train(x, scale, shift, residual, eps, act)
}

/// [`batch_norm_eval`] by candle's own operations.
#[allow(clippy::too_many_arguments)]
pub(crate) fn candle_eval(
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    eps: f64,
    act: Activation,
) -> Result<Tensor> {
    check(x, &[mean, var, scale, shift], residual, eps)?;
    stock(x, &mean.detach(), &var.detach(), scale, shift, residual, eps, act)
}

fn check(x: &Tensor, per_channel: &[&Tensor], residual: Option<&Tensor>, eps: f64) -> Result<()> {
    let (n, c, h, w) = x.dims4()?;
    if n * c * h * w == 0 {
        bail!("batch_norm: the input must hold at least one value, found {:?}", x.dims());
    }
    if let Some(t) = per_channel.iter().find(|t| t.dims() != [c]) {
        bail!("batch_norm: expected one value for each of {c} channels, found {:?}", t.dims());
    }
    if let Some(r) = residual
        && r.dims() != x.dims()
    {
        bail!("batch_norm: the residual must be {:?}, found {:?}", x.dims(), r.dims());
    }
    if !(eps > 0.0 && eps.is_finite()) {
        bail!("batch_norm: eps must be positive and finite, found {eps}");
    }
    Ok(())
}

fn all_ours(x: &Tensor, per_channel: &[&Tensor], residual: Option<&Tensor>) -> bool {
    graph::is_ours(x) && per_channel.iter().all(|t| graph::is_ours(t)) && residual.is_none_or(graph::is_ours)
}

fn stock_train(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    eps: f64,
    act: Activation,
) -> Result<(Tensor, BatchStats)> {
    let c = x.dim(1)?;
    let rows = x.transpose(0, 1)?.flatten_from(1)?;
    let mean = rows.mean(1)?;
    let var = rows.broadcast_sub(&mean.reshape((c, 1))?)?.sqr()?.mean(1)?;
    let y = stock(x, &mean, &var, scale, shift, residual, eps, act)?;
    Ok((y, BatchStats { mean: mean.detach(), var: var.detach() }))
}

#[allow(clippy::too_many_arguments)]
fn stock(
    x: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    eps: f64,
    act: Activation,
) -> Result<Tensor> {
    let column = (1, x.dim(1)?, 1, 1);
    let y = x
        .broadcast_sub(&mean.reshape(column)?)?
        .broadcast_div(&(var + eps)?.sqrt()?.reshape(column)?)?
        .broadcast_mul(&scale.reshape(column)?)?
        .broadcast_add(&shift.reshape(column)?)?;
    let y = match residual {
        Some(r) => (y + r)?,
        None => y,
    };
    act.apply(&y)
}

#[allow(clippy::too_many_arguments)]
fn run(
    isa: Isa,
    input: Input,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    (mean, var, eps): (&[f64], &[f64], f64),
    act: Activation,
    training: bool,
) -> Result<Tensor> {
    let (n, h, w, c) = input.dims()?;
    let (scales, shifts) = (to_vec(scale)?, to_vec(shift)?);
    let inv_std: Vec<f64> = var.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
    let a: Vec<f32> = (0..c).map(|i| (f64::from(scales[i]) * inv_std[i]) as f32).collect();
    let b: Vec<f32> =
        (0..c).map(|i| (f64::from(shifts[i]) - f64::from(scales[i]) * inv_std[i] * mean[i]) as f32).collect();
    let residual = residual.map(graph::enter).transpose()?;
    let y = with_data(&input.data, |x| match &residual {
        Some(r) => with_data(&r.data, |r| Ok(passes::normalise(isa, x, &a, &b, Some(r), act))),
        None => Ok(passes::normalise(isa, x, &a, &b, None, act)),
    })?;
    let tracked = input.is_tracked()
        || residual.as_ref().is_some_and(Input::is_tracked)
        || scale.track_op()
        || shift.track_op();
    if !tracked {
        return graph::leave(y, (n, h, w, c), None);
    }
    let needs_output = act != Activation::Identity && residual.is_some();
    let handle = match &residual {
        Some(r) if r.is_tracked() => graph::join(&input.handle, &r.handle)?,
        _ => input.handle.clone(),
    };
    let slot = Arc::new(Slot::default());
    let result = Arc::new(OnceLock::new());
    let op = BatchNorm {
        x: input.data,
        x_slot: input.slot,
        y: needs_output.then(|| result.clone()),
        residual_slot: residual.and_then(|r| r.slot),
        slot: slot.clone(),
        mean: mean.iter().map(|&m| m as f32).collect(),
        scale: scales,
        inv_std,
        a,
        b,
        act,
        training,
    };
    let handle = handle.apply_op3(scale, shift, op)?;
    let y = graph::leave(y, (n, h, w, c), Some((handle, slot)))?;
    if needs_output {
        // Shares memory with the caller's tensor; set once, the cell is fresh.
        let _ = result.set(graph::channels_last(&y)?);
    }
    Ok(y)
}

struct BatchNorm {
    x: Tensor,
    x_slot: Option<Arc<Slot>>,
    /// The result, where the activation's mask cannot be had from `x` alone.
    y: Option<Arc<OnceLock<Tensor>>>,
    residual_slot: Option<Arc<Slot>>,
    slot: Arc<Slot>,
    mean: Vec<f32>,
    scale: Vec<f32>,
    inv_std: Vec<f64>,
    /// `y = act(x * a + b + residual)`.
    a: Vec<f32>,
    b: Vec<f32>,
    act: Activation,
    training: bool,
}

impl BatchNorm {
    fn backward(&self, x: &[f32], y: Option<&[f32]>) -> Result<(Vec<f32>, Vec<f32>)> {
        let mask = match (self.act, y) {
            (Activation::Identity, _) => Mask::None,
            (_, None) => Mask::Recompute,
            (_, Some(y)) => Mask::Output(y),
        };
        let c = self.scale.len();
        let pass = Backward {
            isa: Isa::current(),
            x,
            a: &self.a,
            b: &self.b,
            mean: &self.mean,
            act: self.act,
            mask,
        };
        let mut dy = self.slot.take(x.len())?;
        let sums = pass.sums(&dy);
        let dscale = (0..c).map(|i| (sums.grad_x[i] * self.inv_std[i]) as f32).collect();
        let dshift = sums.grad.iter().map(|&s| s as f32).collect();
        if self.x_slot.is_some() || self.residual_slot.is_some() {
            // dx = scale * inv_std * (g - mean(g) - xhat * mean(g * xhat)), as g * p + x * q + r;
            // given statistics are constants, which leaves g * p.
            let (mut q, mut r) = (vec![0.0; c], vec![0.0; c]);
            if self.training {
                let count = (x.len() / c) as f64;
                for i in 0..c {
                    let p = f64::from(self.scale[i]) * self.inv_std[i];
                    let slope = -p * self.inv_std[i].powi(2) * sums.grad_x[i] / count;
                    q[i] = slope as f32;
                    r[i] = (-p * sums.grad[i] / count - slope * f64::from(self.mean[i])) as f32;
                }
            }
            let keep = self.residual_slot.is_some();
            let masked = pass.apply(&mut dy, [&self.a, &q, &r], keep);
            if let (Some(slot), Some(masked)) = (&self.residual_slot, masked) {
                slot.deposit(masked);
            }
            if let Some(slot) = &self.x_slot {
                slot.deposit(dy);
            }
        }
        Ok((dscale, dshift))
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "ss-kernels-batch-norm"
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
        Ok(graph::handle_value())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let y = self.y.as_ref().and_then(|y| y.get());
        let (dscale, dshift) = with_data(&self.x, |x| match y {
            Some(y) => with_data(y, |y| self.backward(x, Some(y))),
            None => self.backward(x, None),
        })?;
        let c = self.scale.len();
        let tracked = self.x_slot.is_some() || self.residual_slot.is_some();
        Ok((
            tracked.then(graph::handle_grad).transpose()?,
            Some(Tensor::from_vec(dscale, c, &Device::Cpu)?),
            Some(Tensor::from_vec(dshift, c, &Device::Cpu)?),
        ))
    }
}
