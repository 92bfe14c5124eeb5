//! A study's journal, read without the means to continue it: that of a search, going on or ended.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ss_bo::{BayesOpt, BoConfig, Optimizer, Origin, Trial, journal};
use ss_data::{JournalFile, NumericTable};
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Transform};
use ss_seed::Seed;

use super::rule::Rule;
use super::sampler::SamplerFacts;
use super::study::{StudyFacts, StudyReading};
use crate::external_study::TrialStatus;
use crate::rule_space::{RuleSpace, parameter_names};
use crate::search::SearchJournal;
use crate::{Error, Result, TrialRecord, artifact, picture};

/// The trials of a journal, and the features that lie beside it.
pub(super) struct Record {
    spec: SamplerSpec,
    bo: BayesOpt,
    workers: Vec<String>,
    /// When each trial was asked for.
    started: Vec<Option<Duration>>,
    /// Where the features of the examples are known.
    features: Option<(NumericTable, RuleSpace)>,
}

impl Record {
    pub(super) fn read(
        journal: &JournalFile,
        spec: SamplerSpec,
        seed: Seed,
        features: &Path,
    ) -> Result<Self> {
        let place = || journal.path().display().to_string();
        let text = journal.peek()?.unwrap_or_default();
        let record = journal::replay(&text, SearchJournal::STUDY, &parameter_names(&spec))
            .map_err(|reason| Error::Journal { place: place(), reason })?;
        // The seed of the optimiser of a search: its model is the one that the search had.
        let seed = seed.derive("outer-loop", 0);
        let features = features.is_file().then(|| read_features(&spec, features, seed)).transpose()?;
        let mut bo = match &features {
            Some((_, rules)) => *rules.optimizer()()?,
            None => {
                let config = BoConfig { seed: seed.value(), ..BoConfig::default() };
                let own = spec.clone();
                let canonical =
                    move |x: &[f64]| ss_sampler::canonicalize_unit(&own, x).unwrap_or_else(|_| x.to_vec());
                BayesOpt::with_projection(spec.dim(), config, Arc::new(canonical))?
            }
        };
        bo.replay(&record.events)?;
        Ok(Self { spec, bo, workers: record.workers, started: record.started, features })
    }

    fn name(&self, trial: &Trial) -> String {
        match &self.features {
            Some((_, rules)) => rules.name_of(&trial.x).to_owned(),
            None if trial.id.0 == 0 => "uniform".to_owned(),
            None if trial.origin == Origin::Model => TrialRecord::MODEL.to_owned(),
            None => "simple rule".to_owned(),
        }
    }

    /// The facts, with the rule of `sampler` if there is such a file, else the recommended one.
    pub(super) fn reading(
        self,
        made_by: &'static str,
        sampler: &Path,
        now: Duration,
    ) -> Result<StudyReading> {
        let mut facts = StudyFacts::new(made_by, &self.bo, &self.spec, |trial| self.name(trial))?;
        let running = self.bo.trials().iter().filter(|trial| trial.is_running());
        facts.in_flight = running
            .map(|trial| TrialStatus {
                trial: trial.id,
                name: self.name(trial),
                worker: self.workers.get(trial.id.0 as usize).cloned().unwrap_or_default(),
                lease_left: None,
                age: self
                    .started
                    .get(trial.id.0 as usize)
                    .and_then(|start| Some(now.saturating_sub((*start)?).as_secs_f64())),
                state: trial.state.clone(),
            })
            .collect();
        let params = if sampler.is_file() {
            let sampler = artifact::read_sampler(sampler)?;
            facts.rule_of = Some("what the search has chosen, the rule of sampler.json".to_owned());
            let columns = self.features.as_ref().map(|(table, _)| feature_columns(&self.spec, table));
            facts.sampler = Some(SamplerFacts::new(&sampler, columns.as_deref())?);
            Some(sampler.params().clone())
        } else if let Some(best) = self.bo.best() {
            facts.rule_of = Some(format!("the best rule so far, of trial {}", best.id));
            Some(SamplerParams::from_unit(&self.spec, &best.x)?)
        } else {
            None
        };
        let mut picture = None;
        if let Some(params) = params {
            facts.rule = Some(Rule::new(&self.spec, &params));
            if let Some((_, rules)) = &self.features {
                let weights = rules.ranked().weights(&params)?;
                picture = Some(picture::draw(rules.ranked(), &params, &weights, None)?);
            }
        }
        Ok(StudyReading { facts, picture })
    }
}

/// The features that a search has written, and the rules on them.
fn read_features(spec: &SamplerSpec, path: &Path, seed: Seed) -> Result<(NumericTable, RuleSpace)> {
    let mut names: Vec<&str> = spec.features().iter().map(String::as_str).collect();
    if spec.transform() == Transform::Cgf && !names.contains(&"grad_norm") {
        names.push("grad_norm");
    }
    let table = NumericTable::read_parquet_columns(path, ss_data::ID_COLUMN, &names)?;
    let grad_norm = match spec.transform() {
        Transform::Cgf => table.column("grad_norm").unwrap_or(&[]),
        Transform::Cdf => &[],
    };
    let ranked = RankedFeatures::new(spec.clone(), &feature_columns(spec, &table), grad_norm)?;
    let rules = RuleSpace::new(ranked, seed)?;
    Ok((table, rules))
}

/// The columns of the rule's features, which the table begins with.
fn feature_columns<'a>(spec: &SamplerSpec, table: &'a NumericTable) -> Vec<&'a [f32]> {
    table.columns.iter().take(spec.features().len()).map(|(_, values)| values.as_slice()).collect()
}
