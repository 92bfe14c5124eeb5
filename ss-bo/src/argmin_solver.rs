//! Bayesian optimisation as an argmin solver.

use argmin::core::{
    CostFunction, Error as ArgminError, IterState, KV, Problem, Solver, TerminationReason, TerminationStatus,
};
use argmin::kv;
use serde::{Deserialize, Serialize};

use crate::bayes::{BayesOpt, BoConfig};
use crate::error::{Error, Result};
use crate::optimizer::{Event, Optimizer};
use crate::stopping::Convergence;
use crate::trial::{Outcome, Recommendation, Trial};

/// [`BayesOpt`] behind `argmin::core::Solver`: argmin's `Executor`, observers, checkpoints and termination
/// apply. One iteration is one evaluation of the cost.
///
/// argmin **minimises** a cost, [`BayesOpt`] **maximises** a score: the solver takes `score = -cost`, once on
/// the way in and once on the way out. `param` and `cost` of argmin's state are those of the latest trial and
/// `best_param` and `best_cost` of the lowest observed cost; [`recommendation`](Self::recommendation) gives the
/// noise-robust choice. A cost that is NaN or infinite, or an error from the cost function, is a failed
/// trial: the search goes on, and argmin's state keeps the previous point.
///
/// Serialising the solver (as checkpoints do) keeps the settings and all trials; the run continues with
/// the same suggestions.
///
/// ```
/// use argmin::core::{CostFunction, Error, Executor, State};
/// use ss_bo::{BoConfig, BoSolver};
///
/// struct Parabola;
/// impl CostFunction for Parabola {
///     type Param = Vec<f64>;
///     type Output = f64;
///     fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
///         Ok((x[0] - 1.0).powi(2) + (x[1] + 2.0).powi(2))
///     }
/// }
///
/// let solver = BoSolver::new(&[(-5.0, 5.0), (-5.0, 5.0)], BoConfig::default())?;
/// let result = Executor::new(Parabola, solver).configure(|s| s.max_iters(25)).run()?;
/// assert!(result.state().get_best_cost() < 0.05);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BoSolver {
    bo: BayesOpt,
    bounds: Vec<(f64, f64)>,
    convergence: Option<Convergence>,
}

impl BoSolver {
    /// A solver over the box with these bounds, one `(low, high)` a dimension. Start-up designs in the
    /// settings are in units of the box's sides, in `[0, 1]^d`.
    ///
    /// # Errors
    /// Bounds that are not finite or not ordered, invalid settings.
    pub fn new(bounds: &[(f64, f64)], config: BoConfig) -> Result<Self> {
        for &(low, high) in bounds {
            if !(low.is_finite() && high.is_finite() && low < high) {
                return Err(Error::InvalidConfig {
                    field: "bounds",
                    found: format!("({low}, {high})"),
                    expected: "finite bounds with low < high",
                });
            }
        }
        Ok(Self { bo: BayesOpt::new(bounds.len(), config)?, bounds: bounds.to_vec(), convergence: None })
    }

    /// Terminates the run (as *solver converged*) when this rule applies. Off by default.
    #[must_use]
    pub fn stop_when(self, rule: Convergence) -> Self {
        Self { convergence: Some(rule), ..self }
    }

    /// The optimiser inside, in `[0, 1]^d` and with scores to maximise.
    pub fn optimizer(&self) -> &BayesOpt {
        &self.bo
    }

    /// The evaluated point with the lowest posterior mean *cost*, in the box's units. `observed` and
    /// `mean` are costs.
    pub fn recommendation(&self) -> Option<Recommendation> {
        let best = self.bo.best()?;
        Some(Recommendation {
            x: self.scale_from_cube(&best.x),
            observed: -best.observed,
            mean: -best.mean,
            ..best
        })
    }

    fn scale_from_cube(&self, x: &[f64]) -> Vec<f64> {
        x.iter().zip(&self.bounds).map(|(x, (low, high))| low * (1.0 - x) + high * x).collect()
    }
}

impl<O> Solver<O, IterState<Vec<f64>, (), (), (), (), f64>> for BoSolver
where
    O: CostFunction<Param = Vec<f64>, Output = f64>,
{
    fn name(&self) -> &str {
        "Bayesian optimisation"
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        state: IterState<Vec<f64>, (), (), (), (), f64>,
    ) -> std::result::Result<(IterState<Vec<f64>, (), (), (), (), f64>, Option<KV>), ArgminError> {
        let trial = self.bo.ask()?;
        let param = self.scale_from_cube(&trial.x);
        let (outcome, cost) = match problem.cost(&param) {
            Ok(cost) => (Outcome::Score(-cost), cost),
            Err(error) => (Outcome::Failed { reason: format!("{error:#}") }, f64::NAN),
        };
        self.bo.tell(trial.id, outcome)?;
        let kv = kv!("trial" => trial.id.0; "origin" => format!("{:?}", trial.origin););
        if !cost.is_finite() {
            return Ok((state, Some(kv)));
        }
        Ok((state.param(param).cost(cost), Some(kv)))
    }

    fn terminate(&mut self, _state: &IterState<Vec<f64>, (), (), (), (), f64>) -> TerminationStatus {
        match self.convergence.map(|rule| rule.reached(&self.bo)) {
            Some(Ok(true)) => TerminationStatus::Terminated(TerminationReason::SolverConverged),
            Some(Err(error)) => {
                TerminationStatus::Terminated(TerminationReason::SolverExit(error.to_string()))
            }
            _ => TerminationStatus::NotTerminated,
        }
    }
}

/// What a checkpoint holds: everything that cannot be recomputed.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    bounds: Vec<(f64, f64)>,
    config: BoConfig,
    history: Vec<Event>,
    convergence: Option<Convergence>,
}

impl Serialize for BoSolver {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Checkpoint {
            bounds: self.bounds.clone(),
            config: self.bo.config().clone(),
            history: self.bo.trials().iter().flat_map(Trial::events).collect(),
            convergence: self.convergence,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BoSolver {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let Checkpoint { bounds, config, history, convergence } = Checkpoint::deserialize(deserializer)?;
        let mut solver = Self::new(&bounds, config).map_err(serde::de::Error::custom)?;
        solver.convergence = convergence;
        solver.bo.replay(&history).map_err(serde::de::Error::custom)?;
        Ok(solver)
    }
}
