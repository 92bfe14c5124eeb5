//! The score P of a model on validation data (`docs/method.md` 5).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How a model is judged on labelled data. Larger is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Top-1 accuracy in `[0, 1]`: the paper's choice.
    #[default]
    Accuracy,
    /// Mean log-likelihood of the labels, in nats. Ranks backwards when the labels are noisy.
    Likelihood,
    /// Mean log-likelihood under the best temperature `t > 0` and label noise rate `rho` in `[0, 1)`:
    /// `max mean ln((1 - rho) softmax(t logits)[y] + rho / K)`. Needs no clean labels.
    Calibrated,
    /// Of embeddings: accuracy over pairs of images at the best threshold of the cosine, pairs of one class and of two weighing half
    /// each, in `[0.5, 1]` ([`EmbeddingPredictions::score`](crate::EmbeddingPredictions::score)).
    Verification,
    /// Of embeddings: share of the images that are nearest to the centroid of the other images of their class, in `[0, 1]`.
    NearestCentroid,
}

impl Score {
    /// Refuses the scores of embeddings, where there is a label that the network has an output for.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`].
    pub fn check_of_labels(self) -> Result<()> {
        match self {
            Self::Accuracy | Self::Likelihood | Self::Calibrated => Ok(()),
            Self::Verification | Self::NearestCentroid => Err(Error::InvalidSetting {
                setting: "score",
                found: format!("{self} for labelled images"),
                expected: "accuracy, likelihood or calibrated: the classes are those that the network was trained on",
            }),
        }
    }

    /// The score of row-major `logits` `[n, classes]` against `labels` `[n]`.
    ///
    /// # Errors
    /// As [`examples`](Self::examples).
    pub fn of(self, logits: &[f32], classes: usize, labels: &[u32]) -> Result<f64> {
        let scores = self.examples(logits, classes, labels)?;
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// What each example contributes to the score: 0 or 1 for accuracy, a log-likelihood otherwise. Their
    /// mean is the score; their spread says how far a finite validation set can be trusted.
    ///
    /// # Errors
    /// As [`check_of_labels`](Self::check_of_labels); [`Error::Mismatch`] when the lengths disagree, there is no row, or a label is out of range;
    /// [`Error::NonFiniteLogit`] when the model has diverged.
    pub fn examples(self, logits: &[f32], classes: usize, labels: &[u32]) -> Result<Vec<f64>> {
        self.check_of_labels()?;
        let mismatch = |what, expected: String, found: String| Err(Error::Mismatch { what, expected, found });
        if classes < 2 || labels.is_empty() || logits.len() != labels.len() * classes {
            return mismatch(
                "logits against labels",
                format!("{} labels times {classes} classes", labels.len()),
                format!("{} logits", logits.len()),
            );
        }
        if let Some(label) = labels.iter().find(|&&label| label as usize >= classes) {
            return mismatch("label", format!("below {classes}"), label.to_string());
        }
        if let Some(i) = logits.iter().position(|z| !z.is_finite()) {
            return Err(Error::NonFiniteLogit { row: i / classes, value: logits[i] });
        }
        let rows = logits.chunks_exact(classes).zip(labels.iter().map(|&label| label as usize));
        Ok(match self {
            Self::Accuracy => rows.map(|(row, label)| f64::from(u8::from(argmax(row) == label))).collect(),
            Self::Likelihood => rows.map(|(row, label)| Tempered::new(row, label, 1.0).p.ln()).collect(),
            Self::Calibrated => {
                let Calibration { temperature, noise } = Calibration::fit(logits, classes, labels);
                let floor = noise / classes as f64;
                rows.map(|(row, label)| {
                    ((1.0 - noise) * Tempered::new(row, label, temperature).p + floor).ln()
                })
                .collect()
            }
            Self::Verification | Self::NearestCentroid => unreachable!("refused above"),
        })
    }
}

/// The first index of the largest value.
fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = i;
        }
    }
    best
}

/// Probability of the label under temperature `t`, and its derivative.
struct Tempered {
    p: f64,
    /// `d p / d ln t = p t (z_y - E z)`.
    slope: f64,
}

impl Tempered {
    fn new(row: &[f32], label: usize, t: f64) -> Self {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut sum, mut moment) = (0.0, 0.0);
        for &z in row {
            let gap = f64::from(z - top);
            let e = (t * gap).exp();
            sum += e;
            moment += e * gap;
        }
        let gap = f64::from(row[label] - top);
        // The smallest positive normal number stands for a probability that underflows: its logarithm is
        // finite, -708, and the mixture term hides it in the calibrated score.
        let p = ((t * gap).exp() / sum).max(f64::MIN_POSITIVE);
        Self { p, slope: p * t * (gap - moment / sum) }
    }
}

