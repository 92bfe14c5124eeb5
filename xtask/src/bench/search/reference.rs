//! Weightings to compare a search with: uniform, the rules that drop the largest losses, and the oracle.

use anyhow::Result;
use ss_sampler::Weights;

use super::objective::{Candidate, Objective};
use super::record::{ReferenceFailure, ReferenceReading, ReferenceRun};

/// The rule that a search must find.
pub(crate) const BAR: &str = "drop-35";
/// Shares of the largest losses that are dropped, in percent.
const DEPTHS: [usize; 7] = [10, 20, 30, 35, 40, 50, 60];
/// Test accuracy is taken of these alone: each costs another trial.
const TESTED: [&str; 3] = ["uniform", BAR, "oracle"];

/// Measures every reference weighting; `observe` is told each name before. One under which training diverges is set down as
/// failed, and the others are measured.
pub(crate) fn measure(
    objective: &mut dyn Objective,
    seed: u64,
    mut observe: impl FnMut(&str),
) -> Result<ReferenceRun> {
    let (mut weightings, mut failures) = (Vec::new(), Vec::new());
    for (name, tau) in weights(objective) {
        observe(&name);
        let candidate = Candidate { weights: Weights::new(tau)?, rule: None };
        let reading = match objective.measure(&candidate, None)? {
            Ok(reading) => reading,
            Err(reason) => {
                failures.push(ReferenceFailure { name, reason });
                continue;
            }
        };
        let test = if TESTED.contains(&name.as_str()) { objective.test(&candidate)? } else { None };
        weightings.push(ReferenceReading { name, reading, test });
    }
    Ok(ReferenceRun { seed, weightings, failures, optimum: objective.optimum() })
}

/// How many weightings [`measure`] measures.
pub(crate) const COUNT: usize = DEPTHS.len() + 2;

fn weights(objective: &dyn Objective) -> Vec<(String, Vec<f64>)> {
    let loss = objective.loss();
    let mut descending: Vec<usize> = (0..loss.len()).collect();
    descending.sort_by(|&a, &b| loss[b].total_cmp(&loss[a]));
    let mut all = vec![("uniform".to_owned(), vec![1.0; loss.len()])];
    for depth in DEPTHS {
        let mut tau = vec![1.0; loss.len()];
        // By rank, not through a rule: exactly that share, with no ramp between.
        for &i in &descending[..loss.len() * depth / 100] {
            tau[i] = 0.0;
        }
        all.push((format!("drop-{depth}"), tau));
    }
    let oracle = objective.wrong().iter().map(|&wrong| f64::from(u8::from(!wrong))).collect();
    all.push(("oracle".to_owned(), oracle));
    all
}
