//! What a page says about a search, small enough to be kept beside the results and read back.

use serde::{Deserialize, Serialize};
use ss_data::DatasetKind;
use ss_sampler::describe;

use super::thumbnail::Extremes;
use crate::method::Search;
use crate::picture::SamplerView;
use crate::{Error, Method, MethodResult, Result, Setup};

const FORMAT_VERSION: u32 = 1;

/// A search and what came of it, of bounded size: at most 3,000 points and 48 small images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRecord {
    pub(super) format_version: u32,
    pub(super) dataset: String,
    pub(super) network: String,
    /// Training images, validation images.
    pub(super) examples: usize,
    pub(super) validation: usize,
    /// Share of training labels that we made wrong.
    pub(super) realized_noise: f64,
    /// Epochs of a full training, of the shared start and of a trial.
    pub(super) epochs: usize,
    pub(super) start_epoch: usize,
    pub(super) trial_epochs: f64,
    /// The name of the score.
    pub(super) score: String,
    /// The number of the trial, from 0, whose rule is in use: 0, uniform sampling, where no rule was kept.
    pub(super) used: usize,
    pub(super) view: SamplerView,
    /// Where the probability went, in words.
    pub(super) words: String,
    pub(super) images: Extremes,
    /// What uniform sampling reached, where it was run beside the search.
    pub(super) baseline: Option<MethodResult>,
    /// What Swift Sampler reached, with its search.
    pub(super) ss: MethodResult,
}

impl SearchRecord {
    /// Takes what a page needs from a finished search; `results` are those of the same run.
    ///
    /// # Errors
    /// [`Error::Record`] when Swift Sampler is not among the results; those of [`SamplerView::new`].
    pub fn new(
        setup: &Setup,
        dataset: DatasetKind,
        search: &Search,
        results: &[MethodResult],
    ) -> Result<Self> {
        let Setup { experiment, recipe, .. } = setup;
        let of = |method| results.iter().find(|result| result.method == method).cloned();
        let Some(ss) = of(Method::Ss).filter(|ss| ss.search.is_some()) else {
            return Err(Error::Record { reason: "no search among the results".into() });
        };
        let outcome = &search.outcome;
        // Without noise of ours, nobody knows which labels are wrong.
        let wrong = experiment.wrong.contains(&true).then_some(experiment.wrong.as_slice());
        let n = outcome.weights.len();
        let relative: Vec<f64> = (0..n).map(|i| outcome.weights.probability(i) * n as f64).collect();
        Ok(Self {
            format_version: FORMAT_VERSION,
            dataset: dataset.name().to_owned(),
            network: recipe.network.to_string(),
            examples: n,
            validation: experiment.validation.len(),
            realized_noise: experiment.realized_noise,
            epochs: recipe.train.epochs,
            start_epoch: search.uniform.start.epoch(),
            trial_epochs: recipe.trial_epochs,
            score: recipe.score.to_string(),
            used: outcome.choice.trial,
            view: SamplerView::new(&outcome.ranked, &outcome.params, &outcome.weights, wrong)?,
            words: describe(&outcome.ranked, &outcome.params)?.to_string(),
            images: Extremes::new(experiment, &relative, dataset.class_names())?,
            baseline: of(Method::Baseline),
            ss,
        })
    }

    /// Reads a record back from JSON.
    ///
    /// # Errors
    /// [`Error::Record`] when it is none, or of another version.
    pub fn from_value(value: serde_json::Value) -> Result<Self> {
        let version = value["format_version"].as_u64();
        if version != Some(FORMAT_VERSION.into()) {
            let found = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
            return Err(Error::Record {
                reason: format!("format version {FORMAT_VERSION} expected, found {found}"),
            });
        }
        let record: Self =
            serde_json::from_value(value).map_err(|reason| Error::Record { reason: reason.to_string() })?;
        record.view.check()?;
        Ok(record)
    }
}
