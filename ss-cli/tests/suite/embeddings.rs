//! Images of unseen classes as the task of an experiment.

use ss_approx::{Device, Episodes, Score};
use ss_cli::experiment::{EmbeddingExperiment, TestImages};
use ss_cli::method::{self, Outcome};
use ss_cli::{EmbeddingProtocol, Experiment, Method, MethodResult, Recipe, Setup};
use ss_data::{ImagePair, LabelNoise, NoiseKind, generated_faces, of_classes};
use ss_sampler::SamplerSpec;
use ss_seed::Seed;

const SEED: Seed = Seed::new(5);

/// Generated faces: 12 people to train on with a fifth of the labels wrong, 4 to validate with, 6 to test on.
fn faces(protocol: EmbeddingProtocol) -> EmbeddingExperiment {
    let all = generated_faces::generate(22, 8, Seed::new(0)).unwrap();
    let part = |people: std::ops::Range<u32>| of_classes(&all, &people.collect::<Vec<_>>()).unwrap();
    EmbeddingExperiment {
        train: part(0..12),
        noise: LabelNoise::new(NoiseKind::Symmetric, 0.2).unwrap(),
        validation: part(12..16),
        test: TestImages::OfClasses(part(16..22)),
        goal: Score::Verification,
        protocol,
    }
}

fn verification() -> EmbeddingProtocol {
    EmbeddingProtocol::Verification { folds: 10, fars: vec![0.1, 1e-4], seed: SEED }
}

fn few_shot(shots: usize) -> EmbeddingProtocol {
    let episodes = Episodes { shots, queries: 3, episodes: 40, ..Episodes::default() };
    EmbeddingProtocol::FewShot { episodes: vec![Episodes { shots: 1, ..episodes }, episodes], seed: SEED }
}

fn recipe(score: Score) -> Recipe {
    let mut recipe = Recipe {
        network: "resnet8-8-16-16+embedding-32-s10".parse().unwrap(),
        trials: 4,
        trial_epochs: 1.0,
        score,
        ..Recipe::for_faces()
    };
    recipe.train.batch_size = 16;
    recipe.train.learning_rate = 0.05;
    recipe.train.augmentation.crop_padding = 1;
    recipe.set_epochs(20);
    recipe
}

fn run(experiment: &Experiment, recipe: &Recipe, methods: &[Method]) -> ss_cli::Result<Outcome> {
    let setup = Setup {
        experiment,
        recipe,
        spec: &SamplerSpec::paper(),
        devices: &[Device::Cpu],
        seed: SEED,
        journal: None,
    };
    method::run(setup, methods, |_| ())
}

#[test]
fn the_methods_run_on_faces() {
    let experiment = Experiment::on_embeddings(&faces(verification()), SEED).unwrap();
    assert!((experiment.realized_noise - 0.2).abs() < 0.01);
    let outcome = run(&experiment, &recipe(Score::Verification), &Method::OWN).unwrap();
    let [baseline, oracle, ss] = &outcome.results[..] else { panic!("three methods") };
    let summary = ss.search.as_ref().unwrap();
    assert_eq!(summary.kept, ss.measures != baseline.measures);
    assert_ne!(baseline.measures, oracle.measures);
    assert!(summary.loss_auroc.unwrap() > 0.6, "{:?}", summary.loss_auroc);
    for result in &outcome.results {
        let seen = result.verification().unwrap();
        // 6 people of 8 images: 6 * 28 pairs of one, 48 * 47 / 2 in all.
        assert_eq!((seen.positives, seen.negatives), (168, 960));
        assert!(seen.accuracy.mean > 0.6 && seen.area > 0.65, "{seen:?}");
        // Folds choose their thresholds elsewhere; top-1 is the goal, whose threshold is chosen on the test pairs themselves.
        assert!(100.0 * seen.accuracy.mean <= result.top1_last + 1e-9, "{seen:?} {}", result.top1_last);
        assert!(seen.tar[0].tar.unwrap() > 0.1 && seen.tar[1].tar.is_none(), "{:?}", seen.tar);
        let curve: Vec<f64> = seen.curve.iter().map(|point| point.tar.unwrap()).collect();
        assert!(curve.is_sorted() && curve.last() == Some(&1.0) && seen.curve[0].far >= 1.0 / 960.0);
        // What journals hold is what they are read as.
        let written = serde_json::to_string(result).unwrap();
        assert!(written.contains("\"verification\":{"), "{written}");
        assert_eq!(&serde_json::from_str::<MethodResult>(&written).unwrap(), result);
    }
}

#[test]
fn the_methods_run_on_few_shots_and_on_pairs() {
    let shots = EmbeddingExperiment { goal: Score::NearestCentroid, ..faces(few_shot(5)) };
    let experiment = Experiment::on_embeddings(&shots, SEED).unwrap();
    let outcome = run(&experiment, &recipe(Score::NearestCentroid), &[Method::Baseline]).unwrap();
    let [one, five] = outcome.results[0].few_shot() else { panic!("two numbers of shots") };
    assert!(one.mean > 0.3 && five.mean > one.mean && five.half_width < 0.2, "{one:?} {five:?}");
    assert_eq!((one.of.shots, five.of.shots, five.of.queries), (1, 5, 3));
    // The images of the first two test people, in pairs alone.
    let whole = faces(verification());
    let TestImages::OfClasses(images) = whole.test.clone() else { panic!("classes") };
    let pair = |first, second, fold| ImagePair { first, second, same: second < 8, fold };
    let pairs: Vec<ImagePair> =
        (0..8).flat_map(|i| [pair(i, (i + 1) % 8, i % 2), pair(i, i + 8, i % 2)]).collect();
    let listed = EmbeddingExperiment { test: TestImages::InPairs { images, pairs }, ..whole };
    let experiment = Experiment::on_embeddings(&listed, SEED).unwrap();
    let result =
        run(&experiment, &recipe(Score::Verification), &[Method::Baseline]).unwrap().results.remove(0);
    let seen = result.verification().unwrap();
    assert_eq!((seen.positives, seen.negatives, seen.accuracy.folds), (8, 8, 2));
    assert_eq!(result.top5_last, 0.0);
}

#[test]
fn what_cannot_be_measured_is_refused_before_training() {
    let message = |data: &EmbeddingExperiment| Experiment::on_embeddings(data, SEED).unwrap_err().to_string();
    let folds = EmbeddingProtocol::Verification { folds: 200, fars: vec![0.1], seed: SEED };
    assert!(message(&faces(folds)).contains("200 for 168 pairs"));
    assert!(message(&faces(few_shot(6))).contains("class 0 has 8 images, but 9 are needed"));
    let goal = EmbeddingExperiment { goal: Score::Accuracy, ..faces(verification()) };
    assert!(message(&goal).contains("verification or nearest-centroid"), "{}", message(&goal));
    let experiment = Experiment::on_embeddings(&faces(verification()), SEED).unwrap();
    let refused = |recipe: &Recipe, method: Method| match run(&experiment, recipe, &[method]) {
        Ok(_) => panic!("{method} ran"),
        Err(error) => error.to_string(),
    };
    let calibrated = refused(&recipe(Score::Calibrated), Method::Ss);
    assert!(calibrated.contains("calibrated for images of other classes"), "{calibrated}");
    // Rivals learn from labelled training images, which there are.
    let rival = run(&experiment, &recipe(Score::Verification), &[Method::ReedSoft]).unwrap();
    assert!(rival.results[0].verification().is_some());
}
