//! `study`: trials that other programs run, one process after the other and several at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ss_bo::{Outcome, TrialId};
use ss_cli::Error;
use ss_cli::external_study::{ExternalStudy, Observed, StudyConfig};
use ss_cli::study::LeaseHistory;
use ss_data::{TableInput, Weights};
use tempfile::{TempDir, tempdir};

use crate::command::{assert_refused, file_names, swift_sampler};

const N: usize = 80;
const DAY: Duration = Duration::from_secs(86_400);

/// Seconds since 1970.
fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_700_000_000 + seconds)
}

/// A folder with features of which high losses are bad examples.
pub(crate) fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let row = |i: usize| format!("{},{}.5,0.{},{}\n", 500 + i, i * 37 % N, i % 9, 1 + i * 37 % N);
    let rows: String = (0..N).map(row).collect();
    fs::write(folder.path().join("f.csv"), format!("key,loss,entropy,grad_norm\n{rows}")).unwrap();
    folder
}

fn features(folder: &Path) -> TableInput {
    let input = TableInput::open(&[folder.join("f.csv")], None).unwrap();
    input.renamed("entropy", "renormed_entropy").unwrap()
}

pub(crate) fn create(folder: &Path, trials: usize) -> ExternalStudy {
    let config = StudyConfig { trials: Some(trials), ..StudyConfig::default() };
    ExternalStudy::create(&folder.join("study"), &features(folder), Some("key"), &config).unwrap()
}

pub(crate) fn open(folder: &Path, worker: &str) -> ExternalStudy {
    ExternalStudy::open(&folder.join("study"), worker).unwrap()
}

/// Mean of a quality that is good below 60% of the losses, under the trial's weights.
fn score(weights: &[f64]) -> f64 {
    let good = |i: usize| if (i * 37 % N) < 48 { 1.0 } else { -1.0 };
    weights.iter().enumerate().map(|(i, w)| w * good(i)).sum()
}

pub(crate) fn study(folder: &Path, args: &[&str]) -> assert_cmd::Command {
    let mut command = swift_sampler(["study"]);
    command.current_dir(folder).args(args);
    command
}

