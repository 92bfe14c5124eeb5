//! A journal that several processes append to: whole lines, one writer at a time, kills survived.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use ss_data::JournalFile;
use tempfile::tempdir;

use crate::fixtures::assert_says;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

fn lock_of(journal: &Path) -> PathBuf {
    PathBuf::from(format!("{}.lock", journal.display()))
}

fn append(journal: &JournalFile, lines: &[&str]) {
    journal.lock().unwrap().append(lines).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn lines_are_appended_whole_and_the_lock_goes_away() {
    let folder = tempdir().unwrap();
    let journal = JournalFile::new(folder.path().join("study.log"));
    assert_eq!(journal.peek().unwrap(), None);
    assert_eq!(names(folder.path()), [""; 0], "looking creates nothing");
    append(&journal, &[]);
    append(&journal, &["{\"a\":1}", "{\"b\":\"é\"}"]);
    append(&journal, &["{}"]);
    let text = "{\"a\":1}\n{\"b\":\"é\"}\n{}\n";
    assert_eq!(journal.lock().unwrap().read().unwrap(), text);
    assert_eq!(journal.peek().unwrap().as_deref(), Some(text));
    assert_eq!(names(folder.path()), ["study.log"]);
}

#[test]
fn what_a_kill_left_of_a_line_is_cut_off_by_the_next_write_only() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    let journal = JournalFile::new(&path);
    for torn in ["{\"op", "{\"name\":\"\u{e9}", "{"] {
        let mut bytes = format!("{{\"a\":1}}\n{torn}").into_bytes();
        // In the middle of a character, too.
        bytes.truncate(bytes.len() - usize::from(torn.ends_with('\u{e9}')));
        fs::write(&path, &bytes).unwrap();
        assert_eq!(journal.lock().unwrap().read().unwrap(), "{\"a\":1}\n");
        append(&journal, &[]);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        append(&journal, &["{\"b\":2}"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\":2}\n");
    }
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    let journal = JournalFile::new(&path);
    fs::write(&path, "Dear reader").unwrap();
    assert_says(journal.lock().unwrap().append(["{}"]), &["letter.txt", "JSON lines", "Dear reader"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "Dear reader");
    fs::write(&path, b"ab\xff\n").unwrap();
    assert_says(journal.lock().unwrap().read(), &["letter.txt", "UTF-8", "at 2"]);
    assert_says(journal.peek(), &["letter.txt", "UTF-8"]);
    assert_says(journal.lock().unwrap().append(["{}"]), &["letter.txt", "UTF-8"]);
    assert_eq!(fs::read(&path).unwrap(), b"ab\xff\n");
    let missing = JournalFile::new(folder.path().join("none/study.log"));
    assert_says(missing.lock().map(drop), &["none/study.log", "check that the path exists"]);
}

#[test]
fn a_panic_releases_the_lock() {
    let folder = tempdir().unwrap();
    let journal = JournalFile::new(folder.path().join("study.log"));
    let outcome = std::panic::catch_unwind(|| {
        let _locked = journal.lock().unwrap();
        panic!("bug between lock and append");
    });
    assert!(outcome.is_err());
    assert_eq!(names(folder.path()), ["study.log"]);
}

#[test]
fn a_lock_that_is_not_given_up_ends_in_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    let journal = JournalFile::new(&path).with_patience(LONG, SHORT);
    let held = journal.lock().unwrap();
    assert_says(journal.lock().map(drop), &["waited 0.1 s", "study.log.lock", "remove that file"]);
    drop(held);
    journal.lock().unwrap();
}

/// Locks of all kinds that a killed process may leave: a link as we and Optuna make it, one of Optuna's with a
/// path relative to some other folder, a file.
#[test]
fn the_lock_of_a_dead_process_is_removed_after_the_grace_period() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    let lock = lock_of(&path);
    let leave: &[&dyn Fn()] = &[
        #[cfg(unix)]
        &|| std::os::unix::fs::symlink(&path, &lock).unwrap(),
        #[cfg(unix)]
        &|| std::os::unix::fs::symlink("runs/study.log", &lock).unwrap(),
        &|| fs::write(&lock, "").unwrap(),
    ];
    for leave in leave {
        leave();
        let clock = Instant::now();
        append(&JournalFile::new(&path).with_patience(2 * SHORT, LONG), &["{}"]);
        assert!(clock.elapsed() >= 2 * SHORT);
        assert_eq!(names(folder.path()), ["study.log"]);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n{}\n{}\n");
}

#[test]
fn a_lock_whose_owner_is_at_work_is_respected() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    let journal = JournalFile::new(&path).with_patience(8 * SHORT, LONG);
    let mut held = journal.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| append(&journal, &["{\"second\":true}"]));
        let clock = Instant::now();
        while clock.elapsed() < 12 * SHORT {
            std::thread::sleep(SHORT / 4);
            held.append(["{}"]).unwrap();
        }
        drop(held);
        waiting.join().unwrap();
    });
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("{}\n{\"second\":true}\n"), "{text}");
}

#[test]
fn an_owner_that_lost_its_lock_writes_nothing() {
    let folder = tempdir().unwrap();
    let journal = JournalFile::new(folder.path().join("study.log")).with_patience(SHORT, LONG);
    let mut asleep = journal.lock().unwrap();
    let mut other = journal.lock().unwrap();
    assert_says(asleep.append(["{\"late\":true}"]), &["study.log.lock", "nothing was written", "run again"]);
    drop(asleep);
    // The late owner has not taken the lock with it.
    other.append(["{}"]).unwrap();
    drop(other);
    assert_eq!(journal.peek().unwrap().as_deref(), Some("{}\n"));
    assert_eq!(names(folder.path()), ["study.log"]);
}

/// Threads that count in the journal: what each appends depends on all that was appended before. One of them
/// finds an abandoned lock, as all the others do.
#[test]
fn writers_take_turns() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("study.log");
    fs::write(lock_of(&path), "").unwrap();
    // Longer than a busy disk needs to sync a line.
    let journal = JournalFile::new(&path).with_patience(15 * SHORT, LONG);
    let (threads, each) = (4, 40);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let mut locked = journal.lock().unwrap();
                    let count = locked.read().unwrap().lines().count();
                    locked.append([format!("{{\"line\":{count}}}")]).unwrap();
                }
            });
        }
        // Whoever looks without the lock sees whole lines, and no fewer than before.
        let mut seen = 0;
        while seen < threads * each {
            let text = journal.peek().unwrap().unwrap_or_default();
            assert!(text.lines().count() >= seen);
            seen = text.lines().count();
        }
    });
    let expected: String = (0..threads * each).map(|i| format!("{{\"line\":{i}}}\n")).collect();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(names(folder.path()), ["study.log"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However a file of lines is cut, what is whole stays, and what is appended follows it.
    #[test]
    fn any_cut_leaves_the_whole_lines(lines in prop::collection::vec("[a-z\u{e9}]{0,8}", 1..6), cut in 0.0..1.0_f64) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("study.log");
        let journal = JournalFile::new(&path);
        let lines: Vec<String> = lines.iter().map(|text| format!("{{\"{text}\":0}}")).collect();
        journal.lock().unwrap().append(&lines).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate((cut * bytes.len() as f64) as usize);
        fs::write(&path, &bytes).unwrap();
        let whole = bytes.iter().filter(|&&b| b == b'\n').count();
        journal.lock().unwrap().append(["{}"]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let found: Vec<&str> = text.lines().collect();
        prop_assert_eq!(&found[..whole], &lines[..whole]);
        prop_assert_eq!(&found[whole..], ["{}"]);
    }
}
