//! Searches that end early, and trials that do.

use ss_approx::shared_start::TrialConfig;
use ss_approx::{Device, Score, TrainSettings, Trainer, UniformRun, UniformRunConfig};
use ss_bo::{Convergence, QuantileRule};
use ss_cli::search::{Pruning, SearchConfig, SearchOutcome, search};
use ss_cli::{Experiment, ExperimentConfig, TrialRecord, ValidationLabels};
use ss_data::{DatasetKind, LabelNoise, NoiseKind, SplitSizes};
use ss_sampler::SamplerSpec;
use ss_seed::Seed;
use tempfile::tempdir;

use crate::command::{file_names, search as search_command};

/// A search on 256 digits with wrong labels: a trial is 4 steps.
fn outcome(trials: usize, convergence: Option<Convergence>, pruning: Option<Pruning>) -> SearchOutcome {
    let seed = Seed::new(1);
    let dataset = ss_data::load(DatasetKind::Digits, None).unwrap();
    let config = ExperimentConfig {
        sizes: SplitSizes { train: Some(256), validation: 100, test: Some(100) },
        noise: LabelNoise::new(NoiseKind::Symmetric, 0.4).unwrap().into(),
        validation_labels: ValidationLabels::Noisy,
    };
    let experiment = Experiment::prepare(&dataset, &config, seed).unwrap();
    let settings = TrainSettings { epochs: 8, batch_size: 64, ..TrainSettings::default() };
    let trainer = Trainer {
        network: "resnet8-4-8-8".parse().unwrap(),
        data: experiment.train.as_ref(),
        config: settings.check().unwrap(),
        device: Device::Cpu,
    };
    let checkpoints =
        UniformRunConfig { start_epoch: 4, reference_until: 4, reference_score: Score::Calibrated };
    let uniform =
        UniformRun::run(&trainer, seed, experiment.validation.as_ref(), checkpoints, |_| ()).unwrap();
    let config = SearchConfig {
        spec: SamplerSpec::paper(),
        trials,
        trial: TrialConfig { epochs: 1.0, learning_rate: 0.1, score: Score::Calibrated },
        caution: 1.0,
        finalists: 3,
        convergence,
        pruning,
        devices: Vec::new(),
    };
    search(&trainer, experiment.validation.as_ref(), &uniform, &config, None, seed, |_, _| ()).unwrap()
}

fn points(trials: &[TrialRecord]) -> Vec<&[f64]> {
    trials.iter().map(|trial| &trial.point[..]).collect()
}

#[test]
fn a_search_that_has_converged_ends() {
    let whole = outcome(20, None, None);
    assert_eq!(whole.trials.len(), 20);
    // Any expectation is small enough: the search ends as soon as the rule applies.
    let rule = Convergence { min_trials: 16, tolerance: 1e6 };
    let short = outcome(20, Some(rule), None);
    assert_eq!(short.trials, whole.trials[..16]);
    assert_eq!(short.cost, 16.0 / 8.0);
    let strict = Convergence { tolerance: 1e-300, ..rule };
    assert_eq!(outcome(20, Some(strict), None).trials, whole.trials);
}

#[test]
fn a_trial_that_is_clearly_worse_is_stopped_and_costs_less() {
    let whole = outcome(20, None, None);
    let rule = QuantileRule { min_trials: 4, ..QuantileRule::default() };
    let stopped = outcome(20, None, Some(Pruning { after: 0.5, rule }));
    let count = stopped.trials.iter().filter(|trial| trial.pruned.is_some()).count();
    assert!((1..16).contains(&count), "{count} of 20 were stopped");
    // Two of four steps of a pass, of which eight make a full training.
    let expected = ((20 - count) as f64 + 0.5 * count as f64) / 8.0;
    assert!((stopped.cost - expected).abs() < 1e-12, "{} against {expected}", stopped.cost);
    // Trials that went on are those of a search that stops none, bit for bit, as long as the points are the same.
    let same =
        points(&stopped.trials).iter().zip(points(&whole.trials)).take_while(|(a, b)| **a == *b).count();
    assert!(same >= 8, "the start-up shapes");
    for (a, b) in stopped.trials.iter().zip(&whole.trials).take(same) {
        match a.pruned {
            None => assert_eq!(a, b),
            Some(_) => assert_eq!((a.score, a.effective_share), (None, b.effective_share)),
        }
    }
    assert!(stopped.trials[stopped.choice.trial].score.is_some());
    // A rule that nothing is bad enough for changes nothing at all.
    let lenient = QuantileRule { margin: 1e6, ..rule };
    let unpruned = outcome(20, None, Some(Pruning { after: 0.5, rule: lenient }));
    assert_eq!(unpruned.trials, whole.trials);
    assert_eq!((unpruned.cost, unpruned.choice), (whole.cost, whole.choice));
}

#[test]
fn both_flags_reach_the_search() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    search_command(
        &out,
        &["--dataset", "digits", "--prune", "--prune-after", "0.4", "--stop-when-converged"],
    )
    .args(["--trial-epochs", "3"])
    .assert()
    .success();
    assert!(file_names(&out).contains(&"sampler.json".to_owned()));
    let journal = std::fs::read_to_string(out.join("study.log")).unwrap();
    assert!(journal.contains("\"prune_after\":0.4"), "{journal}");
    assert!(journal.contains("intermediate_value"), "{journal}");
}
