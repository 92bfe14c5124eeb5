//! Rows times a matrix.

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor, bail};

use crate::conv::Rows;
use crate::graph;
use crate::memory::with_data;

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

struct Linear;

fn rows(x: &Shape, weight: &Shape) -> Result<Rows> {
    let ((rows, inputs), (outputs, taken)) = (x.dims2()?, weight.dims2()?);
    if inputs != taken || rows * inputs * outputs == 0 {
        bail!(
            "linear: rows {x:?} do not fit the weight {weight:?}: expected [n, inputs] and [outputs, inputs]"
        );
    }
    Ok(Rows::new(rows, inputs, outputs))
}

/// The values of a contiguous operand.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((first, end)) => Ok(&storage.as_slice::<f32>()?[first..end]),
        None => bail!("linear: an operand is not contiguous"),
    }
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
        let y = rows.forward(values(x, x_layout)?, values(weight, weight_layout)?);
        Ok((CpuStorage::F32(y), Shape::from((x_layout.dims()[0], weight_layout.dims()[0]))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, grad) = (rows(x.shape(), weight.shape())?, grad.contiguous()?);
        let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.dims(), &Device::Cpu);
        let dx = match x.track_op() {
            true => {
                let dx = with_data(weight, |w| with_data(&grad, |dy| Ok(rows.input_grad(dy, w))))?;
                Some(tensor(dx, x)?)
            }
            false => None,
        };
        let dw = match weight.track_op() {
            true => {
                let dw = with_data(x, |x| with_data(&grad, |dy| Ok(rows.weight_grad(x, dy))))?;
                Some(tensor(dw, weight)?)
            }
            false => None,
        };
        Ok((dx, dw))
    }
}
