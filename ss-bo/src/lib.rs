//! Small-budget Bayesian optimisation for noisy objectives, with ask/tell and an argmin solver.
//!
//! Everything here searches the unit cube `[0, 1]^d` for the **largest** score. [`BayesOpt`] is the optimiser
//! to use; [`rivals`] are simpler ones behind the same [`Optimizer`] trait, for comparison.
//!
//! - [`Optimizer`]: `ask` for a point, `tell` its [`Outcome`], any number of trials in flight;
//!   [`optimize`] is the plain loop.
//! - [`BayesOpt`]: Gaussian processes ([`gp`]) with fitted noise and log expected improvement
//!   ([`acquisition`]), averaged over plausible hyper-parameters.
//! - [`BoSolver`]: the same as an `argmin::core::Solver`.
//! - [`Convergence`] and [`QuantileRule`]: when to stop a search, or a trial.
//! - [`journal`]: studies as lines that Optuna opens, too.
//!
//! The crate touches no files, no clock and no global random state: what is suggested is a function of the
//! settings and of the recorded trials.

// Negated comparisons treat NaN as out of range, on purpose.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

pub mod acquisition;
mod argmin_solver;
mod bayes;
mod box_lbfgs;
mod cholesky;
mod error;
pub mod gp;
pub mod journal;
mod ledger;
mod optimizer;
pub mod rivals;
pub mod sobol;
mod stopping;
pub mod testfunctions;
mod trial;

pub use argmin_solver::BoSolver;
pub use bayes::{BayesOpt, BoConfig, ExpectedImprovement, Projection, Surrogate};
pub use cholesky::Cholesky;
pub use error::{Error, Result};
pub use optimizer::{Event, Optimizer, optimize};
pub use rivals::{EvolutionStrategy, RandomSearch, Reinforce, SobolSearch};
pub use stopping::{Convergence, QuantileRule};
pub use trial::{Origin, Outcome, Recommendation, Suggestion, Trial, TrialId, TrialState};
