//! Files appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ss_data::write_atomically;
use tempfile::tempdir;

use crate::fixtures::assert_says;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn replaces_and_leaves_nothing_else() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("table1.json");
    for text in ["first", "second and longer", "3"] {
        write_atomically(&path, |out| out.write_all(text.as_bytes())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(names(folder.path()), ["table1.json"]);
    }
}

#[test]
fn the_old_file_survives_a_failure() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sampler.json");
    fs::write(&path, "old").unwrap();
    let failed = write_atomically(&path, |out| {
        out.write_all(&[b'x'; 100_000])?;
        Err(io::Error::other("disk on fire"))
    });
    assert_says(failed, &["cannot write", "sampler.json", "disk on fire"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["sampler.json"]);
}

#[test]
fn a_panic_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.json");
    let outcome = std::panic::catch_unwind(|| write_atomically(&path, |_| panic!("bug in the writer")));
    assert!(outcome.is_err());
    assert!(names(folder.path()).is_empty());
}

#[test]
fn readers_never_see_half_a_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("big");
    let write = |byte: u8| write_atomically(&path, |out| out.write_all(&vec![byte; 300_000])).unwrap();
    write(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..30).for_each(write));
        while !writer.is_finished() {
            let seen = fs::read(&path).unwrap();
            assert!(seen.len() == 300_000 && seen.iter().all(|&b| b == seen[0]));
        }
    });
}

#[test]
fn bad_places_are_named() {
    let folder = tempdir().unwrap();
    let missing = folder.path().join("none").join("x.json");
    assert_says(write_atomically(&missing, |_| Ok(())), &["cannot write", "none/x.json", "check that"]);
    // A folder where the file should be.
    assert_says(write_atomically(folder.path(), |_| Ok(())), &["cannot write"]);
}

#[cfg(unix)]
#[test]
fn permissions_are_those_of_an_ordinary_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    fs::write(folder.path().join("ordinary"), "x").unwrap();
    write_atomically(&folder.path().join("atomic"), |out| out.write_all(b"x")).unwrap();
    assert_eq!(mode("atomic"), mode("ordinary"));
}
