//! Running statistics of batch normalisation.

use candle_core::{Result, Tensor, Var};

/// `running = (1 - share) * running + share * (batch * correction)`, in place: how PyTorch keeps the mean (`correction` 1) and the
/// variance (`n / (n - 1)`, which makes a batch's biased variance unbiased). Both are `[c]`, on one device.
///
/// # Errors
/// Shapes that do not fit.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// let running = Var::new(&[1f32, 2.], &Device::Cpu)?;
/// ss_kernels::running_average(&running, &Tensor::new(&[2f32, 0.], &Device::Cpu)?, 0.5, 1.0)?;
/// assert_eq!(running.to_vec1::<f32>()?, [1.5, 1.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn running_average(running: &Var, batch: &Tensor, share: f64, correction: f64) -> Result<()> {
    #[cfg(feature = "cuda")]
    if crate::cuda::is_ours(running) && crate::cuda::is_ours(batch) && running.is_contiguous() {
        return crate::cuda::running_average(running, batch, share, correction);
    }
    let old = (running.as_detached_tensor() * (1.0 - share))?;
    running.set(&(old + ((batch * correction)? * share)?)?)
}
