//! What the report says about a search, one file a (noise, seed) beside the journal: the cells hold numbers only.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ss_cli::artifact::{prepare_folder, write_text};
use ss_cli::report::SearchRecord;

/// The file: whose search it is, and the search.
#[derive(Serialize, Deserialize)]
struct File<T> {
    config: Value,
    noise: f64,
    seed: u64,
    search: T,
}

/// Keeps a search that was made under `config`, the settings of the table.
pub(super) fn write(out: &Path, config: &Value, noise: f64, seed: u64, search: &SearchRecord) -> Result<()> {
    let path = path(out, noise, seed);
    prepare_folder(&out.join("searches"))?;
    let text = serde_json::to_string(&File { config: config.clone(), noise, seed, search })?;
    Ok(write_text(&path, &(text + "\n"))?)
}

/// Reads a search back, or says in the middle of a sentence why there is none.
pub(super) fn read(
    out: &Path,
    config: &Value,
    noise: f64,
    seed: u64,
) -> std::result::Result<SearchRecord, String> {
    let path = path(out, noise, seed);
    let remedy = "to have it, choose another --out and compute the cell again";
    let text = std::fs::read_to_string(&path)
        .map_err(|reason| format!("{} cannot be read ({reason}); {remedy}", path.display()))?;
    let damaged = |reason: &dyn std::fmt::Display| format!("{}: {reason}; {remedy}", path.display());
    let file: File<Value> = serde_json::from_str(&text).map_err(|reason| damaged(&reason))?;
    if &file.config != config || file.noise != noise || file.seed != seed {
        return Err(damaged(&"a search with other settings"));
    }
    SearchRecord::from_value(file.search).map_err(|reason| damaged(&reason))
}

/// `searches/noise40-seed0.json`: the rate in percent.
fn path(out: &Path, noise: f64, seed: u64) -> PathBuf {
    let percent = (1e6 * noise).round() / 1e4;
    out.join("searches").join(format!("noise{percent}-seed{seed}.json"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_named_by_rate_and_seed() {
        for (noise, name) in
            [(0.4, "noise40-seed0.json"), (0.07, "noise7-seed0.json"), (0.125, "noise12.5-seed0.json")]
        {
            assert_eq!(path(Path::new(""), noise, 0), Path::new("searches").join(name));
        }
    }

    #[test]
    fn a_file_that_is_absent_foreign_or_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let config = json!({"trials": 3});
        let reason = read(out, &config, 0.4, 0).unwrap_err();
        assert!(reason.contains("noise40-seed0.json cannot be read"), "{reason}");
        std::fs::create_dir(out.join("searches")).unwrap();
        let put = |text: &str| std::fs::write(path(out, 0.4, 0), text).unwrap();
        put("{");
        assert!(read(out, &config, 0.4, 0).is_err());
        let file = |config: &Value| json!({"config": config, "noise": 0.4, "seed": 0, "search": {"format_version": 9}});
        put(&file(&json!({"trials": 4})).to_string());
        let reason = read(out, &config, 0.4, 0).unwrap_err();
        assert!(reason.contains("other settings"), "{reason}");
        put(&file(&config).to_string());
        let reason = read(out, &config, 0.4, 0).unwrap_err();
        assert!(reason.contains("format version"), "{reason}");
    }
}
