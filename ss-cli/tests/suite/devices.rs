//! Where `search` trains: flags, the path of GPUs, several devices side by side.

use std::fs;
use std::path::Path;

use ss_bo::journal::{Study, replay};
use tempfile::tempdir;

use crate::command::{assert_refused, swift_sampler};
use crate::search::FILES;

const PARAMETERS: [&str; 10] =
    ["c_loss", "c_renormed_entropy", "e_1", "e_2", "e_3", "v_0", "v_1", "v_2", "v_3", "v_4"];

fn search(out: &Path, flags: &[&str]) -> assert_cmd::Command {
    let small = ["--dataset", "digits", "--noise", "0.4", "--epochs", "4", "--network", "resnet8-4-8-8"];
    let mut command = swift_sampler(["search"]);
    command.args(small).args(["--val-size", "100", "--train-size", "256"]).args(flags).arg("--out").arg(out);
    command
}

fn journal(out: &Path) -> String {
    fs::read_to_string(out.join("study.log")).unwrap()
}

fn study(out: &Path) -> Study {
    replay(&journal(out), "swift-sampler", &PARAMETERS.map(str::to_owned)).unwrap()
}

fn results(out: &Path) -> [Vec<u8>; 5] {
    FILES.map(|name| fs::read(out.join(name)).unwrap())
}

#[test]
fn candidates_side_by_side_are_asked_for_in_rounds_and_survive_kills() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    let flags = ["-q", "--trials", "16", "--devices", "cpu,cpu"];
    search(&whole, &flags).assert().success();
    let expected = study(&whole);
    let text = journal(&whole);
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    // Two lines of the study; then rounds of two trials that begin, and end in the same order.
    assert_eq!(ends.len(), 2 + 2 * 16);
    let asked = expected.events.iter().map(|event| matches!(event, ss_bo::Event::Asked(_)));
    assert_eq!(asked.collect::<Vec<_>>(), [true, true, false, false].repeat(8));
    // Within the questions of the first and of the last round, after the last one's in the middle of a line, between its answers;
    // the candidates of the last round depend on what is known.
    for cut in [ends[2], ends[30], ends[31] + 9, ends[32]] {
        drop(fs::remove_dir_all(&out));
        fs::create_dir(&out).unwrap();
        fs::write(out.join("study.log"), &text[..cut]).unwrap();
        search(&out, &flags).assert().success();
        assert_eq!(study(&out).events, expected.events, "cut at {cut}");
        assert!(results(&out) == results(&whole), "cut at {cut}");
    }
    // A search of one candidate at a time is another one.
    assert_refused(
        search(&whole, &["-q", "--trials", "16", "--device", "cpu"]),
        &["candidates_side_by_side"],
    );
}

/// The likelihoods of the trials, in nats.
fn scores(out: &Path) -> Vec<f64> {
    let told = study(out).events.into_iter().filter_map(|event| match event {
        ss_bo::Event::Told(_, ss_bo::Outcome::Score(score)) => Some(score),
        _ => None,
    });
    told.collect()
}

#[test]
fn candidates_side_by_side_score_on_candles_devices_what_they_score_on_the_cpu() {
    let folder = tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    // Start-up shapes, whatever the scores are.
    let flags = |devices| ["-q", "--trials", "4", "--devices", devices];
    search(&out("host"), &flags("cpu,cpu")).assert().success();
    let gpu = ss_approx::Device::first_gpu().unwrap().inspect_err(|reason| println!("no GPU: {reason}"));
    for devices in ["cpu-candle,cpu-candle"].into_iter().chain(gpu.ok().map(|_| "cuda:0,cuda:0")) {
        search(&out(devices), &flags(devices)).assert().success();
        let asked = study(&out(devices)).events;
        let asked = asked.iter().map(|event| matches!(event, ss_bo::Event::Asked(_)));
        assert_eq!(asked.collect::<Vec<_>>(), [true, true, false, false].repeat(2), "{devices}");
        let (found, expected) = (scores(&out(devices)), scores(&out("host")));
        assert_eq!((found.len(), expected.len()), (4, 4));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 2e-2, "{devices}: {found} {expected}");
        }
    }
}

#[test]
fn the_path_of_gpus_searches_too_and_its_journal_is_its_own() {
    let folder = tempdir().unwrap();
    let (host, candle) = (folder.path().join("host"), folder.path().join("candle"));
    let said = search(&candle, &["--trials", "3", "--device", "cpu-candle"]).assert().success();
    let said = String::from_utf8(said.get_output().stderr.clone()).unwrap();
    assert!(said.contains("device: cpu-candle, f32"), "{said}");
    search(&host, &["-q", "--trials", "3", "--device", "cpu"]).assert().success();
    assert!(!journal(&host).contains("cpu"), "the CPU is not named in journals");
    let (found, expected) = (scores(&candle), scores(&host));
    assert_eq!((found.len(), expected.len()), (3, 3));
    // Rounding alone differs, over some twenty steps.
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 2e-2, "{found} {expected}");
    }
    assert_refused(search(&candle, &["-q", "--trials", "3", "--device", "cpu"]), &["device"]);
}

#[test]
fn devices_that_cannot_be_used_are_named_before_any_work() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    for (flags, expected) in [
        (&["--device", "gpu"][..], "cuda:N"),
        (&["-q", "--device", "cpu,cpu-candle"], "of one kind"),
        (&["--device", "cpu", "--precision", "bf16"], "bf16"),
        (&["--device", "cpu", "--precision", "f64"], "f32 or bf16"),
        (&["--devices", "cpu,cpu", "--prune"], "expected one"),
        #[cfg(not(feature = "cuda"))]
        (&["--device", "cuda:0"], "--features cuda"),
    ] {
        assert_refused(search(&out, flags), &[expected]);
        assert!(!out.exists(), "{flags:?} left files");
    }
}
