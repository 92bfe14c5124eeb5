//! One line of the result: a measurement of ours beside one of a peer.

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Our side of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Name of the case.
    pub(crate) case: String,
    /// Rows (or draws) that were worked on.
    pub(crate) rows: u64,
    /// Wall time, the fastest repetition.
    pub(crate) seconds: f64,
    /// Largest resident memory of the process that measured, input included; `None` where the system does not tell.
    pub(crate) peak_rss_mib: Option<f64>,
    /// What else is to be said, such as the outcome of a test.
    pub(crate) note: Option<String>,
}

/// The other side: who, and how long for how many rows; or why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peer {
    /// Name and version, and what it ran.
    pub(crate) peer: String,
    /// Rows that the peer worked on: fewer than ours where it would need very long.
    pub(crate) rows: u64,
    /// Wall time, the fastest repetition; `None` with a reason.
    pub(crate) seconds: Option<f64>,
    /// Why there is no time.
    pub(crate) reason: Option<String>,
}

/// A measurement beside a peer's, as printed with `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) rows: u64,
    pub(crate) seconds: f64,
    pub(crate) rows_per_second: f64,
    pub(crate) peak_rss_mib: Option<f64>,
    /// Whom we are compared with; says so where it worked on fewer rows or refused.
    pub(crate) peer: Option<String>,
    pub(crate) peer_seconds: Option<f64>,
    /// Time of the peer over ours, for equally many rows: above 1 we are faster.
    pub(crate) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) note: Option<String>,
}

impl Row {
    pub(crate) fn new(ours: &Measured, peer: Option<&Peer>) -> Self {
        let per_row = ours.seconds / ours.rows as f64;
        let text = |peer: &Peer| {
            let mut text = peer.peer.clone();
            if peer.rows != ours.rows {
                text += &format!(", {} rows", peer.rows);
            }
            match &peer.reason {
                Some(reason) => text + ": " + reason,
                None => text,
            }
        };
        let peer_seconds = peer.and_then(|peer| peer.seconds);
        Self {
            case: ours.case.clone(),
            rows: ours.rows,
            seconds: ours.seconds,
            rows_per_second: 1.0 / per_row,
            peak_rss_mib: ours.peak_rss_mib,
            peer: peer.map(text),
            peer_seconds,
            ratio: peer.zip(peer_seconds).map(|(peer, seconds)| seconds / peer.rows as f64 / per_row),
            note: ours.note.clone(),
        }
    }
}

pub(super) const HEADER: &str =
    "case                       rows    seconds     rows/s   peak MiB   peer s    ratio  peer";

/// The row as a line of the table, or as JSON.
pub(super) fn line(row: &Row, json: bool) -> Result<String> {
    if json {
        return Ok(serde_json::to_string(row)?);
    }
    let optional = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => "-".to_owned(),
    };
    let mut line = format!(
        "{:<20} {:>10.1e} {:>10.3} {:>10.2e} {:>10} {:>8} {:>8}  {}",
        row.case,
        row.rows as f64,
        row.seconds,
        row.rows_per_second,
        optional(row.peak_rss_mib, 0),
        optional(row.peer_seconds, 2),
        optional(row.ratio, 2),
        row.peer.as_deref().unwrap_or("not measured"),
    );
    if let Some(note) = &row.note {
        line += &format!("\n{:<20} {note}", "");
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_for_equally_many_rows() {
        let ours =
            Measured { case: "weights".into(), rows: 1000, seconds: 2.0, peak_rss_mib: None, note: None };
        let mut peer = Peer { peer: "NumPy".into(), rows: 1000, seconds: Some(30.0), reason: None };
        assert_eq!(Row::new(&ours, Some(&peer)).ratio, Some(15.0));
        peer.rows = 100;
        let row = Row::new(&ours, Some(&peer));
        assert_eq!((row.ratio, row.peer.as_deref()), (Some(150.0), Some("NumPy, 100 rows")));
        peer = Peer { peer: "torch".into(), rows: 1000, seconds: None, reason: Some("refuses".into()) };
        let row = Row::new(&ours, Some(&peer));
        assert_eq!((row.ratio, row.peer.as_deref()), (None, Some("torch: refuses")));
        assert_eq!(Row::new(&ours, None).peer, None);
        assert_eq!(row.rows_per_second, 500.0);
    }
}