/// The multiplier of the logits and the label noise rate under which labels are likeliest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Calibration {
    temperature: f64,
    noise: f64,
}

impl Calibration {
    /// A grid over both, then quasi-Newton steps on `(ln t, logit rho)` with the outer product of the
    /// gradients as curvature (Berndt, Hall, Hall & Hausman 1974), which always ascends.
    fn fit(logits: &[f32], classes: usize, labels: &[u32]) -> Self {
        let mut best = (f64::NEG_INFINITY, [0.0; 2]);
        // Up to `ln t` of 4.9, next to the bound of the ascent: few labels have separate maxima at high temperatures.
        for step in -6..=7 {
            for rho in [1e-4_f64, 0.05, 0.15, 0.3, 0.45, 0.6, 0.8] {
                let at = [f64::from(step) * 0.7, (rho / (1.0 - rho)).ln()];
                let value = Ascent::new(logits, classes, labels, at).value;
                if value > best.0 {
                    best = (value, at);
                }
            }
        }
        let mut at = best.1;
        let mut here = Ascent::new(logits, classes, labels, at);
        for _ in 0..50 {
            let step = here.step();
            let longest = step[0].abs().max(step[1].abs());
            let mut length = if longest > 1.0 { 1.0 / longest } else { 1.0 };
            let mut gained = 0.0;
            while length > 1e-6 {
                // Bounds keep both parameters away from where the likelihood is flat.
                let to = [
                    (at[0] + length * step[0]).clamp(-7.0, 5.0),
                    (at[1] + length * step[1]).clamp(-14.0, 7.0),
                ];
                let there = Ascent::new(logits, classes, labels, to);
                if there.value > here.value {
                    gained = there.value - here.value;
                    (at, here) = (to, there);
                    break;
                }
                length *= 0.5;
            }
            if gained < 1e-10 {
                break;
            }
        }
        Self { temperature: at[0].exp(), noise: 1.0 / (1.0 + (-at[1]).exp()) }
    }
}

/// Mean log-likelihood at `(ln t, logit rho)`, its gradient and the mean outer product of the gradients.
struct Ascent {
    value: f64,
    gradient: [f64; 2],
    curvature: [f64; 3],
}

impl Ascent {
    fn new(logits: &[f32], classes: usize, labels: &[u32], at: [f64; 2]) -> Self {
        let (t, rho) = (at[0].exp(), 1.0 / (1.0 + (-at[1]).exp()));
        let (n, floor) = (labels.len() as f64, 1.0 / classes as f64);
        let (mut value, mut g, mut h) = (0.0, [0.0; 2], [0.0; 3]);
        for (row, &label) in logits.chunks_exact(classes).zip(labels) {
            let tempered = Tempered::new(row, label as usize, t);
            let q = (1.0 - rho) * tempered.p + rho * floor;
            let dt = (1.0 - rho) * tempered.slope / q;
            let dr = rho * (1.0 - rho) * (floor - tempered.p) / q;
            value += q.ln();
            g = [g[0] + dt, g[1] + dr];
            h = [h[0] + dt * dt, h[1] + dt * dr, h[2] + dr * dr];
        }
        Self { value: value / n, gradient: g.map(|v| v / n), curvature: h.map(|v| v / n) }
    }

    fn step(&self) -> [f64; 2] {
        let ([g0, g1], [h00, h01, h11]) = (self.gradient, self.curvature);
        let (h00, h11) = (h00 + 1e-9, h11 + 1e-9);
        let det = h00 * h11 - h01 * h01;
        [(h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det]
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accuracy => "accuracy",
            Self::Likelihood => "likelihood",
            Self::Calibrated => "calibrated",
            Self::Verification => "verification",
            Self::NearestCentroid => "nearest-centroid",
        })
    }
}

