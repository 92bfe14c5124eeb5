//! A search that is killed goes on from its journal, to the very files of one that was not.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ss_bo::journal::{FinalState, JournalRecord, NewTrial, Operation, Study, replay};
use ss_bo::{Event, Outcome};
use tempfile::tempdir;

use crate::command::{assert_refused, file_names, swift_sampler};
use crate::optuna::python;
use crate::search::FILES;

/// Twelve trials, looked at and stopped on the way: a search of half a second.
const SEARCH: [&str; 17] = [
    "search",
    "-q",
    "--prune",
    "--dataset",
    "digits",
    "--noise",
    "0.4",
    "--epochs",
    "4",
    "--trials",
    "12",
    "--network",
    "resnet8-4-8-8",
    "--val-size",
    "100",
    "--train-size",
    "400",
];

const PARAMETERS: [&str; 10] =
    ["c_loss", "c_renormed_entropy", "e_1", "e_2", "e_3", "v_0", "v_1", "v_2", "v_3", "v_4"];

/// The arguments of [`SEARCH`] with other values for some flags, and more flags.
fn with(flags: &[&str]) -> Vec<String> {
    let mut args = SEARCH.map(str::to_owned).to_vec();
    for flag in flags.chunks(2) {
        match args.iter().position(|arg| arg == flag[0]) {
            Some(at) => args[at + 1] = flag[1].to_owned(),
            None => args.extend(flag.iter().map(|part| (*part).to_owned())),
        }
    }
    args
}

fn search(out: &Path, flags: &[&str]) -> assert_cmd::Command {
    let mut command = swift_sampler(with(flags));
    command.arg("--out").arg(out);
    command
}

fn results(out: &Path) -> [Vec<u8>; 5] {
    FILES.map(|name| fs::read(out.join(name)).unwrap())
}

fn journal(out: &Path) -> String {
    fs::read_to_string(out.join("study.log")).unwrap()
}

fn study(out: &Path) -> Study {
    replay(&journal(out), "swift-sampler", &PARAMETERS.map(str::to_owned)).unwrap()
}

/// All that a search does is the same: its results, its trials and their scores along the way.
#[track_caller]
fn assert_same(out: &Path, whole: &Path) {
    assert!(results(out) == results(whole), "the results differ");
    let (found, expected) = (study(out), study(whole));
    assert_eq!(found.events, expected.events);
    assert_eq!(found.intermediates, expected.intermediates);
    let names = file_names(out);
    assert_eq!(names.len(), FILES.len() + 2, "left behind: {names:?}");
}

fn outcomes(study: &Study) -> impl Iterator<Item = &Outcome> {
    study.events.iter().filter_map(|event| match event {
        Event::Told(_, outcome) => Some(outcome),
        Event::Asked(_) => None,
    })
}

/// Cuts the journal of a finished search at many places, as kills would have.
#[test]
fn a_journal_cut_anywhere_is_continued() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    search(&whole, &[]).assert().success();
    let text = journal(&whole);
    let record = study(&whole);
    assert_eq!(record.journal_ids.len(), 12);
    assert!(outcomes(&record).any(|o| matches!(o, Outcome::Pruned { .. })), "some trial is stopped");
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    // Two lines of the study; then three a trial: it begins, is looked at, ends.
    assert_eq!(ends.len(), 2 + 3 * 12);
    // In the study's lines; after the beginning, the look and the end of a trial, and in the middle of each.
    let cuts = [0, 30, ends[0], ends[0] + 50, ends[1], ends[2], ends[3], ends[4], ends[20], ends[20] + 9]
        .into_iter()
        .chain([ends[30], ends[30] + 70, ends[31], ends[31] + 1, ends[36] + 11, ends[36]]);
    for cut in cuts {
        drop(fs::remove_dir_all(&out));
        fs::create_dir(&out).unwrap();
        fs::write(out.join("study.log"), &text[..cut]).unwrap();
        search(&out, &[]).assert().success();
        assert_same(&out, &whole);
        let ends = text[..cut].rfind('\n').map_or(0, |at| at + 1);
        assert!(journal(&out).starts_with(&text[..ends]), "what was recorded before the kill stays");
    }
}

