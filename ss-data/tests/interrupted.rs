//! What a process that a signal ends leaves behind. Alone in its process, whose unfinished files it removes.

use ss_data::{Weights, WeightsWriter, remove_unfinished_files};

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
}
