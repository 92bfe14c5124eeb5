//! One study shared by several processes, Optuna's among them: nothing lost, nothing twice, and every suggestion a
//! function of the record.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ss_bo::journal::{JournalRecord, Operation, replay};
use ss_bo::{BayesOpt, BoConfig, Optimizer, Origin, Outcome, RandomSearch, TrialId, TrialState};
use ss_cli::Error;
use ss_cli::study::{Storage, Study, StudySpec};
use ss_data::JournalFile;
use tempfile::tempdir;

use crate::command::file_names;
use crate::optuna::python;

const DIM: usize = 3;

fn names() -> Vec<String> {
    (0..DIM).map(|i| format!("x{i}")).collect()
}

fn optimizer(kind: &str) -> ss_bo::Result<Box<dyn Optimizer>> {
    Ok(match kind {
        "random" => Box::new(RandomSearch::new(DIM, 5)?),
        _ => Box::new(BayesOpt::new(DIM, BoConfig { seed: 5, ..BoConfig::default() })?),
    })
}

fn open(storage: Storage, kind: &str, worker: &str, seed: u64) -> Result<Study<dyn Optimizer>, Error> {
    let spec = StudySpec {
        name: "shared".into(),
        parameters: names(),
        settings: serde_json::json!({"kind": kind, "seed": seed}),
        worker: worker.into(),
    };
    let kind = kind.to_owned();
    Study::open(storage, spec, move || optimizer(&kind))
}

fn in_file(path: &Path) -> Storage {
    Storage::file(JournalFile::new(path))
}

/// Fails now and then, is pruned now and then.
fn outcome(x: &[f64]) -> Outcome {
    let score = -x.iter().map(|v| (v - 0.3).powi(2)).sum::<f64>();
    match (x[0] * 1e6) as u64 % 5 {
        0 => Outcome::Failed { reason: "out of memory".into() },
        1 => Outcome::Pruned { score },
        _ => Outcome::Score(score),
    }
}

/// Not a test by itself: what a worker process runs, see [`spawn`].
#[test]
#[ignore = "a worker process of the other tests"]
fn worker() {
    let Some(path) = std::env::var_os("STUDY") else { return };
    let text = |key: &str| std::env::var(key).unwrap();
    let trials: usize = text("TRIALS").parse().unwrap();
    let study = open(in_file(path.as_ref()), &text("KIND"), &text("WORKER"), 0).unwrap();
    while let Some(trial) = study.ask_if(|optimizer| Ok(optimizer.trials().len() < trials)).unwrap() {
        study.report(trial.id, 1, trial.x[1]).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert!(study.tell(trial.id, outcome(&trial.x)).unwrap());
    }
}

/// This very test binary as a worker that adds to the study until it has so many trials.
fn spawn(path: &Path, kind: &str, worker: &str, trials: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["study::worker", "--exact", "--ignored", "--nocapture"])
        .env("STUDY", path)
        .env("KIND", kind)
        .env("WORKER", worker)
        .env("TRIALS", trials.to_string())
        .env("RAYON_NUM_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn join(children: Vec<Child>) {
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Every trial that one of us created is what a fresh optimiser suggests that reads the lines before it.
#[track_caller]
fn assert_function_of_the_record(text: &str, kind: &str) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let record = JournalRecord::decode(line.trim_end()).unwrap();
        if let Operation::CreateTrial(trial) = record.operation
            && trial.attributes.contains_key("origin")
        {
            let mut fresh = optimizer(kind).unwrap();
            fresh.replay(&replay(&text[..at], "shared", &names()).unwrap().events).unwrap();
            let point: Vec<f64> = trial.parameters.values().copied().collect();
            assert_eq!(fresh.ask().unwrap().x, point, "{line}");
        }
        at += line.len();
    }
}

#[test]
fn several_processes_share_a_study() {
    for kind in ["random", "bo"] {
        let folder = tempdir().unwrap();
        let path = folder.path().join("study.log");
        let (workers, trials) = (4, 32);
        join((0..workers).map(|w| spawn(&path, kind, &format!("worker-{w}"), trials)).collect());

        let text = fs::read_to_string(&path).unwrap();
        let creations = text.lines().filter(|line| line.contains("\"op_code\":0")).count();
        assert_eq!(creations, 1, "the study is created once");
        let record = replay(&text, "shared", &names()).unwrap();
        assert_eq!(record.journal_ids, (0..trials as u64).collect::<Vec<_>>());
        let loaded = open(in_file(&path), kind, "judge", 0).unwrap().load().unwrap();
        for (trial, scores) in loaded.optimizer().trials().iter().zip(&record.intermediates) {
            assert_eq!(trial.state, TrialState::from(outcome(&trial.x)), "trial {}", trial.id);
            assert_eq!(*scores, [(1, trial.x[1])].into());
        }
        let mut points: Vec<&[f64]> = loaded.optimizer().trials().iter().map(|t| &t.x[..]).collect();
        points.sort_by(|a, b| a.partial_cmp(b).unwrap());
        points.dedup();
        assert_eq!(points.len(), trials, "no point is tried twice");
        assert_function_of_the_record(&text, kind);
        assert_eq!(file_names(folder.path()), ["study.log"]);
    }
}

