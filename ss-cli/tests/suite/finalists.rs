//! Several rules trained in full, of which the best model counts.

use std::cell::RefCell;

use ss_approx::{Device, Score};
use ss_cli::method::{self, Event, Outcome};
use ss_cli::{Experiment, ExperimentConfig, Method, Recipe, Setup, ValidationLabels};
use ss_data::{DatasetKind, LabelNoise, NoiseKind, SplitSizes};
use ss_sampler::SamplerSpec;
use ss_seed::Seed;

/// Swift Sampler on 600 digits, 40% of the labels wrong, and how many epochs all of its trainings had, the uniform run's among them.
fn run(finalists: usize) -> (Outcome, usize) {
    let seed = Seed::new(2);
    let dataset = ss_data::load(DatasetKind::Digits, None).unwrap();
    let config = ExperimentConfig {
        sizes: SplitSizes { train: Some(600), validation: 297, test: Some(200) },
        noise: LabelNoise::new(NoiseKind::Symmetric, 0.4).unwrap().into(),
        validation_labels: ValidationLabels::Noisy,
    };
    let experiment = Experiment::prepare(&dataset, &config, seed).unwrap();
    let mut recipe =
        Recipe { trials: 8, score: Score::Calibrated, finalists, ..Recipe::for_dataset(DatasetKind::Digits) };
    recipe.set_epochs(20);
    let setup = Setup {
        experiment: &experiment,
        recipe: &recipe,
        spec: &SamplerSpec::paper(),
        devices: &[Device::Cpu],
        seed,
        journal: None,
    };
    let epochs = RefCell::new(0);
    let outcome = method::run(setup, &[Method::Ss], |event| {
        if let Event::Epoch { .. } = event {
            *epochs.borrow_mut() += 1;
        }
    })
    .unwrap();
    (outcome, epochs.into_inner())
}

#[test]
fn the_best_model_of_the_finalists_counts() {
    let ((one, one_epochs), (three, three_epochs)) = (run(1), run(3));
    let [one, three_result] = [&one, &three].map(|outcome| outcome.results[0].clone());
    let (alone, among) = (one.search.unwrap(), three_result.search.unwrap());
    assert!(alone.kept, "the case has a rule that is worth using");
    assert_eq!(alone.trials, among.trials);
    assert_eq!((alone.finalists, one.extra_cost, one_epochs), (1, 0.0, 40));
    // As many as pass the first test.
    let others = among.finalists - 1;
    assert!((1..=2).contains(&others), "{others}");
    assert_eq!((three_result.extra_cost, three_epochs), (others as f64, 40 + 20 * others));
    assert!(among.final_gain >= alone.final_gain, "{:?} {:?}", among.final_gain, alone.final_gain);
    assert!(among.kept && three_result.val_top1 >= one.val_top1);
    // What is exported is what made the model.
    let search = three.search.unwrap();
    let winner = &among.trials[search.outcome.choice.trial];
    assert_eq!(winner.name, among.chosen);
    assert_eq!(search.outcome.weights.effective_sample_size() / 600.0, among.effective_share);
    assert_eq!(winner.effective_share, among.effective_share);
}
