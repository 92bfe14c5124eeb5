//! `draw`: the order of an epoch as a file. What plans are is tested in ss-sampler; here it is what files hold.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ss_data::{TableInput, Weights};
use ss_sampler::EpochPlan;
use ss_seed::Seed;
use tempfile::{TempDir, tempdir};

use crate::command::{assert_refused, file_names, swift_sampler};

const N: usize = 101;

fn tau() -> Vec<f64> {
    (0..N).map(|i| if i % 10 == 3 { 0.0 } else { 0.25 + (i % 7) as f64 }).collect()
}

/// A folder with the weights in three formats; identifiers are not the row numbers.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let ids = (0..N as u64).map(|i| 1000 + 3 * i).collect();
    let weights = Weights::new(ids, tau()).unwrap();
    weights.write(&folder.path().join("w.parquet")).unwrap();
    weights.write(&folder.path().join("w.npy")).unwrap();
    let lines: String = tau().iter().map(|t| format!("{t:?}\n")).collect();
    fs::write(folder.path().join("w.csv"), format!("weight\n{lines}")).unwrap();
    folder
}

fn draw(folder: &Path, weights: &str, out: &str, flags: &[&str]) -> assert_cmd::Command {
    let mut command = swift_sampler(["draw", "--weights", weights, "--out", out]);
    command.current_dir(folder).args(flags);
    command
}

/// The indices that `draw` writes.
fn drawn(folder: &Path, weights: &str, flags: &[&str]) -> Vec<u64> {
    draw(folder, weights, "d.npy", flags).assert().success();
    let path = folder.join("d.npy");
    TableInput::open(&[path], None).unwrap().identifiers("d").unwrap()
}

#[test]
fn the_plan_of_the_library_is_written_in_every_format() {
    let folder = folder();
    let path = folder.path();
    let stream = Seed::new(7).stream("epoch-order");
    let weights = ss_sampler::Weights::new(tau()).unwrap();
    let plan = EpochPlan::systematic(&weights, 200, stream, 4).unwrap();
    let expected: Vec<u64> = plan.indices().map(|i| i as u64).collect();
    let flags = ["--count", "200", "--seed", "7", "--epoch", "4"];
    for weights in ["w.parquet", "w.npy", "w.csv"] {
        assert_eq!(drawn(path, weights, &flags), expected);
    }
    draw(path, "w.npy", "d.parquet", &flags).assert().success();
    let input = TableInput::open(&[path.join("d.parquet")], None).unwrap();
    assert_eq!(input.identifiers("index").unwrap(), expected);
    let raw: Vec<u8> = expected.iter().flat_map(|i| i.to_le_bytes()).collect();
    draw(path, "w.npy", "d.raw", &flags).assert().success();
    assert_eq!(fs::read(path.join("d.raw")).unwrap(), raw);
    let output = draw(path, "w.npy", "-", &[&flags[..], &["--format", "raw"]].concat()).output().unwrap();
    assert_eq!(output.stdout, raw);
    assert!(String::from_utf8(output.stderr).unwrap().contains(&format!("{:016x}", plan.fingerprint())));
    let ids = drawn(path, "w.parquet", &[&flags[..], &["--ids"]].concat());
    assert_eq!(ids, expected.iter().map(|i| 1000 + 3 * i).collect::<Vec<_>>());
    // By default as many draws as examples; another epoch is another order.
    let (first, second) = (drawn(path, "w.npy", &[]), drawn(path, "w.npy", &["--epoch", "1"]));
    assert_eq!((first.len(), second.len()), (N, N));
    assert_ne!(first, second);
}

#[test]
fn parts_are_disjoint_of_one_length_and_cover_the_epoch() {
    let folder = folder();
    let path = folder.path();
    for mode in ["systematic", "multinomial", "without-replacement"] {
        let base = ["--mode", mode, "--count", "50"];
        let whole = drawn(path, "w.npy", &base);
        for (world, remainder) in [(1, "drop"), (4, "drop"), (4, "pad"), (5, "drop")] {
            let world_text = world.to_string();
            let parts: Vec<Vec<u64>> = (0..world)
                .map(|rank| {
                    let rank = rank.to_string();
                    let flags = ["--rank", &rank, "--world", &world_text, "--remainder", remainder];
                    drawn(path, "w.npy", &[&base[..], &flags].concat())
                })
                .collect();
            let length = if remainder == "drop" { 50 / world } else { 50_usize.div_ceil(world) };
            assert!(parts.iter().all(|part| part.len() == length), "{mode} {world} {remainder}");
            // In turn, one draw of each part: the epoch, cut short or continued from its start.
            let in_turn: Vec<u64> = (0..length * world).map(|i| parts[i % world][i / world]).collect();
            let expected: Vec<u64> = (0..length * world).map(|i| whole[i % 50]).collect();
            assert_eq!(in_turn, expected, "{mode} {world} {remainder}");
        }
    }
    // Without replacement, disjoint draws are disjoint examples.
    let flags = ["--mode", "without-replacement"];
    let parts = [["--rank", "0"], ["--rank", "1"]]
        .map(|rank| drawn(path, "w.npy", &[&flags[..], &rank, &["--world", "2"]].concat()));
    let mut counts = HashMap::new();
    parts.concat().into_iter().for_each(|i| *counts.entry(i).or_insert(0) += 1);
    assert!(counts.values().all(|&count| count == 1));
    assert_eq!(counts.len(), tau().iter().filter(|t| **t > 0.0).count() / 2 * 2);
}