pub(crate) fn new_flags(trials: &'static str) -> Vec<&'static str> {
    let flags =
        ["new", "s", "--features", "f.csv", "--id-column", "key", "--rename", "entropy=renormed_entropy"];
    flags.into_iter().chain(["--trials", trials]).collect()
}

/// What a successful command says on standard output.
pub(crate) fn says(folder: &Path, args: &[&str]) -> String {
    let output = study(folder, args).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn a_trainer_of_files_and_processes_finds_the_bad_examples() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("18"));
    let (mut names, mut numbers) = (Vec::new(), Vec::new());
    loop {
        let command = ["suggest", "s", "--weights", "w.npy", "--draw", "d.npy", "--json"];
        let output = study(path, &command).output().unwrap();
        if output.status.code() == Some(3) {
            assert!(output.stdout.is_empty());
            assert!(String::from_utf8(output.stderr).unwrap().contains("no trial left: 18 of 18"));
            break;
        }
        let line = String::from_utf8(output.stdout).unwrap();
        assert_eq!(line.lines().count(), 1);
        let trial: Value = serde_json::from_str(&line).unwrap();
        names.push(trial["name"].as_str().unwrap().to_owned());
        let weights = TableInput::open(&[path.join("w.npy")], None).unwrap().numbers("w").unwrap();
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let order = TableInput::open(&[path.join("d.npy")], None).unwrap().identifiers("d").unwrap();
        assert_eq!(order.len(), N);
        assert!(order.iter().all(|&i| weights[i as usize] > 0.0));
        let id = trial["trial"].to_string();
        says(path, &["observe", "s", &id, &score(&weights).to_string()]);
        numbers.push(id);
    }
    assert_eq!(numbers, (0..18).map(|i| i.to_string()).collect::<Vec<_>>());
    // Uniform sampling, then the simple rules, then the model.
    assert_eq!((names[0].as_str(), names[1].as_str()), ("uniform", "drop-10"));
    assert_eq!(names.iter().filter(|name| *name == "model").count(), 5);

    let best: Value = serde_json::from_str(&says(path, &["best", "s", "--json"])).unwrap();
    assert_eq!(best["uniform"]["trial"], 0);
    assert_eq!(best["chosen"], best["recommended"]["trial"]);
    assert!(best["gain"].as_f64().unwrap() > best["standard_error"].as_f64().unwrap());
    assert!(says(path, &["best", "s"]).contains("chosen is "));
    // With more caution than any gain passes, uniform sampling stays.
    let careful: Value =
        serde_json::from_str(&says(path, &["best", "s", "--json", "--caution", "1e9"])).unwrap();
    assert_eq!(careful["chosen"], 0);

    says(path, &["export", "s", "--out", "out"]);
    assert_eq!(file_names(&path.join("out")), ["rule.svg", "sampler.json", "summary.md", "weights.parquet"]);
    let exported = Weights::read_parquet(&path.join("out/weights.parquet")).unwrap();
    assert_eq!(exported.ids()[..2], [500, 501]);
    assert!(score(exported.probabilities()) > 0.9, "{}", score(exported.probabilities()));
    // The sampler file gives the same weights, by `apply` to the features of the study.
    let mut apply = swift_sampler(["apply", "out/sampler.json", "--features", "s/study-features.parquet"]);
    apply.current_dir(path).assert().success();
    let applied = Weights::read_parquet(&path.join("weights.parquet")).unwrap();
    for (a, b) in applied.probabilities().iter().zip(exported.probabilities()) {
        assert!((a - b).abs() < 1e-12);
    }
    assert!(says(path, &["status", "s"]).contains("18 of 18 trials: 18 with a score"));
    let status: Value = serde_json::from_str(&says(path, &["status", "s", "--json"])).unwrap();
    assert_eq!((&status["complete"], &status["trials"][0]["state"]), (&18.into(), &"complete".into()));
    // More trials of the same study; other settings are another one.
    says(path, &new_flags("19"));
    assert_eq!(says(path, &["suggest", "s"]), "18\n");
    assert_refused(
        study(path, &[&new_flags("19")[..], &["--seed", "1"]].concat()),
        &["seed: 0 there, 1 asked"],
    );
}

#[test]
fn the_first_outcome_counts() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("9"));
    assert_refused(study(path, &["best", "s"]), &["none was asked for"]);
    for expected in ["0\n", "1\n", "2\n"] {
        assert_eq!(says(path, &["suggest", "s"]), expected);
    }
    says(path, &["observe", "s", "0", "-0.25", "--standard-error", "0.1"]);
    let journal = fs::read(path.join("s/study.log")).unwrap();
    says(path, &["observe", "s", "0", "-0.25", "--standard-error", "0.1"]);
    assert_refused(
        study(path, &["observe", "s", "0", "0.5"]),
        &["trial 0 has an outcome already (score -0.25", "nothing was recorded"],
    );
    assert_refused(study(path, &["observe", "s", "9", "0.5"]), &["trial 9 is unknown"]);
    assert_refused(study(path, &["observe", "s", "1", "0.5", "--standard-error", "-1"]), &["not negative"]);
    study(path, &["observe", "s", "1"]).assert().failure();
    study(path, &["observe", "s", "1", "good"]).assert().failure();
    assert_eq!(fs::read(path.join("s/study.log")).unwrap(), journal);
    says(path, &["observe", "s", "1", "--failed", "out of memory"]);
    says(path, &["observe", "s", "2", "NaN"]);
    let status = says(path, &["status", "s"]);
    for words in
        ["1 with a score, 2 failed", "failed: out of memory", "failed: score is NaN", "score -0.25 +- 1"]
    {
        assert!(status.contains(words), "{words}: {status}");
    }
}

