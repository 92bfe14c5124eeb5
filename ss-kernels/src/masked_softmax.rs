//! The softmax of attention scores.

use candle_core::{CpuStorage, CustomOp1, D, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::elementwise::sixteen_parts;
use crate::graph;
use crate::memory::{to_vec, with_data};
use crate::simd::{Isa, exp_in_place};

/// Softmax over the last dimension of `scale * scores + mask`: scores `[.., t, s]` and a mask `[t, s]`, which is a constant;
/// minus infinity in it leaves a place out. Differentiable in the scores. On the CPU with `f32` in one pass each way; elsewhere by
/// candle's operations.
///
/// # Errors
/// Scores of fewer than two dimensions, a mask of another shape than their last two, a dimension of zero.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let scores = Tensor::new(&[[1f32, 7.], [0., 3f32.ln()]], &Device::Cpu)?;
/// let causal = Tensor::new(&[[0f32, f32::NEG_INFINITY], [0., 0.]], &Device::Cpu)?;
/// let shares = ss_kernels::masked_softmax(&scores, &causal, 1.0)?.to_vec2::<f32>()?;
/// assert!(shares[0] == [1., 0.] && (shares[1][1] - 0.75).abs() < 1e-6);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn masked_softmax(scores: &Tensor, mask: &Tensor, scale: f64) -> Result<Tensor> {
    check(scores, mask)?;
    if !graph::is_ours(scores) || !graph::is_ours(mask) {
        return stock(scores, mask, scale);
    }
    scores.contiguous()?.apply_op1(MaskedSoftmax {
        isa: Isa::current(),
        mask: to_vec(&mask.detach())?,
        columns: mask.dim(1)?,
        scale: scale as f32,
    })
}

/// [`masked_softmax`] by candle's own operations.
pub(crate) fn candle_masked_softmax(scores: &Tensor, mask: &Tensor, scale: f64) -> Result<Tensor> {
    check(scores, mask)?;
    stock(scores, mask, scale)
}

fn check(scores: &Tensor, mask: &Tensor) -> Result<()> {
    if scores.elem_count() == 0 || mask.rank() != 2 || !scores.dims().ends_with(mask.dims()) {
        bail!(
            "masked_softmax: expected scores [.., t, s] and a mask [t, s], found {:?} and {:?}",
            scores.dims(),
            mask.dims()
        );
    }
    Ok(())
}

fn stock(scores: &Tensor, mask: &Tensor, scale: f64) -> Result<Tensor> {
    let scores = (scores * scale)?.broadcast_add(&mask.detach())?;
    let exps = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exps.broadcast_div(&exps.sum_keepdim(D::Minus1)?)
}

struct MaskedSoftmax {
    isa: Isa,
    /// `[t, columns]`.
    mask: Vec<f32>,
    columns: usize,
    scale: f32,
}

/// Values of one task.
const TASK: usize = 1 << 13;

impl MaskedSoftmax {
    /// Rows of one task.
    fn rows(&self) -> usize {
        TASK.div_ceil(self.columns)
    }

    fn forward(&self, scores: &[f32]) -> Vec<f32> {
        let columns = self.columns;
        let mut shares = vec![0.0; scores.len()];
        let len = self.rows() * columns;
        let task = |(task, (scores, shares)): (usize, (&[f32], &mut [f32]))| {
            let masks = self.mask.chunks_exact(columns).cycle();
            let masks = masks.skip(task * self.rows() % (self.mask.len() / columns));
            let rows = scores.chunks_exact(columns).zip(shares.chunks_exact_mut(columns));
            for ((scores, shares), mask) in rows.zip(masks) {
                let mut top = f32::NEG_INFINITY;
                for ((share, score), mask) in shares.iter_mut().zip(scores).zip(mask) {
                    *share = score * self.scale + mask;
                    top = if *share > top { *share } else { top };
                }
                shares.iter_mut().for_each(|share| *share -= top);
                exp_in_place(self.isa, shares);
                let inverse = 1.0 / sum(columns, |j| shares[j]);
                shares.iter_mut().for_each(|share| *share *= inverse);
            }
        };
        if scores.len() < 2 * TASK {
            scores.chunks(len).zip(shares.chunks_mut(len)).enumerate().for_each(task);
        } else {
            scores.par_chunks(len).zip(shares.par_chunks_mut(len)).enumerate().for_each(task);
        }
        shares
    }

    /// `scale * shares * (dshares - sum(shares * dshares))` of every row.
    fn backward(&self, shares: &[f32], dshares: &[f32]) -> Vec<f32> {
        let columns = self.columns;
        let mut dscores = vec![0.0; shares.len()];
        let row = |(i, dscores): (usize, &mut [f32])| {
            let place = i * columns..(i + 1) * columns;
            let (shares, dshares) = (&shares[place.clone()], &dshares[place]);
            let mean = sum(columns, |j| shares[j] * dshares[j]);
            for ((dscore, share), dshare) in dscores.iter_mut().zip(shares).zip(dshares) {
                *dscore = self.scale * share * (dshare - mean);
            }
        };
        if shares.len() < 2 * TASK {
            dscores.chunks_exact_mut(columns).enumerate().for_each(row);
        } else {
            let rows = dscores.par_chunks_exact_mut(columns).enumerate();
            rows.with_min_len(self.rows()).for_each(row);
        }
        dscores
    }
}

/// The sum of `of(j)` below `len`.
#[inline(always)]
fn sum(len: usize, of: impl Fn(usize) -> f32) -> f32 {
    let (parts, whole) = sixteen_parts(len, &of);
    parts.iter().sum::<f32>() + (whole..len).map(of).sum::<f32>()
}

impl CustomOp1 for MaskedSoftmax {
    fn name(&self) -> &'static str {
        "ss-kernels-masked-softmax"
    }

    fn cpu_fwd(&self, scores: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((first, end)) = layout.contiguous_offsets() else {
            bail!("masked_softmax: the scores are not contiguous")
        };
        let shares = self.forward(&scores.as_slice::<f32>()?[first..end]);
        Ok((CpuStorage::F32(shares), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, shares: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let dscores = with_data(shares, |shares| with_data(&grad, |grad| Ok(self.backward(shares, grad))))?;
        Ok(Some(Tensor::from_vec(dscores, shares.dims(), &Device::Cpu)?))
    }
}
