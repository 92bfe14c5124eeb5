//! The binary as a command, and what a refusal must look like.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use tempfile::TempDir;

/// `swift-sampler` with these arguments.
pub(crate) fn swift_sampler<I: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("swift-sampler");
    command.args(args);
    command
}

/// `search` of a few seconds with the flags of `more`, which writes to `out`.
pub(crate) fn search(out: &Path, more: &[&str]) -> Command {
    let mut command = swift_sampler(["search", "-q", "--epochs", "2", "--trials", "2"]);
    command.args(["--network", "resnet8-4-4-8", "--train-size", "60", "--val-size", "30"]);
    command.args(more).arg("--out").arg(out);
    command
}

/// `apply` with these files.
pub(crate) fn apply(sampler: &Path, features: &Path, out: &Path) -> Command {
    let mut command = swift_sampler(["apply"]);
    command.arg(sampler).arg("--features").arg(features).arg("--out").arg(out);
    command
}

/// Checks a refusal: exit code 2, each of `parts` on standard error, no panic, and no report of success.
#[track_caller]
pub(crate) fn assert_refused(mut command: Command, parts: &[&str]) {
    let mut assert = command
        .assert()
        .code(2)
        .stdout(predicate::str::is_empty())
        .stderr(predicate::str::starts_with("error: "))
        .stderr(predicate::str::contains("panicked").not());
    for part in parts {
        assert = assert.stderr(predicate::str::contains(*part));
    }
}

/// A folder for results that a refused command must leave without any file.
pub(crate) struct Out(TempDir);

impl Out {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The folder, which does not exist yet.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Checks that nothing was written: no result, no temporary file.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        let files = file_names(&self.path());
        assert!(files.is_empty(), "left behind: {files:?}");
    }
}

/// The names of all files in a folder, hidden ones included, in order; none for a folder that is missing.
pub(crate) fn file_names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
