//! The outer loop: Bayesian optimisation over the ten numbers, each judged by a fine-tuning trial.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ss_approx::shared_start::TrialConfig;
use ss_approx::{Checkpoint, Device, Examples, Trainer, UniformRun, WatchedTrial};
use ss_bo::{BayesOpt, Convergence, Optimizer, Outcome, QuantileRule, Suggestion, Trial, TrialId};
use ss_data::JournalFile;
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Weights};
use ss_seed::Seed;

use crate::candidates::{Candidates, is_candidates_fault};
use crate::rule_space::parameter_names;
use crate::selection::{Choice, Evidence};
use crate::study::{Storage, Study, StudySpec};
use crate::{Error, Result};

/// How a sampler is searched.
#[derive(Clone, Debug)]
pub struct SearchConfig {
    /// Features, transform and segments of the rule.
    pub spec: SamplerSpec,
    /// `E_o`: how many candidates are tried, at least 1. The first ones are simple shapes of the rule.
    pub trials: usize,
    /// `E_f`, learning rate and score of a trial.
    pub trial: TrialConfig,
    /// How many standard errors a rule must gain over uniform sampling to be preferred to it.
    pub caution: f64,
    /// The chosen rule and those that may be trained beside it.
    pub finalists: usize,
    /// When the search ends before `trials` candidates are tried.
    pub convergence: Option<Convergence>,
    /// When a trial ends before its time.
    pub pruning: Option<Pruning>,
    /// Where candidates are tried. Several devices try one each, side by side: as many candidates are asked for
    /// before the first of them is known, and their outcomes are recorded in the order in which they were asked for, so that
    /// the result does not depend on who finishes first. None stands for the trainer's device.
    pub devices: Vec<Device>,
}

/// Early stopping of trials that are clearly worse than others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pruning {
    /// The share of a trial's steps after which it is scored and may be stopped, in (0, 1).
    pub after: f64,
    /// Compares the score there with those that the other trials had there.
    pub rule: QuantileRule,
}

/// Where a search keeps its trials, so that it goes on after a kill.
#[derive(Clone, Debug)]
pub struct SearchJournal {
    /// The file; the study in it is called [`STUDY`](Self::STUDY).
    pub file: JournalFile,
    /// Everything on which a trial's score depends, as a JSON object: a search of other settings is refused. Not how many
    /// candidates are tried side by side, which [`search`] adds.
    pub settings: Value,
}

impl SearchJournal {
    /// The name of the study.
    pub const STUDY: &str = "swift-sampler";
    /// One search at a time works on a file, and one that goes on after a kill is the same worker.
    const WORKER: &str = "swift-sampler-search";

    /// Checks, before any work, that the file holds no search over `spec` with other settings or another number of
    /// [`devices`](SearchConfig::devices). Writes nothing.
    ///
    /// # Errors
    /// [`Error::OtherSettings`], [`Error::Journal`] or [`Error::Data`].
    pub fn check(&self, spec: &SamplerSpec, devices: &[Device]) -> Result<()> {
        study_spec(spec, self.settings_on(devices)).check(&self.file)
    }

    /// The settings as the file holds them, for a search on `devices`. Which candidates are asked for depends on how many are tried
    /// side by side, so their number is named where there are several.
    pub fn settings_on(&self, devices: &[Device]) -> Value {
        let mut settings = self.settings.clone();
        if let (Value::Object(settings), 2..) = (&mut settings, devices.len()) {
            settings.insert("candidates_side_by_side".into(), devices.len().into());
        }
        settings
    }
}

fn study_spec(spec: &SamplerSpec, settings: Value) -> StudySpec {
    StudySpec {
        name: SearchJournal::STUDY.to_owned(),
        parameters: parameter_names(spec),
        settings,
        worker: SearchJournal::WORKER.to_owned(),
    }
}

/// One candidate and what it scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// What the candidate is: the name of a start-up shape, or `model`.
    pub name: String,
    /// The candidate in the unit cube.
    pub point: Vec<f64>,
    /// The score P; absent when the trial failed or was stopped.
    pub score: Option<f64>,
    /// The score at which the trial was stopped on its way; not comparable with those of finished trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<f64>,
    /// Why there is no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Effective sample size over the number of examples, in `(0, 1]`.
    pub effective_share: f64,
}

impl TrialRecord {
    /// The name of a candidate that the optimiser's model has proposed.
    pub const MODEL: &str = "model";
}

