//! The features of each example, from its row of logits.

use rayon::prelude::*;

use crate::logits::check_finite;
use crate::{Error, Logits, Result};

/// Rows handed to a thread at a time.
const CHUNK: usize = 1024;

/// One value an example of each [`FeatureKind`](crate::FeatureKind); all vectors have the same length.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ExampleFeatures {
    /// Cross-entropy of the label, nats, `>= 0`.
    pub loss: Vec<f32>,
    /// Entropy over the other classes, nats, in `[0, ln(k-1)]`.
    pub renormed_entropy: Vec<f32>,
    /// Norm of the last layer's gradient, `>= 0`.
    pub grad_norm: Vec<f32>,
    /// Norm of `p - onehot(y)`, in `[0, sqrt 2]`.
    pub el2n: Vec<f32>,
    /// Logit of the label minus the largest other logit.
    pub margin: Vec<f32>,
    /// Probability of the label, in `[0, 1]`.
    pub confidence: Vec<f32>,
}

/// Computes every feature from row-major logits `[n, classes]` and `n` labels.
///
/// `hidden_sq_norm` holds `‖h_i‖²`, the squared norm of the input of the last linear layer (with bias); then
/// `grad_norm` is exactly the Frobenius norm of that layer's gradient (weights and bias),
/// `‖p - onehot(y)‖ sqrt(‖h‖² + 1)`. Without it `grad_norm` is the gradient in the logits, equal to `el2n`.
///
/// Everything is computed in f64 and stored in f32. Nothing is formed by subtracting from one: with
/// `d = logsumexp(other logits) - logit_y`, the loss is `ln(1 + e^d)`, `1 - p_y = 1 / (1 + e^-d)`, and with
/// `q` the softmax over the other classes `‖p - onehot(y)‖ = (1 - p_y) sqrt(1 + Σ q²)`. So the features
/// stay finite and precise for logits of any finite size; a magnitude beyond f32 is clamped to `f32::MAX`.
/// Rows are independent, so thread count never changes a bit.
///
/// # Errors
/// Those of [`Logits::new`]; lengths that differ from the number of rows; a label `>= classes`; a norm
/// that is negative, NaN or infinite. Rows are named.
pub fn compute(
    logits: &[f32],
    classes: usize,
    labels: &[u32],
    hidden_sq_norm: Option<&[f32]>,
) -> Result<ExampleFeatures> {
    compute_view(Logits::new(logits, classes)?, labels, hidden_sq_norm)
}

/// [`compute`] for logits that are already checked.
///
/// # Errors
/// As [`compute`].
pub fn compute_view(
    logits: Logits<'_>,
    labels: &[u32],
    hidden_sq_norm: Option<&[f32]>,
) -> Result<ExampleFeatures> {
    let (n, classes) = (logits.rows(), logits.classes());
    if labels.len() != n {
        return Err(Error::Length { what: "labels".into(), found: labels.len(), expected: n });
    }
    if let Some(row) = labels.iter().position(|&y| y as usize >= classes) {
        return Err(Error::Label { row, label: labels[row], classes });
    }
    if let Some(norms) = hidden_sq_norm {
        if norms.len() != n {
            return Err(Error::Length {
                what: "squared hidden norms".into(),
                found: norms.len(),
                expected: n,
            });
        }
        check_finite(norms, 1, "squared hidden norm")?;
        if let Some(row) = norms.iter().position(|&v| v < 0.0) {
            return Err(Error::NegativeNorm { row, value: norms[row] });
        }
    }

    let column = || vec![0.0_f32; n];
    let mut out = ExampleFeatures {
        loss: column(),
        renormed_entropy: column(),
        grad_norm: column(),
        el2n: column(),
        margin: column(),
        confidence: column(),
    };
    (
        out.loss.par_chunks_mut(CHUNK),
        out.renormed_entropy.par_chunks_mut(CHUNK),
        out.grad_norm.par_chunks_mut(CHUNK),
        out.el2n.par_chunks_mut(CHUNK),
        out.margin.par_chunks_mut(CHUNK),
        out.confidence.par_chunks_mut(CHUNK),
    )
        .into_par_iter()
        .enumerate()
        .for_each(|(chunk, (loss, entropy, grad, el2n, margin, confidence))| {
            for j in 0..loss.len() {
                let i = chunk * CHUNK + j;
                let row = row_features(logits.row(i), labels[i] as usize);
                let lever = hidden_sq_norm.map_or(1.0, |norms| (f64::from(norms[i]) + 1.0).sqrt());
                loss[j] = narrow(row.loss);
                entropy[j] = narrow(row.renormed_entropy);
                grad[j] = narrow(row.el2n * lever);
                el2n[j] = narrow(row.el2n);
                margin[j] = narrow(row.margin);
                confidence[j] = narrow(row.confidence);
            }
        });
    Ok(out)
}

struct RowFeatures {
    loss: f64,
    renormed_entropy: f64,
    el2n: f64,
    margin: f64,
    confidence: f64,
}

fn row_features(row: &[f32], label: usize) -> RowFeatures {
    let labelled = f64::from(row[label]);
    let mut top = if label == 0 { 1 } else { 0 };
    for (j, &logit) in row.iter().enumerate() {
        if j != label && logit > row[top] {
            top = j;
        }
    }
    let largest = f64::from(row[top]);

    // Sums over the other classes relative to the largest of them; that one (weight exactly 1) is left
    // out of `rest`, so that ln(1 + rest) keeps its digits when one class has nearly all the mass.
    let (mut rest, mut squares, mut moment) = (0.0, 1.0, 0.0);
    for (j, &logit) in row.iter().enumerate() {
        if j != label && j != top {
            let shifted = f64::from(logit) - largest;
            let weight = shifted.exp();
            rest += weight;
            squares += weight * weight;
            // exp underflows long before the product could be NaN: logits are finite.
            moment += weight * shifted;
        }
    }
    let (sum, log_sum) = (1.0 + rest, rest.ln_1p());
    let others = (row.len() - 1) as f64;
    let renormed_entropy = (log_sum - moment / sum).clamp(0.0, others.ln());

    let gap = largest + log_sum - labelled;
    let loss = gap.max(0.0) + (-gap.abs()).exp().ln_1p();
    let missing = 1.0 / (1.0 + (-gap).exp());
    let el2n = missing * (1.0 + squares / (sum * sum)).sqrt();
    RowFeatures {
        loss,
        renormed_entropy,
        el2n,
        margin: labelled - largest,
        confidence: 1.0 / (1.0 + gap.exp()),
    }
}

/// f64 to f32, clamped to the finite range.
fn narrow(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}
