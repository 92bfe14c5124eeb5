//! A study whose trials are run by other programs: they ask for a rule, train under its weights, and tell the score.
//!
//! A study is a folder with the features that the rules are functions of (`study-features.parquet`) and the journal of
//! its trials (`study.log`, [`study`](crate::study)). Any number of processes use it at the same time. The first trial
//! is uniform sampling, then come the simple rules, then the model's suggestions; a trial is lent for a time, and one
//! whose worker died is given to the next that asks.
//!
//! ```
//! use std::time::Duration;
//! use ss_cli::external_study::{ExternalStudy, StudyConfig};
//! use ss_bo::Outcome;
//!
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path().join("study");
//! let csv = folder.path().join("features.csv");
//! let rows = (0..50).map(|i| format!("{i},{}.0,0.{},1.0\n", i * 7 % 50, i % 9));
//! std::fs::write(&csv, "id,loss,renormed_entropy,grad_norm\n".to_owned() + &rows.collect::<String>())?;
//! let features = ss_data::TableInput::open(&[csv], None)?;
//! ExternalStudy::create(&dir, &features, Some("id"), &StudyConfig { trials: Some(5), ..StudyConfig::default() })?;
//!
//! let study = ExternalStudy::open(&dir, "worker-1")?;
//! let now = Duration::from_secs(1_700_000_000);
//! while let Some(trial) = study.suggest(now, Duration::from_secs(60))? {
//!     // Here goes a training under these weights, and its score on validation data.
//!     let score = trial.weights.effective_sample_size() / 50.0;
//!     study.observe(trial.id, Outcome::Score(score))?;
//! }
//! let best = study.best(1.0)?;
//! assert_eq!(best.recommended.name, "uniform");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod best;
mod example_scores;
mod settings;
mod status;

pub(crate) use best::short;
pub use best::{Best, Estimate};
pub use status::{Status, TrialStatus};

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use ss_bo::{BayesOpt, Optimizer, Outcome, Trial, TrialId};
use ss_data::{NumericTable, TableInput};
use ss_sampler::{RankedFeatures, Sampler, SamplerParams, SamplerSpec, Transform, Weights};

use example_scores::{ExampleScores, Scores};
use settings::{STUDY, Settings, features_path, journal};

use crate::rule_space::RuleSpace;
use crate::study::{LeaseHistory, Loaded, Storage, Study, StudySpec};
use crate::{Error, Result, artifact};

/// The study attribute that holds the number of trials.
const TRIALS: &str = "trials";
/// How long a process waits for another one that makes a study in the same folder.
const PATIENCE: Duration = Duration::from_secs(60);
/// Trials of a study that does not say how many.
pub const DEFAULT_TRIALS: usize = 30;

/// What a study is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyConfig {
    /// How many trials there are to be; `None` leaves an existing study as it is and gives a new one
    /// [`DEFAULT_TRIALS`].
    pub trials: Option<usize>,
    /// The coordinate that the rule is a function of; [`Transform::Cgf`] needs a column `grad_norm`.
    pub transform: Transform,
    /// Root of all random choices.
    pub seed: u64,
}

impl Default for StudyConfig {
    fn default() -> Self {
        Self { trials: None, transform: Transform::Cgf, seed: 0 }
    }
}

/// A study in a folder, as one worker sees it.
pub struct ExternalStudy {
    study: Study<BayesOpt>,
    rules: RuleSpace,
    features: NumericTable,
    settings: Settings,
    example_scores: ExampleScores,
}

/// A trial that a worker is to run.
#[derive(Clone, Debug)]
pub struct SuggestedTrial {
    /// To tell the score of.
    pub id: TrialId,
    /// What it is: the name of a start-up shape, or `model`.
    pub name: String,
    /// Whether it is new, or was this or another worker's before.
    pub history: LeaseHistory,
    /// How often each example is to be drawn, in the order of [`ExternalStudy::ids`].
    pub weights: Weights,
}

/// What became of a score that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It was recorded.
    Recorded,
    /// This very outcome was recorded before.
    Repeated,
}