#[test]
fn trials_that_tell_their_examples_are_compared_in_pairs() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("4"));
    // Right or wrong on 100 examples: uniform sampling on the first 60, the next rule on 66 and one of them another.
    let tell = |id: &str, right: &dyn Fn(usize) -> bool, n: usize| {
        assert_eq!(says(path, &["suggest", "s", "--worker", "w"]), format!("{id}\n"));
        let lines: String = (0..n).map(|i| format!("{}\n", u8::from(right(i)))).collect();
        fs::write(path.join("e.csv"), format!("right\n{lines}")).unwrap();
        study(path, &["observe", "s", id, "--example-scores", "e.csv"])
    };
    let better = |i: usize| i < 67 && i != 5;
    tell("0", &|i| i < 60, 100).assert().success();
    assert_refused(
        tell("1", &better, 99),
        &["example scores beside those of trial 0", "expected 100", "found 99"],
    );
    tell("1", &better, 100).assert().success();
    let best = |caution: &str| -> Value {
        serde_json::from_str(&says(path, &["best", "s", "--json", "--caution", caution])).unwrap()
    };
    // Seven differences of +1 and one of -1 of 100: mean 0.06, variance (8 - 100 * 0.06^2) / 99 (by hand).
    let (gain, error) = (0.06, ((8.0_f64 - 0.36) / 99.0 / 100.0).sqrt());
    let found = best("2.1");
    assert!((found["gain"].as_f64().unwrap() - gain).abs() < 1e-7);
    assert!((found["standard_error"].as_f64().unwrap() - error).abs() < 1e-7);
    assert_eq!((&found["paired"], &found["chosen"]), (&true.into(), &1.into()));
    assert_eq!(found["recommended"]["observed"], 0.66);
    assert_eq!(best("2.2")["chosen"], 0);
    assert!(says(path, &["best", "s"]).contains("in pairs"));
    // A trial that told its score alone is compared by the model.
    assert_eq!(says(path, &["suggest", "s"]), "2\n");
    says(path, &["observe", "s", "2", "0.9"]);
    let found = best("1");
    assert_eq!((&found["recommended"]["trial"], &found["paired"]), (&2.into(), &false.into()));
}

#[test]
fn a_trial_of_a_dead_worker_is_given_to_another() {
    let folder = folder();
    let path = folder.path();
    create(path, 2);
    let minute = Duration::from_secs(60);
    let (a, b) = (open(path, "a"), open(path, "b"));
    let first = a.suggest(at(0), minute).unwrap().unwrap();
    assert_eq!((first.id, &first.history), (TrialId(0), &LeaseHistory::New));
    // While the lease lasts another worker gets another trial, and then none.
    assert_eq!(b.suggest(at(59), DAY).unwrap().unwrap().id, TrialId(1));
    assert!(open(path, "c").suggest(at(59), DAY).unwrap().is_none());
    assert_eq!(a.status(at(59)).unwrap().run_out, 0);
    assert_eq!(a.status(at(60)).unwrap().run_out, 1);
    // Its own trial goes to a worker that asks again: here to b, whose lease lasts.
    let renewed = b.suggest(at(60), DAY).unwrap().unwrap();
    assert_eq!((renewed.id, renewed.history), (TrialId(1), LeaseHistory::Renewed));
    let taken = open(path, "c").suggest(at(60), minute).unwrap().unwrap();
    assert_eq!((taken.id, taken.history), (TrialId(0), LeaseHistory::TakenOver("a".into())));
    assert_eq!(taken.weights, first.weights);
    // Once taken over it is not given a second time, and not to a again.
    assert!(open(path, "d").suggest(at(61), minute).unwrap().is_none());
    assert!(a.suggest(at(61), minute).unwrap().is_none());
    // Whoever is first to tell counts, also a, which was only slow.
    assert_eq!(a.observe(TrialId(0), Outcome::Score(0.5)).unwrap(), Observed::Recorded);
    assert_eq!(open(path, "c").observe(TrialId(0), Outcome::Score(0.5)).unwrap(), Observed::Repeated);
    let other = open(path, "c").observe(TrialId(0), Outcome::Score(0.75)).unwrap_err();
    assert!(matches!(other, Error::AlreadyObserved { id: 0, .. }), "{other}");
    // A trial that ended is never lent again.
    assert!(open(path, "e").suggest(at(100_000), minute).unwrap().is_none_or(|trial| trial.id == TrialId(1)));
}

