//! The sum of partial results, in one order.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaViewMut, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Result, bail};

use super::launch::{Kernels, over};

pub(super) const KERNELS: Kernels = Kernels { name: "sum", source: include_str!("sum.cu") };

/// `y = sum of the parts`, each as long as `y`; with `add`, `y` and the sum of the parts.
pub(super) fn sum_parts(
    device: &CudaDevice,
    parts: &CudaSlice<f32>,
    y: &mut CudaViewMut<'_, f32>,
    count: usize,
    add: bool,
) -> Result<()> {
    if parts.len() != count * y.len() {
        bail!("sum: {} values are not {count} parts of {}", parts.len(), y.len());
    }
    let values = y.len();
    let (count, len, add) = (count as i32, values as i32, i32::from(add));
    let kernel = KERNELS.get(device, "sum_parts")?;
    let mut launch = kernel.builder();
    launch.arg(parts).arg(y).arg(&count).arg(&len).arg(&add);
    // SAFETY: `parts` holds `count` times the `len` values of `y`: checked above. Blocks have the kernel's 256 threads.
    unsafe { launch.launch(over(8 * values)) }.w().map(drop)
}
