//! A (1+1) evolution strategy.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use ss_seed::{Seed, Stream};

use super::check_dim;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::optimizer::Optimizer;
use crate::trial::{Origin, Outcome, Recommendation, Suggestion, Trial, TrialId};

/// The (1+1) evolution strategy with the one-fifth success rule: mutate the best point, widen the mutation
/// after a success and narrow it after a failure, so that one in five succeeds (Kern et al. 2004, "Learning
/// probability distributions in continuous evolutionary algorithms", section 3.1).
#[derive(Clone, Debug)]
pub struct EvolutionStrategy {
    dim: usize,
    stream: Stream,
    ledger: Ledger,
    parent: Option<(Vec<f64>, f64)>,
    step: f64,
}

/// Standard deviation of the first mutations, in units of the cube's side.
const FIRST_STEP: f64 = 0.3;
/// The step stays within these bounds.
const STEP_RANGE: (f64, f64) = (1e-6, 0.5);

impl EvolutionStrategy {
    /// An evolution strategy over `[0, 1]^dim`, from a uniform first point.
    ///
    /// # Errors
    /// When `dim` is 0.
    pub fn new(dim: usize, seed: u64) -> Result<Self> {
        check_dim(dim)?;
        let stream = Seed::new(seed).stream("evolution-strategy");
        Ok(Self { dim, stream, ledger: Ledger::default(), parent: None, step: FIRST_STEP })
    }
}

impl Optimizer for EvolutionStrategy {
    fn name(&self) -> &'static str {
        "evolution"
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn ask(&mut self) -> Result<Suggestion> {
        let mut rng = self.stream.index(self.ledger.len() as u64).rng();
        let Some((parent, _)) = &self.parent else {
            let x = (0..self.dim).map(|_| rng.random()).collect();
            return Ok(self.ledger.open(x, Origin::Random));
        };
        let mutate = |&p: &f64| {
            let normal: f64 = StandardNormal.sample(&mut rng);
            reflect(p + self.step * normal)
        };
        let x = parent.iter().map(mutate).collect();
        Ok(self.ledger.open(x, Origin::Model))
    }

    fn tell(&mut self, id: TrialId, outcome: Outcome) -> Result<()> {
        let trial = self.ledger.close(id, outcome)?;
        let score = trial.score().unwrap_or(f64::NEG_INFINITY);
        let success = match &self.parent {
            // The first point is the parent whatever its score, once it has one.
            None => {
                if score.is_finite() {
                    self.parent = Some((trial.x.clone(), score));
                }
                return Ok(());
            }
            Some((_, best)) => score >= *best,
        };
        if success {
            self.parent = Some((trial.x.clone(), score));
        }
        let damping = 1.0 + self.dim as f64 / 2.0;
        let drift = (f64::from(u8::from(success)) - 0.2) / 0.8 / damping;
        self.step = (self.step * drift.exp()).clamp(STEP_RANGE.0, STEP_RANGE.1);
        Ok(())
    }

    fn trials(&self) -> &[Trial] {
        self.ledger.trials()
    }

    fn best(&self) -> Option<Recommendation> {
        self.ledger.best_observed()
    }
}

/// Reflects a number at 0 and 1 until it lies between them.
fn reflect(v: f64) -> f64 {
    let folded = v.rem_euclid(2.0);
    if folded > 1.0 { 2.0 - folded } else { folded }
}

#[cfg(test)]
mod tests {
    use super::reflect;

    #[test]
    fn reflection_stays_in_the_interval() {
        for (v, expected) in [(-0.25, 0.25), (0.5, 0.5), (1.25, 0.75), (2.5, 0.5), (-1.75, 0.25)] {
            assert!((reflect(v) - expected).abs() < 1e-12, "{v}");
        }
    }
}