#[test]
fn a_resumed_epoch_is_the_rest_of_it() {
    let folder = folder();
    let path = folder.path();
    let flags = ["--count", "77", "--rank", "1", "--world", "2", "--epoch", "3"];
    let whole = drawn(path, "w.npy", &flags);
    for position in [0, 1, 20, whole.len()] {
        let text = position.to_string();
        let rest = [&flags[..], &["--resume-from", &text]].concat();
        if position == whole.len() {
            draw(path, "w.npy", "d.raw", &rest).assert().success();
            assert!(fs::read(path.join("d.raw")).unwrap().is_empty());
        } else {
            assert_eq!(drawn(path, "w.npy", &rest), whole[position..]);
        }
    }
    let output = draw(path, "w.npy", "d.npy", &flags).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let fingerprint = report.trim().rsplit(' ').next().unwrap();
    let again = [&flags[..], &["--fingerprint", fingerprint]].concat();
    draw(path, "w.npy", "d.npy", &again).assert().success();
    let before = fs::read(path.join("d.npy")).unwrap();
    assert_refused(
        draw(path, "w.npy", "d.npy", &[&again[..], &["--seed", "1"]].concat()),
        &[fingerprint, "repeat the weights"],
    );
    assert_refused(
        draw(path, "w.npy", "d.npy", &[&flags[..], &["--resume-from", "39"]].concat()),
        &["--resume-from 39", "38 draws"],
    );
    assert_eq!(fs::read(path.join("d.npy")).unwrap(), before);
}

#[test]
fn weights_that_draw_nothing_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let refused = |text: &str, flags: &[&str], parts: &[&str]| {
        fs::write(path.join("w.csv"), text).unwrap();
        assert_refused(draw(path, "w.csv", "d.npy", flags), parts);
        assert_eq!(file_names(path), ["w.csv"]);
    };
    refused("", &[], &["w.csv", "names of the columns"]);
    refused("weight\n", &[], &["w.csv", "table is empty"]);
    refused("weight\n0\n0\n", &[], &["w.csv", "all 2 weights are zero"]);
    refused("weight\n1\n-1\n", &[], &["w.csv", "-1 in row 1", "negative"]);
    refused("weight\n1\nNaN\n", &[], &["w.csv", "`weight`, row 1: NaN"]);
    refused("a,b\n1,2\n", &[], &["w.csv", "no column `probability`", "`a`, `b`"]);
    refused("weight\n1\n2\n", &["--ids"], &["w.csv", "no column `id`"]);
    refused("weight\n1\n0\n", &["--mode", "without-replacement", "--count", "2"], &["only 1 have positive"]);
    refused("weight\n1\n", &["--count", "0"], &["epoch plan is empty"]);
    refused("weight\n1\n1\n", &["--rank", "2", "--world", "2"], &["rank", "less than the world size 2"]);
    refused("weight\n1\n1\n", &["--rank", "0", "--world", "3"], &["world", "at most the 2 draws"]);
    assert_refused(draw(path, "w.csv", "d.txt", &[]), &["d.txt", "--format"]);
    assert_refused(draw(path, "w.csv", "-", &[]), &["--format"]);
    fs::write(path.join("w.npy"), b"\x93NUMPY\x01\x00").unwrap();
    assert_refused(draw(path, "w.npy", "d.npy", &[]), &["w.npy", "no NPY header"]);
    assert_eq!(file_names(path), ["w.csv", "w.npy"]);
}

#[test]
fn draws_that_must_repeat_an_example_too_often_are_refused_before_they_are_made() {
    let folder = folder();
    // 2^40 draws of few examples would take terabytes.
    for mode in ["multinomial", "systematic"] {
        let flags = ["--count", "1099511627776", "--mode", mode];
        assert_refused(draw(folder.path(), "w.npy", "d.npy", &flags), &["draws of one example"]);
    }
}

#[test]
fn weights_are_not_written_over() {
    let folder = folder();
    let before = fs::read(folder.path().join("w.npy")).unwrap();
    assert_refused(draw(folder.path(), "w.npy", "./w.npy", &[]), &["--out", "is read as well"]);
    assert_eq!(fs::read(folder.path().join("w.npy")).unwrap(), before);
}
