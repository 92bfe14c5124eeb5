//! Networks judged by embeddings: protocols against NumPy and scikit-learn, standard errors, images of other classes in training.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ss_approx::nearest_centroid::leave_one_out_ranks;
use ss_approx::shared_start::TrialConfig;
use ss_approx::verification::{Roc, all_pairs, best_threshold, fold_accuracy};
use ss_approx::{
    Device, EmbeddedImages, EmbeddingPredictions, Embeddings, Episodes, Examples, ImageExamples, Predictions,
    Sampling, Score, TrainSettings, Trainer, Truth, UniformRun, UniformRunConfig,
};
use ss_data::{ImagePair, ImageSet, generated_faces, of_classes};
use ss_sampler::Weights;
use ss_seed::{Seed, Stream};

/// The vectors of tests/oracle/embeddings.py: four classes of five, or `each` of the first `classes`.
fn pattern(classes: u32, each: u32) -> (Embeddings, Vec<u32>) {
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for class in 0..classes {
        for i in 5 * class..5 * class + each {
            for k in 0..4 {
                let varied = ((13 * i + 29 * k + 7 * i * k) % 41) as f32 - 20.0;
                values.push(varied / 8.0 + 0.75 * (((5 * class + 3 * k) % 7) as f32 - 3.0));
            }
            labels.push(class);
        }
    }
    (Embeddings::new(&values, 4).unwrap(), labels)
}

fn compared(embeddings: &Embeddings, pairs: &[ImagePair]) -> (Vec<f64>, Vec<bool>) {
    pairs.iter().map(|pair| (embeddings.cosine(pair.first, pair.second), pair.same)).unzip()
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} is not {b}");
}

// The numbers of the next two tests: tests/oracle/embeddings.py, NumPy 2.4.6, scikit-learn 1.9.1.

#[test]
fn verification_agrees_with_numpy_and_scikit_learn() {
    let (embeddings, labels) = pattern(4, 5);
    let mut pairs = all_pairs(&labels).unwrap();
    let (cosines, same) = compared(&embeddings, &pairs);
    let best = best_threshold(&cosines, &same).unwrap();
    close(best.at, -0.048_515_761_176_295_29);
    close(best.accuracy, 0.746_666_666_666_666_7);
    let roc = Roc::of(&cosines, &same).unwrap();
    let tar: Vec<Option<f64>> = [0.001, 0.01, 0.02, 0.1, 0.5, 1.0].map(|far| roc.tar_at(far)).into();
    assert_eq!(tar, [None, Some(0.025), Some(0.225), Some(0.4), Some(0.95), Some(1.0)]);
    close(roc.area(), 0.804_166_666_666_666_7);
    let mut dealt = [0; 2];
    for pair in &mut pairs {
        pair.fold = dealt[usize::from(pair.same)] % 5;
        dealt[usize::from(pair.same)] += 1;
    }
    let folds = fold_accuracy(&cosines, &pairs).unwrap();
    close(folds.mean, 0.655_833_333_333_333_4);
    close(folds.std, 0.094_492_430_619_835_63);
    assert_eq!(folds.folds, 5);
    // A fold without pairs of one class, and one fold alone.
    pairs.iter_mut().filter(|pair| pair.same && pair.fold == 3).for_each(|pair| pair.fold = 2);
    let message = fold_accuracy(&cosines, &pairs).unwrap_err().to_string();
    assert!(message.contains("0 of one class and 30 of two in fold 3"), "{message}");
    pairs.iter_mut().for_each(|pair| pair.fold = 0);
    assert!(fold_accuracy(&cosines, &pairs).unwrap_err().to_string().contains("at least 2"));
    assert!(fold_accuracy(&cosines[1..], &pairs).unwrap_err().to_string().contains("190"));
}

#[test]
fn recognition_by_centroids_agrees_with_numpy() {
    let (embeddings, labels) = pattern(4, 5);
    let ranks = leave_one_out_ranks(&embeddings, &labels).unwrap();
    assert_eq!(ranks, [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 2]);
    // The mean over every episode, and the share of intervals that hold it.
    let exact = 0.962_962_962_962_963;
    let (embeddings, labels) = pattern(3, 3);
    let episodes = Episodes { way: 2, shots: 2, queries: 1, episodes: 600 };
    let run =
        |seed: u64| episodes.accuracy(&embeddings, &labels, Seed::new(seed).stream("episodes")).unwrap();
    let runs: Vec<_> = (0..200).map(run).collect();
    let held = runs.iter().filter(|run| (run.mean - exact).abs() <= run.half_width).count();
    // Binomial of 200 at 95%: 99.99% lie within 178 to 199.
    assert!((178..=199).contains(&held), "{held}");
    let mean = runs.iter().map(|run| run.mean).sum::<f64>() / 200.0;
    let error = runs[0].half_width / 1.96 / 200_f64.sqrt();
    assert!((mean - exact).abs() < 4.0 * error, "{mean}");
    assert_eq!(run(3), runs[3]);
}

