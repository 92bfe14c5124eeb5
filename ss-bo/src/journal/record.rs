//! One operation of a journal, and its line.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::JournalError;

/// One line of a journal: an operation and the worker that wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRecord {
    /// Who wrote it: any string that no other process uses.
    pub worker: String,
    /// What happened.
    pub operation: Operation,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalState {
    /// With a score.
    Complete,
    /// Stopped early.
    Pruned,
    /// Without a score.
    Failed,
}

/// A trial as it is created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewTrial {
    /// Number of its study in the journal.
    pub study: u64,
    /// When it started; none while it waits in a queue.
    pub start: Option<String>,
    /// Whether it waits in a queue (Optuna's `enqueue_trial`).
    pub waiting: bool,
    /// Parameters by name; Optuna itself often adds them in lines of their own.
    pub parameters: BTreeMap<String, f64>,
    /// User attributes.
    pub attributes: BTreeMap<String, Value>,
    /// State and score of a trial that was added when it had already finished.
    pub result: Option<(FinalState, Option<f64>)>,
}

/// An operation on a journal. Studies and trials are numbered over the whole file, in the order of
/// creation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A new study.
    CreateStudy {
        /// Its name.
        name: String,
        /// Whether its one score is maximised.
        maximize: bool,
    },
    /// A study is deleted.
    DeleteStudy {
        /// Its number.
        study: u64,
    },
    /// Something to remember about a study.
    SetStudyAttribute {
        /// Number of the study.
        study: u64,
        /// Name of the attribute.
        key: String,
        /// Any JSON.
        value: Value,
    },
    /// A new trial.
    CreateTrial(NewTrial),
    /// One parameter of a trial.
    SetParameter {
        /// Number of the trial.
        trial: u64,
        /// The parameter.
        name: String,
        /// Its value.
        value: f64,
    },
    /// A waiting trial starts.
    Start {
        /// Number of the trial.
        trial: u64,
        /// When.
        time: String,
    },
    /// A trial ends.
    Finish {
        /// Number of the trial.
        trial: u64,
        /// How.
        state: FinalState,
        /// Its score, if any.
        score: Option<f64>,
        /// When.
        time: String,
    },
    /// A score along the way.
    SetIntermediate {
        /// Number of the trial.
        trial: u64,
        /// How far along.
        step: u64,
        /// The score; none when it was not a number.
        value: Option<f64>,
    },
    /// Something to remember about a trial.
    SetTrialAttribute {
        /// Number of the trial.
        trial: u64,
        /// Name of the attribute.
        key: String,
        /// Any JSON.
        value: Value,
    },
    /// An operation without bearing on us, such as Optuna's internal attributes.
    Other,
}

// Optuna's enumerations.
const CREATE_STUDY: u64 = 0;
const DELETE_STUDY: u64 = 1;
const SET_STUDY_USER_ATTR: u64 = 2;
const CREATE_TRIAL: u64 = 4;
const SET_TRIAL_PARAM: u64 = 5;
const SET_TRIAL_STATE_VALUES: u64 = 6;
const SET_TRIAL_INTERMEDIATE_VALUE: u64 = 7;
const SET_TRIAL_USER_ATTR: u64 = 8;
const MAXIMIZE: u64 = 2;
const RUNNING: u64 = 0;
const WAITING: u64 = 4;

impl FinalState {
    fn code(self) -> u64 {
        match self {
            Self::Complete => 1,
            Self::Pruned => 2,
            Self::Failed => 3,
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        [Self::Complete, Self::Pruned, Self::Failed].into_iter().find(|s| s.code() == code)
    }
}

/// The one distribution we write, in Optuna's form: JSON inside a JSON string.
fn unit_distribution() -> Value {
    json!(
        r#"{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}"#
    )
}

impl JournalRecord {
    /// A record of this worker.
    pub fn new(worker: &str, operation: Operation) -> Self {
        Self { worker: worker.to_owned(), operation }
    }