impl FromStr for Score {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "accuracy" => Ok(Self::Accuracy),
            "likelihood" => Ok(Self::Likelihood),
            "calibrated" => Ok(Self::Calibrated),
            "verification" => Ok(Self::Verification),
            "nearest-centroid" => Ok(Self::NearestCentroid),
            _ => Err(Error::InvalidSetting {
                setting: "score",
                found: name.to_owned(),
                expected: "accuracy, likelihood or calibrated; verification or nearest-centroid for embeddings",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Three rows, three classes; the labels of the last two rows are not the largest logit.
    const LOGITS: [f32; 9] = [2.0, 0.0, -1.0, 0.5, 1.5, 0.0, 3.0, -2.0, 1.0];
    const LABELS: [u32; 3] = [0, 0, 1];

    #[test]
    fn bad_input_is_located() {
        let of =
            |logits: &[f32], labels: &[u32]| Score::Accuracy.of(logits, 3, labels).unwrap_err().to_string();
        assert!(of(&LOGITS[..6], &LABELS).contains("3 labels times 3 classes"));
        assert!(of(&LOGITS[..3], &[3]).contains("below 3"));
        assert!(of(&[0.0, 1.0, 2.0, 0.0, f32::NAN, 0.0], &[0, 0]).contains("row 1"));
        assert!("acuracy".parse::<Score>().unwrap_err().to_string().contains("calibrated"));
    }

    #[test]
    fn accuracy_counts_and_likelihood_averages() {
        assert!((Score::Accuracy.of(&LOGITS, 3, &LABELS).unwrap() - 1.0 / 3.0).abs() < 1e-15);
        // tests/oracle/score.py, NumPy 2.4.6, SciPy 1.17.1.
        let likelihood = Score::Likelihood.of(&LOGITS, 3, &LABELS).unwrap();
        assert!((likelihood - -2.255_686_679_130_602).abs() < 1e-12, "{likelihood}");
    }

    #[test]
    fn calibration_agrees_with_scipy() {
        let value = |i: usize, k: usize| ((13 * i + 29 * k + 7 * i * k) % 41) as f32 / 4.0 - 5.0;
        let logits: Vec<f32> = (0..40).flat_map(|i| (0..4).map(move |k| value(i, k))).collect();
        let labels: [u32; 40] = [
            1, 0, 3, 0, 2, 2, 0, 2, 2, 0, 1, 0, 0, 2, 0, 0, 2, 1, 1, 1, 3, 0, 0, 1, 3, 0, 3, 2, 2, 1, 0, 1,
            3, 1, 1, 1, 3, 0, 2, 1,
        ];
        // tests/oracle/score.py, NumPy 2.4.6, SciPy 1.17.1.
        let fitted = Calibration::fit(&logits, 4, &labels);
        assert!((fitted.temperature - 3.684_196).abs() < 1e-3, "{fitted:?}");
        assert!((fitted.noise - 0.481_437).abs() < 1e-4, "{fitted:?}");
        let score = Score::Calibrated.of(&logits, 4, &labels).unwrap();
        assert!((score - -1.086_744_040_187_193_3).abs() < 1e-8, "{score}");
    }

    proptest! {
        #[test]
        fn calibration_is_a_maximum_and_forgives_overconfidence(
            logits in prop::collection::vec(-4.0_f32..4.0, 120),
            labels in prop::collection::vec(0_u32..4, 30),
            scale in 0.25_f32..4.0,
        ) {
            let best = Score::Calibrated.of(&logits, 4, &labels).unwrap();
            prop_assert!(best >= Score::Likelihood.of(&logits, 4, &labels).unwrap() - 1e-3);
            // Uniform predictions are in the family: rho -> 1 or t -> 0.
            prop_assert!(best >= -(4.0_f64).ln() - 1e-2);
            let scaled: Vec<f32> = logits.iter().map(|z| z * scale).collect();
            let rescaled = Score::Calibrated.of(&scaled, 4, &labels).unwrap();
            // One ascent from the best point of a grid may end in another of several near maxima, which thirty random
            // labels have now and then.
            prop_assert!((best - rescaled).abs() < 2e-2, "{best} {rescaled}");
        }

        #[test]
        fn the_gradient_agrees_with_finite_differences(
            logits in prop::collection::vec(-4.0_f32..4.0, 60),
            labels in prop::collection::vec(0_u32..3, 20),
            ln_t in -2.0_f64..1.5,
            logit in -4.0_f64..2.0,
        ) {
            let value = |at| Ascent::new(&logits, 3, &labels, at).value;
            let h = 1e-5;
            let numeric = [
                (value([ln_t + h, logit]) - value([ln_t - h, logit])) / (2.0 * h),
                (value([ln_t, logit + h]) - value([ln_t, logit - h])) / (2.0 * h),
            ];
            let exact = Ascent::new(&logits, 3, &labels, [ln_t, logit]).gradient;
            for k in 0..2 {
                prop_assert!((numeric[k] - exact[k]).abs() < 1e-6 * (1.0 + exact[k].abs()));
            }
        }
    }
}