#[test]
fn episodes_that_cannot_be_filled_are_refused() {
    let (embeddings, labels) = pattern(4, 5);
    let usual = Episodes::default();
    assert_eq!((usual.way, usual.shots, usual.queries, usual.episodes), (5, 1, 15, 600));
    let message = |episodes: Episodes| {
        episodes.accuracy(&embeddings, &labels, Seed::new(0).stream("e")).unwrap_err().to_string()
    };
    let full = Episodes { way: 4, queries: 4, ..usual };
    assert!(full.accuracy(&embeddings, &labels, Seed::new(0).stream("e")).is_ok());
    let images = message(Episodes { shots: 2, ..full });
    assert!(images.contains("class 0 has 5 images, but 6 are needed"), "{images}");
    // More than can be counted is more than there is.
    let endless = message(Episodes { shots: usize::MAX, ..full });
    assert!(endless.contains("class 0 has 5 images"), "{endless}");
    let classes = message(Episodes { way: 5, ..full });
    assert!(classes.contains("4 classes, but 5 are needed"), "{classes}");
    for (setting, bad) in [
        ("way = 1", Episodes { way: 1, ..full }),
        ("shots = 0", Episodes { shots: 0, ..full }),
        ("queries = 0", Episodes { queries: 0, ..full }),
        ("episodes = 1", Episodes { episodes: 1, ..full }),
    ] {
        assert!(message(bad).contains(setting), "{setting}");
    }
    // Ten shots of twenty images leave ten queries.
    let twenty: Vec<u32> = (0..100).map(|i| i / 20).collect();
    assert_eq!(Episodes { shots: 10, ..usual }.within(&twenty).queries, 10);
    assert_eq!(Episodes { shots: 5, ..usual }.within(&twenty).queries, 15);
}

/// Vectors about a centre for each class, `each` of them.
fn drawn(classes: usize, each: usize, spread: f64, stream: Stream) -> (Embeddings, Vec<u32>) {
    let centres = Seed::new(0).stream("centres");
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for class in 0..classes {
        for image in 0..each {
            for k in 0..3 {
                // Sums of uniforms are nearly normal.
                let chance = stream.index(class as u64).index(image as u64).index(k);
                let noise = (0..6).map(|j| chance.index(j).unit()).sum::<f64>() - 3.0;
                let centre = centres.index(class as u64).index(k).unit() - 0.5;
                values.push((centre + spread * noise) as f32);
            }
            labels.push(class as u32);
        }
    }
    (Embeddings::new(&values, 3).unwrap(), labels)
}

#[test]
fn the_spread_of_the_contributions_is_the_standard_error_of_the_score() {
    // Twelve images of each of five classes, drawn anew 400 times.
    let (mut scores, mut errors, mut within) = (Vec::new(), Vec::new(), Vec::new());
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let error = |parts: &[f64]| {
        let squares: f64 = parts.iter().map(|part| (part - mean(parts)).powi(2)).sum();
        (squares / (parts.len() as f64 - 1.0) / parts.len() as f64).sqrt()
    };
    for repetition in 0..400 {
        let stream = Seed::new(1).stream("draws").index(repetition);
        let (embeddings, labels) = drawn(5, 12, 0.25, stream);
        let truth = Truth::Classes(labels.into());
        let seen = EmbeddingPredictions::new(embeddings, truth, Score::Verification).unwrap();
        let parts = seen.example_scores(Score::Verification).unwrap();
        scores.push(seen.score(Score::Verification).unwrap());
        close(mean(&parts), scores[scores.len() - 1]);
        errors.push(error(&parts));
        // The mean of five means, each of a class.
        let of_classes: f64 = parts.chunks(12).map(|class| error(class).powi(2)).sum();
        within.push(of_classes.sqrt() / 5.0);
    }
    let centre = mean(&scores);
    let real = mean(&scores.iter().map(|score| (score - centre).powi(2)).collect::<Vec<_>>()).sqrt();
    // Drawn anew were images of the same classes: their spread alone is the error. That of classes comes on top, and
    // errs on the safe side. A mean of plain shares would have half of either.
    let ratios = (mean(&within) / real, mean(&errors) / real);
    assert!((0.85..1.25).contains(&ratios.0), "{ratios:?} ({centre}, {real})");
    assert!((ratios.0..1.6).contains(&ratios.1), "{ratios:?} ({centre}, {real})");
}

