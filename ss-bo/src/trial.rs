//! Trials: what was suggested, and what came of it.

use serde::{Deserialize, Serialize};

use crate::optimizer::Event;

/// Number of a trial within its study, counted from 0 in the order of suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub u64);

impl std::fmt::Display for TrialId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a point was suggested.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A quasi-random point, before the model takes over or where it has nothing to say.
    Startup,
    /// A design of the user's.
    Enqueued,
    /// The maximiser of the acquisition function, or a draw from a learned policy.
    Model,
    /// An independent uniform draw.
    Random,
}

/// A point to evaluate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The trial to tell the outcome of.
    pub id: TrialId,
    /// The point, in `[0, 1]^d`.
    pub x: Vec<f64>,
    /// Why this point.
    pub origin: Origin,
}

/// What came of an evaluation. Scores are **maximised**.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A score, larger is better. NaN and infinities are recorded as failed.
    Score(f64),
    /// A score whose own variance (in squared units of the score, `>= 0`) is known, for example from
    /// a mean over repetitions.
    ScoreWithVariance {
        /// The score, larger is better.
        score: f64,
        /// Variance of the score around the true objective, beyond the noise that the model fits.
        variance: f64,
    },
    /// The evaluation was stopped early because an intermediate score showed that it would not win.
    Pruned {
        /// The intermediate score at which it was stopped.
        score: f64,
    },
    /// The evaluation gave no score: it crashed, diverged, or was abandoned.
    Failed {
        /// For people to read.
        reason: String,
    },
}

/// Where a trial stands.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum TrialState {
    /// Suggested, no outcome yet.
    Running,
    /// Evaluated.
    Complete {
        /// The score, finite.
        score: f64,
        /// The known variance of the score, if any.
        variance: Option<f64>,
    },
    /// Stopped early at an intermediate score.
    Pruned {
        /// The intermediate score, finite.
        score: f64,
    },
    /// Gave no score.
    Failed {
        /// For people to read.
        reason: String,
    },
}

/// A suggestion and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number.
    pub id: TrialId,
    /// The point that was suggested, in `[0, 1]^d`.
    pub x: Vec<f64>,
    /// Why it was suggested.
    pub origin: Origin,
    /// What came of it.
    pub state: TrialState,
}

impl Trial {
    /// The score of a completed trial.
    pub fn score(&self) -> Option<f64> {
        match self.state {
            TrialState::Complete { score, .. } => Some(score),
            _ => None,
        }
    }

    /// The suggestion and, once there is one, the outcome, as events to replay.
    pub fn events(&self) -> Vec<Event> {
        let suggestion = Suggestion { id: self.id, x: self.x.clone(), origin: self.origin };
        let outcome = match self.state.clone() {
            TrialState::Running => None,
            TrialState::Complete { score, variance: None } => Some(Outcome::Score(score)),
            TrialState::Complete { score, variance: Some(variance) } => {
                Some(Outcome::ScoreWithVariance { score, variance })
            }
            TrialState::Pruned { score } => Some(Outcome::Pruned { score }),
            TrialState::Failed { reason } => Some(Outcome::Failed { reason }),
        };
        std::iter::once(Event::Asked(suggestion)).chain(outcome.map(|o| Event::Told(self.id, o))).collect()
    }

    /// Whether the outcome is still awaited.
    pub fn is_running(&self) -> bool {
        self.state == TrialState::Running
    }
}

impl From<Outcome> for TrialState {
    /// Scores and variances that are not finite (or a negative variance) become a failure that names them.
    fn from(outcome: Outcome) -> Self {
        let invalid = |what: &str, value: f64| TrialState::Failed { reason: format!("{what} is {value}") };
        match outcome {
            Outcome::Score(score) if !score.is_finite() => invalid("score", score),
            Outcome::Score(score) => TrialState::Complete { score, variance: None },
            Outcome::ScoreWithVariance { score, .. } if !score.is_finite() => invalid("score", score),
            Outcome::ScoreWithVariance { variance, .. } if !(variance.is_finite() && variance >= 0.0) => {
                invalid("variance", variance)
            }
            Outcome::ScoreWithVariance { score, variance } => {
                TrialState::Complete { score, variance: Some(variance) }
            }
            Outcome::Pruned { score } if !score.is_finite() => invalid("intermediate score", score),
            Outcome::Pruned { score } => TrialState::Pruned { score },
            Outcome::Failed { reason } => TrialState::Failed { reason },
        }
    }
}

/// The point that an optimiser would use if it had to stop now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// The completed trial it comes from.
    pub id: TrialId,
    /// The point, in `[0, 1]^d`.
    pub x: Vec<f64>,
    /// The score that was observed there.
    pub observed: f64,
    /// The optimiser's belief about the objective there: for Bayesian optimisation the posterior mean (taken on
    /// the scale that the model sees and brought back), the observed score for optimisers without a model.
    pub mean: f64,
    /// Standard deviation of that belief, to first order; without a model the known deviation of the observation, or 0.
    pub std: f64,
}
