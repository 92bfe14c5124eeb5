//! Journals: lines and back, resumption, and Optuna's reading of them.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::Command;

use proptest::prelude::*;
use ss_bo::journal::{
    FinalState, JournalError, JournalRecord, NewTrial, Operation, ask_records, replay, report_records,
    tell_records,
};
use ss_bo::rivals::ReinforceConfig;
use ss_bo::{
    BayesOpt, BoConfig, Error, EvolutionStrategy, Optimizer, Outcome, RandomSearch, Reinforce, SobolSearch,
    TrialState,
};

const TIME: &str = "2024-02-29T12:00:00.000000+00:00";

fn names(dim: usize) -> Vec<String> {
    (0..dim).map(|i| format!("x{i}")).collect()
}

fn line(operation: Operation) -> String {
    JournalRecord::new("w", operation).encode() + "\n"
}

fn create(name: &str) -> String {
    line(Operation::CreateStudy { name: name.to_owned(), maximize: true })
}

fn push(file: &mut String, records: Vec<JournalRecord>) {
    for record in records {
        *file += &(record.encode() + "\n");
    }
}

/// Trial `i` of the test study: some fail, some are pruned, some know their variance, some stay in flight.
fn outcome(i: u64, x: &[f64]) -> Option<Outcome> {
    let score = -x.iter().map(|v| (v - 0.4).powi(2)).sum::<f64>();
    match i % 7 {
        3 => Some(Outcome::Failed { reason: "out of memory".into() }),
        4 => Some(Outcome::ScoreWithVariance { score, variance: 0.01 }),
        5 => Some(Outcome::Pruned { score: score - 1.0 }),
        6 => None,
        _ => Some(Outcome::Score(score)),
    }
}

fn all(seed: u64) -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(BayesOpt::new(3, BoConfig { startup_trials: 5, seed, ..BoConfig::default() }).unwrap()),
        Box::new(RandomSearch::new(3, seed).unwrap()),
        Box::new(SobolSearch::new(3, seed).unwrap()),
        Box::new(Reinforce::new(3, ReinforceConfig { seed, ..ReinforceConfig::default() }).unwrap()),
        Box::new(EvolutionStrategy::new(3, seed).unwrap()),
    ]
}

#[test]
fn a_killed_study_continues_with_the_same_suggestions() {
    let names = names(3);
    for (mut straight, mut resumed) in all(4).into_iter().zip(all(4)) {
        let mut file = create("other") + &create("study");
        for i in 0..17 {
            let s = straight.ask().unwrap();
            push(&mut file, ask_records("w", 1, &s, &names, TIME));
            if let Some(outcome) = outcome(i, &s.x) {
                push(&mut file, tell_records("w", i, &outcome, TIME));
                straight.tell(s.id, outcome).unwrap();
            }
        }
        // The process dies while it writes a line.
        let complete = file.len();
        file += r#"{"op_code":4,"worker_id":"w","stu"#;

        let study = replay(&file, "study", &names).unwrap();
        assert_eq!(study.complete_bytes, complete);
        assert_eq!((study.id, study.next_journal_id), (1, 17));
        resumed.replay(&study.events).unwrap();
        assert_eq!(resumed.trials(), straight.trials(), "{}", straight.name());
        for _ in 0..3 {
            assert_eq!(resumed.ask().unwrap(), straight.ask().unwrap(), "{}", straight.name());
        }
        assert_eq!(resumed.best(), straight.best());
    }
}

#[test]
fn a_record_of_other_settings_is_noticed() {
    for (mut recorded, mut other) in all(1).into_iter().zip(all(2)) {
        let s = recorded.ask().unwrap();
        let result = other.replay(&[ss_bo::Event::Asked(s.clone())]);
        if other.name() == "bo" {
            // Bayesian optimisation learns from any trials.
            assert_eq!(result, Ok(()));
        } else {
            assert_eq!(result, Err(Error::Diverged { id: s.id }), "{}", other.name());
        }
    }
}

#[test]
fn several_workers_may_append() {
    let names = names(1);
    let (mut file, mut a) = (create("s"), RandomSearch::new(1, 0).unwrap());
    let (first, second) = (a.ask().unwrap(), a.ask().unwrap());
    push(&mut file, ask_records("alice", 0, &first, &names, TIME));
    push(&mut file, ask_records("bob", 0, &second, &names, TIME));
    push(&mut file, tell_records("bob", 1, &Outcome::Score(2.0), TIME));
    push(&mut file, tell_records("alice", 0, &Outcome::Score(1.0), TIME));
    // A second outcome loses the race, as in Optuna.
    push(&mut file, tell_records("bob", 0, &Outcome::Score(9.0), TIME));
    let study = replay(&file, "s", &names).unwrap();
    let mut b = RandomSearch::new(1, 0).unwrap();
    b.replay(&study.events).unwrap();
    let scores: Vec<_> = b.trials().iter().map(|t| t.score()).collect();
    assert_eq!(scores, [Some(1.0), Some(2.0)]);
}

