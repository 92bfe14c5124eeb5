//! Peak memory of a process, where the system tells.

use std::fmt::Display;

/// The largest resident memory so far, in MiB, of a process: its number, or `self`.
pub(super) fn peak_rss_mib(process: impl Display) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
