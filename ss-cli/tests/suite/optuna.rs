//! A Python that has Optuna, for tests against the real thing.

use std::process::Command;

/// The Python to use: `SS_BO_PYTHON`, or `python3`. `None`, with a printed reason, when it lacks Optuna.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("SS_BO_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import optuna"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    println!("skipped: `{python}` cannot import optuna (set SS_BO_PYTHON to one that can)");
    None
}
