//! `study`: what its folder keeps of what users and trainers give, and what it leaves alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use ss_bo::TrialId;
use ss_cli::artifact::lock_folder;
use ss_data::{NumericTable, TableInput};

use crate::command::{assert_refused, file_names};
use crate::external_study::{create, folder, new_flags, open, says, study};

/// A file with 1 for each of `n` examples that is `right`, 0 for others.
fn scores(path: &Path, n: usize, right: impl Fn(usize) -> bool) -> &'static str {
    let lines: String = (0..n).map(|i| format!("{}\n", u8::from(right(i)))).collect();
    fs::write(path.join("e.csv"), format!("right\n{lines}")).unwrap();
    "e.csv"
}

fn best(path: &Path) -> Value {
    serde_json::from_str(&says(path, &["best", "s", "--json"])).unwrap()
}

#[test]
fn scores_are_read_as_python_prints_them() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("5"));
    for (id, score) in ["-1.5e-05", "-inf", "nan", "1e+16"].iter().enumerate() {
        let id = id.to_string();
        assert_eq!(says(path, &["suggest", "s"]).trim(), id);
        says(path, &["observe", "s", &id, score]);
    }
    assert_eq!(says(path, &["suggest", "s"]), "4\n");
    for error in ["-1.5e-05", "-inf", "nan"] {
        assert_refused(
            study(path, &["observe", "s", "4", "1", "--standard-error", error]),
            &["not negative"],
        );
    }
    says(path, &["observe", "s", "4", "-2.5e-05", "--standard-error", "1e-05"]);
    let status = says(path, &["status", "s"]);
    for words in ["score -0.000015", "failed: score is -inf", "failed: score is NaN", "+- 1.000e-5"] {
        assert!(status.contains(words), "{words}: {status}");
    }
    // A flag is still a flag, and no score.
    study(path, &["observe", "s", "4", "--bogus"]).assert().failure();
    says(path, &["observe", "--help"]);
}

#[test]
fn example_scores_of_a_study_that_was_deleted_do_not_count() {
    let folder = folder();
    let path = folder.path();
    let tell = |id: &str, how: &[&str]| {
        assert_eq!(says(path, &["suggest", "s"]).trim(), id);
        says(path, &[&["observe", "s", id], how].concat());
    };
    says(path, &new_flags("2"));
    tell("0", &["--example-scores", scores(path, 100, |i| i < 90)]);
    tell("1", &["--example-scores", scores(path, 100, |i| i < 60)]);
    assert_eq!(best(path)["chosen"], 0);
    fs::remove_file(path.join("s/study.log")).unwrap();
    says(path, &new_flags("2"));
    tell("0", &["0.1"]);
    tell("1", &["0.9"]);
    let found = best(path);
    assert_eq!((&found["recommended"]["trial"], &found["paired"]), (&1.into(), &false.into()));
    // Nor do they say how many there are to be.
    fs::remove_file(path.join("s/study.log")).unwrap();
    says(path, &new_flags("2"));
    tell("0", &["--example-scores", scores(path, 50, |i| i < 20)]);
    tell("1", &["--example-scores", scores(path, 50, |i| i < 40)]);
    let found = best(path);
    assert_eq!((&found["paired"], &found["chosen"], &found["gain"]), (&true.into(), &1.into(), &0.4.into()));
    assert_refused(
        study(path, &[&new_flags("2")[..], &["--seed", "1"]].concat()),
        &["other settings", "choose another folder or remove that file"],
    );
}

