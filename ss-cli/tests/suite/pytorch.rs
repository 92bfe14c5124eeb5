//! The example `examples/pytorch`: the whole method around a PyTorch training, where there is a PyTorch.

use std::path::Path;
use std::process::Command;

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

#[test]
fn the_pytorch_example_trains_around_wrong_labels() {
    let Some(python) = python() else { return };
    let folder = tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pytorch/train.py");
    let run = || {
        let mut command = Command::new(&python);
        command.arg(&script).args(["--synthetic", "--train", "800", "--validation", "400", "--epochs", "12"]);
        command.args(["--reference-epoch", "2", "--start-epoch", "8", "--trials", "14", "--batch", "32"]);
        command.arg("--swift-sampler").arg(env!("CARGO_BIN_EXE_swift-sampler"));
        let output = command.arg("--out").arg(folder.path()).env("OMP_NUM_THREADS", "1").output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let result = run();
    let number = |key: &str| result[key].as_f64().unwrap();
    assert_eq!(number("noise"), 0.4);
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
