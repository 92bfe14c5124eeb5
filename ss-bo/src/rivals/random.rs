//! Random search.

use rand::Rng;
use ss_seed::{Seed, Stream};

use super::check_dim;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::optimizer::Optimizer;
use crate::trial::{Origin, Outcome, Recommendation, Suggestion, Trial, TrialId};

/// Independent uniform points (Bergstra and Bengio 2012).
#[derive(Clone, Debug)]
pub struct RandomSearch {
    dim: usize,
    stream: Stream,
    ledger: Ledger,
}

impl RandomSearch {
    /// Random search over `[0, 1]^dim`.
    ///
    /// # Errors
    /// When `dim` is 0.
    pub fn new(dim: usize, seed: u64) -> Result<Self> {
        check_dim(dim)?;
        Ok(Self { dim, stream: Seed::new(seed).stream("random-search"), ledger: Ledger::default() })
    }
}

impl Optimizer for RandomSearch {
    fn name(&self) -> &'static str {
        "random"
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn ask(&mut self) -> Result<Suggestion> {
        let mut rng = self.stream.index(self.ledger.len() as u64).rng();
        let x = (0..self.dim).map(|_| rng.random()).collect();
        Ok(self.ledger.open(x, Origin::Random))
    }

    fn tell(&mut self, id: TrialId, outcome: Outcome) -> Result<()> {
        self.ledger.close(id, outcome)?;
        Ok(())
    }

    fn trials(&self) -> &[Trial] {
        self.ledger.trials()
    }

    fn best(&self) -> Option<Recommendation> {
        self.ledger.best_observed()
    }
}
