//! Weighted softmax cross-entropy with its per-example losses.

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, bail};

use rayon::prelude::*;

use crate::graph;
use crate::memory::{to_vec, with_data};

/// What [`cross_entropy`] returns.
pub struct CrossEntropy {
    /// Scalar, differentiable: `sum_i w_i l_i / sum_i w_i`; the plain mean without weights.
    pub loss: Tensor,
    /// `[n]`, outside the graph: each example's unweighted loss
    /// `l_i = ln(sum_j exp(logits_ij)) - logits_i,target`, in nats.
    pub per_example: Tensor,
}

/// Softmax cross-entropy of `logits` `[n, k]` against class numbers `targets` `[n]` (`u32`, below `k`),
/// weighted by `weights` `[n]` (at least 0, with a positive sum).
///
/// # Errors
/// Shapes that do not fit, an empty batch, a target of `k` or more, a negative or non-finite weight,
/// weights that sum to zero. On other devices than the CPU the *values* of targets and weights are
/// not checked, as that would wait for the device.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ss_kernels::cross_entropy;
///
/// let logits = Tensor::new(&[[0f32, 0.], [0., 3f32.ln()]], &Device::Cpu)?;
/// let targets = Tensor::new(&[0u32, 1], &Device::Cpu)?;
/// let loss = cross_entropy(&logits, &targets, None)?;
/// let each = loss.per_example.to_vec1::<f32>()?;
/// assert!((each[0] - 2f32.ln()).abs() < 1e-6 && (each[1] - (4f32 / 3.).ln()).abs() < 1e-6);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, weights: Option<&Tensor>) -> Result<CrossEntropy> {
    let (n, k) = check(logits, targets, weights)?;
    if !graph::is_ours(logits) || !targets.device().is_cpu() || !weights.is_none_or(graph::is_ours) {
        #[cfg(feature = "cuda")]
        if crate::cuda::is_ours(logits)
            && targets.device().is_cuda()
            && weights.is_none_or(crate::cuda::is_ours)
        {
            return crate::cuda::cross_entropy(logits, targets, weights);
        }
        return stock(logits, targets, weights);
    }
    let examples = Examples::read(n, k, targets, weights)?;
    let mut grad = vec![0.0f32; n * k];
    let mut per_example = vec![0.0f32; n];
    with_data(&logits.detach().contiguous()?, |logits| {
        let one = |(i, (grad, each)): (usize, (&mut [f32], &mut f32))| {
            let share = examples.share(i) as f32;
            *each = one_example(&logits[i * k..(i + 1) * k], examples.targets[i] as usize, share, grad);
        };
        // Every row for itself: threads change nothing.
        if n * k < 2 * TASK_VALUES {
            grad.chunks_exact_mut(k).zip(&mut per_example).enumerate().for_each(one);
        } else {
            let rows = grad.par_chunks_exact_mut(k).zip(&mut per_example).enumerate();
            rows.with_min_len(TASK_VALUES.div_ceil(k)).for_each(one);
        }
        Ok(())
    })?;
    let grad = Tensor::from_vec(grad, (n, k), &Device::Cpu)?;
    let op = SoftmaxLoss { loss: examples.mean(&per_example), grad };
    Ok(CrossEntropy {
        loss: logits.apply_op1(op)?,
        per_example: Tensor::from_vec(per_example, n, &Device::Cpu)?,
    })
}

/// Targets and weights of a batch, checked.
pub(crate) struct Examples {
    /// Below the number of classes.
    pub(crate) targets: Vec<u32>,
    weights: Vec<f32>,
    /// The sum of the weights, positive.
    total: f64,
}

impl Examples {
    /// Those of `n` examples of `k` classes, whose shapes [`check_examples`] has seen.
    pub(crate) fn read(n: usize, k: usize, targets: &Tensor, weights: Option<&Tensor>) -> Result<Self> {
        let targets = targets.to_vec1::<u32>()?;
        if let Some((i, t)) = targets.iter().enumerate().find(|&(_, &t)| t as usize >= k) {
            bail!("cross_entropy: target {t} of example {i} is not below the number of classes {k}");
        }
        let weights = match weights {
            Some(w) => to_vec(&w.detach())?,
            None => vec![1.0; n],
        };
        if let Some((i, w)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
            bail!("cross_entropy: weight {w} of example {i} must be finite and at least 0");
        }
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        if total <= 0.0 {
            bail!("cross_entropy: the weights of the {n} examples sum to zero");
        }
        Ok(Self { targets, weights, total })
    }

