//! The record of a search, from which it goes on after a kill.

use serde_json::Value;
use ss_approx::Device;
use ss_data::JournalFile;
use ss_sampler::SamplerSpec;

use crate::Result;
use crate::rule_space::parameter_names;
use crate::study::StudySpec;

/// Where a search keeps its trials, so that it goes on after a kill.
#[derive(Clone, Debug)]
pub struct SearchJournal {
    /// The file; the study in it is called [`STUDY`](Self::STUDY).
    pub file: JournalFile,
    /// Everything on which a trial's score depends, as a JSON object: a search of other settings is refused. Not how many
    /// candidates are tried side by side, which [`search`](super::search) adds.
    pub settings: Value,
}

impl SearchJournal {
    /// The name of the study.
    pub const STUDY: &str = "swift-sampler";
    /// One search at a time works on a file, and one that goes on after a kill is the same worker.
    const WORKER: &str = "swift-sampler-search";

    /// Checks, before any work, that the file holds no search over `spec` with other settings or another number of
    /// [`devices`](super::SearchConfig::devices). Writes nothing.
    ///
    /// # Errors
    /// [`Error::OtherSettings`](crate::Error::OtherSettings), [`Error::Journal`](crate::Error::Journal) or
    /// [`Error::Data`](crate::Error::Data).
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

pub(super) fn study_spec(spec: &SamplerSpec, settings: Value) -> StudySpec {
    StudySpec {
        name: SearchJournal::STUDY.to_owned(),
        parameters: parameter_names(spec),
        settings,
        worker: SearchJournal::WORKER.to_owned(),
    }
}