#[test]
fn intermediate_scores_and_workers_are_replayed() {
    let names = names(1);
    let (mut file, mut a) = (create("other") + &create("s"), RandomSearch::new(1, 0).unwrap());
    let (first, second) = (a.ask().unwrap(), a.ask().unwrap());
    push(&mut file, ask_records("alice", 1, &first, &names, TIME));
    push(&mut file, ask_records("bob", 1, &second, &names, TIME));
    push(&mut file, report_records("bob", 1, 8, 0.5));
    push(&mut file, report_records("alice", 0, 8, 0.25));
    push(&mut file, report_records("alice", 0, 16, f64::NAN));
    push(&mut file, report_records("bob", 1, 8, 0.75));
    push(&mut file, tell_records("bob", 1, &Outcome::Pruned { score: 0.75 }, TIME));
    // After the end, and of a trial that does not exist: ignored, as Optuna does.
    push(&mut file, report_records("bob", 1, 16, 0.9));
    push(&mut file, report_records("bob", 7, 16, 0.9));
    let study = replay(&file, "s", &names).unwrap();
    assert_eq!(study.workers, ["alice", "bob"]);
    assert_eq!(study.intermediates, [[(8, 0.25)].into(), [(8, 0.75)].into()]);
}

#[test]
fn bad_journals_are_refused_by_place() {
    let names = names(1);
    let error = replay(&(create("s") + "{\"op_code\":\n"), "s", &names).unwrap_err();
    assert!(matches!(error, JournalError::InvalidLine { line: 2, .. }), "{error}");
    let error = replay(&create("s"), "t", &names).unwrap_err();
    assert_eq!(error, JournalError::UnknownStudy { name: "t".into(), found: vec!["s".into()] });
    let minimised = line(Operation::CreateStudy { name: "s".into(), maximize: false });
    assert!(replay(&minimised, "s", &names).unwrap_err().to_string().contains("maximise"));
    let wide = r#"{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"x0","param_value_internal":3.0,"distribution":"{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0, \"high\": 5.0, \"log\": false}}"}"#;
    let error = replay(&format!("{}{wide}\n", create("s")), "s", &names).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("from 0 to 1"), "{error}");
    let parameters = [("y".to_owned(), 0.5)].into();
    let trial = line(Operation::CreateTrial(NewTrial { parameters, ..NewTrial::default() }));
    assert!(replay(&(create("s") + &trial), "s", &names).unwrap_err().to_string().contains("parameter `y`"));
}

#[test]
fn python_numbers_are_read() {
    let line = r#"{"op_code":7,"worker_id":"w","trial_id":0,"step":1,"intermediate_value":NaN}"#;
    let operation = JournalRecord::decode(line).unwrap().operation;
    assert_eq!(operation, Operation::SetIntermediate { trial: 0, step: 1, value: None });
}

fn operations() -> impl Strategy<Value = Operation> {
    let score = prop::option::of(-1e300..1e300_f64);
    let state = prop::sample::select(vec![FinalState::Complete, FinalState::Pruned, FinalState::Failed]);
    let text = "[ -~é\"\\\\\n]{0,12}";
    let result = (state.clone(), score.clone());
    prop_oneof![
        (text, any::<bool>()).prop_map(|(name, maximize)| Operation::CreateStudy { name, maximize }),
        (0..9_u64).prop_map(|study| Operation::DeleteStudy { study }),
        (0..9_u64, text, any::<i32>()).prop_map(|(study, key, v)| Operation::SetStudyAttribute {
            study,
            key,
            value: v.into()
        }),
        (
            0..9_u64,
            prop::collection::btree_map(text, 0.0..=1.0_f64, 0..4),
            any::<bool>(),
            prop::option::of(result)
        )
            .prop_map(|(study, parameters, waiting, result)| {
                Operation::CreateTrial(NewTrial {
                    study,
                    start: Some(TIME.into()),
                    waiting: waiting && result.is_none(),
                    parameters,
                    attributes: Default::default(),
                    result,
                })
            }),
        (0..9_u64, text, 0.0..=1.0_f64).prop_map(|(trial, name, value)| Operation::SetParameter {
            trial,
            name,
            value
        }),
        (0..9_u64, state, score.clone()).prop_map(|(trial, state, score)| Operation::Finish {
            trial,
            state,
            score,
            time: TIME.into()
        }),
        (0..9_u64, 0..99_u64, score).prop_map(|(trial, step, value)| Operation::SetIntermediate {
            trial,
            step,
            value
        }),
    ]
}

