//! Bayesian optimisation under argmin's `Executor`: observers, checkpoints, termination, Ctrl-C, resumption.
//!
//! Minimises the six-dimensional Hartmann function:
//!
//! ```text
//! cargo run --release -p ss-bo --example argmin_executor              # a run that is killed, and its continuation
//! cargo run --release -p ss-bo --example argmin_executor -- search.json 200   # 200 ms an evaluation; press Ctrl-C
//! ```
//!
//! Without arguments, a first run is killed and a second picks up its last checkpoint and goes on to a target
//! cost, with the very suggestions that an uninterrupted run would have made. With a file for the checkpoint (and
//! milliseconds to sleep in each evaluation) it is one run that Ctrl-C ends in good order, and that continues
//! when it is called again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use argmin::core::checkpointing::{Checkpoint, CheckpointingFrequency};
use argmin::core::observers::{Observe, ObserverMode};
use argmin::core::{CostFunction, Error, Executor, IterState, KV, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ss_bo::testfunctions::PROBLEMS;
use ss_bo::{BoConfig, BoSolver, Convergence};

/// Costs are scores with the sign turned. An evaluation takes this long.
struct Hartmann(Duration);

impl CostFunction for Hartmann {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
        std::thread::sleep(self.0);
        Ok(-PROBLEMS[1].score(x))
    }
}

type SearchState = IterState<Vec<f64>, (), (), (), (), f64>;

/// Prints each new best.
struct Progress;

impl Observe<SearchState> for Progress {
    fn observe_iter(&mut self, state: &SearchState, kv: &KV) -> Result<(), Error> {
        let origin = kv.get("origin").map(|v| v.as_string()).unwrap_or_default();
        println!(
            "evaluation {:3}  best cost {:9.5}  ({origin})",
            state.get_iter() + 1,
            state.get_best_cost()
        );
        Ok(())
    }
}

/// A checkpoint as one JSON file, written beside its place and renamed, so that it is never half there.
struct JsonCheckpoint(PathBuf);

impl<S: Serialize + DeserializeOwned, I: Serialize + DeserializeOwned> Checkpoint<S, I> for JsonCheckpoint {
    fn save(&self, solver: &S, state: &I) -> Result<(), Error> {
        let partial = self.0.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec(&(solver, state))?)?;
        Ok(std::fs::rename(partial, &self.0)?)
    }

    fn load(&self) -> Result<Option<(S, I)>, Error> {
        if !self.0.exists() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&std::fs::read(&self.0)?)?))
    }

    fn frequency(&self) -> CheckpointingFrequency {
        // JSON has no infinities, which argmin's state holds before the second evaluation.
        CheckpointingFrequency::Every(5)
    }
}

/// Stands for whatever ends a process early.
struct Kill {
    after: u64,
}

impl Observe<SearchState> for Kill {
    fn observe_iter(&mut self, state: &SearchState, _: &KV) -> Result<(), Error> {
        match state.get_iter() + 1 {
            iteration if iteration == self.after => Err(Error::msg("killed")),
            _ => Ok(()),
        }
    }
}

fn executor(path: &Path, evaluation: Duration) -> Result<Executor<Hartmann, BoSolver, SearchState>, Error> {
    let config = BoConfig { seed: 1, ..BoConfig::default() };
    let solver =
        BoSolver::new(&[(0.0, 1.0); 6], config)?.stop_when(Convergence { min_trials: 40, tolerance: 1e-6 });
    Ok(Executor::new(Hartmann(evaluation), solver)
        .configure(|state| state.max_iters(80).target_cost(-3.3))
        .checkpointing(JsonCheckpoint(path.to_owned()))
        .add_observer(Progress, ObserverMode::NewBest))
}

fn finish(executor: Executor<Hartmann, BoSolver, SearchState>) -> Result<(), Error> {
    let result = executor.run()?;
    let state = result.state();
    println!("stopped after {} evaluations: {}", state.get_iter(), state.get_termination_status());
    if let Some(best) = result.solver().recommendation() {
        println!("trial {}: cost {:.5} at {:.3?}", best.id, best.observed, best.x);
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    if let Some(path) = args.next() {
        let millis = args.next().map_or(Ok(0), |ms| ms.parse())?;
        return finish(executor(Path::new(&path), Duration::from_millis(millis))?);
    }
    let path = std::env::temp_dir().join(format!("ss-bo-argmin-{}.json", std::process::id()));
    let killed = executor(&path, Duration::ZERO)?.add_observer(Kill { after: 23 }, ObserverMode::Always);
    if let Err(error) = killed.run() {
        println!("{error} after 23 evaluations; continuing from {}", path.display());
    }
    finish(executor(&path, Duration::ZERO)?)?;
    Ok(std::fs::remove_file(path)?)
}
