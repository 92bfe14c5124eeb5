//! The outer loop: Bayesian optimisation over the ten numbers, each judged by a fine-tuning trial.

mod config;
mod journal;
mod outcome;

pub use config::{Pruning, SearchConfig};
pub use journal::SearchJournal;
pub use outcome::{SearchOutcome, TrialRecord};

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::Value;
use ss_approx::{Checkpoint, Examples, Trainer, UniformRun, WatchedTrial};
use ss_bo::{BayesOpt, Optimizer, Outcome, Suggestion, Trial, TrialId};
use ss_seed::Seed;

use crate::candidates::{Candidates, is_candidates_fault};
use crate::study::{Storage, Study};
use crate::{Error, Result};
use journal::study_spec;
use outcome::conclude;

/// Searches a sampler for the trained `uniform` run.
///
/// Every candidate sees the same random numbers, drawn from `seed`. `observe` is told of each trial and the
/// best score so far.
///
/// With a `journal`, every trial is recorded as it begins and ends. A search that finds trials of its own there
/// goes on with them: one that was cut short is run again, the suggestions that follow are those that an
/// uninterrupted search makes, and so is the outcome. It is made from all trials of the record; the number of
/// trials and the rule of convergence only say when no more are added.
///
/// # Errors
/// [`Error::NoTrialSucceeded`] when no trial gave a score; a trial that diverges is recorded and survived. With a
/// journal those of [`Study`].
pub fn search(
    trainer: &Trainer,
    validation: &dyn Examples,
    uniform: &UniformRun,
    config: &SearchConfig,
    journal: Option<&SearchJournal>,
    seed: Seed,
    mut observe: impl FnMut(&TrialRecord, f64),
) -> Result<SearchOutcome> {
    if config.trials == 0 {
        return Err(Error::InvalidSetting { setting: "trials", found: "0".into(), expected: "at least 1" });
    }
    validation.check_score(config.trial.score)?;
    let candidates = Candidates::new(trainer, validation, uniform, config, seed)?;
    let (storage, settings) = match journal {
        Some(journal) => (Storage::file(journal.file.clone()), journal.settings_on(&config.devices)),
        None => (Storage::memory(), Value::Null),
    };
    let study = Study::open(storage, study_spec(&config.spec, settings), candidates.rules.optimizer())?;

    let mut best = f64::NEG_INFINITY;
    let mut report = |trial: &Trial| -> Result<()> {
        let record = candidates.record(trial)?;
        best = record.score.map_or(best, |score| best.max(score));
        observe(&record, best);
        Ok(())
    };
    let recorded = study.load()?;
    // Before anything is trained: what uniform sampling scores is what every rule is compared with.
    if recorded.optimizer().trials().first().is_some_and(|first| !candidates.rules.is_uniform(&first.x)) {
        return Err(Error::ForeignFirstTrial { place: study.place() });
    }
    for trial in recorded.optimizer().trials().iter().filter(|trial| !trial.is_running()) {
        report(trial)?;
    }
    let mut scores = BTreeMap::new();
    let mut cut_short = study.unfinished()?;
    loop {
        let round = next_round(&study, config, candidates.lanes(), &mut cut_short)?;
        let tried = match &round[..] {
            [] => break,
            [one] => vec![attempt(&candidates, &study, config.pruning.as_ref(), one.id, &one.x)],
            several => candidates.attempt_side_by_side(several),
        };
        settle(round.into_iter().zip(tried), |(Suggestion { id, x, origin }, tried)| {
            let outcome = match tried {
                Ok(WatchedTrial::Finished(result)) => {
                    scores.insert(id, candidates.example_scores(&result)?);
                    Outcome::Score(result.score)
                }
                Ok(WatchedTrial::Stopped(result)) => Outcome::Pruned { score: result.score },
                Err(error) if is_candidates_fault(&error) => Outcome::Failed { reason: error.to_string() },
                Err(error) => return Err(error),
            };
            if study.tell(id, outcome.clone())? {
                report(&Trial { id, x, origin, state: outcome.into() })?;
            } else {
                // Another process has closed the trial meanwhile, and the record is what counts.
                scores.remove(&id);
                if let Some(trial) = study.load()?.optimizer().trials().get(id.0 as usize) {
                    report(trial)?;
                }
            }
            Ok(())
        })?;
    }
    conclude(candidates, &study, config, scores)
}

/// Deals with all of a round, then fails as the first of it that failed did: what the others have found is not lost.
fn settle<T>(round: impl IntoIterator<Item = T>, deal_with: impl FnMut(T) -> Result<()>) -> Result<()> {
    round.into_iter().map(deal_with).fold(Ok(()), Result::and)
}

/// The candidates to try next, one for each of `lanes` devices; none when the search has ended.
///
/// Trials number `k lanes` to `(k + 1) lanes - 1` make a round. One that was cut short while it was asked for is filled up;
/// of one that had all its trials those are left that have no outcome. So a search that goes on after a kill asks with the same
/// trials known as one that was not killed.
fn next_round(
    study: &Study<BayesOpt>,
    config: &SearchConfig,
    lanes: usize,
    cut_short: &mut Vec<Suggestion>,
) -> Result<Vec<Suggestion>> {
    let mut round: Vec<Suggestion> = cut_short.drain(..lanes.min(cut_short.len())).collect();
    while round.last().is_none_or(|last| !(last.id.0 + 1).is_multiple_of(lanes as u64)) {
        if round.len() == lanes || !cut_short.is_empty() {
            break;
        }
        match study.ask_if(|bo| wants_more(config, bo))? {
            Some(suggestion) => round.push(suggestion),
            None => break,
        }
    }
    Ok(round)
}

/// Whether another candidate is to be tried.
fn wants_more(config: &SearchConfig, bo: &BayesOpt) -> Result<bool> {
    if bo.trials().len() >= config.trials {
        return Ok(false);
    }
    match &config.convergence {
        Some(convergence) => Ok(!convergence.reached(bo)?),
        None => Ok(true),
    }
}

/// Runs one trial; where trials are stopped early, its score at the checkpoint is recorded, whatever comes of it,
/// for the others to be compared with.
fn attempt(
    candidates: &Candidates,
    study: &Study<BayesOpt>,
    pruning: Option<&Pruning>,
    id: TrialId,
    point: &[f64],
) -> Result<WatchedTrial> {
    let (Some(Pruning { rule, .. }), Some(Checkpoint { step, .. })) = (pruning, candidates.checkpoint) else {
        return candidates.attempt(point, |_| ControlFlow::Continue(()));
    };
    let mut trouble = None;
    let watched = candidates.attempt(point, |result| match study.report(id, step as u64, result.score) {
        Ok(others) if rule.prunes(result.score, &others) => ControlFlow::Break(()),
        Ok(_) => ControlFlow::Continue(()),
        Err(error) => {
            trouble = Some(error);
            ControlFlow::Break(())
        }
    });
    trouble.map_or(watched, Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_round_are_dealt_with_and_the_first_failure_is_told() {
        let mut seen = Vec::new();
        let failure = |at: u32| Error::InvalidSetting { setting: "x", found: at.to_string(), expected: "" };
        let settled = settle([1, 2, 3, 4], |at: u32| {
            seen.push(at);
            if at.is_multiple_of(2) { Err(failure(at)) } else { Ok(()) }
        });
        assert_eq!(seen, [1, 2, 3, 4]);
        assert_eq!(settled.unwrap_err().to_string(), failure(2).to_string());
    }
}
