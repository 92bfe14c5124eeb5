//! What a search has found: its trials, and the rule that it chose from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ss_bo::{BayesOpt, Optimizer, TrialId};
use ss_sampler::{RankedFeatures, SamplerParams, Weights};

use super::SearchConfig;
use crate::candidates::Candidates;
use crate::selection::{Choice, Evidence};
use crate::study::Study;
use crate::{Error, Result};

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

/// Chooses a rule from all trials of the study. `scores` are the example scores of those that were run here.
pub(super) fn conclude(
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
