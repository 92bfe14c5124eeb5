//! The files that a task leaves in its folder.

use std::path::Path;

use anyhow::Result;
use ss_cli::artifact::write_text;

/// Writes each (name, content) into `folder`, each whole or not at all, in this order; returns the paths, for a reader.
pub(crate) fn write<const N: usize>(folder: &Path, files: [(&str, String); N]) -> Result<String> {
    let mut paths = Vec::with_capacity(N);
    for (name, content) in files {
        let path = folder.join(name);
        write_text(&path, &content)?;
        paths.push(path.display().to_string());
    }
    Ok(paths.join(", "))
}
