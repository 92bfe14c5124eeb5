//! The ask/tell interface that all optimisers share.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::trial::{Outcome, Recommendation, Suggestion, Trial, TrialId};

/// One step of a study's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A point was suggested.
    Asked(Suggestion),
    /// An outcome was recorded.
    Told(TrialId, Outcome),
}

/// A sequential optimiser of a score over the unit cube. The score is **maximised**.
///
/// `ask` and `tell` may interleave freely: several trials may be running at once and outcomes may arrive
/// in any order. What `ask` returns is a function of the settings (seed included), of the trials so far and
/// of the recorded outcomes, in the order in which they were told; there is no hidden random state, so a
/// study that is replayed gives the same next suggestion as one that was never interrupted.
pub trait Optimizer {
    /// A short name for tables.
    fn name(&self) -> &'static str;

    /// Dimension of the search space.
    fn dim(&self) -> usize;

    /// The next point to evaluate; the trial is recorded as running.
    ///
    /// # Errors
    /// [`Error::Exhausted`](crate::Error::Exhausted) when no new point can be found.
    fn ask(&mut self) -> Result<Suggestion>;

    /// Records the outcome of a running trial.
    ///
    /// # Errors
    /// [`Error::UnknownTrial`](crate::Error::UnknownTrial) or
    /// [`Error::AlreadyTold`](crate::Error::AlreadyTold); the study is then unchanged.
    fn tell(&mut self, id: TrialId, outcome: Outcome) -> Result<()>;

    /// Every trial so far, in the order of suggestion.
    fn trials(&self) -> &[Trial];

    /// The point to use if the search stopped now: the completed trial with the best posterior mean where
    /// the optimiser has a model (robust to noise), with the best observed score otherwise. `None` before
    /// the first completed trial.
    fn best(&self) -> Option<Recommendation>;

    /// Brings a fresh optimiser to the state that this history led to, so that its next suggestion is the one
    /// that an uninterrupted optimiser with the same settings would give.
    ///
    /// The default asks again and compares with the record; optimisers whose suggestions depend on the trials
    /// alone take the record over without recomputing it (and then accept trials of other origins).
    ///
    /// # Errors
    /// [`Error::Diverged`] when the record was made with other settings; those of [`tell`](Self::tell).
    fn replay(&mut self, history: &[Event]) -> Result<()> {
        for event in history {
            match event {
                Event::Asked(recorded) => {
                    let suggestion = self.ask()?;
                    if suggestion.id != recorded.id || suggestion.x != recorded.x {
                        return Err(Error::Diverged { id: recorded.id });
                    }
                }
                Event::Told(id, outcome) => self.tell(*id, outcome.clone())?,
            }
        }
        Ok(())
    }
}

/// Runs `budget` trials one after another and returns the recommendation.
///
/// ```
/// use ss_bo::{BayesOpt, BoConfig, Outcome, optimize};
///
/// let mut bo = BayesOpt::new(1, BoConfig { seed: 1, ..BoConfig::default() })?;
/// let best = optimize(&mut bo, 20, |x| Outcome::Score(-(x[0] - 0.3).powi(2)))?;
/// assert!((best.unwrap().x[0] - 0.3).abs() < 0.01);
/// # Ok::<(), ss_bo::Error>(())
/// ```
///
/// # Errors
/// Those of [`Optimizer::ask`].
pub fn optimize(
    optimizer: &mut dyn Optimizer,
    budget: usize,
    mut objective: impl FnMut(&[f64]) -> Outcome,
) -> Result<Option<Recommendation>> {
    for _ in 0..budget {
        let suggestion = optimizer.ask()?;
        let outcome = objective(&suggestion.x);
        optimizer.tell(suggestion.id, outcome)?;
    }
    Ok(optimizer.best())
}