    /// The record as one line of JSON, without the line's end. [`Operation::Other`] has no fields of its own
    /// and becomes an empty study attribute.
    pub fn encode(&self) -> String {
        let attribute = |key: &str, value: &Value| {
            let mut map = Map::new();
            map.insert(key.to_owned(), value.clone());
            Value::Object(map)
        };
        let (code, fields) = match &self.operation {
            Operation::CreateStudy { name, maximize } => {
                let direction = if *maximize { MAXIMIZE } else { 1 };
                (CREATE_STUDY, json!({"study_name": name, "directions": [direction]}))
            }
            Operation::DeleteStudy { study } => (DELETE_STUDY, json!({"study_id": study})),
            Operation::SetStudyAttribute { study, key, value } => {
                (SET_STUDY_USER_ATTR, json!({"study_id": study, "user_attr": attribute(key, value)}))
            }
            Operation::CreateTrial(trial) => (CREATE_TRIAL, encode_trial(trial)),
            Operation::SetParameter { trial, name, value } => (
                SET_TRIAL_PARAM,
                json!({
                    "trial_id": trial,
                    "param_name": name,
                    "param_value_internal": value,
                    "distribution": unit_distribution(),
                }),
            ),
            Operation::Start { trial, time } => (
                SET_TRIAL_STATE_VALUES,
                json!({"trial_id": trial, "state": RUNNING, "values": null, "datetime_start": time}),
            ),
            Operation::Finish { trial, state, score, time } => (
                SET_TRIAL_STATE_VALUES,
                json!({
                    "trial_id": trial,
                    "state": state.code(),
                    "values": score.map(|s| [s]),
                    "datetime_complete": time,
                }),
            ),
            Operation::SetIntermediate { trial, step, value } => (
                SET_TRIAL_INTERMEDIATE_VALUE,
                json!({"trial_id": trial, "step": step, "intermediate_value": value}),
            ),
            Operation::SetTrialAttribute { trial, key, value } => {
                (SET_TRIAL_USER_ATTR, json!({"trial_id": trial, "user_attr": attribute(key, value)}))
            }
            Operation::Other => {
                (SET_STUDY_USER_ATTR, json!({"study_id": 0, "user_attr": attribute("other", &Value::Null)}))
            }
        };
        let mut line = json!({"op_code": code, "worker_id": self.worker});
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        line.to_string()
    }

    /// Reads one line.
    ///
    /// # Errors
    /// [`JournalError::InvalidLine`] (with line number 0) when it is not JSON, lacks a field, or has a
    /// field of the wrong kind;
    /// also for a parameter that is not a real number in `[0, 1]`.
    pub fn decode(line: &str) -> Result<Self, JournalError> {
        let invalid = |problem: String| JournalError::InvalidLine { line: 0, problem };
        let value = parse(line).map_err(invalid)?;
        decode_value(&value).map_err(invalid)
    }
}

fn encode_trial(trial: &NewTrial) -> Value {
    let state = match trial.result {
        Some((state, _)) => state.code(),
        None if trial.waiting => WAITING,
        None => RUNNING,
    };
    let score = trial.result.and_then(|(_, score)| score);
    let distributions: Map<String, Value> =
        trial.parameters.keys().map(|name| (name.clone(), unit_distribution())).collect();
    let mut fields = json!({
        "study_id": trial.study,
        "datetime_start": trial.start,
        "state": state,
        "value": score,
        "values": null,
        "distributions": distributions,
        "params": trial.parameters,
        "user_attrs": trial.attributes,
        "system_attrs": {},
        "intermediate_values": {},
    });
    if trial.result.is_some() {
        fields["datetime_complete"] = json!(trial.start);
    }
    fields
}

/// JSON as Python writes it, where numbers may be `NaN` or `Infinity`: those become null.
fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).or_else(|error| {
        let mut plain = line.to_owned();
        for word in ["-Infinity", "Infinity", "NaN"] {
            for before in [":", ": ", "[", ",", ", "] {
                plain = plain.replace(&format!("{before}{word}"), &format!("{before}null"));
            }
        }
        serde_json::from_str(&plain).map_err(|_| error.to_string())
    })
}

