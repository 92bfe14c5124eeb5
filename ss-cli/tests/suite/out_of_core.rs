//! Datasets in shards: `apply --refit`, and the same by processes that each count some files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array};
use predicates::prelude::*;
use ss_cli::Error;
use ss_cli::artifact::read_sampler;
use ss_cli::scoring::{Ids, passes, weights};
use ss_data::{NumericTableWriter, Shards, TableInput, Weights};
use ss_sampler::{RankedFeatures, Sampler, SamplerParams, SamplerSpec, SketchPlan};
use ss_seed::Seed;
use tempfile::{TempDir, tempdir};

use crate::command::{assert_refused, file_names, swift_sampler};
use crate::fixtures::{floats, ids, parquet};

const COLUMNS: [&str; 3] = ["loss", "renormed_entropy", "grad_norm"];

/// Writes the paper's spec with a rule, fitted on rows of another scale.
fn write_cgf_sampler(path: &Path, coefficients: [f64; 2]) {
    let spec = SamplerSpec::paper();
    let knots = vec![0.25, 0.5, 0.75];
    let params =
        SamplerParams::new(&spec, coefficients.to_vec(), knots, vec![0.5, 1.0, 0.75, 0.25, 0.0]).unwrap();
    let sampler =
        Sampler::fit(spec, &params, &[&[700.0, 900.0], &[4.0, 3.0]], &[1.0, 1.0], BTreeMap::new()).unwrap();
    fs::write(path, sampler.to_json().unwrap()).unwrap();
}

/// Columns of `n` rows: a skewed loss, an entropy that is mostly tied, a gradient that grows with the loss.
fn columns(n: usize) -> [Vec<f32>; 3] {
    let unit = |name: &str, i: usize| Seed::new(3).stream(name).index(i as u64).unit();
    let loss: Vec<f32> = (0..n).map(|i| -(1.0 - unit("loss", i)).ln() as f32).collect();
    let entropy = (0..n).map(|i| (3.0 * unit("entropy", i) - 1.0).max(0.0) as f32).collect();
    let norm = (0..n).map(|i| loss[i] * (0.5 + unit("norm", i) as f32)).collect();
    [loss, entropy, norm]
}

/// A folder with a sampler and, in `data/`, three shards of 700, 1,100 and 300 rows.
struct Dataset {
    folder: TempDir,
    columns: [Vec<f32>; 3],
}

const ENDS: [usize; 4] = [0, 700, 1_800, 2_100];

impl Dataset {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let columns = columns(ENDS[3]);
        fs::create_dir(folder.path().join("data")).unwrap();
        write_cgf_sampler(&folder.path().join("sampler.json"), [1.0, -0.5]);
        let dataset = Self { folder, columns };
        for shard in 0..3 {
            let rows = ENDS[shard]..ENDS[shard + 1];
            let part = dataset.columns.each_ref().map(|column| floats(column[rows.clone()].iter().copied()));
            parquet(&dataset.shard(shard), COLUMNS.into_iter().zip(part).collect());
        }
        dataset
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shard(&self, shard: usize) -> PathBuf {
        self.at(&format!("data/part-{shard}.parquet"))
    }

    /// `apply` of the sampler to shards, with row numbers for identifiers.
    fn apply(&self, shards: &[PathBuf], out: &str, more: &[&str]) -> assert_cmd::Command {
        let mut command = swift_sampler(["apply"]);
        command.arg(self.at("sampler.json")).arg("--shards").args(shards);
        command.arg("--out").arg(self.at(out)).arg("--row-ids").args(more);
        command
    }

    fn pass(&self, shard: usize, before: Option<&str>, out: &str) -> assert_cmd::Command {
        let mut command = swift_sampler(["sketch", "pass"]);
        command.arg(self.at("sampler.json")).arg("--shards").arg(self.shard(shard));
        command.arg("--out").arg(self.at(out));
        match before {
            None => command.arg("--refit"),
            Some(before) => command.arg("--after").arg(self.at(before)),
        };
        command
    }

    fn merge(&self, parts: &[&str], out: &str) -> assert_cmd::Command {
        let mut command = swift_sampler(["sketch", "merge"]);
        command.args(parts.iter().map(|part| self.at(part))).arg("--out").arg(self.at(out));
        command
    }