#[test]
fn all_trials_tell_as_many_example_scores() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("3"));
    for expected in ["0\n", "1\n", "2\n"] {
        assert_eq!(says(path, &["suggest", "s"]), expected);
    }
    // Uniform sampling tells its score alone.
    says(path, &["observe", "s", "0", "0.5"]);
    says(path, &["observe", "s", "1", "--example-scores", scores(path, 100, |i| i < 60)]);
    let journal = fs::read(path.join("s/study.log")).unwrap();
    assert_refused(
        study(path, &["observe", "s", "2", "--example-scores", scores(path, 99, |i| i < 60)]),
        &["example scores beside those of trial 1", "expected 100", "found 99"],
    );
    assert_eq!(fs::read(path.join("s/study.log")).unwrap(), journal);
    says(path, &["observe", "s", "2", "--example-scores", scores(path, 100, |i| i > 30)]);
}

#[test]
fn the_example_scores_told_first_are_kept_and_bad_ones_are_not_recorded() {
    let folder = folder();
    let path = folder.path();
    create(path, 2);
    let s = open(path, "w");
    let (now, day) = (Duration::from_secs(1_700_000_000), Duration::from_secs(86_400));
    for worker in ["a", "b"] {
        open(path, worker).suggest(now, day).unwrap().unwrap();
    }
    let [uniform, rule] = [TrialId(0), TrialId(1)];
    let journal = fs::read(path.join("study/study.log")).unwrap();
    for bad in [1e39, f64::NAN, f64::NEG_INFINITY] {
        let error = s.observe_examples(uniform, &[0.0, bad]).unwrap_err().to_string();
        assert!(error.contains("row 1") && error.contains("float32"), "{error}");
    }
    assert_eq!(fs::read(path.join("study/study.log")).unwrap(), journal);
    s.observe_examples(uniform, &[0.0, 1.0, 0.0, 0.0]).unwrap();
    s.observe_examples(rule, &[1.0, 1.0, 0.0, 0.0]).unwrap();
    let kept = fs::read(path.join("study/example-scores/1.parquet")).unwrap();
    // The same mean, of other examples.
    let error = s.observe_examples(rule, &[0.0, 0.0, 1.0, 1.0]).unwrap_err().to_string();
    assert!(
        error.contains("trial 1 has an outcome already") && error.contains("other example scores"),
        "{error}"
    );
    assert_eq!(fs::read(path.join("study/example-scores/1.parquet")).unwrap(), kept);
    // A process that was killed between its record and its file repeats itself.
    fs::remove_file(path.join("study/example-scores/1.parquet")).unwrap();
    s.observe_examples(rule, &[1.0, 1.0, 0.0, 0.0]).unwrap();
    assert_eq!(fs::read(path.join("study/example-scores/1.parquet")).unwrap(), kept);
}

#[test]
fn a_trial_that_cannot_be_drawn_fails_and_does_not_block_the_study() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("3"));
    let draw = |flags: &[&str]| study(path, &[&["suggest", "s", "--draw", "d.npy"], flags].concat());
    let without = |count| ["--mode", "without-replacement", "--count", count];
    // What no trial can be drawn by is said before one is taken.
    assert_refused(draw(&without("81")), &["81"]);
    assert_refused(draw(&["--count", "0"]), &["epoch plan"]);
    assert_refused(draw(&["--rank", "2", "--world", "2"]), &["rank"]);
    assert_refused(draw(&["--resume-from", "81"]), &["--resume-from 81"]);
    assert_refused(study(path, &["suggest", "s", "--draw", "-", "--format", "raw"]), &["give a file"]);
    assert!(says(path, &["status", "s"]).starts_with("0 of 3"));
    draw(&without("75")).assert().success();
    says(path, &["observe", "s", "0", "0.5"]);
    // The simple rules that come next leave out 8 and 16 examples of 80.
    let output = draw(&without("75")).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let status = says(path, &["status", "s"]);
    assert!(status.starts_with("3 of 3 trials: 1 with a score, 2 failed"), "{status}");
    assert!(status.contains("failed: cannot be drawn: "), "{status}");
}

