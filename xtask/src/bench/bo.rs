//! Simple regret of the black-box optimisers on the test problems.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::bo_beside;
use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use ss_bo::rivals::ReinforceConfig;
use ss_bo::testfunctions::{PROBLEMS, Problem};
use ss_bo::{
    BayesOpt, BoConfig, EvolutionStrategy, Optimizer, Outcome, RandomSearch, Reinforce, SobolSearch,
};

/// Flags of `bench bo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Optimisers
    #[arg(long, value_enum, value_delimiter = ',', default_value = "bo,random,sobol,reinforce,evolution")]
    methods: Vec<Method>,
    /// Only this problem [all: branin2, hartmann6, ackley10, levy10, styblinski-tang5, hartmann6-noisy,
    /// reweighting10-noisy]
    #[arg(long, value_name = "PROBLEM")]
    only: Option<String>,
    /// Trials after which the regret is taken
    #[arg(long, value_delimiter = ',', default_value = "40,80")]
    budgets: Vec<usize>,
    /// Runs
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Seed of the first run
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Rows of other optimisers (`benches/peers/bo_peers.py`) to print beside ours
    #[arg(long, value_name = "JSONL", conflicts_with = "json")]
    beside: Option<PathBuf>,
    /// Settings of `bo` as a JSON object; what it leaves out keeps its default
    #[arg(long, value_name = "JSON", default_value = "{}")]
    config: String,
    /// Instead: let another program drive `bo` on a function of its own
    #[arg(
        long,
        conflicts_with_all = ["json", "methods", "only", "budgets", "seeds", "first_seed", "beside", "config"],
        long_help = super::bo_serve::PROTOCOL
    )]
    serve: bool,
}

/// An optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Bayesian optimisation
    Bo,
    /// Independent uniform points
    Random,
    /// Scrambled Sobol points
    Sobol,
    /// REINFORCE with a Gaussian policy
    Reinforce,
    /// A (1+1) evolution strategy
    Evolution,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Bo => "bo",
            Self::Random => "random",
            Self::Sobol => "sobol",
            Self::Reinforce => "reinforce",
            Self::Evolution => "evolution",
        }
    }

    fn optimizer(self, dim: usize, config: &BoConfig, seed: u64) -> ss_bo::Result<Box<dyn Optimizer>> {
        Ok(match self {
            Self::Bo => Box::new(BayesOpt::new(dim, BoConfig { seed, ..config.clone() })?),
            Self::Random => Box::new(RandomSearch::new(dim, seed)?),
            Self::Sobol => Box::new(SobolSearch::new(dim, seed)?),
            Self::Reinforce => {
                Box::new(Reinforce::new(dim, ReinforceConfig { seed, ..ReinforceConfig::default() })?)
            }
            Self::Evolution => Box::new(EvolutionStrategy::new(dim, seed)?),
        })
    }
}

/// One line of the result: a method on a problem after so many trials.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) problem: String,
    pub(super) method: String,
    pub(super) budget: usize,
    pub(super) seeds: u64,
    /// Simple regret of the recommended point, without noise; quantiles over the seeds.
    pub(super) median_regret: f64,
    pub(super) q25: f64,
    pub(super) q75: f64,
    /// Milliseconds of a suggestion on one core: median over the trials of a run, then over the seeds.
    pub(super) suggest_ms: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.serve {
        return super::bo_serve::run();
    }
    let mut budgets = args.budgets.clone();
    budgets.sort_unstable();
    budgets.dedup();
    if args.seeds == 0 || budgets.first().is_none_or(|&b| b == 0) {
        bail!("--seeds and --budgets: expected at least 1");
    }
    let config: BoConfig = serde_json::from_str(&args.config).context("--config")?;
    if config.seed != 0 {
        bail!("--config: a seed for all runs, expected none: seeds count from --first-seed");
    }
    let problems = problems(args.only.as_deref())?;
    let peers = args.beside.as_deref().map(bo_beside::read).transpose()?;
    let seeds =
        args.first_seed..args.first_seed.checked_add(args.seeds).context("--first-seed: too large")?;
    if !args.json {
        println!("{HEADER}");
    }
    let mut ours = Vec::new();
    for problem in problems {
        for &method in &args.methods {
            for row in rows(problem, method, &config, &budgets, seeds.clone())? {
                print(&row, args.json)?;
                ours.push(row);
            }
        }
    }
    if let Some(peers) = peers {
        print!("\n{}", bo_beside::table(&ours, &peers));
    }
    Ok(())
}

