//! What lies at a path: told by its content, not by its name.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use ss_data::TableFormat;

use crate::{Error, Result};

/// Bytes of a file that are looked at; the first line of a journal is shorter.
const START: u64 = 1 << 16;

/// Something that can be inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A `sampler.json`.
    Sampler(PathBuf),
    /// The journal of a study.
    Study(PathBuf),
    /// A table with weights.
    Weights(PathBuf, TableFormat),
}

impl Subject {
    /// Tells what lies at `path`: of a folder its `study.log`, else its `sampler.json`, else its `weights.parquet`; a
    /// file by how it begins.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Unrecognised`] when it is none of these.
    pub fn recognise(path: &Path) -> Result<Self> {
        let file = |reason| Error::File { path: path.to_owned(), reason };
        if std::fs::metadata(path).map_err(file)?.is_dir() {
            let inside = ["study.log", "sampler.json", "weights.parquet"].map(|name| path.join(name));
            return match inside.iter().find(|inside| inside.is_file()) {
                Some(inside) => Self::recognise(inside),
                None => {
                    Err(unrecognised(path, "a folder without study.log, sampler.json or weights.parquet"))
                }
            };
        }
        let mut start = Vec::new();
        let mut reader = BufReader::new(File::open(path).map_err(file)?).take(START);
        reader.read_until(b'\n', &mut start).map_err(file)?;
        let table = |format| Ok(Self::Weights(path.to_owned(), format));
        if start.starts_with(b"PAR1") {
            return table(TableFormat::Parquet);
        }
        if start.starts_with(b"\x93NUMPY") {
            return table(TableFormat::Npy);
        }
        if start.starts_with(b"PK\x03\x04") {
            return table(TableFormat::Npz);
        }
        let Ok(line) = std::str::from_utf8(&start) else {
            return Err(unrecognised(path, "neither text nor Parquet, NPY or NPZ"));
        };
        match line.trim() {
            "" => Err(unrecognised(path, "nothing on its first line")),
            line if line.starts_with('{') => match serde_json::from_str::<Value>(line) {
                Ok(record) if record.get("op_code").is_some() => Ok(Self::Study(path.to_owned())),
                _ => Ok(Self::Sampler(path.to_owned())),
            },
            // A line of column names.
            line if line.chars().all(|c| !c.is_control() || c == '\t') && path_says_csv(path, line) => {
                table(TableFormat::Csv)
            }
            _ => Err(unrecognised(path, "text that is neither JSON nor a table")),
        }
    }
}

/// Text has no mark of its own: commas between names, or one name in a file called so, make a table.
fn path_says_csv(path: &Path, line: &str) -> bool {
    line.contains(',') || TableFormat::of_name(path) == Some(TableFormat::Csv)
}

fn unrecognised(path: &Path, found: &'static str) -> Error {
    Error::Unrecognised { path: path.to_owned(), found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anything.png");
        for (bytes, expected) in [
            (&b"PAR1..."[..], Some(Subject::Weights(path.clone(), TableFormat::Parquet))),
            (b"\x93NUMPY\x01", Some(Subject::Weights(path.clone(), TableFormat::Npy))),
            (b"PK\x03\x04", Some(Subject::Weights(path.clone(), TableFormat::Npz))),
            (b"id,weight\n1,2\n", Some(Subject::Weights(path.clone(), TableFormat::Csv))),
            (b"{\"op_code\": 0, \"worker_id\": \"a\"}\n{", Some(Subject::Study(path.clone()))),
            (b"{\"format_version\":1}", Some(Subject::Sampler(path.clone()))),
            (b"{\n  \"format_version\": 1\n}", Some(Subject::Sampler(path.clone()))),
            (b"# A heading\n", None),
            (b"\x89PNG\r\n\x1a\n", None),
            (b"", None),
        ] {
            std::fs::write(&path, bytes).unwrap();
            match (Subject::recognise(&path), expected) {
                (Ok(found), Some(expected)) => assert_eq!(found, expected),
                (Err(Error::Unrecognised { .. }), None) => {}
                (found, expected) => panic!("{found:?} for {expected:?}"),
            }
        }
        let error = Subject::recognise(folder.path()).unwrap_err().to_string();
        assert!(error.contains("without study.log"), "{error}");
        std::fs::rename(&path, folder.path().join("sampler.json")).unwrap();
        std::fs::write(folder.path().join("sampler.json"), "{}").unwrap();
        assert_eq!(
            Subject::recognise(folder.path()).unwrap(),
            Subject::Sampler(folder.path().join("sampler.json"))
        );
    }
}