/// What memory holds and what a file holds is the same study.
#[test]
fn a_study_in_memory_makes_the_same_suggestions() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    let memory = open(Storage::memory(), "bo", "w", 0).unwrap();
    for _ in 0..12 {
        let expected = memory.ask().unwrap();
        // Opened anew each time: the process may have ended in between.
        let trial = open(in_file(&path), "bo", "w", 0).unwrap().ask().unwrap();
        assert_eq!(trial, expected);
        for study in [&memory, &open(in_file(&path), "bo", "w", 0).unwrap()] {
            study.tell(trial.id, outcome(&trial.x)).unwrap();
        }
    }
}

#[test]
fn trials_cut_short_are_found_by_their_worker_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    let study = |worker: &str| open(in_file(&path), "bo", worker, 0).unwrap();
    let (first, second) = (study("alice").ask().unwrap(), study("bob").ask().unwrap());
    let third = study("alice").ask().unwrap();
    study("alice").tell(first.id, Outcome::Score(0.5)).unwrap();
    assert_eq!(study("alice").unfinished().unwrap(), std::slice::from_ref(&third));
    assert_eq!(study("bob").unfinished().unwrap(), [second]);
    assert_eq!(study("carol").unfinished().unwrap(), []);

    // The first outcome counts; who comes second is told so.
    assert!(study("carol").tell(third.id, Outcome::Score(0.25)).unwrap());
    let before = fs::read(&path).unwrap();
    assert!(!study("alice").tell(third.id, Outcome::Score(0.75)).unwrap());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(study("alice").load().unwrap().optimizer().trials()[2].score(), Some(0.25));
    let unknown = study("alice").tell(TrialId(9), Outcome::Score(0.0)).unwrap_err();
    assert!(matches!(unknown, Error::Optimiser(ss_bo::Error::UnknownTrial { .. })), "{unknown}");
}

#[test]
fn scores_along_the_way_are_those_of_the_others_at_the_same_step() {
    let study = open(Storage::memory(), "random", "w", 0).unwrap();
    let ids: Vec<TrialId> = (0..3).map(|_| study.ask().unwrap().id).collect();
    assert!(study.report(ids[0], 4, 0.1).unwrap().is_empty());
    assert!(study.report(ids[1], 8, 0.2).unwrap().is_empty());
    assert_eq!(study.report(ids[1], 4, 0.3).unwrap(), [0.1]);
    study.tell(ids[0], Outcome::Pruned { score: 0.1 }).unwrap();
    assert_eq!(study.report(ids[2], 4, 0.4).unwrap(), [0.1, 0.3]);
    // Run again after a kill: its own earlier score does not count.
    assert_eq!(study.report(ids[2], 4, 0.4).unwrap(), [0.1, 0.3]);
}

#[test]
fn other_settings_and_damaged_journals_are_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    open(in_file(&path), "random", "w", 0).unwrap().ask().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    #[track_caller]
    fn refused(path: &Path, parts: &[&str]) {
        let before = fs::read(path).unwrap();
        let message = open(in_file(path), "random", "w", 1).err().unwrap().to_string();
        for part in parts.iter().chain(&["study.log"]) {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
        assert_eq!(fs::read(path).unwrap(), before);
    }
    refused(&path, &["`shared`", "seed: 0 there, 1 asked for", "remove that file"]);
    fs::write(&path, format!("{text}{{\"op_code\":\n")).unwrap();
    refused(&path, &["line 4", "not a valid operation"]);
    fs::write(&path, text.replace("x1", "y")).unwrap();
    refused(&path, &["parameter `y`"]);
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&path, format!("{}\n{}\n", lines[0], lines[2])).unwrap();
    refused(&path, &["its settings are not recorded"]);

    // Killed between the first two lines, or within the second: the study is as good as new.
    for rest in ["", &lines[1][..40]] {
        fs::write(&path, format!("{}\n{rest}", lines[0])).unwrap();
        open(in_file(&path), "random", "w", 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n{}\n", lines[0], lines[1]));
    }
    // Another study of the same file is another matter.
    let other = StudySpec {
        name: "second".into(),
        parameters: vec!["a".into()],
        settings: serde_json::json!({}),
        worker: "w".into(),
    };
    let other = Study::open(in_file(&path), other, || Ok(Box::new(RandomSearch::new(1, 0)?))).unwrap();
    other.ask().unwrap();
    let first = open(in_file(&path), "random", "w", 0).unwrap();
    assert_eq!(first.load().unwrap().optimizer().trials().len(), 0);
    first.tell(first.ask().unwrap().id, Outcome::Score(1.0)).unwrap();
    assert_eq!(other.unfinished().unwrap().len(), 1);
}

