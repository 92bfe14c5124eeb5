//! Weighted softmax cross-entropy, with the gradient made on the way forward.

use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, PushKernelArg};
use candle_core::cuda_backend::{CudaStorage, WrapErr};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};

use super::launch::{self, Kernels, NULL, buffer, grid};
use crate::cross_entropy::CrossEntropy;

pub(super) const KERNELS: Kernels =
    Kernels { name: "cross_entropy", source: include_str!("cross_entropy.cu") };

/// Threads of the blocks that add up over examples, as in the kernels.
const THREADS: usize = 256;

/// As [`crate::cross_entropy()`], on a GPU: values of targets and weights are not checked, and a target that is no class gives NaN.
pub(crate) fn cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    weights: Option<&Tensor>,
) -> Result<CrossEntropy> {
    let (n, k) = logits.dims2()?;
    let device = launch::device_of(logits)?;
    let values = logits.detach().contiguous()?;
    let (targets, weights) =
        (targets.contiguous()?, weights.map(|weights| weights.detach().contiguous()).transpose()?);
    let (vs, vl) = values.storage_and_layout();
    let rows = launch::values(&vs, vl)?;
    let (ts, tl) = targets.storage_and_layout();
    let (Storage::Cuda(ts), Some((from, to))) = (&*ts, tl.contiguous_offsets()) else {
        bail!("cross_entropy: targets and logits must lie on the same GPU");
    };
    let targets = ts.as_cuda_slice::<u32>()?.slice(from..to);
    let lent = weights.as_ref().map(Tensor::storage_and_layout);
    let weights = match &lent {
        Some((storage, layout)) => Some(launch::values(storage, layout)?),
        None => None,
    };
    let (ni, ki) = (n as i32, k as i32);
    // SAFETY: `total_weight` writes it, and f64 has no invalid bits.
    let mut total = unsafe { device.alloc::<f64>(1) }?;
    let (mut each, mut grad, mut loss) = (buffer(&device, n)?, buffer(&device, n * k)?, buffer(&device, 1)?);

    let kernel = KERNELS.get(&device, "total_weight")?;
    let mut launch = kernel.builder();
    match &weights {
        Some(weights) => launch.arg(weights),
        None => launch.arg(&NULL),
    };
    launch.arg(&mut total).arg(&ni);
    // SAFETY: the weights, where they are not null, are `n`; one block of THREADS threads.
    unsafe { launch.launch(grid(1, 1, THREADS)) }.w()?;

    let kernel = KERNELS.get(&device, "softmax_rows")?;
    let mut launch = kernel.builder();
    launch.arg(&rows).arg(&targets);
    match &weights {
        Some(weights) => launch.arg(weights),
        None => launch.arg(&NULL),
    };
    launch.arg(&total).arg(&mut each).arg(&mut grad).arg(&ki);
    // SAFETY: one block a row of `k` logits, of 32 or 256 threads; `targets`, `each` and the weights are `n`, `grad` is `n * k`.
    unsafe { launch.launch(grid(n, 1, if k <= 128 { 32 } else { THREADS })) }.w()?;

    let kernel = KERNELS.get(&device, "mean_loss")?;
    let mut launch = kernel.builder();
    launch.arg(&each);
    match &weights {
        Some(weights) => launch.arg(weights),
        None => launch.arg(&NULL),
    };
    launch.arg(&total).arg(&mut loss).arg(&ni);
    // SAFETY: as for the total.
    unsafe { launch.launch(grid(1, 1, THREADS)) }.w()?;

    let op = SoftmaxLoss { loss: Mutex::new(Some(loss)), grad: launch::tensor(grad, &device, (n, k)) };
    Ok(CrossEntropy { loss: logits.apply_op1(op)?, per_example: launch::tensor(each, &device, n) })
}

struct SoftmaxLoss {
    loss: Mutex<Option<CudaSlice<f32>>>,
    grad: Tensor,
}

impl CustomOp1 for SoftmaxLoss {
    fn name(&self) -> &'static str {
        "ss-kernels-cuda-cross-entropy"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("the cross-entropy of GPUs was given tensors of the CPU")
    }

    fn cuda_fwd(&self, logits: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        match self.loss.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(loss) => Ok((launch::storage(loss, &launch::device_in(logits)), Shape::from(()))),
            None => bail!("the loss was taken before"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.grad.broadcast_mul(grad)?))
    }
}
