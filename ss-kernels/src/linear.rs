//! Rows times a matrix.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::conv::Rows;
use crate::graph;
use crate::memory::{contiguous, with_data};

/// `x W^T`: rows `[n, inputs]` and a weight `[outputs, inputs]` give `[n, outputs]`, differentiable in both. On the CPU with `f32` by
/// the kernels of 1x1 convolutions, which use the widest instructions there are; elsewhere candle's product.
///
/// # Errors
/// Shapes that do not fit each other, or a dimension of zero.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::new(&[[1f32, 2.], [3., 4.], [5., 6.]], &Device::Cpu)?;
/// let w = Tensor::new(&[[1f32, 1.], [0., -1.]], &Device::Cpu)?;
/// assert_eq!(ss_kernels::linear(&x, &w)?.to_vec2::<f32>()?, [[3., -2.], [7., -4.], [11., -6.]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if !graph::is_ours(x) || !graph::is_ours(weight) {
        return x.matmul(&weight.t()?);
    }
    x.contiguous()?.apply_op2(&weight.contiguous()?, Linear)
}

/// [`linear`] with a bias `[outputs]` added to every row, differentiable in that too.
///
/// # Errors
/// As [`linear`]; a bias of another shape.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::new(&[[1f32, 2.], [3., 4.]], &Device::Cpu)?;
/// let w = Tensor::new(&[[1f32, 1.], [0., -1.]], &Device::Cpu)?;
/// let b = Tensor::new(&[10f32, 20.], &Device::Cpu)?;
/// assert_eq!(ss_kernels::linear_with_bias(&x, &w, &b)?.to_vec2::<f32>()?, [[13., 18.], [17., 16.]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn linear_with_bias(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if ![x, weight, bias].into_iter().all(graph::is_ours) {
        return linear(x, weight)?.broadcast_add(bias);
    }
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, LinearWithBias)
}

struct Linear;

struct LinearWithBias;

/// Rows that are worth a task of their own.
const ROWS: usize = 64;

/// The sum of the rows of `[n, columns]`, in parts that are added in order: threads change nothing.
fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
    let sum = |mut total: Vec<f32>, row: &[f32]| {
        total.iter_mut().zip(row).for_each(|(total, value)| *total += value);
        total
    };
    let part = |rows: &[f32]| rows.chunks_exact(columns).fold(vec![0.0; columns], sum);
    let parts: Vec<Vec<f32>> = values.par_chunks(ROWS * columns).map(part).collect();
    parts.iter().fold(vec![0.0; columns], |total, part| sum(total, part))
}

fn rows(x: &Shape, weight: &Shape) -> Result<Rows> {
    let ((rows, inputs), (outputs, taken)) = (x.dims2()?, weight.dims2()?);
    if inputs != taken || rows * inputs * outputs == 0 {
        bail!(
            "linear: rows {x:?} do not fit the weight {weight:?}: expected [n, inputs] and [outputs, inputs]"
        );
    }
    Ok(Rows::new(rows, inputs, outputs))
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "ss-kernels-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let rows = rows(x_layout.shape(), weight_layout.shape())?;
        let y =
            rows.forward(contiguous("linear", x, x_layout)?, contiguous("linear", weight, weight_layout)?);
        Ok((CpuStorage::F32(y), Shape::from((x_layout.dims()[0], weight_layout.dims()[0]))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        gradients(x, weight, &grad.contiguous()?)
    }
}

/// The gradients of the tracked operands of a product.
fn gradients(x: &Tensor, weight: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let rows = rows(x.shape(), weight.shape())?;
    let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.dims(), &Device::Cpu);
    let dx = match x.track_op() {
        true => {
            let dx = with_data(weight, |w| with_data(grad, |dy| Ok(rows.input_grad(dy, w))))?;
            Some(tensor(dx, x)?)
        }
        false => None,
    };
    let dw = match weight.track_op() {
        true => {
            let dw = with_data(x, |x| with_data(grad, |dy| Ok(rows.weight_grad(x, dy))))?;
            Some(tensor(dw, weight)?)
        }
        false => None,
    };
    Ok((dx, dw))
}

impl CustomOp3 for LinearWithBias {
    fn name(&self) -> &'static str {
        "ss-kernels-linear-with-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let rows = rows(x_layout.shape(), weight_layout.shape())?;
        let shape = Shape::from((x_layout.dims()[0], weight_layout.dims()[0]));
        let outputs = weight_layout.dims()[0];
        if bias_layout.dims() != [outputs] {
            bail!("linear_with_bias: the bias must be [{outputs}], found {:?}", bias_layout.dims());
        }
        let bias = contiguous("linear", bias, bias_layout)?;
        let mut y =
            rows.forward(contiguous("linear", x, x_layout)?, contiguous("linear", weight, weight_layout)?);
        y.par_chunks_mut(ROWS * outputs).for_each(|rows| {
            for row in rows.chunks_exact_mut(outputs) {
                row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        });
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (dx, dw) = gradients(x, weight, &grad)?;
        let db = match bias.track_op() {
            true => {
                let sums = with_data(&grad, |dy| Ok(column_sums(dy, bias.elem_count())))?;
                Some(Tensor::from_vec(sums, bias.dims(), &Device::Cpu)?)
            }
            false => None,
        };
        Ok((dx, dw, db))
    }
}
