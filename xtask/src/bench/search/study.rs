//! One arm's search on one objective.

use anyhow::Result;
use ss_bo::{Optimizer, Outcome};
use ss_sampler::{SamplerParams, canonicalize_unit};
use ss_seed::Seed;

use super::arm::Arm;
use super::objective::{Candidate, Objective, RuleKey, Tried};
use super::record::{SearchRun, SearchTrial};

/// Runs `trials` trials of `arm`; `observe` is told of each.
pub(super) fn search(
    objective: &mut dyn Objective,
    arm: Arm,
    trials: usize,
    seed: u64,
    mut observe: impl FnMut(&SearchTrial),
) -> Result<SearchRun> {
    let mut optimizer = arm.optimizer(objective.ranked(), Seed::new(seed))?;
    let mut done = Vec::with_capacity(trials);
    for number in 0..trials {
        let suggestion = optimizer.ask()?;
        let tried = match candidate(objective, &suggestion.x)? {
            Ok(candidate) => objective.measure(&candidate, Some(number as u64))?,
            Err(reason) => Err(reason),
        };
        let outcome = match &tried {
            Ok(reading) => Outcome::Score(reading.score),
            Err(reason) => Outcome::Failed { reason: reason.clone() },
        };
        optimizer.tell(suggestion.id, outcome)?;
        let trial = SearchTrial {
            origin: suggestion.origin,
            point: suggestion.x,
            reading: tried.as_ref().ok().copied(),
            failure: tried.err(),
        };
        observe(&trial);
        done.push(trial);
    }
    let recommended = recommended(optimizer.as_ref());
    let recommended_test = match recommended {
        None => None,
        Some(number) => match candidate(objective, &done[number].point)? {
            Ok(candidate) => objective.test(&candidate)?,
            Err(_) => None,
        },
    };
    Ok(SearchRun { seed, arm, trials: done, recommended, recommended_test })
}

fn recommended(optimizer: &dyn Optimizer) -> Option<usize> {
    let best = optimizer.best()?;
    optimizer.trials().iter().position(|trial| trial.id == best.id)
}

/// The weighting at a point of the cube; the reason when its rule gives no example any weight.
fn candidate(objective: &dyn Objective, point: &[f64]) -> Result<std::result::Result<Candidate, String>> {
    let ranked = objective.ranked();
    let rule = Some(RuleKey::new(&canonicalize_unit(ranked.spec(), point)?));
    let params = SamplerParams::from_unit(ranked.spec(), point)?;
    Ok(match ranked.weights(&params) {
        Ok(weights) => Ok(Candidate { weights, rule }),
        Err(error @ ss_sampler::Error::NoMass { .. }) => Err(error.to_string()),
        Err(error) => return Err(error.into()),
    })
}

/// Hands the trials of an earlier search to an objective that was prepared anew.
pub(super) fn recall(objective: &mut dyn Objective, run: &SearchRun) -> Result<()> {
    for trial in &run.trials {
        let rule = RuleKey::new(&canonicalize_unit(objective.ranked().spec(), &trial.point)?);
        let tried: Tried = trial.tried();
        objective.recall(rule, tried);
    }
    Ok(())
}
