//! Our optimisers beside those of other programs: regret and time as ratios.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::bo::Row;

/// Reads rows as `benches/peers/bo_peers.py` prints them: JSON, one object a line.
pub(super) fn read(path: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let row = |(i, line)| serde_json::from_str(line).with_context(|| format!("{}:{}", path.display(), i + 1));
    let rows: Vec<Row> = text.lines().enumerate().map(row).collect::<Result<_>>()?;
    if rows.is_empty() {
        bail!("{}: no rows; redirect the output of benches/peers/bo_peers.py to it", path.display());
    }
    Ok(rows)
}

/// A table of median regrets, a line for each problem and budget of each of our methods that a peer has run,
/// and a summary. A ratio of 1 or less means that we are no worse than the better of the peers.
pub(super) fn table(ours: &[Row], peers: &[Row]) -> String {
    let mut names: Vec<&str> = peers.iter().map(|row| row.method.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = format!("{:<19} {:<9} {:>6} {:>14}", "problem", "method", "budget", "median regret");
    for name in &names {
        let _ = write!(out, " {name:>14}");
    }
    out += "   regret ratio   time ratio   seeds\n";
    // Per method: lines, lines that are no worse than the best peer, the largest ratio.
    let mut summary: Vec<(&str, usize, usize, f64)> = Vec::new();
    for row in ours {
        let same = |name: &&str| {
            peers.iter().find(|p| p.method == **name && p.problem == row.problem && p.budget == row.budget)
        };
        let found: Vec<Option<&Row>> = names.iter().map(same).collect();
        let least = |value: fn(&Row) -> f64| found.iter().flatten().map(|p| value(p)).reduce(f64::min);
        let (Some(regret), Some(ms)) = (least(|p| p.median_regret), least(|p| p.suggest_ms)) else {
            continue;
        };
        let ratio = if row.median_regret == regret { 1.0 } else { row.median_regret / regret };
        let _ = write!(
            out,
            "{:<19} {:<9} {:>6} {:>14.4e}",
            row.problem, row.method, row.budget, row.median_regret
        );
        for peer in &found {
            match peer {
                Some(peer) => _ = write!(out, " {:>14.4e}", peer.median_regret),
                None => out += &format!(" {:>14}", "-"),
            }
        }
        // Medians over different numbers of seeds are not equally certain.
        let seeds: Vec<String> = found.iter().flatten().map(|peer| peer.seeds.to_string()).collect();
        let (time, seeds) = (row.suggest_ms / ms, seeds.join("/"));
        let _ = writeln!(out, " {ratio:>14.3} {time:>12.3}   {}/{seeds}", row.seeds);
        let at = summary.iter().position(|(name, ..)| *name == row.method).unwrap_or_else(|| {
            summary.push((&row.method, 0, 0, 0.0));
            summary.len() - 1
        });
        let (_, lines, ahead, worst) = &mut summary[at];
        *lines += 1;
        *ahead += usize::from(ratio <= 1.0);
        *worst = worst.max(ratio);
    }
    if summary.is_empty() {
        out += "no problem and budget that both sides have run\n";
    }
    for (method, lines, ahead, worst) in summary {
        let _ = writeln!(
            out,
            "{method}: no worse than the best peer on {ahead} of {lines} lines; largest ratio {worst:.3}"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, budget: usize, median_regret: f64, suggest_ms: f64) -> Row {
        let (problem, q25, q75) = ("branin2".to_owned(), 0.0, 0.0);
        Row { problem, method: method.to_owned(), budget, seeds: 1, median_regret, q25, q75, suggest_ms }
    }

    #[test]
    fn ratios_are_to_the_better_peer() {
        let peers = [row("a", 40, 2.0, 100.0), row("b", 40, 4.0, 50.0), row("a", 80, 1.0, 100.0)];
        let table =
            table(&[row("bo", 40, 1.0, 5.0), row("bo", 80, 3.0, 5.0), row("bo", 99, 3.0, 5.0)], &peers);
        let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(
            lines[1],
            ["branin2", "bo", "40", "1.0000e0", "2.0000e0", "4.0000e0", "0.500", "0.100", "1/1/1"]
        );
        assert_eq!(lines[2], ["branin2", "bo", "80", "3.0000e0", "1.0000e0", "-", "3.000", "0.050", "1/1"]);
        assert_eq!(
            lines[3].join(" "),
            "bo: no worse than the best peer on 1 of 2 lines; largest ratio 3.000"
        );
    }
}
