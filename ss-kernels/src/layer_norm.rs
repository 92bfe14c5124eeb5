//! Layer normalisation.

use candle_core::{CpuStorage, CustomOp3, D, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::elementwise::sixteen_parts;
use crate::graph;
use crate::memory::{contiguous, with_data};

/// Every row of `x` `[n, d]` to mean 0 and variance 1 (biased, over its `d` values), then times `scale` `[d]` and plus `shift`
/// `[d]`: `(x - mean) / sqrt(var + eps) * scale + shift` (Ba, Kiros and Hinton, 2016). Differentiable in all three. On the CPU with
/// `f32` a row is read once forward and once backward; elsewhere by candle's operations.
///
/// # Errors
/// Shapes that do not fit each other, a dimension of zero, `eps` that is not positive.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
///
/// let x = Tensor::new(&[[1f32, 3.], [10., 30.]], &Device::Cpu)?;
/// let (scale, shift) = (Tensor::new(&[1f32, 2.], &Device::Cpu)?, Tensor::new(&[0f32, 5.], &Device::Cpu)?);
/// let y = ss_kernels::layer_norm(&x, &scale, &shift, 1e-9)?;
/// assert_eq!(y.to_vec2::<f32>()?, [[-1., 7.], [-1., 7.]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn layer_norm(x: &Tensor, scale: &Tensor, shift: &Tensor, eps: f64) -> Result<Tensor> {
    check(x, scale, shift, eps)?;
    if ![x, scale, shift].into_iter().all(graph::is_ours) {
        return stock(x, scale, shift, eps);
    }
    x.contiguous()?.apply_op3(&scale.contiguous()?, &shift.contiguous()?, LayerNorm { eps })
}

/// [`layer_norm`] by candle's own operations.
pub(crate) fn candle_layer_norm(x: &Tensor, scale: &Tensor, shift: &Tensor, eps: f64) -> Result<Tensor> {
    check(x, scale, shift, eps)?;
    stock(x, scale, shift, eps)
}

fn check(x: &Tensor, scale: &Tensor, shift: &Tensor, eps: f64) -> Result<()> {
    let (n, d) = x.dims2()?;
    if n * d == 0 {
        bail!("layer_norm: the input must hold at least one value, found {:?}", x.dims());
    }
    if let Some(t) = [scale, shift].into_iter().find(|t| t.dims() != [d]) {
        bail!("layer_norm: expected one value for each of {d} columns, found {:?}", t.dims());
    }
    if !(eps > 0.0 && eps.is_finite()) {
        bail!("layer_norm: eps must be positive and finite, found {eps}");
    }
    Ok(())
}

fn stock(x: &Tensor, scale: &Tensor, shift: &Tensor, eps: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normal = centred.broadcast_div(&(variance + eps)?.sqrt()?)?;
    normal.broadcast_mul(scale)?.broadcast_add(shift)
}

struct LayerNorm {
    eps: f64,
}

/// Rows of one task, whose part of the gradients of scale and shift is added up by itself.
const ROWS: usize = 64;

/// Values below which another thread costs more than it gains.
const WORTH_WAKING: usize = 1 << 15;

impl LayerNorm {
    /// Mean and `1 / sqrt(var + eps)` of a row.
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let d = row.len() as f64;
        let mean = (sum(row, |i| row[i]) / d) as f32;
        let variance = sum(row, |i| (row[i] - mean) * (row[i] - mean)) / d;
        (mean, (1.0 / (variance + self.eps).sqrt()) as f32)
    }

    fn forward(&self, x: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
        let d = scale.len();
        let mut y = vec![0.0; x.len()];
        let rows = |(x, y): (&[f32], &mut [f32])| {
            for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
                let (mean, inv) = self.moments(x);
                for j in 0..d {
                    y[j] = (x[j] - mean) * inv * scale[j] + shift[j];
                }
            }
        };
        if x.len() < WORTH_WAKING {
            rows((x, &mut y));
        } else {
            x.par_chunks(ROWS * d).zip(y.par_chunks_mut(ROWS * d)).for_each(rows);
        }
        y
    }

    /// Gradients of `x` `[n, d]`, scale and shift `[d]`.
    fn backward(&self, x: &[f32], scale: &[f32], dy: &[f32]) -> [Vec<f32>; 3] {
        let d = scale.len();
        let tasks = x.len().div_ceil(ROWS * d);
        let (mut dx, mut parts) = (vec![0.0; x.len()], vec![0.0f32; tasks * 2 * d]);
        let rows = |x: &[f32], dy: &[f32], dx: &mut [f32], part: &mut [f32]| {
            let (dscale, dshift) = part.split_at_mut(d);
            let rows = x.chunks_exact(d).zip(dy.chunks_exact(d)).zip(dx.chunks_exact_mut(d));
            for ((x, dy), dx) in rows {
                let (mean, inv) = self.moments(x);
                // dx = inv * (g - mean(g) - normal * mean(g * normal)) where g = dy * scale.
                let g = |j: usize| dy[j] * scale[j];
                let normal = |j: usize| (x[j] - mean) * inv;
                let mean_g = (sum(x, g) / d as f64) as f32;
                let slope = (sum(x, |j| g(j) * normal(j)) / d as f64) as f32;
                for j in 0..d {
                    let normal = normal(j);
                    dx[j] = inv * (g(j) - mean_g - normal * slope);
                    dscale[j] += dy[j] * normal;
                    dshift[j] += dy[j];
                }
            }
        };
        let len = ROWS * d;
        if x.len() < WORTH_WAKING {
            let tasks = x.chunks(len).zip(dy.chunks(len)).zip(dx.chunks_mut(len));
            let tasks = tasks.zip(parts.chunks_mut(2 * d));
            tasks.for_each(|(((x, dy), dx), part)| rows(x, dy, dx, part));
        } else {
            let tasks = x.par_chunks(len).zip(dy.par_chunks(len)).zip(dx.par_chunks_mut(len));
            let tasks = tasks.zip(parts.par_chunks_mut(2 * d));
            tasks.for_each(|(((x, dy), dx), part)| rows(x, dy, dx, part));
        }
        // In order: threads change nothing.
        let (total, rest) = parts.split_at_mut(2 * d);
        for part in rest.chunks_exact(2 * d) {
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
        let (dscale, dshift) = (total[..d].to_vec(), total[d..].to_vec());
        [dx, dscale, dshift]
    }
}

/// The sum of `of(j)` over the values of a row.
#[inline(always)]
fn sum(row: &[f32], of: impl Fn(usize) -> f32) -> f64 {
    let (parts, whole) = sixteen_parts(row.len(), &of);
    let rest: f64 = (whole..row.len()).map(|j| f64::from(of(j))).sum();
    parts.iter().map(|&part| f64::from(part)).sum::<f64>() + rest
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "ss-kernels-layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = self.forward(
            contiguous("layer_norm", x, x_layout)?,
            contiguous("layer_norm", scale, scale_layout)?,
            contiguous("layer_norm", shift, shift_layout)?,
        );
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let [dx, dscale, dshift] = with_data(x, |x| {
            with_data(scale, |scale| with_data(&grad, |grad| Ok(self.backward(x, scale, grad))))
        })?;
        let tracked = |of: &Tensor, values: Vec<f32>| {
            of.track_op().then(|| Tensor::from_vec(values, of.dims(), &Device::Cpu)).transpose()
        };
        Ok((tracked(x, dx)?, tracked(scale, dscale)?, tracked(shift, dshift)?))
    }
}
