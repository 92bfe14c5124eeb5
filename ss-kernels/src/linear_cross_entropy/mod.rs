//! A linear classifier and its cross-entropy in one, without a matrix of logits.
//!
//! A vocabulary of thousands makes logits that are larger than everything else in a step of training, and they are wanted for
//! nothing but the loss. Here they live for a block of rows, class by class, and their gradient goes into that of the
//! rows and of the weight while it is in the cache ([`blocks`]). As in "cut cross-entropy" (Wijmans et al. 2025), but no product is
//! done twice: the gradients are made on the way forward, and `backward` only hands them over.

mod blocks;
mod softmax;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor, bail};

use crate::cross_entropy::{CrossEntropy, Examples, check_examples, cross_entropy};
use crate::graph;
use crate::linear::linear;
use crate::memory::with_data;
use crate::simd::Isa;
use blocks::{Head, Wanted};

/// [`cross_entropy`](crate::cross_entropy()) of the logits [`linear`](crate::linear())`(x, weight)`: rows `x` `[n, d]` and a
/// weight `[k, d]`, differentiable in both; targets `[n]` (`u32`, below `k`) and weights `[n]` of the rows as there.
///
/// On the CPU with `f32` the `[n, k]` logits are never held; the gradients are computed with the loss, those that are tracked. Elsewhere it is the two operations in turn.
///
/// # Errors
/// As [`linear`](crate::linear()) and [`cross_entropy`](crate::cross_entropy()).
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use ss_kernels::{cross_entropy, linear, linear_cross_entropy};
///
/// let x = Tensor::new(&[[1f32, 2.], [3., -4.]], &Device::Cpu)?;
/// let weight = Var::new(&[[1f32, 1.], [0., -1.], [0.5, 0.]], &Device::Cpu)?;
/// let targets = Tensor::new(&[0u32, 2], &Device::Cpu)?;
/// let fused = linear_cross_entropy(&x, &weight, &targets, None)?.loss;
/// let in_turn = cross_entropy(&linear(&x, &weight)?, &targets, None)?.loss;
/// assert!((fused.to_scalar::<f32>()? - in_turn.to_scalar::<f32>()?).abs() < 1e-6);
/// assert_eq!(fused.backward()?.get(&weight).map(|gradient| gradient.dims().to_vec()), Some(vec![3, 2]));
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn linear_cross_entropy(
    x: &Tensor,
    weight: &Tensor,
    targets: &Tensor,
    weights: Option<&Tensor>,
) -> Result<CrossEntropy> {
    let ours = graph::is_ours(x) && graph::is_ours(weight) && weights.is_none_or(graph::is_ours);
    if !ours || !targets.device().is_cpu() {
        return cross_entropy(&linear(x, weight)?, targets, weights);
    }
    let ((n, d), (k, taken)) = (x.dims2()?, weight.dims2()?);
    if d != taken || n * d * k == 0 {
        bail!(
            "linear_cross_entropy: rows {:?} do not fit the weight {:?}: expected [n, d] and [k, d]",
            x.dims(),
            weight.dims()
        );
    }
    check_examples(n, targets, weights)?;
    let examples = Examples::read(n, k, targets, weights)?;
    let wanted = Wanted { x: x.track_op(), weight: weight.track_op() };
    let computed = with_data(&x.detach().contiguous()?, |x| {
        with_data(&weight.detach().contiguous()?, |weight| {
            Ok(Head { isa: Isa::current(), n, d, k, x, weight, examples: &examples }.run(wanted))
        })
    })?;
    let tensor = |values: Vec<f32>, rows: usize| Tensor::from_vec(values, (rows, d), &Device::Cpu);
    let op = LinearLoss {
        loss: examples.mean(&computed.per_example),
        x_grad: computed.x_grad.map(|grad| tensor(grad, n)).transpose()?,
        weight_grad: computed.weight_grad.map(|grad| tensor(grad, k)).transpose()?,
    };
    Ok(CrossEntropy {
        loss: x.apply_op2(weight, op)?,
        per_example: Tensor::from_vec(computed.per_example, n, &Device::Cpu)?,
    })
}

/// The loss with the gradients of the tracked operands, in their shapes.
struct LinearLoss {
    loss: f32,
    x_grad: Option<Tensor>,
    weight_grad: Option<Tensor>,
}

impl CustomOp2 for LinearLoss {
    fn name(&self) -> &'static str {
        "ss-kernels-linear-cross-entropy"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.loss]), Shape::from(())))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let upstream = f64::from(grad.to_scalar::<f32>()?);
        let scaled = |of: &Tensor| if upstream == 1.0 { Ok(of.clone()) } else { of * upstream };
        let [x, weight] = [&self.x_grad, &self.weight_grad].map(|of| of.as_ref().map(scaled).transpose());
        Ok((x?, weight?))
    }
}