    /// All passes by one process a shard; the name of the complete sketch.
    fn sketch(&self) -> String {
        let mut before: Option<String> = None;
        for pass in 0..10 {
            let parts: Vec<String> = (0..3).map(|shard| format!("{pass}-{shard}.sketch")).collect();
            for (shard, part) in parts.iter().enumerate() {
                self.pass(shard, before.as_deref(), part).assert().success();
            }
            // Merged in two steps, the last shard first.
            self.merge(&[&parts[2], &parts[0]], "half.sketch").assert().success();
            let merged = format!("{pass}.sketch");
            let said = self.merge(&["half.sketch", &parts[1]], &merged).assert().success();
            if predicate::str::contains("sketch is complete")
                .eval(&String::from_utf8_lossy(&said.get_output().stdout))
            {
                return merged;
            }
            before = Some(merged);
        }
        panic!("the passes do not end");
    }
}

#[test]
fn processes_and_threads_do_not_change_a_byte() {
    let dataset = Dataset::new();
    let all = [dataset.at("data")];
    let sketched = ["--refit", "--exact-rows", "0", "--save-sampler"];
    let mut runs = Vec::new();
    for threads in ["1", "2", "7"] {
        let saved = dataset.at(&format!("{threads}.json"));
        let flags = [&sketched[..], &[saved.to_str().unwrap()]].concat();
        let out = format!("{threads}.parquet");
        dataset.apply(&all, &out, &flags).env("RAYON_NUM_THREADS", threads).assert().success();
        runs.push((fs::read(dataset.at(&out)).unwrap(), fs::read(saved).unwrap()));
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);

    let complete = dataset.at(&dataset.sketch());
    let saved = dataset.at("merged.json");
    let by_sketch = ["--sketch", complete.to_str().unwrap(), "--save-sampler", saved.to_str().unwrap()];
    dataset.apply(&all, "merged.parquet", &by_sketch).assert().success();
    assert_eq!((fs::read(dataset.at("merged.parquet")).unwrap(), fs::read(&saved).unwrap()), runs[0]);

    // Each process writes the weights of its shard, normalised over the whole dataset.
    let whole = Weights::read_parquet(&dataset.at("merged.parquet")).unwrap();
    let sum: f64 = whole.probabilities().iter().sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    for shard in 0..3 {
        let first = ENDS[shard].to_string();
        dataset
            .apply(
                &[dataset.shard(shard)],
                "part.parquet",
                &["--sketch", by_sketch[1], "--first-row", &first],
            )
            .assert()
            .success()
            .stdout(predicate::str::contains("2100 examples"));
        let part = Weights::read_parquet(&dataset.at("part.parquet")).unwrap();
        let rows = ENDS[shard]..ENDS[shard + 1];
        assert_eq!(part.ids(), &whole.ids()[rows.clone()]);
        assert_eq!(part.probabilities(), &whole.probabilities()[rows]);
    }
    // What was saved scores the same rows as other rows would be.
    let mut again = swift_sampler(["apply"]);
    again
        .arg(&saved)
        .arg("--row-ids")
        .arg("--shards")
        .args(&all)
        .arg("--out")
        .arg(dataset.at("again.parquet"));
    again.assert().success();
    assert_eq!(fs::read(dataset.at("again.parquet")).unwrap(), runs[0].0);
}

