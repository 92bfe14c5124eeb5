//! Which study it is: its name, its parameters, and the settings that its trials have in common.

use serde_json::Value;
use ss_bo::journal::{self, JournalError, JournalRecord, Operation};
use ss_data::JournalFile;

use crate::{Error, Result};

/// The study attribute that holds the settings.
const SETTINGS: &str = "settings";

/// What identifies a study and this process's part in it.
#[derive(Clone, Debug, PartialEq)]
pub struct StudySpec {
    /// Name of the study in the journal, which may hold several.
    pub name: String,
    /// Names of the coordinates, in order; each is a real number in `[0, 1]`.
    pub parameters: Vec<String>,
    /// Everything on which a trial's score or a suggestion depends, as a JSON object: kept as an attribute of the
    /// study, so that trials of different settings are never mixed.
    pub settings: Value,
    /// Name of this process among those at work on the study; no two share one at a time.
    pub worker: String,
}

impl StudySpec {
    /// The settings of the study `name` of a journal; `None` where there is no such file, study or settings.
    ///
    /// # Errors
    /// [`Error::Journal`] when it is damaged, [`Error::Data`] when it cannot be read.
    pub fn recorded_settings(file: &JournalFile, name: &str) -> Result<Option<Value>> {
        let Some(text) = file.peek()? else { return Ok(None) };
        match journal::study_attributes(&text, name) {
            Ok(mut attributes) => Ok(attributes.remove(SETTINGS)),
            Err(JournalError::UnknownStudy { .. }) => Ok(None),
            Err(reason) => Err(Error::Journal { place: file.path().display().to_string(), reason }),
        }
    }

    /// Checks, without waiting or writing, that `file` holds no study of this name with other settings.
    ///
    /// # Errors
    /// Those of [`Study::open`](super::Study::open).
    pub fn check(&self, file: &JournalFile) -> Result<()> {
        let Some(text) = file.peek()? else { return Ok(()) };
        self.entry(&text, &file.path().display().to_string()).map(drop)
    }

    /// The records that bring the study into the journal; none when it is there already.
    pub(super) fn entry(&self, text: &str, place: &str) -> Result<Vec<JournalRecord>> {
        let record = |operation| JournalRecord::new(&self.worker, operation);
        let settings = |study| {
            let (key, value) = (SETTINGS.to_owned(), self.settings.clone());
            record(Operation::SetStudyAttribute { study, key, value })
        };
        let other = |difference| Error::OtherSettings {
            place: place.to_owned(),
            study: self.name.clone(),
            difference,
        };
        match journal::replay(text, &self.name, &self.parameters) {
            Ok(study) => match study.attributes.get(SETTINGS) {
                Some(found) if *found == self.settings => Ok(Vec::new()),
                Some(found) => Err(other(differences(found, &self.settings).join("; "))),
                // A process was killed between its first two lines.
                None if study.journal_ids.is_empty() => Ok(vec![settings(study.id)]),
                None => Err(other("its settings are not recorded".to_owned())),
            },
            Err(JournalError::UnknownStudy { found, .. }) => {
                let create = Operation::CreateStudy { name: self.name.clone(), maximize: true };
                Ok(vec![record(create), settings(found.len() as u64)])
            }
            Err(reason) => Err(Error::Journal { place: place.to_owned(), reason }),
        }
    }
}

/// Where two JSON values differ, as `path: this there, that asked for`.
pub fn differences(found: &Value, wanted: &Value) -> Vec<String> {
    fn walk(path: &str, found: Option<&Value>, wanted: Option<&Value>, out: &mut Vec<String>) {
        if let (Some(Value::Object(a)), Some(Value::Object(b))) = (found, wanted) {
            let only_b = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(only_b) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, a.get(key), b.get(key), out);
            }
        } else if found != wanted {
            let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            let path = if path.is_empty() { SETTINGS } else { path };
            out.push(format!("{path}: {} there, {} asked for", show(found), show(wanted)));
        }
    }
    let mut out = Vec::new();
    walk("", Some(found), Some(wanted), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_by_their_path() {
        let a = json!({"seed": 1, "recipe": {"epochs": 4, "old": true}, "same": [1, 2.5]});
        let b = json!({"seed": 2, "recipe": {"epochs": 4, "new": null}, "same": [1, 2.5]});
        assert_eq!(
            differences(&a, &b),
            [
                "recipe.old: true there, nothing asked for",
                "recipe.new: nothing there, null asked for",
                "seed: 1 there, 2 asked for"
            ]
        );
        assert_eq!(differences(&a, &a), [""; 0]);
        assert_eq!(differences(&json!(3), &a).len(), 1);
    }
}
