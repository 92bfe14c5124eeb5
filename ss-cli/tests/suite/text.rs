//! Text as the task of an experiment.

use ss_approx::{Device, Score};
use ss_cli::method::{self, Outcome};
use ss_cli::{Experiment, Method, Recipe, Setup, TextExperiment, ValidationLabels};
use ss_data::text::{Text, TokenWindows, Vocabulary, WindowShuffling, grammar};
use ss_sampler::SamplerSpec;
use ss_seed::Seed;

/// Generated text, a fifth of the training windows shuffled.
fn text(validation_windows: ValidationLabels) -> TextExperiment {
    let (rest, test) = grammar::text(3_000, Seed::new(0)).unwrap().cut(0.2).unwrap();
    let (train, validation) = rest.cut(0.25).unwrap();
    let vocabulary = Vocabulary::of_words(&train, 64).unwrap();
    let windows =
        |text: &Text| TokenWindows::new(&vocabulary.encode(text).unwrap(), 12, vocabulary.size()).unwrap();
    TextExperiment {
        train: windows(&train),
        validation: windows(&validation),
        test: windows(&test),
        shuffling: WindowShuffling::new(0.2).unwrap(),
        validation_windows,
    }
}

fn recipe() -> Recipe {
    let mut recipe =
        Recipe { network: "gpt-1-16-2".parse().unwrap(), trials: 4, trial_epochs: 1.0, ..Recipe::for_text() };
    (recipe.train.learning_rate, recipe.train.batch_size) = (0.01, 8);
    recipe.set_epochs(4);
    recipe
}

fn run(experiment: &Experiment, recipe: &Recipe, methods: &[Method]) -> ss_cli::Result<Outcome> {
    let setup = Setup {
        experiment,
        recipe,
        spec: &SamplerSpec::paper(),
        devices: &[Device::Cpu],
        seed: Seed::new(4),
        journal: None,
    };
    method::run(setup, methods, |_| ())
}

#[test]
fn the_methods_run_on_text() {
    let experiment = Experiment::on_text(&text(ValidationLabels::Clean), Seed::new(4)).unwrap();
    let outcome = run(&experiment, &recipe(), &Method::OWN).unwrap();
    let perplexities: Vec<f64> = outcome.results.iter().map(|r| r.perplexity().unwrap().last).collect();
    let [baseline, oracle, ss] = perplexities[..] else { panic!("three methods") };
    assert_ne!(baseline, oracle);
    let summary = outcome.results[2].search.as_ref().unwrap();
    assert_eq!(summary.kept, ss != baseline);
    assert_eq!(summary.trials.len(), 4);
    for result in &outcome.results {
        let perplexity = result.perplexity().unwrap();
        assert!(perplexity.last > 1.0 && perplexity.last < 49.0, "{perplexity:?}");
        assert!(result.top1_last > 100.0 / 49.0 && result.top1_last <= result.top5_last, "{result:?}");
        // Fewer than a hundred validation windows: the finished model is about as good there.
        assert!((perplexity.validation / perplexity.last).ln().abs() < 0.5, "{perplexity:?}");
    }
    let area = method::auroc(
        outcome.search.as_ref().unwrap().uniform.features.column("loss").unwrap(),
        &experiment.wrong,
    );
    assert_eq!(area, summary.loss_auroc);
    assert!(area.unwrap() > 0.6, "{area:?}");
    // The same again.
    let again = run(&experiment, &recipe(), &[Method::Ss]).unwrap();
    assert_eq!(again.results[0].measures, outcome.results[2].measures);
}

#[test]
fn validation_windows_are_shuffled_where_that_is_asked_for_and_test_windows_never() {
    let on = |kind| Experiment::on_text(&text(kind), Seed::new(4)).unwrap();
    let (clean, noisy) = (on(ValidationLabels::Clean), on(ValidationLabels::Noisy));
    let content = |examples: &dyn ss_approx::Examples| format!("{examples:?}");
    assert_eq!(content(clean.train.as_ref()), content(noisy.train.as_ref()));
    assert_eq!(content(clean.test.as_ref()), content(noisy.test.as_ref()));
    assert_ne!(content(clean.validation.as_ref()), content(noisy.validation.as_ref()));
    assert_eq!(clean.wrong, noisy.wrong);
    assert!((clean.realized_noise - 0.2).abs() < 0.01);
}

#[test]
fn what_text_does_not_have_is_refused_before_training() {
    let whole = text(ValidationLabels::Clean);
    let experiment = Experiment::on_text(&whole, Seed::new(4)).unwrap();
    let message =
        |recipe: &Recipe, method: Method| match run(&experiment, recipe, &[Method::Baseline, method]) {
            Ok(_) => panic!("{method} ran"),
            Err(error) => error.to_string(),
        };
    let calibrated = message(&Recipe { score: Score::Calibrated, ..recipe() }, Method::Ss);
    assert!(calibrated.contains("calibrated for text"), "{calibrated}");
    for rival in
        [Method::ReedSoft, Method::MentornetDd, Method::L2rw, Method::CoTeaching, Method::LossThreshold]
    {
        let refused = message(&recipe(), rival);
        assert!(refused.contains(&rival.to_string()) && refused.contains("one label an image"), "{refused}");
    }
    assert!(experiment.clean_subset(Seed::new(0)).unwrap_err().to_string().contains("no images"));
    let images = message(&Recipe { network: "resnet8".parse().unwrap(), ..recipe() }, Method::Oracle);
    assert!(images.contains("resnet8"), "{images}");
    let test = TokenWindows::new(&[0, 1, 2, 3], 2, 5).unwrap();
    let other = Experiment::on_text(&TextExperiment { test, ..whole }, Seed::new(0)).unwrap_err().to_string();
    assert!(other.contains("(2, 5)"), "{other}");
}