    /// An example's share of the loss; all sum to one.
    pub(crate) fn share(&self, example: usize) -> f64 {
        f64::from(self.weights[example]) / self.total
    }

    /// The loss of the batch.
    pub(crate) fn mean(&self, per_example: &[f32]) -> f32 {
        let terms = self.weights.iter().zip(per_example);
        let sum: f64 = terms.map(|(&weight, &each)| f64::from(weight) * f64::from(each)).sum();
        (sum / self.total) as f32
    }
}

/// Logits that are worth a task of their own.
const TASK_VALUES: usize = 1 << 14;

/// The loss of one row of logits; writes `share` times its gradient.
fn one_example(row: &[f32], target: usize, share: f32, grad: &mut [f32]) -> f32 {
    let mut best = 0;
    for j in 1..row.len() {
        best = if row[j] > row[best] { j } else { best };
    }
    let top = row[best];
    grad.iter_mut().zip(row).for_each(|(g, v)| *g = (v - top).exp());
    // ln(1 + rest) keeps the digits of small losses, which ln(sum) would lose.
    let rest = sum_of(&grad[..best]) + sum_of(&grad[best + 1..]);
    let sum = grad[best] + rest;
    let each = rest.ln_1p() + (top - row[target]);
    let scale = share / sum;
    // At the target p - 1 as minus the other probabilities, which keeps the digits of a small one.
    let others = sum_of(&grad[..target]) + sum_of(&grad[target + 1..]);
    grad.iter_mut().for_each(|p| *p *= scale);
    grad[target] = -others * scale;
    each
}

/// The sum; that of many values in sixteen parts, which is faster and loses fewer digits.
fn sum_of(values: &[f32]) -> f32 {
    const PARTS: usize = 16;
    if values.len() < 256 {
        return values.iter().sum();
    }
    let (blocks, rest) = values.as_chunks::<PARTS>();
    let mut parts = [0.0; PARTS];
    for block in blocks {
        parts.iter_mut().zip(block).for_each(|(part, value)| *part += value);
    }
    parts.iter().chain(rest).sum()
}

/// [`cross_entropy`] by candle's own operations.
pub(crate) fn candle_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    weights: Option<&Tensor>,
) -> Result<CrossEntropy> {
    check(logits, targets, weights)?;
    stock(logits, targets, weights)
}

/// Checks the shapes and returns `(n, k)`.
fn check(logits: &Tensor, targets: &Tensor, weights: Option<&Tensor>) -> Result<(usize, usize)> {
    let (n, k) = logits.dims2()?;
    if n * k == 0 {
        bail!("cross_entropy: the logits must hold at least one value, found {:?}", logits.dims());
    }
    check_examples(n, targets, weights)?;
    Ok((n, k))
}

/// Checks the shapes of what belongs to `n` examples.
pub(crate) fn check_examples(n: usize, targets: &Tensor, weights: Option<&Tensor>) -> Result<()> {
    if targets.dims() != [n] || targets.dtype() != DType::U32 {
        bail!("cross_entropy: targets must be u32 [{n}], found {:?} {:?}", targets.dtype(), targets.dims());
    }
    if let Some(w) = weights
        && w.dims() != [n]
    {
        bail!("cross_entropy: weights must be [{n}], found {:?}", w.dims());
    }
    Ok(())
}

fn stock(logits: &Tensor, targets: &Tensor, weights: Option<&Tensor>) -> Result<CrossEntropy> {
    let top = logits.max_keepdim(1)?.detach();
    let shifted = logits.broadcast_sub(&top)?;
    let log_sum = shifted.exp()?.sum_keepdim(1)?.log()?;
    let picked = shifted.gather(&targets.unsqueeze(1)?, 1)?;
    let each = (log_sum - picked)?.squeeze(1)?;
    let loss = match weights {
        Some(w) => {
            let w = w.detach().to_dtype(each.dtype())?;
            (each.mul(&w)?.sum_all()? / w.sum_all()?)?
        }
        None => each.mean_all()?,
    };
    Ok(CrossEntropy { loss, per_example: each.detach() })
}

struct SoftmaxLoss {
    loss: f32,
    /// Gradient with respect to the logits, `[n, k]`.
    grad: Tensor,
}

impl CustomOp1 for SoftmaxLoss {
    fn name(&self) -> &'static str {
        "ss-kernels-cross-entropy"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.loss]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let upstream = f64::from(grad.to_scalar::<f32>()?);
        Ok(Some(if upstream == 1.0 { self.grad.clone() } else { (&self.grad * upstream)? }))
    }
}
