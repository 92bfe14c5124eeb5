//! L2RW's weights for the examples of one batch: how well each one's gradient agrees with that of clean examples.
//!
//! Ren et al. 2018, "Learning to Reweight Examples for Robust Deep Learning" (ICML, arXiv 1803.09050), equations 5 to 8 and
//! 12: with example weights `eps = 0`, a virtual step `theta' = theta - a grad sum_i eps_i f_i(theta)`, and `g` the mean loss
//! of clean examples,
//!
//! ```text
//! u_i = -d g(theta') / d eps_i = a <grad f_i(theta), grad g(theta)>,    w_i = max(u_i, 0) / sum_j max(u_j, 0)
//! ```
//!
//! so that neither the second derivative nor the size `a` of the step matters. The inner product is the derivative of
//! example `i`'s loss in the direction `v = grad g(theta)`. Batch normalisation in training mode makes each loss of a batch
//! depend on the other examples; a derivative of the losses *of the batch* includes that exactly as the gradient of the
//! weighted batch loss does.
//!
//! The derivatives of all losses at once are a product of their Jacobian with `v`, for which candle has no forward mode. They are
//! taken as central differences `(f_i(theta + h v) - f_i(theta - h v)) / 2h` with `h |v| = `[`RELATIVE_STEP`]` |theta|`, the norms
//! being over all trained parameters (`|theta|` counts as 1 where it is 0). The tests compare them with one backward pass an example.
//!
//! Cost of a training step: forward and backward of the clean batch, two forwards of the batch, then forward and backward with the
//! weights. At equal batch sizes and a backward pass worth two forwards, that is 8/3 of an ordinary step.

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use ss_kernels::Backend;
use ss_models::{Mode, Network, Parameters, Snapshot};

use crate::weighted::example_losses;
use crate::{Error, Result};

/// The norm of the parameters' displacement in the central differences, over that of the parameters.
///
/// Every ReLU that switches in between adds an error of random sign, so that the error falls as the root of the step, until the
/// rounding of `f32` takes over. Measured on digits over ResNet-8, ResNet-20, six-conv and WRN-10-1, fresh and trained, at 8x8 and
/// 32x32 pixels: 1e-3 has correlations with the exact products down to 0.93, 1e-5 and 3e-6 of 0.999 and more, 1e-6 is worse again.
pub const RELATIVE_STEP: f64 = 5e-6;

/// Images `[n, channels, height, width]`, normalised, and their labels `[n]` (u32).
pub type Batch<'a> = (&'a Tensor, &'a Tensor);

/// The weight of each example of `batch`, `[n]`: non-negative, sum 1, or all 0 where no example's gradient agrees with that of
/// the mean loss over `clean`.
///
/// `network` must have been built in `parameters`. Both batches pass in training mode; afterwards parameters and running
/// statistics are what they were, bit for bit, in the case of an error too.
///
/// # Errors
/// [`Error::NonFinite`] for a loss that is not a number; shapes that do not fit;
/// [`Error::InvalidSetting`] on [`Backend::CandleBf16`], before anything is computed.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ss_baselines::alignment;
/// use ss_models::{InputShape, NetworkSpec, Parameters};
/// use ss_seed::Seed;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parameters = Parameters::new(Seed::new(0), Device::Cpu);
/// let input = InputShape { channels: 1, height: 8, width: 8 };
/// let network = "resnet8-4-8-8".parse::<NetworkSpec>()?.build(input, 2, &parameters)?;
/// // Bright images are of class 1, and the last label says otherwise.
/// let images = |levels: &[f32]| Tensor::new(levels, &Device::Cpu)?.reshape(((), 1, 1, 1))?.broadcast_as((levels.len(), 1, 8, 8));
/// let labels = |labels: &[u32]| Tensor::new(labels, &Device::Cpu);
/// let weights = alignment::weights(
///     network.as_ref(),
///     &parameters,
///     (&images(&[-1.0, 1.0, -0.9, 0.9])?, &labels(&[0, 1, 0, 0])?),
///     (&images(&[-1.1, 1.1])?, &labels(&[0, 1])?),
/// )?;
/// assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
/// assert_eq!(weights[3], 0.0);
/// # Ok(()) }
/// ```
pub fn weights(
    network: &dyn Network,
    parameters: &Parameters,
    batch: Batch,
    clean: Batch,
) -> Result<Vec<f32>> {
    let aligned: Vec<f64> =
        alignments(network, parameters, batch, clean)?.into_iter().map(|u| u.max(0.0)).collect();
    let sum: f64 = aligned.iter().sum();
    let divisor = if sum == 0.0 { 1.0 } else { sum };
    Ok(aligned.into_iter().map(|u| (u / divisor) as f32).collect())
}

