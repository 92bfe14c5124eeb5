//! REINFORCE with a Gaussian policy.

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use ss_seed::{Seed, Stream};

use super::check_dim;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::optimizer::Optimizer;
use crate::trial::{Origin, Outcome, Recommendation, Suggestion, Trial, TrialId};

/// Settings of [`Reinforce`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReinforceConfig {
    /// Outcomes averaged into one step of the policy, at least 2. Defaults to 4.
    pub batch: usize,
    /// Step of the mean, in policy deviations for one unit of advantage. Positive; defaults to 0.5.
    pub mean_rate: f64,
    /// Step of the logarithm of the deviation. Not negative; defaults to 0.1.
    pub std_rate: f64,
    /// The policy's first deviation, in units of the cube's side. In `(0, 1]`; defaults to 0.25.
    pub std: f64,
    /// Seed of every random choice. Defaults to 0.
    pub seed: u64,
}

impl Default for ReinforceConfig {
    fn default() -> Self {
        Self { batch: 4, mean_rate: 0.5, std_rate: 0.1, std: 0.25, seed: 0 }
    }
}

/// REINFORCE (Williams 1992): points are drawn from a normal policy with a mean and a deviation for each
/// coordinate, and after each batch of outcomes the policy follows the gradient of the expected score.
///
/// The gradient is scaled by the policy's variance (so that steps are in policy deviations), and
/// advantages are the batch's scores, standardised. The policy starts at the cube's centre.
#[derive(Clone, Debug)]
pub struct Reinforce {
    config: ReinforceConfig,
    stream: Stream,
    ledger: Ledger,
    mean: Vec<f64>,
    log_std: Vec<f64>,
    /// Draws before they were clamped to the cube, one for each trial.
    draws: Vec<Vec<f64>>,
    /// Outcomes since the last step: the trial's index and its score.
    batch: Vec<(usize, f64)>,
}

/// Deviations stay within these bounds.
const STD_RANGE: (f64, f64) = (1e-3, 1.0);

impl Reinforce {
    /// A policy over `[0, 1]^dim`.
    ///
    /// # Errors
    /// When `dim` is 0 or a setting is outside its range.
    pub fn new(dim: usize, config: ReinforceConfig) -> Result<Self> {
        check_dim(dim)?;
        let invalid = |field, found: String, expected| Err(Error::InvalidConfig { field, found, expected });
        if config.batch < 2 {
            return invalid("batch", config.batch.to_string(), "at least 2");
        }
        if !(config.mean_rate.is_finite() && config.mean_rate > 0.0) {
            return invalid("mean_rate", config.mean_rate.to_string(), "a finite positive number");
        }
        if !(config.std_rate.is_finite() && config.std_rate >= 0.0) {
            return invalid("std_rate", config.std_rate.to_string(), "a finite number that is not negative");
        }
        if !(config.std > 0.0 && config.std <= 1.0) {
            return invalid("std", config.std.to_string(), "a number in (0, 1]");
        }
        Ok(Self {
            config,
            stream: Seed::new(config.seed).stream("reinforce"),
            ledger: Ledger::default(),
            mean: vec![0.5; dim],
            log_std: vec![config.std.ln(); dim],
            draws: Vec::new(),
            batch: Vec::new(),
        })
    }

    fn step(&mut self) {
        let n = self.batch.len() as f64;
        let average = self.batch.iter().map(|(_, s)| s / n).sum::<f64>();
        let deviation = self.batch.iter().map(|(_, s)| (s - average).powi(2) / n).sum::<f64>().sqrt();
        let batch = std::mem::take(&mut self.batch);
        if !(deviation > 0.0 && deviation.is_finite()) {
            return;
        }
        for c in 0..self.mean.len() {
            let std = self.log_std[c].exp();
            let (mut toward_mean, mut toward_std) = (0.0, 0.0);
            for &(i, score) in &batch {
                let advantage = (score - average) / deviation;
                let z = (self.draws[i][c] - self.mean[c]) / std;
                toward_mean += advantage * z / n;
                toward_std += advantage * (z * z - 1.0) / n;
            }
            self.mean[c] = (self.mean[c] + self.config.mean_rate * std * toward_mean).clamp(0.0, 1.0);
            self.log_std[c] = (self.log_std[c] + self.config.std_rate * toward_std)
                .clamp(STD_RANGE.0.ln(), STD_RANGE.1.ln());
        }
    }
}

impl Optimizer for Reinforce {
    fn name(&self) -> &'static str {
        "reinforce"
    }

    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn ask(&mut self) -> Result<Suggestion> {
        let mut rng = self.stream.index(self.ledger.len() as u64).rng();
        let draw: Vec<f64> = self
            .mean
            .iter()
            .zip(&self.log_std)
            .map(|(m, s)| {
                let normal: f64 = StandardNormal.sample(&mut rng);
                m + s.exp() * normal
            })
            .collect();
        let x = draw.iter().map(|v| v.clamp(0.0, 1.0)).collect();
        self.draws.push(draw);
        Ok(self.ledger.open(x, Origin::Model))
    }

    fn tell(&mut self, id: TrialId, outcome: Outcome) -> Result<()> {
        let trial = self.ledger.close(id, outcome)?;
        if let Some(score) = trial.score() {
            self.batch.push((id.0 as usize, score));
        }
        if self.batch.len() >= self.config.batch {
            self.step();
        }
        Ok(())
    }

    fn trials(&self) -> &[Trial] {
        self.ledger.trials()
    }

    fn best(&self) -> Option<Recommendation> {
        self.ledger.best_observed()
    }
}