#[test]
fn small_datasets_are_ranked_exactly_and_sketches_agree() {
    let dataset = Dataset::new();
    let [loss, entropy, norm] = &dataset.columns;
    let sampler = Sampler::from_json(&fs::read_to_string(dataset.at("sampler.json")).unwrap()).unwrap();
    let ranked = RankedFeatures::new(sampler.spec().clone(), &[loss, entropy], norm).unwrap();
    let expected = ranked.weights(sampler.params()).unwrap();
    let all = [dataset.at("data")];
    let saved = dataset.at("refitted.json");
    let flags = ["--refit", "--save-sampler", saved.to_str().unwrap()];
    let said = predicate::str::contains("2100 examples").and(predicate::str::contains("ranks are exact"));
    dataset.apply(&all, "exact.npy", &flags).assert().success().stdout(said);
    dataset.apply(&all, "exact.parquet", &["--refit"]).assert().success();
    let exact = Weights::read_parquet(&dataset.at("exact.parquet")).unwrap();
    assert_eq!(exact.probabilities(), expected.probabilities());
    let refitted = Sampler::from_json(&fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!(refitted.fitted_examples(), 2_100);
    // Fewer rows than cells are heavy by: the sketch tells all values apart, and tables have 4,097 points.
    dataset.apply(&all, "sketched.parquet", &["--refit", "--exact-rows", "2099"]).assert().success();
    let sketched = Weights::read_parquet(&dataset.at("sketched.parquet")).unwrap();
    for (i, (found, exact)) in sketched.probabilities().iter().zip(exact.probabilities()).enumerate() {
        // Relative to the weight of a row that is always drawn; a step of `u` is at most three of `tau`.
        assert!((found - exact).abs() * expected.total() < 3.0 * 2e-4, "row {i}: {found} {exact}");
    }
}

#[test]
fn any_format_of_shards_gives_the_same_weights() {
    let dataset = Dataset::new();
    let all = [dataset.at("data")];
    let flags = ["--refit", "--exact-rows", "0"];
    dataset.apply(&all, "expected.npy", &flags).assert().success();
    let expected = fs::read(dataset.at("expected.npy")).unwrap();

    // The first shard as CSV, the others as they are.
    let mut text = COLUMNS.join(",") + "\n";
    for row in 0..ENDS[1] {
        let values = dataset.columns.each_ref().map(|column| column[row].to_string());
        text += &(values.join(",") + "\n");
    }
    fs::write(dataset.at("part-0.csv"), text).unwrap();
    let mixed = [dataset.at("part-0.csv"), dataset.shard(1), dataset.shard(2)];
    dataset.apply(&mixed, "mixed.npy", &flags).assert().success();
    assert_eq!(fs::read(dataset.at("mixed.npy")).unwrap(), expected);

    // One table whose columns lie in files of their own, side by side.
    let mut command = swift_sampler(["apply"]);
    command.arg(dataset.at("sampler.json")).args(flags).arg("--row-ids").arg("--features");
    for (name, column) in COLUMNS.iter().zip(&dataset.columns) {
        let file = dataset.at(&format!("{name}.parquet"));
        parquet(&file, vec![(name, Arc::new(Float32Array::from(column.clone())))]);
        command.arg(file);
    }
    command.arg("--out").arg(dataset.at("beside.npy")).assert().success();
    assert_eq!(fs::read(dataset.at("beside.npy")).unwrap(), expected);
}

#[test]
fn rows_that_cannot_be_used_are_named_by_file_and_row() {
    let dataset = Dataset::new();
    let three = || floats([1.0, 2.0, 3.0]);
    let bad = |name: &str, column: ArrayRef| {
        let columns = COLUMNS.map(|key| (key, if key == name { Arc::clone(&column) } else { three() }));
        parquet(&dataset.at("data/part-9.parquet"), columns.into_iter().collect());
    };
    let shards = [dataset.at("data")];
    for flags in [&["--refit"][..], &["--refit", "--exact-rows", "0"]] {
        let refused = |parts: &[&str]| assert_refused(dataset.apply(&shards, "w.parquet", flags), parts);
        bad("loss", floats([1.0, f32::NAN, 2.0]));
        refused(&["part-9.parquet", "`loss`, row 1: NaN", "drop the row"]);
        bad("grad_norm", floats([1.0, 1.0, f32::INFINITY]));
        refused(&["part-9.parquet", "`grad_norm`, row 2: inf"]);
        bad("grad_norm", floats([1.0, -2.0, 1.0]));
        refused(&["gradient norm is -2 in row", "must not be negative"]);
        parquet(&dataset.at("data/part-9.parquet"), vec![("loss", three()), ("renormed_entropy", three())]);
        refused(&["part-9.parquet", "no column `grad_norm`"]);
    }
    fs::remove_file(dataset.at("data/part-9.parquet")).unwrap();
    assert_eq!(file_names(dataset.folder.path()), ["data", "sampler.json"]);
    fs::create_dir(dataset.at("empty")).unwrap();
    assert_refused(
        dataset.apply(&[dataset.at("empty")], "w.parquet", &[]),
        &["empty", "*.parquet", "name the folder"],
    );
}

#[test]
fn identifiers_are_unique_over_all_shards() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_cgf_sampler(&at("sampler.json"), [1.0, 0.0]);
    let shard = |name: &str, keys: [u64; 2]| {
        let columns = COLUMNS.map(|key| (key, floats([800.0, 750.0])));
        parquet(&at(name), [("id", ids(keys))].into_iter().chain(columns).collect());
    };
    shard("a.parquet", [7, 3]);
    shard("b.parquet", [9, 7]);
    let command = || {
        let mut command = swift_sampler(["apply"]);
        command.arg(at("sampler.json")).arg("--shards").args([at("a.parquet"), at("b.parquet")]);
        command.arg("--out").arg(at("w.parquet"));
        command
    };
    assert_refused(command(), &["identifier 7", "0 and 3", "unique"]);
    assert_refused(
        {
            let mut command = command();
            command.arg("--refit");
            command
        },
        &["identifier 7", "0 and 3", "unique"],
    );
    shard("b.parquet", [9, 8]);
    command().assert().success();
    assert_eq!(Weights::read_parquet(&at("w.parquet")).unwrap().ids(), [7, 3, 9, 8]);
}