proptest! {
    #[test]
    fn lines_and_back_is_the_identity(operation in operations(), worker in "[a-z\"]{1,6}") {
        let record = JournalRecord { worker, operation };
        let line = record.encode();
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(JournalRecord::decode(&line).unwrap(), record);
    }
}

/// Opens the journal with Optuna, checks what it sees, and lets Optuna add trials of its own.
const OPTUNA: &str = r#"
import sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="study", storage=storage)
print(study.direction.name, len(study.trials), study.best_trial.number, repr(study.best_value))
for t in study.trials:
    print(t.number, t.state.name, repr(t.value), [repr(t.params[f"x{i}"]) for i in range(3)], t.user_attrs["origin"])
trial = study.ask({f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(3)})
study.tell(trial, 0.125)
trial = study.ask({f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(3)})
trial.report(float("nan"), 1)
study.tell(trial, state=optuna.trial.TrialState.FAIL)
study.enqueue_trial({"x0": 0.1})
"#;

/// Needs a Python with Optuna: `SS_BO_PYTHON=/path/to/python`, or `python3`.
#[test]
fn optuna_opens_the_journal_and_we_read_what_it_adds() {
    let python = std::env::var("SS_BO_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import optuna"]).output();
    if !probe.is_ok_and(|o| o.status.success()) {
        println!("skipped: `{python}` cannot import optuna (set SS_BO_PYTHON to one that can)");
        return;
    }
    let names = names(3);
    let mut bo = BayesOpt::new(3, BoConfig { startup_trials: 5, ..BoConfig::default() }).unwrap();
    let mut text = create("study");
    for i in 0..14 {
        let s = bo.ask().unwrap();
        push(&mut text, ask_records("rust", 0, &s, &names, TIME));
        if let Some(outcome) = outcome(i, &s.x) {
            push(&mut text, tell_records("rust", i, &outcome, TIME));
            bo.tell(s.id, outcome).unwrap();
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("study.log");
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    let output = Command::new(&python).args(["-c", OPTUNA]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen = String::from_utf8(output.stdout).unwrap();

    let (best, score) = bo
        .trials()
        .iter()
        .filter_map(|t| t.score().map(|s| (t.id, s)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let number = |v: &str| v.parse::<f64>().unwrap();
    let head: Vec<&str> = lines[0].split(' ').collect();
    assert_eq!(head[..3], ["MAXIMIZE", "14", &best.to_string()]);
    assert_eq!(number(head[3]), score);
    for (trial, line) in bo.trials().iter().zip(&lines[1..]) {
        let (state, value) = match trial.state {
            TrialState::Running => ("RUNNING", None),
            TrialState::Complete { score, .. } => ("COMPLETE", Some(score)),
            TrialState::Pruned { score } => ("PRUNED", Some(score)),
            _ => ("FAIL", None),
        };
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[..2], [&trial.id.to_string(), state], "{line}");
        assert_eq!(words[2].parse::<f64>().ok(), value, "{line}");
        for (word, x) in words[3..6].iter().zip(&trial.x) {
            assert_eq!(number(word.trim_matches(|c| "[]',".contains(c))), *x, "{line}");
        }
        assert_eq!(format!("\"{}\"", words[6]), serde_json::to_string(&trial.origin).unwrap());
    }

    let study = replay(&std::fs::read_to_string(&path).unwrap(), "study", &names).unwrap();
    let mut resumed = BayesOpt::new(3, BoConfig { startup_trials: 5, ..BoConfig::default() }).unwrap();
    resumed.replay(&study.events).unwrap();
    assert_eq!(resumed.trials()[..14], *bo.trials());
    assert_eq!(resumed.trials().len(), 17);
    assert_eq!(resumed.trials()[14].score(), Some(0.125));
    assert!(matches!(resumed.trials()[15].state, TrialState::Failed { .. }));
    assert!(matches!(resumed.trials()[16].state, TrialState::Failed { .. }));
    resumed.ask().unwrap();
}
