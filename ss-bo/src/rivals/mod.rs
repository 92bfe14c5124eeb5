//! Optimisers to compare with: all behind [`Optimizer`](crate::Optimizer), all **maximise** the score, none
//! with a model.

mod evolution;
mod random;
mod reinforce;
mod sobol_search;

pub use evolution::EvolutionStrategy;
pub use random::RandomSearch;
pub use reinforce::{Reinforce, ReinforceConfig};
pub use sobol_search::SobolSearch;

use crate::error::{Error, Result};

/// The one thing that can be wrong with every rival.
fn check_dim(dim: usize) -> Result<()> {
    if dim == 0 {
        let expected = "at least one dimension";
        return Err(Error::InvalidConfig { field: "dim", found: "0".to_owned(), expected });
    }
    Ok(())
}
