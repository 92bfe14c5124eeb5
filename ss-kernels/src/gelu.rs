//! The Gaussian error linear unit.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::graph;
use crate::memory::{contiguous, with_data};
use crate::simd::{Isa, exp_in_place};

/// `x` times the probability that a standard normal number is below it, `x Phi(x)`, by the error function (Hendrycks and
/// Gimpel, 2016), of every value. On the CPU with `f32` the gradient is computed in one pass, from `x` and the result; elsewhere by
/// candle's operations.
///
/// # Errors
/// Those of the tensor library.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let y = ss_kernels::gelu(&Tensor::new(&[0f32, 1., -1.], &Device::Cpu)?)?.to_vec1::<f32>()?;
/// assert!(y[0] == 0.0 && (y[1] - 0.841_344_7).abs() < 1e-6 && (y[2] + 0.158_655_3).abs() < 1e-6);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if !graph::is_ours(x) {
        return x.gelu_erf();
    }
    x.contiguous()?.apply_op1(Gelu)
}

struct Gelu;

/// Values of one task.
const TASK: usize = 1 << 13;

fn forward(x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let task = |(x, y): (&[f32], &mut [f32])| {
        for (x, y) in x.iter().zip(y) {
            *y = 0.5 * x * (1.0 + libm::erff(x * FRAC_1_SQRT_2));
        }
    };
    if x.len() < 2 * TASK {
        task((x, &mut y));
    } else {
        x.par_chunks(TASK).zip(y.par_chunks_mut(TASK)).for_each(task);
    }
    y
}

/// `dy (Phi(x) + x phi(x))`, where `Phi(x)` is `y / x`.
fn backward(x: &[f32], y: &[f32], dy: &[f32]) -> Vec<f32> {
    /// Below, the quotient is not good and a straight line is.
    const SMALL: f32 = 1e-4;
    let isa = Isa::current();
    let density = (2.0 * PI).sqrt().recip();
    let mut dx = vec![0.0; x.len()];
    let task = |start: usize, dx: &mut [f32]| {
        let range = start..start + dx.len();
        let (x, y, dy) = (&x[range.clone()], &y[range.clone()], &dy[range]);
        dx.iter_mut().zip(x).for_each(|(e, x)| *e = -0.5 * x * x);
        exp_in_place(isa, dx);
        for (((dx, x), y), dy) in dx.iter_mut().zip(x).zip(y).zip(dy) {
            let below = if x.abs() < SMALL { 0.5 + density * x } else { y / x };
            *dx = dy * (below + density * x * *dx);
        }
    };
    if x.len() < 2 * TASK {
        task(0, &mut dx);
    } else {
        dx.par_chunks_mut(TASK).enumerate().for_each(|(i, dx)| task(i * TASK, dx));
    }
    dx
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "ss-kernels-gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = forward(contiguous("gelu", x, layout)?);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let dx = with_data(x, |x| with_data(y, |y| with_data(&grad, |grad| Ok(backward(x, y, grad)))))?;
        Ok(Some(Tensor::from_vec(dx, x.dims(), &Device::Cpu)?))
    }
}
