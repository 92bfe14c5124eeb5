//! One network on the data of one seed: its baseline, its own search, and rules that were found on another network.
//!
//! A rule is a function of ranks, so on another network it is applied to the ranks of that network's own features: no trial is
//! made there. Like a rule that was searched, it is kept only where the model trained under it beats the baseline on validation
//! data.

use anyhow::Result;
use ss_approx::FullRun;
use ss_approx::sampling::rank;
use ss_cli::method::{self, Event, Timed, TimedUniformRun};
use ss_cli::progress::Part;
use ss_cli::{Experiment, Method, MethodResult, SearchOutcome, Setup};
use ss_sampler::SamplerParams;

use crate::training_events;

/// What the method ends with on a network.
pub(crate) enum Found {
    /// No rule, or one whose model was not kept: on any network the baseline, bit for bit.
    Uniform,
    Rule(Box<SamplerParams>),
}

impl Found {
    /// The rule of `outcome` where the model trained under it, `result`, was kept.
    pub(crate) fn of(outcome: SearchOutcome, result: &MethodResult) -> Self {
        // Where uniform sampling was the choice, no model is kept either.
        match result.search.as_ref().is_some_and(|search| search.kept) {
            true => Self::Rule(Box::new(outcome.params)),
            false => Self::Uniform,
        }
    }

    /// The rule; `None` for uniform sampling.
    pub(crate) fn rule(&self) -> Option<&SamplerParams> {
        match self {
            Self::Uniform => None,
            Self::Rule(params) => Some(params),
        }
    }
}

impl From<Option<SamplerParams>> for Found {
    fn from(rule: Option<SamplerParams>) -> Self {
        rule.map_or(Self::Uniform, |params| Self::Rule(Box::new(params)))
    }
}

/// The trainings of one network.
pub(crate) struct NetworkRuns<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) setup: Setup<'a>,
    pub(crate) part: &'a Part<'a>,
}

impl NetworkRuns<'_> {
    fn show(&self) -> impl FnMut(Event) + '_ {
        |event| training_events::show(self.part, event, self.setup.recipe)
    }

    /// The uniform run: the baseline, and what a search starts from.
    pub(crate) fn uniform(&self) -> Result<TimedUniformRun> {
        Ok(method::uniform_run(&self.setup.trainer()?, self.setup, &mut self.show())?)
    }

    fn judge(&self, method: Method, run: &FullRun, seconds: f64) -> Result<MethodResult> {
        Ok(method::judge(&self.setup.trainer()?, self.experiment, method, run, seconds)?)
    }

    pub(crate) fn baseline(&self, uniform: &TimedUniformRun) -> Result<MethodResult> {
        self.judge(Method::Baseline, &uniform.run.run, uniform.seconds)
    }

    pub(crate) fn oracle(&self) -> Result<MethodResult> {
        Ok(method::oracle(&self.setup.trainer()?, self.setup, &mut self.show())?)
    }

    pub(crate) fn search(&self, uniform: &TimedUniformRun) -> Result<SearchOutcome> {
        Ok(method::find(&self.setup.trainer()?, self.setup, &uniform.run, &mut self.show())?.run)
    }

    pub(crate) fn train_found(
        &self,
        uniform: &TimedUniformRun,
        outcome: &mut SearchOutcome,
    ) -> Result<MethodResult> {
        Ok(method::train_found(&self.setup.trainer()?, self.setup, uniform, outcome, &mut self.show())?)
    }

    /// What was found elsewhere, on this network's features: whether its model is kept, and the result.
    pub(crate) fn train_under(
        &self,
        uniform: &TimedUniformRun,
        found: &Found,
    ) -> Result<(bool, MethodResult)> {
        let baseline = |seconds| self.judge(Method::Ss, &uniform.run.run, seconds);
        let Some(params) = found.rule() else { return Ok((false, baseline(uniform.seconds)?)) };
        let trainer = self.setup.trainer()?;
        let weights = rank(self.setup.spec, &uniform.run.features)?.weights(params)?;
        let rule =
            method::train_under(&trainer, self.setup, &uniform.run, params, &weights, &mut self.show())?;
        // Of the uniform run too, which gave the features, and of a training that was not kept.
        let seconds = uniform.seconds + rule.seconds;
        let result = match rule.training.filter(|_| rule.kept) {
            Some(Timed { run, .. }) => self.judge(Method::Ss, &run, seconds)?,
            None => baseline(seconds)?,
        };
        Ok((rule.kept, result))
    }
}
