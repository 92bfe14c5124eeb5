//! What a process that a signal ends leaves behind. Alone in its process, whose unfinished files it removes.

use std::thread;

use ss_data::{DatasetKind, Weights, WeightsWriter, load, remove_unfinished_files, write_image_folder};

#[test]
fn unfinished_files_go_and_finished_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let finished = folder.path().join("finished.npy");
    Weights::new(vec![0, 1], vec![0.5, 0.5]).unwrap().write(&finished).unwrap();
    let (mut writer, encoder) = WeightsWriter::create(&folder.path().join("weights.parquet"), 2).unwrap();
    writer.append(encoder.encode(vec![0], vec![0.5]).unwrap()).unwrap();
    assert_eq!(names().len(), 2, "{:?}", names());

    let mut last = false;
    remove_unfinished_files(|| last = true);
    assert!(last);
    assert_eq!(names(), ["finished.npy"]);
    // Nothing is left to remove, and nothing to complain of.
    drop(writer);
    remove_unfinished_files(|| ());
    assert_eq!(names(), ["finished.npy"]);

    // A folder goes while other threads fill it; they see an error, as it is not there any more.
    let digits = load(DatasetKind::Digits, None).unwrap();
    let classes: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
    let images = folder.path().join("images");
    thread::scope(|scope| {
        let written = scope.spawn(|| write_image_folder(&images, &digits, &classes, 1_797, 0));
        while names().len() == 1 && !written.is_finished() {
            thread::yield_now();
        }
        remove_unfinished_files(|| assert!(images.exists() || names() == ["finished.npy"], "{:?}", names()));
        assert_eq!(written.join().unwrap().is_ok(), images.exists());
    });
    // Written whole, it stays.
    write_image_folder(&images, &digits, &classes, 100, 0).unwrap();
    remove_unfinished_files(|| ());
    let mut left = names();
    left.sort();
    assert_eq!(left, ["finished.npy", "images"]);
}
