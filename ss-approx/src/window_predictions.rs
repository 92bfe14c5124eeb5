//! What is kept of a language model's predictions: a few numbers a window, since the logits of all tokens are too many.

use candle_core::{D, Tensor};
use rayon::prelude::*;
use ss_features::FeatureTable;
use ss_models::Output;

use crate::{Error, Result, Score};

/// What a network says of windows of text.
#[derive(Clone, Debug, Default)]
pub struct WindowPredictions {
    /// Tokens predicted in each window, `T`.
    context: usize,
    /// Mean log-likelihood of the window's tokens, nats, `[n]`.
    log_likelihood: Vec<f64>,
    /// Mean over the window's tokens of their renormalised entropy, nats, `[n]`.
    renormed_entropy: Vec<f32>,
    /// [`gradient_norms`], `[n]`.
    grad_norm: Vec<f32>,
    /// How many tokens come before the right one, `[n T]`.
    rank: Vec<u32>,
}

impl WindowPredictions {
    /// Refuses the score that text does not have.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for all but [`Score::Likelihood`] and [`Score::Accuracy`].
    pub fn check_score(score: Score) -> Result<()> {
        let expected = match score {
            Score::Likelihood | Score::Accuracy => return Ok(()),
            Score::Calibrated => {
                "likelihood or accuracy: the calibration models labels of classes that are wrong at random"
            }
            Score::Verification | Score::NearestCentroid => "likelihood or accuracy: text has no embeddings",
        };
        Err(Error::InvalidSetting { setting: "score", found: format!("{score} for text"), expected })
    }

    /// None yet, of windows of `context` tokens.
    pub(crate) fn of_context(context: usize) -> Self {
        Self { context, ..Self::default() }
    }

    /// Adds the windows whose output is `out` and whose next tokens are `targets` `[n T]`.
    ///
    /// # Errors
    /// [`Error::NonFiniteLogit`] when the model has diverged, with the window; shapes that do not fit.
    pub(crate) fn add(&mut self, out: &Output, targets: &[u32]) -> Result<()> {
        let vocabulary = out.logits.dim(D::Minus1)?;
        let logits = out.logits.flatten_all()?.to_vec1::<f32>()?;
        if let Some(at) = logits.iter().position(|z| !z.is_finite()) {
            let row = self.len() + at / (self.context * vocabulary);
            return Err(Error::NonFiniteLogit { row, value: logits[at] });
        }
        let tokens = ss_features::compute(&logits, vocabulary, targets, None)?;
        let mean = |of: &[f32]| of.iter().map(|&value| f64::from(value)).sum::<f64>() / of.len() as f64;
        let (losses, entropies) =
            (tokens.loss.chunks(self.context), tokens.renormed_entropy.chunks(self.context));
        self.log_likelihood.extend(losses.map(|losses| -mean(losses)));
        self.renormed_entropy.extend(entropies.map(|entropies| mean(entropies) as f32));
        self.rank.extend(logits.chunks_exact(vocabulary).zip(targets).map(|(row, &target)| {
            let target = target as usize;
            let ahead = |(token, z): (usize, &f32)| *z > row[target] || (*z == row[target] && token < target);
            row.iter().enumerate().filter(|&pair| ahead(pair)).count() as u32
        }));
        let norms = gradient_norms(&out.hidden, &logits, targets, &tokens.loss, self.context)?;
        self.grad_norm.extend(norms);
        Ok(())
    }

    /// The number of windows.
    pub fn len(&self) -> usize {
        self.log_likelihood.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.log_likelihood.is_empty()
    }

    /// What each window contributes to the score: its mean log-likelihood a token, in nats, or the share of its tokens that are
    /// predicted right.
    ///
    /// # Errors
    /// As [`check_score`](Self::check_score).
    pub fn example_scores(&self, score: Score) -> Result<Vec<f64>> {
        Self::check_score(score)?;
        Ok(if score == Score::Accuracy {
            let right = |ranks: &[u32]| ranks.iter().filter(|&&rank| rank == 0).count();
            self.rank.chunks(self.context).map(|ranks| right(ranks) as f64 / ranks.len() as f64).collect()
        } else {
            self.log_likelihood.clone()
        })
    }

