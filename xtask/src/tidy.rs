//! Rules of the source tree that no lint knows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// No source file is longer.
const MOST_LINES: usize = 600;
/// File names that say nothing.
const BANNED_STEMS: [&str; 4] = ["utils", "util", "helpers", "common"];

/// Prints every violation; fails when there is one.
pub(crate) fn run() -> Result<()> {
    let found = violations(&root())?;
    if found.is_empty() {
        println!("tidy: every rule holds");
        return Ok(());
    }
    bail!("{} violations:\n{}", found.len(), found.join("\n"))
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

fn violations(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for required in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"]
    {
        if !root.join(required).is_file() {
            found.push(format!("{required}: missing"));
        }
    }
    let mut folders = Vec::new();
    for place in [root.to_owned(), root.join("examples")].into_iter().filter(|place| place.is_dir()) {
        for entry in fs::read_dir(&place).with_context(|| format!("reading {}", place.display()))? {
            folders.push(entry?.path());
        }
    }
    for folder in folders {
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = fs::read_to_string(&manifest)?;
        for rule in ["license.workspace = true", "[lints]\nworkspace = true"] {
            if !text.contains(rule) {
                found.push(format!("{}: lacks `{}`", manifest.display(), rule.replace('\n', " ")));
            }
        }
        let mut files = Vec::new();
        for part in ["src", "tests", "benches", "examples"] {
            collect(&folder.join(part), &mut files)?;
        }
        for file in files {
            check(&file, &mut found)?;
        }
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn check(file: &Path, found: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let lines = text.lines().count();
    let name = file.display();
    if lines > MOST_LINES {
        found.push(format!("{name}: {lines} lines, at most {MOST_LINES}: one concept a file"));
    }
    if !text.starts_with("//!") {
        found.push(format!("{name}: does not begin with a module header (`//!`)"));
    }
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if BANNED_STEMS.contains(&stem) {
        found.push(format!("{name}: name the file after the concept that it holds"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let found = violations(&root()).unwrap();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn violations_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("utils.rs");
        fs::write(&file, "fn f() {}\n".repeat(MOST_LINES + 1)).unwrap();
        let mut found = Vec::new();
        check(&file, &mut found).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(violations(folder.path()).unwrap().iter().any(|v| v.contains("README.md")));
    }
}
