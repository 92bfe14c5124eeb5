//! The same cases in NumPy and PyTorch: `benches/peers/scale_peers.py`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::case::Case;
use super::row::Peer;

/// Runs the peers of a case; both sides do the same steps, on the same number of threads where they use several.
pub(super) fn measure(python: &str, case: Case, rows: usize, reps: usize) -> Result<Vec<Peer>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers/scale_peers.py");
    let flags = [
        ("--case", case.name()),
        ("--examples", case.examples(rows).to_string()),
        ("--draws", case.draws(rows).to_string()),
        ("--reps", reps.to_string()),
        ("--threads", rayon::current_num_threads().to_string()),
    ];
    let mut command = Command::new(python);
    command.arg(&script);
    for (flag, value) in flags {
        command.args([flag, &value]);
    }
    let output = command.output().with_context(|| format!("running {python} (--python)"))?;
    if !output.status.success() {
        bail!(
            "{} with {python}: {}; it needs NumPy and PyTorch",
            script.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("reading `{line}`"));
    text.lines().map(parse).collect()
}