impl ExternalStudy {
    /// Makes a study in `folder`, or changes the number of trials of the one that is there and has the same settings
    /// and features. `features` need the columns `loss` and `renormed_entropy`, and for [`Transform::Cgf`]
    /// `grad_norm`; without `id_column` the examples are known by their row numbers.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for no trials; [`Error::OtherSettings`] when the folder has another study; features
    /// that cannot be read or ranked; [`Error::Folder`].
    pub fn create(
        folder: &Path,
        features: &TableInput,
        id_column: Option<&str>,
        config: &StudyConfig,
    ) -> Result<Self> {
        if config.trials == Some(0) {
            return Err(Error::InvalidSetting {
                setting: "trials",
                found: "0".into(),
                expected: "at least 1",
            });
        }
        let spec = SamplerSpec::new(["loss", "renormed_entropy"], config.transform)?;
        let mut columns: Vec<&str> = spec.features().iter().map(String::as_str).collect();
        if config.transform == Transform::Cgf || features.shape("grad_norm").is_some() {
            columns.push("grad_norm");
        }
        let table = NumericTable::read_input(features, id_column, &columns)?;
        let settings = Settings {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            spec,
            seed: config.seed,
            features_digest: format!("{:016x}", table.digest()),
        };
        // Before anything is written: whether the features can be ranked, and whether the folder is free.
        let rules = settings.rules(&table)?;
        artifact::prepare_folder(folder)?;
        // From the check to the record: of two that make a study here at once, the second finds that of the first.
        let _lock = artifact::wait_for_folder(folder, PATIENCE)?;
        let journal = journal(folder);
        let spec = settings.study_spec("swift-sampler-study-new")?;
        spec.check(&journal)?;
        table.write_parquet(&features_path(folder))?;
        let study = Study::open(Storage::file(journal), spec, rules.optimizer())?;
        let known = study.load()?.attribute(TRIALS).is_some();
        match config.trials {
            None if known => {}
            trials => study.remember(TRIALS, json!(trials.unwrap_or(DEFAULT_TRIALS)))?,
        }
        let example_scores = ExampleScores::of(folder);
        Ok(Self { study, rules, features: table, settings, example_scores })
    }

    /// Opens the study in `folder` as `worker`: no two workers have one name at a time, and a worker that died goes on
    /// under its name with the trial that it had.
    ///
    /// # Errors
    /// [`Error::NoStudy`] where there is none; [`Error::OtherFeatures`] when its features have been exchanged;
    /// [`Error::ForeignFirstTrial`]; those of [`Study::open`].
    pub fn open(folder: &Path, worker: &str) -> Result<Self> {
        let journal = journal(folder);
        let no_study = |reason: String| Error::NoStudy { path: folder.to_owned(), reason };
        let settings = StudySpec::recorded_settings(&journal, STUDY)?
            .ok_or_else(|| no_study(format!("no study in {}", journal.path().display())))?;
        let settings: Settings = serde_json::from_value(settings).map_err(|error| {
            no_study(format!("its study is not one for other programs, but one of `search`, say ({error})"))
        })?;
        let path = features_path(folder);
        let features = NumericTable::read_parquet(&path, ss_data::ID_COLUMN)?;
        let found = format!("{:016x}", features.digest());
        if found != settings.features_digest {
            return Err(Error::OtherFeatures { path, expected: settings.features_digest, found });
        }
        let rules = settings.rules(&features)?;
        let study = Study::open(Storage::file(journal), settings.study_spec(worker)?, rules.optimizer())?;
        if study.load()?.optimizer().trials().first().is_some_and(|first| !rules.is_uniform(&first.x)) {
            return Err(Error::ForeignFirstTrial { place: study.place() });
        }
        let example_scores = ExampleScores::of(folder);
        Ok(Self { study, rules, features, settings, example_scores })
    }

    /// The files that a study in `folder` consists of, beside the scores of examples: nothing else may be written to them.
    pub fn files(folder: &Path) -> [PathBuf; 2] {
        [journal(folder).path().to_owned(), features_path(folder)]
    }

    /// The examples, in the order of all weights.
    pub fn ids(&self) -> &[u64] {
        &self.features.ids
    }