#[test]
fn sketches_that_do_not_fit_are_refused() {
    let dataset = Dataset::new();
    for shard in 0..3 {
        dataset.pass(shard, None, &format!("{shard}.sketch")).assert().success();
    }
    assert_refused(
        dataset.merge(&["0.sketch", "0.sketch"], "m.sketch"),
        &["part-0.parquet has been counted twice"],
    );
    dataset.merge(&["0.sketch", "1.sketch"], "two.sketch").assert().success();
    assert_refused(
        dataset.merge(&["two.sketch", "1.sketch"], "m.sketch"),
        &["part-1.parquet has been counted twice"],
    );
    let two = dataset.at("two.sketch");
    let by_two = ["--sketch", two.to_str().unwrap()];
    let all = [dataset.at("data")];
    assert_refused(dataset.apply(&all, "w.parquet", &by_two), &["part-2.parquet has not been counted"]);
    let twice = [dataset.shard(0), dataset.at("data/../data/part-0.parquet")];
    assert_refused(dataset.apply(&twice, "w.parquet", &["--refit"]), &["part-0.parquet is given twice"]);
    let first = [dataset.shard(0)];
    assert_refused(dataset.apply(&first, "w.parquet", &by_two), &["not complete", "is next", "--after"]);
    // The next pass over part of the files says so, and is not taken for the whole.
    dataset
        .pass(0, Some("two.sketch"), "next.sketch")
        .assert()
        .success()
        .stdout(predicate::str::contains("part-1"));
    // Before the work, and not when parts are merged.
    assert_refused(dataset.pass(2, Some("two.sketch"), "m.sketch"), &["has not seen part-2.parquet"]);
    assert_refused(
        dataset.merge(&["next.sketch", "2.sketch"], "m.sketch"),
        &["2.sketch", "passes", "one pass"],
    );
    assert_refused(dataset.pass(1, Some("next.sketch"), "m.sketch"), &["has not seen part-1.parquet"]);

    write_cgf_sampler(&dataset.at("sampler.json"), [1.0, 0.5]);
    assert_refused(dataset.pass(0, Some("two.sketch"), "m.sketch"), &["two.sketch", "another sampler"]);
    assert_refused(dataset.apply(&first, "w.parquet", &by_two), &["two.sketch", "another sampler"]);
    dataset.pass(2, None, "other.sketch").assert().success();
    assert_refused(
        dataset.merge(&["0.sketch", "other.sketch"], "m.sketch"),
        &["other.sketch", "two samplers"],
    );

    let text = fs::read_to_string(&two).unwrap();
    fs::write(&two, &text[..text.len() / 2]).unwrap();
    assert_refused(dataset.merge(&["two.sketch"], "m.sketch"), &["two.sketch", "not valid"]);
    assert_refused(dataset.merge(&["none.sketch"], "m.sketch"), &["cannot read", "none.sketch"]);
    assert!(!dataset.at("m.sketch").exists() && !dataset.at("w.parquet").exists());
}

#[test]
fn files_that_change_between_passes_are_refused() {
    let dataset = Dataset::new();
    let complete = dataset.at(&dataset.sketch());
    // One bit, far from both ends: of a value, or of what the reader would stumble over.
    let path = dataset.shard(1);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let by_sketch = ["--sketch", complete.to_str().unwrap()];
    assert_refused(
        dataset.apply(&[path], "w.parquet", &by_sketch),
        &["part-1.parquet has not been counted", "unchanged"],
    );
    dataset.apply(&[dataset.shard(0)], "w.parquet", &by_sketch).assert().success();
}

