//! The solver under argmin's executor.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use argmin::core::{CostFunction, Error, Executor, State, TerminationReason, TerminationStatus};
use ss_bo::{BoConfig, BoSolver, Convergence, Optimizer};

struct Bowl;

impl CostFunction for Bowl {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
        Ok((x[0] - 3.0).powi(2) + (x[1] + 1.0).powi(2) - 7.0)
    }
}

const BOUNDS: [(f64, f64); 2] = [(0.0, 10.0), (-5.0, 5.0)];

fn solver() -> BoSolver {
    BoSolver::new(&BOUNDS, BoConfig { seed: 3, ..BoConfig::default() }).unwrap()
}

#[test]
fn costs_are_minimised_in_the_boxs_units() {
    let result = Executor::new(Bowl, solver()).configure(|s| s.max_iters(30)).run().unwrap();
    let state = result.state();
    assert!(state.get_best_cost() < -6.99, "{}", state.get_best_cost());
    let best = result.solver().recommendation().unwrap();
    assert!((best.x[0] - 3.0).abs() < 0.1 && (best.x[1] + 1.0).abs() < 0.1, "{best:?}");
    assert!(best.observed < -6.99 && (best.mean - best.observed).abs() < 0.1, "{best:?}");
    assert_eq!(result.solver().optimizer().trials().len(), 30);
}

#[test]
fn a_target_cost_and_convergence_end_the_run() {
    let result =
        Executor::new(Bowl, solver()).configure(|s| s.max_iters(90).target_cost(-6.9)).run().unwrap();
    let reason = TerminationStatus::Terminated(TerminationReason::TargetCostReached);
    assert_eq!(*result.state().get_termination_status(), reason);
    let converging = solver().stop_when(Convergence::default());
    let result = Executor::new(Bowl, converging).configure(|s| s.max_iters(90)).run().unwrap();
    let reason = TerminationStatus::Terminated(TerminationReason::SolverConverged);
    assert_eq!(*result.state().get_termination_status(), reason);
    assert!(result.state().get_iter() < 90);
}

#[test]
fn a_solver_restored_from_a_checkpoint_goes_on_the_same_way() {
    let run = |solver: BoSolver, n| Executor::new(Bowl, solver).configure(|s| s.max_iters(n)).run().unwrap();
    let whole = run(solver(), 20);
    let half = run(solver(), 14);
    let saved = serde_json::to_string(half.solver()).unwrap();
    let resumed = run(serde_json::from_str(&saved).unwrap(), 6);
    assert_eq!(resumed.solver().optimizer().trials(), whole.solver().optimizer().trials());
}

/// Fails on every third call, in one way or another.
struct Fragile(Cell<u32>);

impl CostFunction for Fragile {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
        self.0.set(self.0.get() + 1);
        match self.0.get() % 6 {
            1 => Err(Error::msg("no memory")),
            4 => Ok(f64::NAN),
            _ => Bowl.cost(x),
        }
    }
}

#[test]
fn failing_evaluations_do_not_end_the_run() {
    let result = Executor::new(Fragile(Cell::new(0)), solver()).configure(|s| s.max_iters(36)).run().unwrap();
    assert!(result.state().get_best_cost() < -6.9, "{}", result.state().get_best_cost());
    let trials = result.solver().optimizer().trials();
    assert_eq!(trials.iter().filter(|t| t.score().is_none()).count(), 12);
}

#[test]
fn bounds_are_checked() {
    for bounds in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        let error = BoSolver::new(&[bounds], BoConfig::default()).unwrap_err();
        assert!(error.to_string().contains("bounds"), "{error}");
    }
}

/// Ctrl-C ends a run under the executor in good order, and the model's own fits (executors, too) do not catch it.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_that_then_continues() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let tests = std::env::current_exe().unwrap();
    // Cargo builds examples with tests, in the folder beside theirs.
    let example = tests.parent().unwrap().parent().unwrap().join("examples/argmin_executor");
    if !example.exists() {
        println!("skipped: {} was not built", example.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |millis: &str| {
        let mut command = Command::new(&example);
        command.arg(folder.path().join("search.json")).arg(millis).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut slow = run("30");
    let mut lines = BufReader::new(slow.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    // The model makes suggestions by now, and a checkpoint has been written.
    lines.find(|line| line.contains("Model")).unwrap();
    let killed = Command::new("kill").args(["-INT", &slow.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(slow.wait().unwrap().success(), "ended by the signal instead of by the executor");
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.contains("Interrupt")), "{rest:?}");

    let output = run("0").wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("Target cost value reached"), "{text}");
}