fn problems(only: Option<&str>) -> Result<Vec<&'static Problem>> {
    let found: Vec<_> = PROBLEMS.iter().filter(|p| only.is_none_or(|name| p.name == name)).collect();
    if found.is_empty() {
        let names = PROBLEMS.map(|p| p.name).join(", ");
        bail!("--only {}: expected one of {names}", only.unwrap_or_default());
    }
    Ok(found)
}

const HEADER: &str =
    "problem             method     budget  seeds  median regret          q25          q75  suggest ms";

fn print(row: &Row, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(row)?);
    } else {
        let Row { problem, method, budget, seeds, median_regret, q25, q75, suggest_ms } = row;
        println!(
            "{problem:<19} {method:<9} {budget:>7} {seeds:>6} {median_regret:>14.6} {q25:>12.6} {q75:>12.6} \
             {suggest_ms:>11.3}"
        );
    }
    Ok(())
}

/// What a run had reached at a budget.
#[derive(Clone, Copy)]
struct Reached {
    regret: f64,
    suggest_ms: f64,
}

/// One row a budget.
fn rows(
    problem: &'static Problem,
    method: Method,
    config: &BoConfig,
    budgets: &[usize],
    seeds: Range<u64>,
) -> Result<Vec<Row>> {
    let count = seeds.end - seeds.start;
    let runs = run_seeds(seeds, |seed| run_seed(problem, method, config, budgets, seed))?;
    let row = |(i, &budget): (usize, &usize)| {
        let regrets: Vec<f64> = runs.iter().map(|run| run[i].regret).collect();
        let times: Vec<f64> = runs.iter().map(|run| run[i].suggest_ms).collect();
        Row {
            problem: problem.name.to_owned(),
            method: method.name().to_owned(),
            budget,
            seeds: count,
            median_regret: quantile(&regrets, 0.5),
            q25: quantile(&regrets, 0.25),
            q75: quantile(&regrets, 0.75),
            suggest_ms: quantile(&times, 0.5),
        }
    };
    Ok(budgets.iter().enumerate().map(row).collect())
}

/// Calls `run` for every seed, on as many threads as rayon would use. Each has a pool of one thread to itself:
/// in a pool that is shared, a suggestion that waits for its parts would take up other seeds and be timed
/// with them.
fn run_seeds<T: Send>(seeds: Range<u64>, run: impl Fn(u64) -> Result<T> + Sync) -> Result<Vec<T>> {
    let next = AtomicU64::new(seeds.start);
    let work = || -> Result<Vec<(u64, T)>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let seeds = std::iter::from_fn(|| {
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&seed| seed < seeds.end)
        });
        seeds.map(|seed| Ok((seed, pool.install(|| run(seed))?))).collect()
    };
    let mut done = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..rayon::current_num_threads()).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            done.extend(worker.join().map_err(|_| anyhow!("a run panicked"))??);
        }
        Ok(())
    })?;
    done.sort_by_key(|(seed, _)| *seed);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// One run to the largest of the budgets, which ascend.
fn run_seed(
    problem: &Problem,
    method: Method,
    config: &BoConfig,
    budgets: &[usize],
    seed: u64,
) -> Result<Vec<Reached>> {
    let mut optimizer = method.optimizer(problem.dim, config, seed)?;
    let mut times = Vec::new();
    let mut reached = Vec::new();
    for &budget in budgets {
        while times.len() < budget {
            let trial = times.len() as u64;
            let clock = Instant::now();
            let suggestion = optimizer.ask()?;
            times.push(clock.elapsed().as_secs_f64() * 1e3);
            let score = problem.observe(&suggestion.x, seed, trial);
            optimizer.tell(suggestion.id, Outcome::Score(score))?;
        }
        let best = optimizer.best().with_context(|| format!("{}: no recommendation", problem.name))?;
        reached.push(Reached { regret: problem.regret(&best.x), suggest_ms: quantile(&times, 0.5) });
    }
    Ok(reached)
}

/// Linear between order statistics; `values` is not empty.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}