    /// The mean of [`example_scores`](Self::example_scores). For [`Score::Likelihood`] it is minus the logarithm of the
    /// [perplexity](Self::perplexity), so that both rank models alike.
    ///
    /// # Errors
    /// As [`check_score`](Self::check_score).
    pub fn score(&self, score: Score) -> Result<f64> {
        let scores = self.example_scores(score)?;
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// `exp` of the mean negative log-likelihood a token, at least 1.
    pub fn perplexity(&self) -> f64 {
        (-self.log_likelihood.iter().sum::<f64>() / self.len() as f64).exp()
    }

    /// Share of the tokens that are among the `k` likeliest, in `[0, 1]`.
    pub fn top_k_accuracy(&self, k: usize) -> f64 {
        self.rank.iter().filter(|&&rank| (rank as usize) < k).count() as f64 / self.rank.len() as f64
    }

    /// `loss` (the mean cross-entropy of the window's tokens), `renormed_entropy` and `grad_norm` of each window.
    ///
    /// # Errors
    /// None for what [`Examples::predict`](crate::Examples::predict) gives.
    pub fn features(&self) -> Result<FeatureTable> {
        let mut table = FeatureTable::new((0..self.len() as u64).collect())?;
        table.insert("loss", self.log_likelihood.iter().map(|&mean| -mean as f32).collect())?;
        table.insert("renormed_entropy", self.renormed_entropy.clone())?;
        table.insert("grad_norm", self.grad_norm.clone())?;
        Ok(table)
    }
}

/// The norm of the gradient of each window's mean cross-entropy with respect to the weight of the last linear layer,
/// `||(P - Y)^T H||_F / T`, from its input `hidden` `[n T, d]`, its output `logits` `[n T, V]`, the right tokens `targets`
/// `[n T]` and their cross-entropies `losses` `[n T]` in nats, where `P` holds the probabilities of a window and `Y` the right
/// tokens as rows of zeros with a one.
///
/// With `R = P - Y` its square is `sum_ij (R R^T)_ij (H H^T)_ij / T^2`: two products of size `[T, T]` a window instead of a
/// gradient of size `[V, d]`. A weight that is the token embedding too counts here as the last layer alone.
///
/// # Errors
/// [`Error::Mismatch`] for no token, for numbers of logits, targets and losses that do not belong together, and for a target that is not
/// below `V`.
pub fn gradient_norms(
    hidden: &Tensor,
    logits: &[f32],
    targets: &[u32],
    losses: &[f32],
    context: usize,
) -> Result<Vec<f32>> {
    let tokens = targets.len();
    let vocabulary = logits.len() / tokens.max(1);
    let fit = tokens > 0 && context > 0 && tokens.is_multiple_of(context) && losses.len() == tokens;
    if !fit || vocabulary * tokens != logits.len() || targets.iter().any(|&t| t as usize >= vocabulary) {
        return Err(Error::Mismatch {
            what: "logits, targets and losses of windows",
            expected: format!(
                "one row of logits and one loss a target, targets below the row's length, windows of {context}"
            ),
            found: format!("{} logits, {tokens} targets, {} losses", logits.len(), losses.len()),
        });
    }
    let mut residual = vec![0_f32; logits.len()];
    let rows =
        residual.par_chunks_mut(vocabulary).zip(logits.par_chunks(vocabulary)).zip(targets).zip(losses);
    rows.for_each(|(((residual, row), &target), &loss)| {
        // The logarithm of the softmax's denominator.
        let log_sum = f64::from(row[target as usize]) + f64::from(loss);
        for (residual, &z) in residual.iter_mut().zip(row) {
            *residual = ((f64::from(z) - log_sum) as f32).exp();
        }
        // `p - 1` without a difference of nearly equal numbers.
        residual[target as usize] = (-loss).exp_m1();
    });
    let by_window = |rows: &Tensor, width: usize| rows.reshape(((), context, width));
    let residual = Tensor::from_vec(residual, (targets.len(), vocabulary), hidden.device())?;
    let residual = by_window(&residual, vocabulary)?;
    let hidden = by_window(&hidden.detach(), hidden.dim(D::Minus1)?)?;
    let gram = |rows: &Tensor| rows.matmul(&rows.t()?);
    let squares = (gram(&residual)? * gram(&hidden)?)?.sum(D::Minus1)?.sum(D::Minus1)?;
    let norm = |square: f32| square.max(0.0).sqrt() / context as f32;
    Ok(squares.to_vec1::<f32>()?.into_iter().map(norm).collect())
}
