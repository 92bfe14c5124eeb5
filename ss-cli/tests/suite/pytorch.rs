//! The example `examples/pytorch`: the whole method around a PyTorch training, where there is a PyTorch.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::tempdir;

/// A Python that has torch and NumPy: `SS_PYTHON`, or `python3`. `None`, with a printed reason, when it has not.
fn python() -> Option<String> {
    let python = std::env::var("SS_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import torch, numpy"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    println!("skipped: `{python}` cannot import torch and numpy (set SS_PYTHON to one that can)");
    None
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pytorch/train.py")
}

/// What is appended to start the script, or a program that imports it: a small training that writes to `out`.
fn small(command: &mut Command, out: &Path) {
    command.args(["--synthetic", "--train", "800", "--validation", "400", "--epochs", "12"]);
    command.args(["--reference-epoch", "2", "--start-epoch", "8", "--batch", "32"]);
    command.arg("--swift-sampler").arg(env!("CARGO_BIN_EXE_swift-sampler"));
    command.arg("--out").arg(out).env("OMP_NUM_THREADS", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
}

/// The result that a process of the script prints.
#[track_caller]
fn result(process: Child) -> Value {
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a process of the script says when it refuses.
#[track_caller]
fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_pytorch_example_trains_around_wrong_labels() {
    let Some(python) = python() else { return };
    let folder = tempdir().unwrap();
    let run = || {
        let mut command = Command::new(&python);
        small(command.arg(script()).args(["--trials", "14"]), folder.path());
        result(command.spawn().unwrap())
    };
    let result = run();
    let number = |key: &str| result[key].as_f64().unwrap();
    assert_eq!(number("noise"), 0.4);
    assert_eq!((&result["dataset"], &result["kept"]), (&"synthetic".into(), &true.into()));
    // A rule was found that avoids wrong labels, and the model trained under it is better.
    assert_ne!(result["chosen"], "uniform", "{result}");
    assert!(number("wrong_labels_drawn") < 0.3, "{result}");
    let gain = number("swift_sampler_test_accuracy") - number("baseline_test_accuracy");
    assert!(gain > 0.03, "{result}");
    // The study is complete: a second run adds nothing to it and ends as the first.
    let journal = std::fs::read(folder.path().join("study/study.log")).unwrap();
    assert_eq!(run(), result);
    let again = std::fs::read(folder.path().join("study/study.log")).unwrap();
    assert!(
        again.starts_with(&journal)
            && !String::from_utf8_lossy(&again[journal.len()..]).contains("\"op_code\":4")
    );
}

#[test]
fn the_pytorch_example_shares_its_trials_and_keeps_to_its_settings() {
    let Some(python) = python() else { return };
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    let mut absent = Command::new(&python);
    absent.arg(script()).args(["--data-dir", "absent", "--out"]).arg(&out);
    let error = refusal(absent);
    assert!(error.contains("absent: no train-images-idx3-ubyte") && error.contains("--synthetic"), "{error}");
    assert!(!out.exists());

    // Neither may make all of them, however late the other starts.
    let spawn = |most: &str| {
        let mut command = Command::new(&python);
        small(command.arg(script()).args(["--trials", "5", "--max-trials", most]), &out);
        command.spawn().unwrap()
    };
    let (a, b) = (spawn("3"), spawn("2"));
    assert_eq!(result(a), result(b));
    let mut status = Command::new(env!("CARGO_BIN_EXE_swift-sampler"));
    let status = status.args(["study", "status", "--json"]).arg(out.join("study")).output().unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let trials = status["trials"].as_array().unwrap();
    assert_eq!((trials.len(), &status["complete"]), (5, &5.into()));
    let first = trials.iter().filter(|trial| trial["worker"] == trials[0]["worker"]).count();
    assert!(matches!(first, 2 | 3), "trials that the worker of the first one made: {first} in {status}");

    // A model that does not prove itself on validation data gives way to the baseline.
    let program = "import train; train.paired_gain = lambda rule, uniform: (0.01, 0.02); train.main()";
    let mut doubtful = Command::new(&python);
    small(doubtful.args(["-c", program, "--trials", "5"]), &out);
    let doubtful = doubtful.env("PYTHONPATH", script().parent().unwrap()).env("PYTHONDONTWRITEBYTECODE", "1");
    let found = result(doubtful.spawn().unwrap());
    assert_eq!((&found["kept"], &found["gain_on_validation"]), (&false.into(), &0.01.into()));
    assert_eq!(found["swift_sampler_test_accuracy"], found["baseline_test_accuracy"]);
    assert_eq!(found["wrong_labels_drawn"], found["noise"]);

    let before = std::fs::read(out.join("study/study.log")).unwrap();
    let mut other = Command::new(&python);
    small(other.arg(script()).args(["--trials", "5", "--rate", "0.2"]), &out);
    let error = refusal(other);
    assert!(error.contains("rate: 0.1 there, 0.2 asked for") && error.contains("another --out"), "{error}");
    assert_eq!(std::fs::read(out.join("study/study.log")).unwrap(), before);
}

#[test]
fn the_pytorch_example_pairs_validation_examples() {
    let Some(python) = python() else { return };
    // Seven differences of +1 and one of -1 of 100: mean 0.06, variance (8 - 100 * 0.06^2) / 99 (by hand).
    let program = "import torch, train\n\
        rule = torch.tensor([1.0] * 7 + [0.0] + [1.0] * 92); uniform = torch.tensor([0.0] * 7 + [1.0] * 93)\n\
        print(*train.paired_gain(rule.double(), uniform.double()))";
    let mut command = Command::new(&python);
    command.args(["-c", program]).env("PYTHONPATH", script().parent().unwrap());
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let expected = [0.06, ((8.0_f64 - 0.36) / 99.0 / 100.0).sqrt()];
    assert!(numbers.len() == 2 && numbers.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{text}");
}

/// The script of a training over processes, by these weights, into `out`.
fn distributed(python: &str, folder: &Path, weights: &[&str], out: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(script().with_file_name("distributed.py")).current_dir(folder);
    command.arg("--swift-sampler").arg(env!("CARGO_BIN_EXE_swift-sampler"));
    command.arg("--weights").args(weights).args(["--out", out]).env("OMP_NUM_THREADS", "1");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What each of two processes that train together prints: the examples that it trained on, and its network.
fn together(python: &str, folder: &Path, out: &str, flags: &[&str]) -> Vec<Value> {
    // The file by which they find each other serves once.
    let init = tempfile::Builder::new().prefix("store-").tempdir_in(folder).unwrap();
    let spawn = |rank: u32| {
        let mut command = distributed(python, folder, &["first.npy", "later.npy"], out);
        command.args(flags).arg("--init").arg(format!("file://{}", init.path().join("store").display()));
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", "2").spawn().unwrap()
    };
    [0, 1].map(spawn).map(result).into()
}

#[test]
fn processes_share_epochs_of_changing_weights_and_go_on_within_one() {
    let Some(python) = python() else { return };
    let folder = tempdir().unwrap();
    let ids: Vec<u64> = (0..1000).collect();
    // Later epochs do not draw every third example.
    let later = ids.iter().map(|id| [0.0, 0.25, 0.75][*id as usize % 3]).collect();
    for (name, weights) in [("first.npy", vec![1.0; 1000]), ("later.npy", later)] {
        ss_data::Weights::new(ids.clone(), weights).unwrap().write(&folder.path().join(name)).unwrap();
    }
    let whole = together(&python, folder.path(), "whole", &[]);
    assert_eq!(whole[0]["parameters"], whole[1]["parameters"]);
    let examples = |process: &Value, epoch: u64| -> Vec<u64> {
        let batches = process["trained"].as_array().unwrap().iter();
        let of_epoch = batches.filter(|batch| batch[0] == epoch);
        of_epoch
            .flat_map(|batch| batch.as_array().unwrap()[1..].iter().map(|id| id.as_u64().unwrap()))
            .collect()
    };
    let mut first: Vec<u64> = whole.iter().flat_map(|process| examples(process, 0)).collect();
    first.sort_unstable();
    assert_eq!(first, ids);
    for epoch in [1, 2] {
        let drawn: Vec<u64> = whole.iter().flat_map(|process| examples(process, epoch)).collect();
        assert!(drawn.len() == 1000 && drawn.iter().all(|id| id % 3 != 0), "{drawn:?}");
    }
    assert_ne!(examples(&whole[0], 1), examples(&whole[0], 2));

    // Stopped at the end of an epoch (16 steps of up to 32), behind it, and within one.
    for stop in ["16", "17", "23"] {
        let begun = together(&python, folder.path(), stop, &["--stop-after", stop]);
        let ended = together(&python, folder.path(), stop, &[]);
        for ((begun, ended), whole) in begun.iter().zip(&ended).zip(&whole) {
            assert_eq!(ended["parameters"], whole["parameters"], "stopped after {stop}");
            let trained = [begun, ended].map(|process| process["trained"].as_array().unwrap().clone());
            assert_eq!(trained.concat(), *whole["trained"].as_array().unwrap());
        }
    }

    // The rest of the epoch by one process: each draw once.
    let begun = together(&python, folder.path(), "fewer", &["--stop-after", "5"]);
    let mut alone = distributed(&python, folder.path(), &["first.npy"], "fewer");
    let rest = result(alone.args(["--epochs", "1"]).spawn().unwrap());
    let mut all: Vec<u64> = begun.iter().chain([&rest]).flat_map(|process| examples(process, 0)).collect();
    assert_eq!(begun.iter().map(|process| examples(process, 0).len()).sum::<usize>(), 2 * 5 * 32);
    all.sort_unstable();
    assert_eq!(all, ids);

    // Other weights within an epoch: the order would be another.
    together(&python, folder.path(), "other", &["--stop-after", "3"]);
    let error = refusal(distributed(&python, folder.path(), &["later.npy"], "other"));
    assert!(error.contains("this plan has the fingerprint"), "{error}");
}