/// A finished search.
pub struct SearchOutcome {
    /// The chosen rule.
    pub params: SamplerParams,
    /// Its weights on the training examples, from the features of the reference checkpoint.
    pub weights: Weights,
    /// Which trial it is and what it gains over uniform sampling.
    pub choice: Choice,
    /// The next best trials by their scores that gain more than the caution asks for too, best first; as many as there are finalists
    /// beside the chosen one, or fewer. None where uniform sampling was chosen.
    pub runner_ups: Vec<Choice>,
    /// Every trial, in order; the first is uniform sampling.
    pub trials: Vec<TrialRecord>,
    /// Cost of all trials in units of one full training.
    pub cost: f64,
    /// The ranked features that every candidate was computed from.
    pub ranked: RankedFeatures,
}

impl SearchOutcome {
    /// The trials whose rules are to be trained in full: the choice, then its runner-ups.
    pub fn finalists(&self) -> Vec<usize> {
        [self.choice].iter().chain(&self.runner_ups).map(|choice| choice.trial).collect()
    }

    /// Makes another of the trials the choice.
    ///
    /// # Panics
    /// When there is no such trial.
    ///
    /// # Errors
    /// Those of [`RankedFeatures::weights`].
    pub fn settle_on(&mut self, choice: Choice) -> Result<()> {
        let point = &self.trials[choice.trial].point;
        self.params = SamplerParams::from_unit(self.ranked.spec(), point)?.canonical();
        self.weights = self.ranked.weights(&self.params)?;
        let before = std::mem::replace(&mut self.choice, choice);
        // What was the choice is a runner-up now.
        for other in self.runner_ups.iter_mut().filter(|other| other.trial == choice.trial) {
            *other = before;
        }
        Ok(())
    }

    /// Gives up the chosen rule for uniform sampling: the model trained under it did not prove itself.
    pub fn fall_back_to_uniform(&mut self) -> Result<()> {
        self.params = SamplerParams::uniform(self.ranked.spec());
        self.weights = self.ranked.weights(&self.params)?;
        self.choice = Choice { trial: 0, gain: 0.0, standard_error: self.choice.standard_error };
        Ok(())
    }
}

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

/// Chooses a rule from all trials of the study. `scores` are the example scores of those that were run here.
fn conclude(
    candidates: Candidates,
    study: &Study<BayesOpt>,
    config: &SearchConfig,
    mut scores: BTreeMap<TrialId, Vec<f64>>,
) -> Result<SearchOutcome> {
    let loaded = study.load()?;
    let told = loaded.optimizer().trials();
    if !told.first().is_some_and(|first| candidates.rules.is_uniform(&first.x)) {
        return Err(Error::ForeignFirstTrial { place: study.place() });
    }
    let trials = told.iter().map(|trial| candidates.record(trial)).collect::<Result<Vec<_>>>()?;
    let Some(recommended) = loaded.optimizer().best() else {
        let reason = trials.iter().rev().find_map(|trial| trial.failure.clone()).unwrap_or_default();
        return Err(Error::NoTrialSucceeded { trials: trials.len(), reason });
    };
    let mut scored: Vec<(TrialId, f64)> = told
        .iter()
        .skip(1)
        .filter(|trial| trial.id != recommended.id)
        .filter_map(|trial| trial.score().map(|score| (trial.id, score)))
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.truncate(config.finalists.saturating_sub(1));
    let next: Vec<TrialId> = scored.into_iter().map(|(id, _)| id).collect();
    let mut evidence = Evidence::default();
    for (number, trial) in told.iter().enumerate() {
        let counts = number == 0 || trial.id == recommended.id || next.contains(&trial.id);
        if counts && trial.score().is_some() {
            let known = match scores.remove(&trial.id) {
                Some(scores) => Some(scores),
                None => candidates.repeat(&trial.x)?,
            };
            known.into_iter().for_each(|scores| evidence.add(number, trial.id, scores));
        }
    }
    let choice = evidence.choose(recommended.id, config.caution)?;
    let mut runner_ups = Vec::new();
    if choice.trial != 0 {
        for id in next {
            runner_ups.push(evidence.choose(id, config.caution)?);
        }
        runner_ups.retain(|choice| choice.trial != 0);
    }
    let params = candidates.rules.params(&trials[choice.trial].point)?.canonical();
    Ok(SearchOutcome {
        weights: candidates.rules.ranked().weights(&params)?,
        params,
        choice,
        runner_ups,
        cost: candidates.cost(&trials),
        trials,
        ranked: candidates.rules.into_ranked(),
    })
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
