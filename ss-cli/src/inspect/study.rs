//! A study: where it stands, what it found, and what its model makes of it.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ss_bo::{BayesOpt, Optimizer, Trial, TrialId, TrialState};
use ss_data::JournalFile;
use ss_sampler::{SamplerParams, SamplerSpec};
use ss_seed::Seed;

use super::record::Record;
use super::rule::Rule;
use super::sampler::SamplerFacts;
use super::terminal::Style;
use crate::external_study::{Best, Estimate, ExternalStudy, Status, TrialStatus, short};
use crate::rule_space::{parameter_names, same};
use crate::search::SearchJournal;
use crate::study::StudySpec;
use crate::{Error, Result, picture};

/// Length scales that are named.
const NAMED: usize = 4;

/// What a study says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyFacts {
    /// `search`, or `study` where other programs run the trials.
    pub made_by: &'static str,
    /// How many trials there are to be, where the record says so.
    pub budget: Option<usize>,
    /// Trials made.
    pub trials: usize,
    /// With a score.
    pub complete: usize,
    /// Stopped on their way.
    pub pruned: usize,
    /// Without a score.
    pub failed: usize,
    /// Why the last one that failed did.
    pub last_failure: Option<String>,
    /// Trials that are running.
    pub in_flight: Vec<TrialStatus>,
    /// The trials that were better than all before them.
    pub best_so_far: Vec<Improvement>,
    /// The tried rule with the best posterior mean.
    pub recommended: Option<Estimate>,
    /// Uniform sampling.
    pub uniform: Option<Estimate>,
    /// Which rule to use, where other programs run the trials.
    pub best: Option<Best>,
    /// What the model of the scores has learned.
    pub model: Option<ModelFacts>,
    /// Whose the rule below is.
    pub rule_of: Option<String>,
    /// The rule.
    pub rule: Option<Rule>,
    /// The rule with the distributions of the features, where they are known.
    pub sampler: Option<SamplerFacts>,
}

/// A trial that was better than all before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Improvement {
    /// Its number.
    pub trial: TrialId,
    /// What it is.
    pub name: String,
    /// Its score.
    pub score: f64,
}

/// What the most probable model of the scores has learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelFacts {
    /// Scores that it was fitted to.
    pub scores: usize,
    /// Length scales of the coordinates, the shortest first: along those the score changes soonest.
    pub length_scales: Vec<LengthScale>,
    /// The share of the variance that it takes for noise.
    pub noise_share: f64,
}

/// How far along a coordinate the score stays alike, in units of its range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LengthScale {
    /// The coordinate.
    pub parameter: String,
    /// The length scale.
    pub length: f64,
}

/// A study as read: its facts, and the picture of its rule where the features are known.
pub struct StudyReading {
    /// The facts.
    pub facts: StudyFacts,
    /// As `rule.svg` of a search.
    pub picture: Option<String>,
}

/// What is read of a study's settings, whoever made it.
#[derive(Deserialize)]
struct Settings {
    spec: SamplerSpec,
    #[serde(default)]
    seed: u64,
    /// Of a study that other programs run.
    #[serde(default)]
    features_digest: Option<String>,
}

impl StudyFacts {
    /// Reads the study whose journal is at `path`, at the time `now` (since 1970). Its features and its `sampler.json` are
    /// looked for beside the journal. Writes nothing.
    ///
    /// # Errors
    /// [`Error::NoStudy`] for a journal without a study of ours; those of [`ExternalStudy::open`]; files beside it that
    /// are damaged.
    pub fn read(path: &Path, now: Duration, caution: f64) -> Result<StudyReading> {
        let journal = JournalFile::new(path);
        let no_study = |reason: String| Error::NoStudy { path: path.to_owned(), reason };
        let settings = StudySpec::recorded_settings(&journal, SearchJournal::STUDY)?
            .ok_or_else(|| no_study("no study of this program in the journal".into()))?;
        let Settings { spec, seed, features_digest } =
            serde_json::from_value(settings).map_err(|error| no_study(format!("settings: {error}")))?;
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // A copy under another name is not the journal that the folder's programs use.
        let in_place = path.file_name() == Some("study.log".as_ref());
        if features_digest.is_some() && in_place && folder.join("study-features.parquet").is_file() {
            return Self::external(folder, now, caution);
        }
        let record = Record::read(&journal, spec, Seed::new(seed), &folder.join("features.parquet"))?;
        let made_by = if features_digest.is_some() { "study" } else { "search" };
        record.reading(made_by, &folder.join("sampler.json"), now)
    }

