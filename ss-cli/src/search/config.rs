//! What a search is made with.

use ss_approx::Device;
use ss_approx::shared_start::TrialConfig;
use ss_bo::{Convergence, QuantileRule};
use ss_sampler::SamplerSpec;

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
