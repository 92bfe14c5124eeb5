//! Whether the people of a list of pairs are others than those of class folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::class_folders::class_folders;
use crate::error::{Error, Result};
use crate::image_pairs::{parse, read_list};

/// People that a message names.
const NAMED: usize = 3;

/// Refuses a list of pairs, as [`load_image_pairs`](crate::load_image_pairs) reads it, that shows people who are among the folders of
/// `people`, as [`load_class_folders`](crate::load_class_folders) reads them: who was trained on is told apart better than strangers are,
/// which is what a list is to measure. Names and places decide, no image is decoded.
///
/// A person of the list is the first folder of a path below those that all its paths share: that of LFW (`NAME/NAME_0001.jpg`) and of
/// YTF (`NAME/VIDEO/FRAME.jpg`). The person is known where a folder of `people` has that name, and where the image itself lies in a folder
/// of `people`.
///
/// # Errors
/// [`Error::Corrupt`] with the number of such people and the first three of them, each with a line; those of reading the list and the
/// folders.
pub fn check_other_people(list: &Path, root: &Path, people: &Path) -> Result<()> {
    let folders = class_folders(people)?;
    let names: BTreeSet<&OsStr> = folders.iter().filter_map(|folder| folder.file_name()).collect();
    let places: HashMap<PathBuf, &OsStr> = folders
        .iter()
        .filter_map(|folder| Some((folder.canonicalize().ok()?, folder.file_name()?)))
        .collect();
    // Of a folder that is not there the loading says so.
    let place = |folder: PathBuf| {
        folder.canonicalize().ok()?.ancestors().find_map(|outer| places.get(outer).copied())
    };
    let text = read_list(list)?;
    let parsed = parse(list, &text)?;
    let listed: Vec<Vec<&OsStr>> = parsed.paths.iter().map(|path| folders_of(path)).collect();
    let shared = shared_folders(&listed);
    let mut known: BTreeMap<&OsStr, usize> = BTreeMap::new();
    let mut places_of_folders: HashMap<PathBuf, Option<&OsStr>> = HashMap::new();
    for ((path, folders), &line) in parsed.paths.iter().zip(&listed).zip(&parsed.lines) {
        let named = folders.get(shared).and_then(|name| names.get(name).copied());
        let person = named.or_else(|| {
            let folder = root.join(path).parent()?.to_path_buf();
            *places_of_folders.entry(folder.clone()).or_insert_with(|| place(folder))
        });
        if let Some(person) = person {
            known.entry(person).or_insert(line);
        }
    }
    if known.is_empty() {
        return Ok(());
    }
    let mut first: Vec<(usize, &OsStr)> = known.iter().map(|(&person, &line)| (line, person)).collect();
    first.sort_unstable();
    let named: Vec<String> = first
        .iter()
        .take(NAMED)
        .map(|(line, person)| format!("{} (line {line})", person.to_string_lossy()))
        .collect();
    Err(Error::Corrupt {
        path: list.to_path_buf(),
        expected: format!("pairs of other people than those of {}", people.display()),
        found: format!(
            "{} who {} there too: {}{}",
            known.len(),
            if known.len() == 1 { "is" } else { "are" },
            named.join(", "),
            if known.len() > NAMED { ", ..." } else { "" }
        ),
        remedy: "take them out of the list or out of the folders; rename a folder where one name is that of two people",
    })
}

/// The folders that a path names, outermost first.
fn folders_of(path: &str) -> Vec<&OsStr> {
    let mut parts: Vec<&OsStr> = Path::new(path)
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    // The file.
    parts.pop();
    parts
}

/// The number of outermost folders that all paths share. None of them is a person: a list shows at least two.
fn shared_folders(listed: &[Vec<&OsStr>]) -> usize {
    let Some(first) = listed.first() else { return 0 };
    let shared = |depth: usize| listed.iter().all(|folders| folders.get(depth) == first.get(depth));
    (0..first.len()).take_while(|&depth| shared(depth)).count()
}