    /// A study that other programs run.
    fn external(folder: &Path, now: Duration, caution: f64) -> Result<StudyReading> {
        let study = ExternalStudy::open(folder, "swift-sampler-inspect")?;
        let status = study.status(now)?;
        let loaded = study.load()?;
        let bo = loaded.optimizer();
        let (best, rule) = match status.complete {
            0 => (None, None),
            _ => {
                let best = study.best(caution)?;
                let rule = study.rule(best.chosen)?;
                (Some(best), Some(rule))
            }
        };
        let mut facts =
            Self::new("study", bo, study.ranked().spec(), |trial| study.name_of(trial).to_owned())?;
        let Status { budget, trials, .. } = status;
        facts.budget = Some(budget);
        facts.in_flight = trials.into_iter().filter(|trial| trial.state == TrialState::Running).collect();
        let mut svg = None;
        if let (Some(best), Some((params, weights))) = (&best, rule) {
            let sampler = study.sampler(&params, best.chosen)?;
            facts.rule_of = Some(format!("the rule to use, of trial {}", best.chosen));
            facts.rule = Some(Rule::new(sampler.spec(), &params));
            facts.sampler = Some(SamplerFacts::new(&sampler, Some(&study.columns()?))?);
            svg = Some(picture::draw(study.ranked(), &params, &weights, None)?);
        }
        facts.best = best;
        Ok(StudyReading { facts, picture: svg })
    }

    /// What the trials alone say.
    pub(super) fn new(
        made_by: &'static str,
        bo: &BayesOpt,
        spec: &SamplerSpec,
        name: impl Fn(&Trial) -> String,
    ) -> Result<Self> {
        let trials = bo.trials();
        let count = |kept: &dyn Fn(&TrialState) -> bool| trials.iter().filter(|t| kept(&t.state)).count();
        let mut best_so_far: Vec<Improvement> = Vec::new();
        for (trial, score) in trials.iter().filter_map(|trial| Some((trial, trial.score()?))) {
            if best_so_far.last().is_none_or(|best| score > best.score) {
                best_so_far.push(Improvement { trial: trial.id, name: name(trial), score });
            }
        }
        let best = bo.best();
        let named = |id: TrialId| trials.iter().find(|trial| trial.id == id).map(&name).unwrap_or_default();
        let recommended = best.as_ref().map(|best| Estimate::of(best, &named(best.id)));
        let uniform = SamplerParams::uniform(spec).canonical().to_unit(spec)?;
        let is_uniform = |trial: &&Trial| trial.score().is_some() && same(&uniform, &trial.x);
        let uniform = trials.iter().find(is_uniform);
        let uniform = uniform.map(|trial| Estimate::at(bo, spec, trial, &name(trial))).transpose()?.flatten();
        Ok(Self {
            made_by,
            budget: None,
            trials: trials.len(),
            complete: count(&|state| matches!(state, TrialState::Complete { .. })),
            pruned: count(&|state| matches!(state, TrialState::Pruned { .. })),
            failed: count(&|state| matches!(state, TrialState::Failed { .. })),
            last_failure: trials.iter().rev().find_map(|trial| match &trial.state {
                TrialState::Failed { reason } => Some(reason.clone()),
                _ => None,
            }),
            in_flight: Vec::new(),
            best_so_far,
            recommended,
            uniform,
            best: None,
            model: ModelFacts::of(bo, spec)?,
            rule_of: None,
            rule: None,
            sampler: None,
        })
    }