#[test]
fn a_trial_whose_files_cannot_be_written_goes_to_the_next() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("4"));
    let suggest = |flags: &[&str]| study(path, &[&["suggest", "s"], flags].concat());
    assert_refused(suggest(&["--weights", "missing/w.npy"]), &["cannot write", "missing"]);
    assert_refused(suggest(&["--weights", "w.txt"]), &[".parquet or .npy"]);
    assert_refused(suggest(&["--draw", "d.txt"]), &["--format"]);
    assert_refused(suggest(&["--lease", "0"]), &["positive number of seconds"]);
    assert_eq!(says(path, &["suggest", "s", "--worker", "x"]), "0\n");
    assert_eq!(says(path, &["suggest", "s", "--worker", "x"]), "0\n");
    assert_eq!(says(path, &["suggest", "s", "--worker", "y", "--lease", "0.001"]), "1\n");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(says(path, &["suggest", "s", "--worker", "z"]), "1\n");
}

#[test]
fn workers_at_the_same_time_never_get_the_same_trial() {
    let folder = folder();
    let path = folder.path();
    create(path, 24);
    let worker = |name: String| {
        let mut ids = Vec::new();
        let study = open(path, &name);
        while let Some(trial) = study.suggest(at(0), DAY).unwrap() {
            ids.push(trial.id.0);
            let tau = trial.weights.probabilities();
            assert_eq!(study.observe(trial.id, Outcome::Score(score(&tau))).unwrap(), Observed::Recorded);
        }
        ids
    };
    let all: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|i| scope.spawn(move || worker(format!("w{i}")))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(all.len(), 24);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (0..24).collect());
}

#[test]
fn one_worker_gets_the_same_suggestions_however_often_it_is_restarted() {
    let trials = |restart: bool| {
        let folder = folder();
        let path = folder.path();
        create(path, 16);
        let mut study = open(path, "w");
        let mut all = Vec::new();
        while let Some(mut trial) = study.suggest(at(0), DAY).unwrap() {
            if restart {
                // Killed after it asked.
                study = open(path, "w");
                trial = study.suggest(at(5), DAY).unwrap().unwrap();
                assert_eq!(trial.history, LeaseHistory::Renewed);
            }
            study.observe(trial.id, Outcome::Score(score(&trial.weights.probabilities()))).unwrap();
            all.push((trial.name, trial.weights));
        }
        all
    };
    assert_eq!(trials(false), trials(true));
}

#[test]
fn folders_without_a_study_and_features_that_do_not_do() {
    let folder = folder();
    let path = folder.path();
    for command in ["suggest", "status", "best"] {
        assert_refused(study(path, &[command, "s"]), &["no study in", "study new"]);
    }
    assert_eq!(file_names(path), ["f.csv"]);
    assert_refused(study(path, &new_flags("0")), &["trials = 0", "at least 1"]);
    let without = ["new", "s", "--features", "f.csv", "--row-ids"];
    assert_refused(study(path, &without), &["f.csv", "no column `renormed_entropy`", "`entropy`"]);
    fs::write(path.join("l.csv"), "id,loss,renormed_entropy\n1,0.5,0.5\n2,1.5,0.25\n").unwrap();
    assert_refused(study(path, &["new", "s", "--features", "l.csv"]), &["l.csv", "no column `grad_norm`"]);
    assert_eq!(file_names(path), ["f.csv", "l.csv"]);
    // By rank no gradient is needed.
    says(path, &["new", "s", "--features", "l.csv", "--transform", "cdf"]);
    assert_eq!(says(path, &["suggest", "s"]), "0\n");
    says(path, &["observe", "s", "0", "1"]);
    says(path, &["export", "s", "--out", "out"]);
    // Features that were exchanged are found out.
    fs::copy(path.join("s/study-features.parquet"), path.join("kept.parquet")).unwrap();
    let other = ss_data::NumericTable {
        ids: vec![1, 2],
        columns: vec![("loss".into(), vec![0.5, 9.0]), ("renormed_entropy".into(), vec![0.5, 0.25])],
    };
    other.write_parquet(&path.join("s/study-features.parquet")).unwrap();
    assert_refused(study(path, &["suggest", "s"]), &["features.parquet", "digest", "restore that file"]);
    fs::copy(path.join("kept.parquet"), path.join("s/study-features.parquet")).unwrap();
    assert_eq!(says(path, &["suggest", "s"]), "1\n");
}
