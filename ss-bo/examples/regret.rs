//! Simple regret of the recommended point on the test problems: `regret [problem] [seeds] [method]
//! [config]`, where the
//! last is a `BoConfig` in JSON; fields left out keep their defaults.
//!
//! Prints one JSON object a line: problem, method, budget, seeds, median and quartiles of the regret, and
//! the median
//! time of a suggestion in milliseconds.

use std::time::Instant;

use rayon::prelude::*;
use ss_bo::rivals::ReinforceConfig;
use ss_bo::testfunctions::{PROBLEMS, Problem};
use ss_bo::{
    BayesOpt, BoConfig, EvolutionStrategy, Optimizer, Outcome, RandomSearch, Reinforce, SobolSearch,
};

const BUDGETS: [usize; 2] = [40, 80];

fn optimizer(method: &str, config: &BoConfig, dim: usize, seed: u64) -> ss_bo::Result<Box<dyn Optimizer>> {
    Ok(match method {
        "random" => Box::new(RandomSearch::new(dim, seed)?),
        "sobol" => Box::new(SobolSearch::new(dim, seed)?),
        "reinforce" => Box::new(Reinforce::new(dim, ReinforceConfig { seed, ..ReinforceConfig::default() })?),
        "evolution" => Box::new(EvolutionStrategy::new(dim, seed)?),
        _ => Box::new(BayesOpt::new(dim, BoConfig { seed, ..config.clone() })?),
    })
}

/// Regret at each budget and the median milliseconds of a suggestion up to it.
fn run(problem: &Problem, method: &str, config: &BoConfig, seed: u64) -> ss_bo::Result<Vec<(f64, f64)>> {
    let mut optimizer = optimizer(method, config, problem.dim, seed)?;
    let mut times = Vec::new();
    let mut results = Vec::new();
    for trial in 0..BUDGETS[BUDGETS.len() - 1] {
        let clock = Instant::now();
        let s = optimizer.ask()?;
        times.push(clock.elapsed().as_secs_f64() * 1e3);
        optimizer.tell(s.id, Outcome::Score(problem.observe(&s.x, seed, trial as u64)))?;
        if BUDGETS.contains(&(trial + 1)) {
            let regret = optimizer.best().map_or(f64::NAN, |b| problem.regret(&b.x));
            results.push((regret, quantile(times.clone(), 0.5)));
        }
    }
    Ok(results)
}

fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = q * (values.len() - 1) as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let only = args.first().map_or("all", |s| s.as_str());
    let seeds: u64 = args.get(1).and_then(|s| s.parse().ok()).unwrap_or(20);
    let method = args.get(2).map_or("bo", |s| s.as_str());
    let config: BoConfig = args.get(3).map_or(Ok(BoConfig::default()), |s| serde_json::from_str(s))?;
    for problem in PROBLEMS.iter().filter(|p| only == "all" || p.name == only) {
        let runs: Vec<Vec<(f64, f64)>> = (0..seeds)
            .into_par_iter()
            .map(|seed| run(problem, method, &config, seed))
            .collect::<ss_bo::Result<_>>()?;
        for (b, budget) in BUDGETS.iter().enumerate() {
            let regrets: Vec<f64> = runs.iter().map(|r| r[b].0).collect();
            let times: Vec<f64> = runs.iter().map(|r| r[b].1).collect();
            println!(
                "{{\"problem\": \"{}\", \"method\": \"{method}\", \"budget\": {budget}, \"seeds\": {seeds}, \"median_regret\": {:.6}, \
                 \"q25\": {:.6}, \"q75\": {:.6}, \"suggest_ms\": {:.2}}}",
                problem.name,
                quantile(regrets.clone(), 0.5),
                quantile(regrets.clone(), 0.25),
                quantile(regrets, 0.75),
                quantile(times, 0.5)
            );
        }
    }
    Ok(())
}