proptest! {
    #[test]
    fn contributions_add_up_and_angles_alone_count(
        classes in prop::collection::vec(0_u32..4, 6..24),
        seed in any::<u64>(),
        scale in 0.1_f32..10.0,
    ) {
        let stream = Seed::new(seed).stream("values");
        let values: Vec<f32> = (0..3 * classes.len() as u64).map(|i| stream.index(i).unit() as f32 - 0.4).collect();
        let predictions = |values: &[f32], goal| {
            let embeddings = Embeddings::new(values, 3).unwrap();
            EmbeddingPredictions::new(embeddings, Truth::Classes(classes.clone().into()), goal)
        };
        let Ok(seen) = predictions(&values, Score::Verification) else { return Ok(()) };
        // Some rows longer, none turned.
        let longer: Vec<f32> = values.iter().enumerate().map(|(i, v)| if i / 3 % 2 == 0 { v * scale } else { *v }).collect();
        let longer = predictions(&longer, Score::NearestCentroid).unwrap();
        for score in [Score::Verification, Score::NearestCentroid] {
            let (value, parts) = (seen.score(score).unwrap(), seen.example_scores(score).unwrap());
            prop_assert!((parts.iter().sum::<f64>() / parts.len() as f64 - value).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&value));
            // Rounding may turn a tie: of 24 images a step is less than a fifth.
            prop_assert!((longer.score(score).unwrap() - value).abs() < 0.2);
        }
        prop_assert!(seen.score(Score::Verification).unwrap() >= 0.5);
        let ks: Vec<f64> = (0..5).map(|k| seen.top_k_accuracy(k).unwrap()).collect();
        prop_assert!(ks[0] == 0.0 && ks.is_sorted() && ks[4] == 1.0);
        let pairs = all_pairs(&classes).unwrap();
        let (cosines, same) = compared(seen.embeddings(), &pairs);
        let roc = Roc::of(&cosines, &same).unwrap();
        let curve: Vec<f64> = (1..=20).filter_map(|i| roc.tar_at(f64::from(i) / 20.0)).collect();
        prop_assert!(curve.is_sorted() && curve.last() == Some(&1.0) && (0.0..=1.0).contains(&roc.area()));
        prop_assert!([0.0, -1.0, 1.5, f64::NAN].iter().all(|far| roc.tar_at(*far).is_none()));
    }
}

/// Generated faces: 8 people to train on, 5 others.
fn problem() -> (ImageExamples, EmbeddedImages, ImageSet) {
    let all = generated_faces::generate(13, 8, Seed::new(0)).unwrap();
    let train = ImageExamples::new(of_classes(&all, &[0, 1, 2, 3, 4, 5, 6, 7]).unwrap());
    let others = of_classes(&all, &[8, 9, 10, 11, 12]).unwrap();
    (train.clone(), EmbeddedImages::of_classes(others.clone(), &train, Score::Verification).unwrap(), others)
}

fn trainer(train: &ImageExamples) -> Trainer<'_> {
    let settings =
        TrainSettings { epochs: 20, batch_size: 16, learning_rate: 0.05, ..TrainSettings::default() };
    Trainer {
        network: "resnet8-8-16-16+embedding-32-s10".parse().unwrap(),
        data: train,
        config: settings.check().unwrap(),
        device: Device::Cpu,
    }
}

#[test]
fn training_makes_people_that_it_has_not_seen_easier_to_tell_apart() {
    let (train, validation, _) = problem();
    let trainer = trainer(&train);
    let config =
        UniformRunConfig { start_epoch: 10, reference_until: 10, reference_score: Score::Verification };
    let run = UniformRun::run(&trainer, Seed::new(0), &validation, config, |_| ()).unwrap();
    let untrained = trainer.session(Seed::new(0)).unwrap().predict(&validation).unwrap();
    let trained = trainer.predict(&run.run.last, &validation).unwrap();
    let (before, after) = (untrained.accuracy().unwrap(), trained.accuracy().unwrap());
    assert!(after > 0.8 && after > before, "{before} {after}");
    let last = run.run.history.last().unwrap();
    assert_eq!((last.accuracy, last.goal), (after, after));
    assert!(trained.score(Score::NearestCentroid).unwrap() > 0.6);
    // Features are those of training images, whose classes have outputs.
    assert_eq!(run.features.names().filter(|name| *name == "grad_norm").count(), 1);
    let trial = TrialConfig { epochs: 1.0, learning_rate: 0.05, score: Score::Verification };
    let uniform = Weights::uniform(train.len()).unwrap();
    let result = run.start.trial(&trainer, &uniform, &validation, trial, Seed::new(1)).unwrap();
    assert_eq!(result.score, result.predictions.score(Score::Verification).unwrap());
    // As on a GPU: the same up to rounding.
    let on_candle = Trainer { device: Device::candle_on_cpu(), ..trainer.clone() };
    let there = on_candle.predict(&run.run.last, &validation).unwrap();
    let (here, there) =
        (trained.embeddings().unwrap().embeddings(), there.embeddings().unwrap().embeddings());
    let gap = (0..here.len()).flat_map(|i| here.row(i).iter().zip(there.row(i)).map(|(a, b)| (a - b).abs()));
    assert!(gap.fold(0.0, f64::max) < 1e-4);
}