fn decode_value(line: &Value) -> Result<JournalRecord, String> {
    let number = |key: &str| line[key].as_u64().ok_or(format!("`{key}` is not a number"));
    let text = |key: &str| line[key].as_str().map(str::to_owned).ok_or(format!("`{key}` is not a string"));
    let attribute = || {
        let map = line["user_attr"].as_object().ok_or("`user_attr` is not an object")?;
        map.iter().next().map(|(k, v)| (k.clone(), v.clone())).ok_or("`user_attr` is empty".to_owned())
    };
    let operation = match number("op_code")? {
        CREATE_STUDY => {
            let directions = line["directions"].as_array().ok_or("`directions` is not a list")?;
            let maximize = directions.len() == 1 && directions[0] == MAXIMIZE;
            Operation::CreateStudy { name: text("study_name")?, maximize }
        }
        DELETE_STUDY => Operation::DeleteStudy { study: number("study_id")? },
        SET_STUDY_USER_ATTR => {
            let (key, value) = attribute()?;
            Operation::SetStudyAttribute { study: number("study_id")?, key, value }
        }
        CREATE_TRIAL => Operation::CreateTrial(decode_trial(line, number("study_id")?)?),
        SET_TRIAL_PARAM => {
            check_distribution(&line["distribution"])?;
            let value =
                line["param_value_internal"].as_f64().ok_or("`param_value_internal` is not a number")?;
            Operation::SetParameter { trial: number("trial_id")?, name: text("param_name")?, value }
        }
        SET_TRIAL_STATE_VALUES => {
            let trial = number("trial_id")?;
            match number("state")? {
                RUNNING => Operation::Start { trial, time: text("datetime_start")? },
                WAITING => Operation::Other,
                code => {
                    let state = FinalState::from_code(code).ok_or(format!("unknown state {code}"))?;
                    let score = line["values"][0].as_f64();
                    Operation::Finish { trial, state, score, time: text("datetime_complete")? }
                }
            }
        }
        SET_TRIAL_INTERMEDIATE_VALUE => Operation::SetIntermediate {
            trial: number("trial_id")?,
            step: number("step")?,
            value: line["intermediate_value"].as_f64(),
        },
        SET_TRIAL_USER_ATTR => {
            let (key, value) = attribute()?;
            Operation::SetTrialAttribute { trial: number("trial_id")?, key, value }
        }
        _ => Operation::Other,
    };
    Ok(JournalRecord { worker: line["worker_id"].as_str().unwrap_or_default().to_owned(), operation })
}

fn decode_trial(line: &Value, study: u64) -> Result<NewTrial, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in line["params"].as_object().into_iter().flatten() {
        check_distribution(&line["distributions"][name])?;
        parameters.insert(name.clone(), value.as_f64().ok_or(format!("`{name}` is not a number"))?);
    }
    let score = line["value"].as_f64().or_else(|| line["values"][0].as_f64());
    let state = line["state"].as_u64().unwrap_or(RUNNING);
    Ok(NewTrial {
        study,
        start: line["datetime_start"].as_str().map(str::to_owned),
        waiting: state == WAITING,
        parameters,
        attributes: line["user_attrs"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        result: FinalState::from_code(state).map(|s| (s, score)),
    })
}

/// Checks that a distribution (JSON inside a JSON string) is the reals from 0 to 1.
fn check_distribution(text: &Value) -> Result<(), String> {
    let text = text.as_str().ok_or("a parameter has no `distribution`")?;
    let value: Value = serde_json::from_str(text).map_err(|e| format!("`distribution`: {e}"))?;
    let a = &value["attributes"];
    let unit = a["low"].as_f64() == Some(0.0) && a["high"].as_f64() == Some(1.0);
    let plain = a["log"] != true && a["step"].is_null();
    if value["name"] == "FloatDistribution" && unit && plain {
        Ok(())
    } else {
        Err(format!("a parameter is distributed as {text}, expected a FloatDistribution from 0 to 1"))
    }
}
