//! Quasi-random search.

use ss_seed::Seed;

use super::check_dim;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::optimizer::Optimizer;
use crate::sobol::Sobol;
use crate::trial::{Origin, Outcome, Recommendation, Suggestion, Trial, TrialId};

/// The points of one scrambled Sobol sequence, in order.
#[derive(Clone, Debug)]
pub struct SobolSearch {
    dim: usize,
    sobol: Sobol,
    ledger: Ledger,
}

impl SobolSearch {
    /// Sobol search over `[0, 1]^dim`; the seed chooses the scramble.
    ///
    /// # Errors
    /// When `dim` is 0.
    pub fn new(dim: usize, seed: u64) -> Result<Self> {
        check_dim(dim)?;
        let sobol = Sobol::new(dim, Seed::new(seed).stream("sobol-search"));
        Ok(Self { dim, sobol, ledger: Ledger::default() })
    }
}

impl Optimizer for SobolSearch {
    fn name(&self) -> &'static str {
        "sobol"
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn ask(&mut self) -> Result<Suggestion> {
        let x = self.sobol.point(self.ledger.len() as u64);
        Ok(self.ledger.open(x, Origin::Startup))
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