#[test]
fn what_embeddings_do_not_have_is_refused() {
    let (train, validation, others) = problem();
    let trainer = trainer(&train);
    let trial = |score| {
        let start =
            ss_approx::SharedStart::new(trainer.session(Seed::new(0)).unwrap().snapshot().unwrap(), 1);
        let config = TrialConfig { epochs: 1.0, learning_rate: 0.05, score };
        let uniform = Weights::uniform(train.len()).unwrap();
        start.trial(&trainer, &uniform, &validation, config, Seed::new(0)).unwrap_err().to_string()
    };
    for score in [Score::Accuracy, Score::Likelihood, Score::Calibrated] {
        assert!(trial(score).contains("verification or nearest-centroid"), "{score}");
        assert!(train.check_score(score).is_ok());
    }
    for score in [Score::Verification, Score::NearestCentroid] {
        let labelled = train.check_score(score).unwrap_err().to_string();
        assert!(labelled.contains(&format!("{score} for labelled images")), "{labelled}");
        assert!(validation.check_score(score).is_ok());
        assert_eq!(score.to_string().parse::<Score>().unwrap(), score);
        assert!(score.of(&[0.0, 1.0], 2, &[0]).is_err());
    }
    let seen = trainer.session(Seed::new(0)).unwrap().predict(&validation).unwrap();
    assert!(seen.features().unwrap_err().to_string().contains("found embeddings"));
    assert!(seen.classes().is_err() && seen.windows().is_none());
    assert!(matches!(seen, Predictions::Embeddings(_)));
    // Images of other classes are no training data.
    let backwards = Trainer { data: &validation, ..trainer.clone() };
    let run =
        ss_approx::FullRun::run(&backwards, Seed::new(0), Sampling::Uniform, &validation, |_, _, _| Ok(()));
    assert!(run.unwrap_err().to_string().contains("can only be embedded"));
    // What is known must fit the images.
    let with = |truth: Truth, goal| EmbeddedImages::new(others.clone(), truth, &train, goal).map(|_| ());
    let refused = |truth: Truth, goal, what: &str| {
        let message = with(truth, goal).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    };
    refused(Truth::Classes([0, 1].into()), Score::Verification, "expected 40, found 2");
    let lonely: Vec<u32> = (0..40).map(|i| if i == 7 { 9 } else { i % 3 }).collect();
    refused(Truth::Classes(lonely.into()), Score::Verification, "class 9 has 1 image");
    refused(Truth::Classes(others.labels().into()), Score::Accuracy, "accuracy for images of other classes");
    let pair = |first, second, same| ImagePair { first, second, same, fold: 0 };
    let known = Truth::Pairs([pair(0, 1, true), pair(2, 9, false)].into());
    assert!(with(known.clone(), Score::Verification).is_ok());
    refused(known, Score::NearestCentroid, "only pairs are known");
    refused(Truth::Pairs([pair(0, 40, true)].into()), Score::Verification, "numbers below 40");
    refused(Truth::Pairs([pair(0, 1, true)].into()), Score::Verification, "1 of one class and 0 of two");
    let small = generated_faces::generate(2, 2, Seed::new(0)).unwrap();
    let other_shape =
        ImageSet::new(ss_data::ImageShape::new(1, 4, 4), 2, vec![0; 64], vec![0, 0, 1, 1]).unwrap();
    assert!(EmbeddedImages::of_classes(small, &train, Score::Verification).is_ok());
    let shape = EmbeddedImages::of_classes(other_shape, &train, Score::Verification).unwrap_err().to_string();
    assert!(shape.contains("1x16x16"), "{shape}");
}
