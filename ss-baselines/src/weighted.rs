//! Losses of a batch under weights.

use candle_core::Tensor;
use ss_kernels::Backend;

use crate::{Error, Result};

/// The loss of each example of a batch, `[n]`, in nats, outside the graph; `what` names it in errors.
///
/// # Errors
/// [`Error::NonFinite`] for the first loss that is not a number.
pub(crate) fn example_losses(
    backend: Backend,
    what: &'static str,
    logits: &Tensor,
    labels: &Tensor,
) -> Result<Vec<f32>> {
    let losses = backend.cross_entropy(&logits.detach(), labels, None)?.per_example.to_vec1::<f32>()?;
    match losses.iter().position(|loss| !loss.is_finite()) {
        Some(index) => Err(Error::NonFinite { what, index, value: losses[index] }),
        None => Ok(losses),
    }
}

/// `sum_i w_i l_i / n`: the weights are not normalised, so a batch of small weights makes a small step.
pub(crate) fn mean_of_weighted(
    backend: Backend,
    logits: &Tensor,
    labels: &Tensor,
    weights: &[f32],
) -> Result<Tensor> {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    scaled(backend, logits, labels, weights, total / weights.len() as f64)
}

/// `sum_i w_i l_i / sum_i w_i`, and 0 when all weights are.
pub(crate) fn weighted_mean(
    backend: Backend,
    logits: &Tensor,
    labels: &Tensor,
    weights: &[f32],
) -> Result<Tensor> {
    let any = weights.iter().any(|&w| w > 0.0);
    scaled(backend, logits, labels, weights, f64::from(u8::from(any)))
}

/// `scale` times the weighted mean. When all weights are 0 it is a constant 0 and nothing has a gradient: the optimiser
/// leaves the network as it is.
fn scaled(backend: Backend, logits: &Tensor, labels: &Tensor, weights: &[f32], scale: f64) -> Result<Tensor> {
    if weights.iter().all(|&w| w == 0.0) {
        return Ok(Tensor::new(0f32, logits.device())?);
    }
    let weights = Tensor::new(weights, logits.device())?;
    let loss = backend.cross_entropy(logits, labels, Some(&weights))?.loss;
    Ok(if scale == 1.0 { loss } else { (loss * scale)? })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn weights_enter_as_written_and_all_zero_weights_make_no_gradient() {
        let logits = Var::new(&[[1f32, 0.], [0., 2.], [0., 0.]], &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0u32, 0, 1], &Device::Cpu).unwrap();
        let losses = example_losses(Backend::Kernels, "loss", &logits, &labels).unwrap();
        // tests/oracle/losses.py, PyTorch 2.15.0.
        for (found, expected) in losses.iter().zip([0.313_261_7, 2.126_928, std::f32::consts::LN_2]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        let sum = losses[0] + 0.5 * losses[1];
        let value = |loss: Tensor| loss.to_scalar::<f32>().unwrap();
        let weights = [1.0, 0.5, 0.0];
        let found = value(mean_of_weighted(Backend::Kernels, &logits, &labels, &weights).unwrap());
        assert!((found - sum / 3.0).abs() < 1e-6);
        let found = value(weighted_mean(Backend::Kernels, &logits, &labels, &weights).unwrap());
        assert!((found - sum / 1.5).abs() < 1e-6);
        for loss in [mean_of_weighted, weighted_mean] {
            let loss = loss(Backend::Kernels, &logits, &labels, &[0.0; 3]).unwrap();
            assert!(loss.backward().unwrap().get(logits.as_tensor()).is_none());
            assert_eq!(value(loss), 0.0);
        }
        let bad = Var::new(&[[1f32, 0.], [f32::NAN, 2.]], &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0u32, 0], &Device::Cpu).unwrap();
        assert!(
            example_losses(Backend::Kernels, "loss", &bad, &labels)
                .unwrap_err()
                .to_string()
                .contains("example 1")
        );
    }
}