/// The real thing: `kill -9` again and again, whatever the search is at.
#[test]
fn a_search_killed_at_any_moment_is_continued() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    // Slower than the other searches, so that kills hit the middle of a trial.
    let flags = ["--trial-epochs", "3"];
    search(&whole, &flags).assert().success();
    let mut kills = 0;
    for lines in [0, 3, 6, 11, 20] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_swift-sampler"))
            .args(with(&flags))
            .arg("--out")
            .arg(&out)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let clock = Instant::now();
        let reached =
            || fs::read_to_string(out.join("study.log")).map_or(0, |text| text.lines().count()) >= lines;
        while !reached() && child.try_wait().unwrap().is_none() && clock.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
        assert!(!out.join("sampler.json").exists(), "killed in the middle");
        // A kill under the lock leaves it; waiting for its grace period is tested elsewhere.
        drop(fs::remove_file(out.join("study.log.lock")));
    }
    assert_eq!(kills, 5);
    search(&out, &flags).assert().success();
    assert_same(&out, &whole);
}

#[test]
fn a_finished_search_adds_no_trial_and_a_larger_one_goes_on() {
    let folder = tempdir().unwrap();
    let (out, whole) = (folder.path().join("out"), folder.path().join("whole"));
    search(&out, &["--trials", "5"]).assert().success();
    let (first, text) = (results(&out), journal(&out));
    search(&out, &["--trials", "5"]).assert().success();
    assert_eq!(journal(&out), text);
    assert!(results(&out) == first);
    // Fewer trials than there are: all that is known is used.
    search(&out, &["--trials", "2"]).assert().success();
    assert_eq!(journal(&out), text);
    assert!(results(&out) == first);
    search(&out, &[]).assert().success();
    search(&whole, &[]).assert().success();
    assert_same(&out, &whole);
}

#[test]
fn a_search_that_has_converged_stays_so() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    // Twenty trials are the least, and then any expectation is small enough.
    let trials = ["--trials", "60", "--stop-when-converged", "--converged-below=1e6"];
    search(&out, &trials).assert().success();
    let (first, text) = (results(&out), journal(&out));
    assert_eq!(outcomes(&study(&out)).filter(|o| matches!(o, Outcome::Score(_))).count(), 20);
    let count = study(&out).journal_ids.len();
    assert!(count < 60);
    search(&out, &trials).assert().success();
    assert_eq!(journal(&out), text);
    assert!(results(&out) == first);
    // It may still be continued, also by a search that does not ask whether it has.
    search(&out, &["--trials", &(count + 1).to_string()]).assert().success();
    assert!(journal(&out).starts_with(&text));
    assert_eq!(study(&out).journal_ids.len(), count + 1);
}

#[test]
fn other_settings_are_refused_by_name_before_any_work() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    search(&out, &["--trials", "2"]).assert().success();
    let before = (results(&out), journal(&out));
    for (flags, parts) in [
        (["--seed", "3"], ["seed: 0 there, 3 asked for", "study.log"]),
        (["--noise", "0.2"], ["noise: 0.4 there, 0.2 asked for", "remove that file"]),
        (["--epochs", "900"], ["recipe.train.epochs: 4 there, 900 asked for", "choose another folder"]),
        (["--trial-epochs", "2"], ["recipe.trial_epochs: 1.0 there, 2.0 asked for", "`swift-sampler`"]),
        (["--prune-after", "0.25"], ["recipe.prune_after: 0.5 there, 0.25 asked for", "settings"]),
        (["--score", "accuracy"], ["recipe.score: \"calibrated\" there, \"accuracy\" asked for", "settings"]),
        (["--val-labels", "clean"], ["validation_labels: \"noisy\" there, \"clean\" asked for", "settings"]),
        (["--transform", "cdf"], ["spec.transform: \"cgf\" there, \"cdf\" asked for", "settings"]),
    ] {
        let mut command = search(&out, &flags);
        command.timeout(Duration::from_secs(20));
        assert_refused(command, &parts);
    }
    fs::write(out.join("study.log"), "notes of mine\n").unwrap();
    assert_refused(search(&out, &[]), &["study.log", "line 1", "not a valid operation"]);
    assert_eq!(journal(&out), "notes of mine\n");
    fs::write(out.join("study.log"), &before.1).unwrap();
    assert!((results(&out), journal(&out)) == before);

    let lock = ss_cli::artifact::lock_folder(&out).unwrap();
    assert_refused(search(&out, &[]), &["another run is using this folder", "choose another folder"]);
    drop(lock);
}