    /// The facts as text.
    pub fn in_words(&self, style: Style) -> String {
        let Self { trials, complete, pruned, failed, in_flight, .. } = self;
        let of = self.budget.map_or(String::new(), |budget| format!(" of {budget}"));
        let mut out = format!(
            "A study made by `{}`: {trials}{of} trials, {complete} with a score, {pruned} stopped on the way, \
             {failed} failed, {} running.\n",
            self.made_by,
            in_flight.len()
        );
        if let Some(reason) = &self.last_failure {
            let _ = writeln!(out, "The last failure: {reason}");
        }
        for TrialStatus { trial, name, worker, lease_left, age, .. } in in_flight {
            let _ = write!(out, "  trial {:<3} {name:<18} {worker}", trial.0);
            if let Some(age) = age {
                let _ = write!(out, ", asked for {} ago", time(*age));
            }
            let _ = match lease_left {
                Some(left) if *left > 0.0 => writeln!(out, ", lent for another {}", time(*left)),
                Some(_) => writeln!(out, ", abandoned: the next worker that asks gets it"),
                None => writeln!(out),
            };
        }
        if !self.best_so_far.is_empty() {
            out += "\nBest so far\n";
        }
        for Improvement { trial, name, score } in &self.best_so_far {
            let _ = writeln!(out, "  trial {:<3} {name:<18} {}", trial.0, short(*score));
        }
        match (&self.best, &self.recommended) {
            (Some(best), _) => out += &format!("\n{}", best.in_words()),
            (None, Some(recommended)) => {
                let _ = write!(out, "\n{}", recommended.in_words("best of the rules tried"));
                if let Some(uniform) = self.uniform.as_ref().filter(|u| u.trial != recommended.trial) {
                    out += &uniform.in_words("uniform sampling");
                }
            }
            (None, None) => {}
        }
        if let Some(model) = &self.model {
            let _ = write!(out, "\n{}", model.in_words());
        }
        if let Some(rule_of) = &self.rule_of {
            let _ = write!(out, "\nBelow: {rule_of}.\n");
        }
        match (&self.sampler, &self.rule) {
            (Some(sampler), _) => out += &format!("\n{}", sampler.in_words(style)),
            (None, Some(rule)) => {
                let curve =
                    if rule.is_uniform() { String::new() } else { format!("\n{}", rule.curve(style)) };
                let _ = write!(out, "\n{}{curve}", rule.in_words());
            }
            (None, None) => {}
        }
        out
    }
}

impl ModelFacts {
    fn of(bo: &BayesOpt, spec: &SamplerSpec) -> Result<Option<Self>> {
        let Some(surrogate) = bo.surrogate()? else { return Ok(None) };
        let hyper = surrogate.process().hyperparameters();
        let named = parameter_names(spec).into_iter().zip(&hyper.length_scales);
        let mut length_scales: Vec<LengthScale> =
            named.map(|(parameter, &length)| LengthScale { parameter, length }).collect();
        length_scales.sort_by(|a, b| a.length.total_cmp(&b.length));
        let noise_share = hyper.noise_variance / (hyper.noise_variance + hyper.signal_variance);
        Ok(Some(Self { scores: surrogate.process().data().len(), length_scales, noise_share }))
    }

    fn in_words(&self) -> String {
        let scales = self.length_scales.iter().take(NAMED);
        let scales = scales.map(|scale| format!("{} ({:.2})", scale.parameter, scale.length));
        format!(
            "The model of {} scores takes {:.0}% of their variance for noise. By its length scales the score changes \
             soonest along {}.\n",
            self.scores,
            100.0 * self.noise_share,
            scales.collect::<Vec<_>>().join(", ")
        )
    }
}

/// A length of time in the largest unit that fits.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_that_fits() {
        let words = [0.4, 119.0, 130.0, 7300.0, 200_000.0].map(time);
        assert_eq!(words, ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}
