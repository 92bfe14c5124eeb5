//! Finds the optimum of the synthetic reweighting problem that the benchmark states regret against: the best of
//! 64 evolution strategies of 10,000 evaluations each.

use rayon::prelude::*;
use ss_bo::testfunctions::PROBLEMS;
use ss_bo::{EvolutionStrategy, Outcome, Result, optimize};

fn main() -> Result<()> {
    let problem = &PROBLEMS[6];
    let mut scores: Vec<(f64, Vec<f64>)> = (0..64_u64)
        .into_par_iter()
        .map(|seed| {
            let mut search = EvolutionStrategy::new(problem.dim, seed)?;
            let best = optimize(&mut search, 10_000, |x| Outcome::Score(problem.score(x)))?;
            Ok(best.map_or((f64::NEG_INFINITY, Vec::new()), |b| (b.observed, b.x)))
        })
        .collect::<Result<_>>()?;
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (score, x) in scores.iter().take(5) {
        println!("{score:.6} at {x:.3?}");
    }
    println!("median of the runs {:.6}", scores[scores.len() / 2].0);
    Ok(())
}