/// Another program adds trials of its own: finished ones count, and the search is not confused.
#[test]
fn trials_of_another_program_count() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    search(&out, &["--trials", "3"]).assert().success();
    let text = journal(&out);
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let foreign = |result| {
        let trial = NewTrial {
            start: Some("2024-02-29T12:00:00.000000+00:00".into()),
            parameters: PARAMETERS.map(|name| (name.to_owned(), 0.3)).into(),
            result,
            ..NewTrial::default()
        };
        JournalRecord::new("another program", Operation::CreateTrial(trial)).encode() + "\n"
    };
    // Far better than anything, and run again here where it is to be compared; and one that is not finished.
    let added = foreign(Some((FinalState::Complete, Some(9.0)))) + &foreign(None);
    fs::write(out.join("study.log"), format!("{text}{added}")).unwrap();
    search(&out, &["--trials", "7"]).assert().success();
    let record = study(&out);
    assert_eq!(record.journal_ids.len(), 7);
    assert_eq!(record.workers.iter().filter(|worker| *worker == "another program").count(), 2);
    assert_eq!(outcomes(&record).count(), 6, "the other program's unfinished trial is left to it");

    // Uniform sampling, to which all are compared, has to come first.
    fs::write(out.join("study.log"), format!("{}{}", &text[..ends[1]], foreign(None))).unwrap();
    let parts = ["study.log", "not uniform sampling", "remove that file"];
    assert_refused(search(&out, &["--trials", "2"]), &parts);
}

const OPTUNA: &str = r#"
import sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="swift-sampler", storage=storage)
print(repr(study.best_value), study.direction.name, study.user_attrs["settings"]["dataset"])
for t in study.trials:
    print(t.state.name, repr(t.value), *(f"{s}:{v!r}" for s, v in t.intermediate_values.items()))
"#;

#[test]
fn optuna_opens_the_journal_of_a_search() {
    let Some(python) = python() else { return };
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    search(&out, &[]).assert().success();
    let output = Command::new(python).args(["-c", OPTUNA]).arg(out.join("study.log")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen = String::from_utf8(output.stdout).unwrap();
    let mut lines = seen.lines();
    let head: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let record = study(&out);
    let scores = outcomes(&record).filter_map(|outcome| match outcome {
        Outcome::Score(score) => Some(*score),
        _ => None,
    });
    assert_eq!(head[0].parse::<f64>().unwrap(), scores.fold(f64::NEG_INFINITY, f64::max));
    assert_eq!(head[1..], ["MAXIMIZE", "digits"]);
    for (outcome, scores) in outcomes(&record).zip(&record.intermediates) {
        let (state, score) = match outcome {
            Outcome::Score(score) => ("COMPLETE", score),
            Outcome::Pruned { score } => ("PRUNED", score),
            other => panic!("{other:?}"),
        };
        let words: Vec<&str> = lines.next().unwrap().split(' ').collect();
        assert_eq!((words[0], words[1].parse::<f64>().unwrap()), (state, *score));
        let (step, value) = words[2].split_once(':').unwrap();
        let seen = (step.parse::<u64>().unwrap(), value.parse::<f64>().unwrap());
        assert_eq!(*scores, [seen].into());
    }
    assert_eq!(lines.next(), None);
}