#[test]
fn the_features_given_are_left_alone() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("s")).unwrap();
    let own = path.join("s/features.parquet");
    let csv = TableInput::open(&[path.join("f.csv")], None).unwrap();
    let column = |name: &str| csv.numbers(name).unwrap().iter().map(|&v| v as f32).collect::<Vec<_>>();
    let columns =
        [("loss", "loss"), ("renormed_entropy", "entropy"), ("grad_norm", "grad_norm"), ("margin", "loss")];
    let columns = columns.map(|(name, from)| (name.to_owned(), column(from))).to_vec();
    NumericTable { ids: csv.identifiers("key").unwrap(), columns }.write_parquet(&own).unwrap();
    let before = fs::read(&own).unwrap();
    says(path, &["new", "s", "--features", "s/features.parquet"]);
    assert_eq!(fs::read(&own).unwrap(), before);
    assert_eq!(says(path, &["suggest", "s"]), "0\n");
}

#[test]
fn of_two_that_make_a_study_at_once_one_waits() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("s")).unwrap();
    // The other one, between its check and its record.
    let lock = lock_folder(&path.join("s")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_swift-sampler"));
    command.arg("study").args(new_flags("3")).current_dir(path).stdout(Stdio::piped());
    let mut second = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(second.try_wait().unwrap().is_none(), "it did not wait");
    assert_eq!(file_names(&path.join("s")), [""; 0]);
    drop(lock);
    assert!(second.wait().unwrap().success());
    assert_eq!(file_names(&path.join("s")), ["study-features.parquet", "study.log"]);
}

#[test]
fn the_files_of_a_study_are_not_written_over() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("3"));
    let before = fs::read(path.join("s/study-features.parquet")).unwrap();
    let suggest = |flags: &[&str], parts: &[&str]| {
        assert_refused(study(path, &[&["suggest", "s"], flags].concat()), parts);
    };
    suggest(&["--weights", "s/../s/study-features.parquet"], &["--weights", "is read as well"]);
    suggest(&["--draw", "s/study.log", "--format", "raw"], &["--draw", "is read as well"]);
    suggest(&["--weights", "w.npy", "--draw", "./w.npy"], &["name one file"]);
    assert_eq!(fs::read(path.join("s/study-features.parquet")).unwrap(), before);
    // No trial was lent for them.
    assert_eq!(says(path, &["suggest", "s"]), "0\n");
}

#[test]
fn flags_that_would_be_ignored_are_refused() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("3"));
    let refused = |args: &[&str], parts: &[&str]| assert_refused(study(path, args), parts);
    refused(&["suggest", "s", "--weights", "w.npy", "--rank", "9", "--world", "2"], &["--draw"]);
    refused(&["suggest", "s", "--count", "5"], &["--draw"]);
    says(path, &["suggest", "s"]);
    let scores = scores(path, 4, |i| i > 1);
    let error = ["--standard-error", "0.1"];
    refused(
        &[&["observe", "s", "0", "--example-scores", scores], &error[..]].concat(),
        &["--standard-error"],
    );
    refused(&[&["observe", "s", "0", "--failed", "memory"], &error[..]].concat(), &["--standard-error"]);
    refused(&["observe", "s", "1", "0.5"], &["trial 1 is unknown", "1 trials"]);
    says(path, &[&["observe", "s", "0", "0.5"], &error[..]].concat());
}

#[test]
fn a_study_is_shown_without_its_lock() {
    let folder = folder();
    let path = folder.path();
    says(path, &new_flags("3"));
    says(path, &["suggest", "s"]);
    says(path, &["observe", "s", "0", "0.5"]);
    let before = fs::read(path.join("s/study.log")).unwrap();
    // Another process holds it, and will for longer than this test waits.
    let lock = path.join("s/study.log.lock");
    fs::write(&lock, "").unwrap();
    for show in ["status", "best"] {
        let shown = study(path, &[show, "s"]).timeout(Duration::from_secs(20)).assert().success();
        shown.stdout(predicates::str::contains("score 0.5"));
    }
    assert!(lock.exists());
    assert_eq!(fs::read(path.join("s/study.log")).unwrap(), before);
}
