//! What a search is judged by: weightings in, scores out.

use std::collections::HashMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use ss_sampler::{RankedFeatures, Transform, Weights};

/// What one weighting of the training examples reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// The score that an optimiser is told, larger is better.
    pub(crate) score: f64,
    /// How good the weighting is, in `[0, 1]`, which no optimiser is told: accuracy on the true labels of the
    /// validation images, or the score before noise was added.
    pub(crate) truth: f64,
}

/// A reading, or why the weighting has none.
pub(crate) type Tried = std::result::Result<Reading, String>;

/// A weighting to try.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(super) weights: Weights,
    /// What identifies the rule that it came from. `None` for other weightings.
    pub(super) rule: Option<RuleKey>,
}

/// A transform and the bits of a canonical point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RuleKey {
    transform: Transform,
    bits: Vec<u64>,
}

impl RuleKey {
    pub(super) fn new(transform: Transform, canonical: &[f64]) -> Self {
        Self { transform, bits: canonical.iter().map(|x| x.to_bits()).collect() }
    }
}

/// The features of one training set, ranked for rules of either transform.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub(super) cgf: RankedFeatures,
    pub(super) cdf: RankedFeatures,
}

impl Ranked {
    pub(super) fn of(&self, transform: Transform) -> &RankedFeatures {
        match transform {
            Transform::Cgf => &self.cgf,
            Transform::Cdf => &self.cdf,
        }
    }
}

/// A training set, as far as a search sees it, and the scores of its weightings.
pub(crate) trait Objective {
    /// The features that rules of this transform are functions of.
    fn ranked(&self, transform: Transform) -> &RankedFeatures;

    /// The loss of each example, `[n]`, which the reference rules order by.
    fn loss(&self) -> &[f32];

    /// Which examples are bad, `[n]`: for the oracle alone.
    fn wrong(&self) -> &[bool];

    /// Scores a candidate; `trial` is its number in a search, `None` outside of one.
    fn measure(&mut self, candidate: &Candidate, trial: Option<u64>) -> Result<Tried>;

    /// Accuracy on test data, in `[0, 1]`; `None` where there are none.
    fn test(&mut self, candidate: &Candidate) -> Result<Option<f64>>;

    /// Takes over what an earlier run measured.
    fn recall(&mut self, _rule: RuleKey, _tried: Tried) {}

    /// The largest `truth` that any weighting has, where it is known.
    fn optimum(&self) -> Option<f64> {
        None
    }
}

/// Results by rule: with common random numbers a second trial of one rule would only repeat the first.
#[derive(Debug)]
pub(super) struct ByRule<T>(HashMap<RuleKey, T>);

impl<T> Default for ByRule<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> ByRule<T> {
    pub(super) fn insert(&mut self, rule: RuleKey, result: T) {
        self.0.insert(rule, result);
    }

    /// The known result of this rule, or that of `compute`, kept.
    pub(super) fn get_or(
        &mut self,
        rule: Option<&RuleKey>,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if let Some(known) = rule.and_then(|rule| self.0.get(rule)) {
            return Ok(known.clone());
        }
        let result = compute()?;
        if let Some(rule) = rule {
            self.0.insert(rule.clone(), result.clone());
        }
        Ok(result)
    }
}