/// A process dies by `kill -9` while it holds the lock; the others go on after the grace period.
#[test]
fn a_worker_killed_under_the_lock_does_not_stop_the_others() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["study::holder", "--exact", "--ignored", "--nocapture"])
        .env("STUDY", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let held =
        BufReader::new(holder.stdout.take().unwrap()).lines().any(|line| line.unwrap().contains("held"));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(held && file_names(folder.path()).len() == 2);
    let patient = JournalFile::new(&path).with_patience(Duration::from_millis(300), Duration::from_secs(60));
    open(Storage::file(patient), "random", "w", 0).unwrap();
    assert_eq!(file_names(folder.path()), ["study.log"]);
}

/// Not a test by itself: takes the lock and waits to be killed.
#[test]
#[ignore = "a process of another test"]
fn holder() {
    let Some(path) = std::env::var_os("STUDY") else { return };
    let journal = JournalFile::new(path);
    let _locked = journal.lock().unwrap();
    println!("held");
    std::thread::sleep(Duration::from_secs(60));
}

/// Adds trials of its own until it has eight, and others have eight since it began.
const OPTUNA_WORKER: &str = r#"
import sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="shared", storage=JournalStorage(JournalFileBackend(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
space = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(3)}
mine, before = 0, len(study.trials)
while mine < 8 or len(study.trials) < before + mine + 8:
    trial = study.ask(space)
    trial.report(0.5, 1)
    study.tell(trial, -1.0 - trial.params["x0"])
    mine += 1
print(mine, flush=True)
sys.stdin.readline()
trials = study.trials
assert [t.number for t in trials] == list(range(len(trials)))
print(len(trials), repr(study.best_value), *(t.state.name for t in trials))
"#;

#[test]
fn optuna_appends_to_the_study_at_the_same_time() {
    let Some(python) = python() else { return };
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    open(in_file(&path), "bo", "parent", 0).unwrap();
    let mut optuna = Command::new(python)
        .args(["-c", OPTUNA_WORKER])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to_optuna = optuna.stdin.take().unwrap();
    let mut from_optuna = BufReader::new(optuna.stdout.take().unwrap()).lines();
    assert_eq!(from_optuna.next().unwrap().unwrap(), "ready");
    let workers: Vec<Child> = (0..2).map(|w| spawn(&path, "bo", &format!("worker-{w}"), 40)).collect();
    to_optuna.write_all(b"go\n").unwrap();
    let theirs: usize = from_optuna.next().unwrap().unwrap().parse().unwrap();
    join(workers);
    to_optuna.write_all(b"report\n").unwrap();
    let report = from_optuna.next().unwrap().unwrap();
    assert!(optuna.wait().unwrap().success());

    let text = fs::read_to_string(&path).unwrap();
    let loaded = open(in_file(&path), "bo", "judge", 0).unwrap().load().unwrap();
    let trials = loaded.optimizer().trials();
    // Trials without our mark are Optuna's.
    let (optunas, ours): (Vec<_>, Vec<_>) = trials.iter().partition(|t| t.origin == Origin::Enqueued);
    assert_eq!(optunas.len(), theirs);
    assert!(theirs >= 8 && ours.len() >= 8, "{theirs} and {}", ours.len());
    for trial in &ours {
        assert_eq!(trial.state, TrialState::from(outcome(&trial.x)), "trial {}", trial.id);
    }
    for trial in &optunas {
        assert_eq!(trial.score(), Some(-1.0 - trial.x[0]), "trial {}", trial.id);
    }
    assert_function_of_the_record(&text, "bo");
    assert_eq!(file_names(folder.path()), ["study.log"]);

    // Optuna sees the same study.
    let words: Vec<&str> = report.split(' ').collect();
    assert_eq!(words[0], trials.len().to_string());
    let best = trials.iter().filter_map(|t| t.score()).fold(f64::NEG_INFINITY, f64::max);
    assert_eq!(words[1].parse::<f64>().unwrap(), best);
    let states = trials.iter().map(|trial| match trial.state {
        TrialState::Complete { .. } => "COMPLETE",
        TrialState::Pruned { .. } => "PRUNED",
        TrialState::Running => "RUNNING",
        _ => "FAIL",
    });
    assert_eq!(words[2..], states.collect::<Vec<_>>());
}