/// The alignment of each example of `batch`, `[n]`: the inner product over all trained parameters of the gradient of its loss and
/// that of the mean loss over `clean`, in squared nats. All 0 where the latter is zero.
///
/// # Errors
/// As [`weights`], which also says what is left unchanged.
pub fn alignments(
    network: &dyn Network,
    parameters: &Parameters,
    batch: Batch,
    clean: Batch,
) -> Result<Vec<f64>> {
    check_precision(parameters.backend())?;
    let start = parameters.snapshot()?;
    let aligned = differences(network, parameters, &start, batch, clean);
    parameters.restore(&start)?;
    aligned
}

/// Checks that the derivatives can be taken: in `bf16`, whose values keep 8 binary digits, a displacement of [`RELATIVE_STEP`]
/// is rounded away, and the differences would be noise.
pub(crate) fn check_precision(backend: Backend) -> Result<()> {
    if backend == Backend::CandleBf16 {
        return Err(Error::InvalidSetting {
            setting: "precision",
            found: "bf16".to_owned(),
            expected: "f32 with L2RW: its weights come from steps of a few millionths, which bf16 rounds away; use --precision f32 or \
                       leave L2RW out",
        });
    }
    Ok(())
}

fn differences(
    network: &dyn Network,
    parameters: &Parameters,
    start: &Snapshot,
    (x, labels): Batch,
    clean: Batch,
) -> Result<Vec<f64>> {
    let direction = clean_gradient(network, parameters.backend(), clean)?;
    let trained = parameters.trainable();
    let mut norms = (0.0, 0.0);
    for var in &trained {
        norms.0 += square_norm(var)?;
        if let Some(gradient) = direction.get(var) {
            norms.1 += square_norm(gradient)?;
        }
    }
    let norms = (f64::sqrt(norms.0), f64::sqrt(norms.1));
    if norms.1 == 0.0 {
        return Ok(vec![0.0; labels.dims1()?]);
    }
    let h = RELATIVE_STEP * if norms.0 > 0.0 { norms.0 } else { 1.0 } / norms.1;
    let losses_at = |h: f64| -> Result<Vec<f32>> {
        for (name, value) in start.tensors() {
            if let Some(var) = parameters.get(name)
                && let Some(gradient) = direction.get(&var)
            {
                var.set(&(value + (gradient * h)?)?)?;
            }
        }
        let logits = network.forward(x, Mode::Train)?.logits.detach();
        example_losses(parameters.backend(), "loss", &logits, labels)
    };
    let (ahead, behind) = (losses_at(h)?, losses_at(-h)?);
    Ok(ahead.iter().zip(&behind).map(|(a, b)| (f64::from(*a) - f64::from(*b)) / (2.0 * h)).collect())
}

/// The gradient of the mean loss of the clean batch.
fn clean_gradient(network: &dyn Network, backend: Backend, (x, labels): Batch) -> Result<GradStore> {
    let logits = network.forward(x, Mode::Train)?.logits;
    example_losses(backend, "clean loss", &logits, labels)?;
    Ok(backend.cross_entropy(&logits, labels, None)?.loss.backward()?)
}

fn square_norm(t: &Tensor) -> Result<f64> {
    Ok(f64::from(t.detach().sqr()?.sum_all()?.to_scalar::<f32>()?))
}