    /// Root of all random choices.
    pub fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// A trial to run, lent for `lease` from `now` (since 1970); `None` when all trials are made or lent. A rule that
    /// would draw nothing is recorded as failed and another one suggested.
    ///
    /// # Errors
    /// Those of [`Study::lease`].
    pub fn suggest(&self, now: Duration, lease: Duration) -> Result<Option<SuggestedTrial>> {
        loop {
            let budget = self.budget()?;
            let leased = self.study.lease(now, lease, |bo| Ok(bo.trials().len() < budget))?;
            let Some(leased) = leased else { return Ok(None) };
            let id = leased.suggestion.id;
            match self.rules.weights(&leased.suggestion.x) {
                Ok(weights) => {
                    let name = self.rules.name_of(&leased.suggestion.x).to_owned();
                    return Ok(Some(SuggestedTrial { id, name, history: leased.history, weights }));
                }
                Err(error @ Error::Sampler(ss_sampler::Error::NoMass { .. })) => {
                    self.study.tell(id, Outcome::Failed { reason: error.to_string() })?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives a trial back that this worker cannot run: the next one that asks gets it.
    ///
    /// # Errors
    /// Those of [`Study::tell`].
    pub fn give_back(&self, id: TrialId) -> Result<()> {
        self.study.give_back(id)
    }

    /// Records what came of a trial, whoever has it. Scores are maximised.
    ///
    /// # Errors
    /// [`Error::AlreadyObserved`] when another outcome is recorded; [`ss_bo::Error::UnknownTrial`].
    pub fn observe(&self, id: TrialId, outcome: Outcome) -> Result<Observed> {
        if self.study.tell(id, outcome.clone())? {
            return Ok(Observed::Recorded);
        }
        self.compare(id, outcome)
    }

    /// What becomes of an outcome of a trial that has one.
    fn compare(&self, id: TrialId, outcome: Outcome) -> Result<Observed> {
        let loaded = self.study.load()?;
        let recorded = loaded.optimizer().trials().get(id.0 as usize).map(|trial| trial.state.clone());
        match recorded {
            Some(state) if state == outcome.into() => Ok(Observed::Repeated),
            state => Err(Error::AlreadyObserved {
                id: id.0,
                recorded: state.map_or_else(String::new, |state| status::outcome_in_words(&state)),
            }),
        }
    }

    /// Records the mean of these scores, one a validation example and in the same order for all trials, as the score
    /// of a trial, and keeps them: [`best`](Self::best) then compares the rule with uniform sampling example by example.
    ///
    /// # Errors
    /// Those of [`observe`](Self::observe), also when the trial has this score of other examples' scores; no scores,
    /// one that is not finite or beyond the range of `f32`, or as many as the trials before do not have. Nothing is
    /// recorded then.
    pub fn observe_examples(&self, id: TrialId, scores: &[f64]) -> Result<Observed> {
        let checked = Scores::new(scores)?;
        let outcome = Outcome::Score(scores.iter().sum::<f64>() / scores.len() as f64);
        let recorded = self.study.tell_with(id, outcome.clone(), |loaded| checked.note(loaded).map(Some))?;
        let observed = if recorded { Observed::Recorded } else { self.compare(id, outcome)? };
        let loaded = self.study.load()?;
        if !checked.are_those_of(&loaded, id) {
            let recorded = "the same score, of other example scores or of none".to_owned();
            return Err(Error::AlreadyObserved { id: id.0, recorded });
        }
        // After the record: the first outcome counts, and its scores are the ones to keep. Repeated, it may be that
        // the process before was killed in between.
        if !matches!(self.example_scores.read(&loaded, id), Ok(Some(_))) {
            self.example_scores.write(id, &checked)?;
        }
        Ok(observed)
    }

    /// How many trials there are to be.
    fn budget(&self) -> Result<usize> {
        let loaded = self.study.load()?;
        let trials = loaded.attribute(TRIALS).and_then(Value::as_u64);
        Ok(trials.map_or(DEFAULT_TRIALS, |trials| trials as usize))
    }

    /// The rule of a trial with its weights on the examples.
    ///
    /// # Errors
    /// [`ss_bo::Error::UnknownTrial`]; a rule that draws nothing.
    pub fn rule(&self, id: TrialId) -> Result<(SamplerParams, Weights)> {
        let loaded = self.study.load()?;
        let trials = loaded.optimizer().trials();
        let trial = trials
            .iter()
            .find(|trial| trial.id == id)
            .ok_or(ss_bo::Error::UnknownTrial { id, known: trials.len() })?;
        let params = self.rules.params(&trial.x)?.canonical();
        let weights = self.rules.ranked().weights(&params)?;
        Ok((params, weights))
    }

    /// The rule with the distributions of the features, to score examples that were never seen.
    ///
    /// # Errors
    /// Those of [`Sampler::fit`].
    pub fn sampler(&self, params: &SamplerParams, trial: TrialId) -> Result<Sampler> {
        let provenance = [
            ("trial", trial.to_string()),
            ("seed", self.settings.seed.to_string()),
            ("features_digest", self.settings.features_digest.clone()),
            ("swift_sampler", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        let provenance = provenance.map(|(key, value)| (key.to_owned(), value)).into();
        let (columns, grad_norm) = self.settings.columns(&self.features)?;
        Ok(Sampler::fit(self.settings.spec.clone(), params, &columns, grad_norm, provenance)?)
    }

    /// The study as it stands.
    pub(crate) fn load(&self) -> Result<Loaded<BayesOpt>> {
        self.study.load()
    }

    /// What a trial is: the name of a start-up shape, or `model`.
    pub(crate) fn name_of(&self, trial: &Trial) -> &str {
        self.rules.name_of(&trial.x)
    }

    /// The columns of the rule's features, each `[n]`.
    pub(crate) fn columns(&self) -> Result<Vec<&[f32]>> {
        Ok(self.settings.columns(&self.features)?.0)
    }

    /// The ranked features, for a picture or a summary of a rule.
    pub fn ranked(&self) -> &RankedFeatures {
        self.rules.ranked()
    }
}

impl fmt::Debug for ExternalStudy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalStudy")
            .field("place", &self.study.place())
            .field("examples", &self.features.ids.len())
            .finish_non_exhaustive()
    }
}