#[test]
fn weights_are_not_written_over_rows_that_were_not_counted() {
    let dataset = Dataset::new();
    let open = |shard| {
        let input = TableInput::open(&[dataset.shard(shard)], None).unwrap();
        Shards::new(vec![input]).unwrap()
    };
    let sampler = read_sampler(&dataset.at("sampler.json")).unwrap();
    let shards = open(0);
    let plan = passes::make_all(SketchPlan::refit(sampler), &shards, |_| ()).unwrap();
    let (sampler, totals) = plan.scoring().unwrap();
    let (ids, rows) = (Ids::RowNumbers(0), totals.rows());
    let out = dataset.at("w.parquet");
    weights::write(&out, &shards, &ids, sampler, totals, rows).unwrap();
    fs::remove_file(&out).unwrap();

    // As many rows, one value another.
    let mut part = dataset.columns.each_ref().map(|column| column[..ENDS[1]].to_vec());
    part[0][17] += 1.0;
    parquet(&dataset.shard(0), COLUMNS.into_iter().zip(part.map(floats)).collect());
    let error = weights::write(&out, &open(0), &ids, sampler, totals, rows).unwrap_err();
    let Error::RowsOf { reason, .. } = error else { panic!("{error}") };
    assert!(reason.to_string().contains("changed between passes"), "{reason}");
    assert!(!out.exists());
}

#[test]
fn stored_distributions_can_be_summed_by_processes_too() {
    let dataset = Dataset::new();
    let all = [dataset.at("data")];
    // A rule on the scale of these rows.
    let saved = dataset.at("refitted.json");
    dataset
        .apply(&all, "w.parquet", &["--refit", "--save-sampler", saved.to_str().unwrap()])
        .assert()
        .success();
    fs::rename(&saved, dataset.at("sampler.json")).unwrap();
    dataset.apply(&all, "one.parquet", &[]).assert().success();
    for shard in 0..3 {
        let mut command = swift_sampler(["sketch", "pass"]);
        command.arg(dataset.at("sampler.json")).arg("--shards").arg(dataset.shard(shard));
        command.arg("--out").arg(dataset.at(&format!("{shard}.sketch"))).assert().success();
    }
    dataset
        .merge(&["1.sketch", "2.sketch", "0.sketch"], "all.sketch")
        .assert()
        .success()
        .stdout(predicate::str::contains("2100 rows of 3 files").and(predicate::str::contains("complete")));
    let sketch = dataset.at("all.sketch");
    dataset.apply(&all, "many.parquet", &["--sketch", sketch.to_str().unwrap()]).assert().success();
    assert_eq!(fs::read(dataset.at("many.parquet")).unwrap(), fs::read(dataset.at("one.parquet")).unwrap());
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_rows() {
    const ROWS: usize = 4_000_000;
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_cgf_sampler(&at("sampler.json"), [1.0, -0.5]);
    let mut writer = NumericTableWriter::create_without_ids(&at("rows.parquet"), &COLUMNS).unwrap();
    let [loss, entropy, norm] = columns(100_000);
    for _ in 0..ROWS / 100_000 {
        writer.push(&[], &[&loss, &entropy, &norm]).unwrap();
    }
    writer.finish().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("swift-sampler"))
        .arg("apply")
        .arg(at("sampler.json"))
        .args(["--refit", "--exact-rows", "0", "--row-ids", "--features"])
        .arg(at("rows.parquet"))
        .arg("--out")
        .arg(at("w.parquet"))
        .env("RAYON_NUM_THREADS", "2")
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = kib.unwrap_or(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(status.success());
    // Ranks in memory would take 24 bytes a row and more, the columns and the weights 20: some 180 MiB.
    assert!(peak > 0 && peak < 120 * 1024, "{peak} KiB");
    assert!(fs::metadata(at("w.parquet")).unwrap().len() > 8 * ROWS as u64);
}

#[test]
fn files_that_are_read_are_not_written_over() {
    let dataset = Dataset::new();
    let shard = dataset.shard(0);
    let before = fs::read(&shard).unwrap();
    let refused = |mut command: assert_cmd::Command, part: &str| {
        command.assert().failure().stderr(predicate::str::contains(part));
        assert_eq!(fs::read(&shard).unwrap(), before);
    };
    refused(dataset.apply(&[dataset.shard(0)], "data/part-0.parquet", &[]), "is read as well");
    refused(dataset.pass(0, None, "data/../data/part-0.parquet"), "is read as well");
    // The next reading of the folder would take the result for a shard.
    let folder = dataset.at("data");
    refused(dataset.apply(&[folder], "data/weights.parquet", &[]), "would be one of the shards");
    assert!(!dataset.at("data/weights.parquet").exists());
}
