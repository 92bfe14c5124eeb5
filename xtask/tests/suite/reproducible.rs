//! The same seed gives the same cells, however the work is spread.

use tempfile::tempdir;

use crate::run::{smoke, timeless_cells, timeless_markdown};

#[test]
fn threads_and_jobs_do_not_change_a_cell() {
    let mut outcomes = Vec::new();
    for (threads, jobs) in [("1", "1"), ("2", "1"), ("2", "2"), ("1", "2")] {
        let folder = tempdir().unwrap();
        smoke(folder.path(), ["--seeds", "2", "--jobs", jobs])
            .env("RAYON_NUM_THREADS", threads)
            .assert()
            .success();
        let path = folder.path();
        outcomes.push((threads, jobs, timeless_cells(path), timeless_markdown(path)));
    }
    let (_, _, cells, markdown) = &outcomes[0];
    assert_eq!(cells.len(), 2 * 2 * 3);
    for (threads, jobs, other, text) in &outcomes[1..] {
        assert_eq!(other, cells, "{threads} threads, {jobs} jobs");
        assert!(text == markdown);
    }
    // Seeds do change the cells, so the comparison above says something.
    let of_seed = |seed: u64| cells.iter().filter(move |c| c["seed"] == seed).map(|c| &c["top1_last"]);
    assert!(!of_seed(0).eq(of_seed(1)));
}
