//! Images on disk as the task of an experiment.

use ss_approx::{Device, Examples, RandomResizedCrop, View};
use ss_cli::method::{self, Outcome};
use ss_cli::{Experiment, ExperimentConfig, FolderExperiment, Method, Recipe, Setup, ValidationLabels};
use ss_data::{
    Dataset, DatasetKind, FileDataset, LabelNoise, NoiseKind, OpenFolder, SplitSizes, load,
    load_image_folder, write_image_folder,
};
use ss_sampler::SamplerSpec;
use ss_seed::Seed;
use tempfile::{TempDir, tempdir};

const SIZES: SplitSizes = SplitSizes { train: Some(150), validation: 60, test: Some(50) };

fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let digits = load(DatasetKind::Digits, None).unwrap();
    let rows: Vec<usize> = (0..400).collect();
    let (train, test) = (digits.train.select(&rows[..300]), digits.train.select(&rows[300..]));
    let digits = Dataset { name: "digits".into(), train, test: Some(test) };
    write_image_folder(&folder.path().join("digits"), &digits, DatasetKind::Digits.class_names(), 300, 100)
        .unwrap();
    folder
}

fn open(folder: &TempDir) -> FileDataset {
    FileDataset::open(&folder.path().join("digits"), OpenFolder::default()).unwrap()
}

fn plan(view: View) -> FolderExperiment {
    FolderExperiment {
        sizes: SIZES,
        noise: LabelNoise::new(NoiseKind::Symmetric, 0.4).unwrap().into(),
        validation_labels: ValidationLabels::Noisy,
        side: 8,
        view,
    }
}

#[test]
fn labels_and_parts_are_those_of_the_same_images_in_memory() {
    let folder = folder();
    let memory = load_image_folder(&folder.path().join("digits"), 8).unwrap();
    let whole = plan(View::Whole(RandomResizedCrop::default()));
    let config = ExperimentConfig {
        sizes: SIZES,
        noise: whole.noise.clone(),
        validation_labels: ValidationLabels::Noisy,
    };
    let expected = Experiment::prepare(&memory, &config, Seed::new(3)).unwrap();
    let parts = whole.parts(&open(&folder), Seed::new(3)).unwrap();
    assert_eq!(parts.train.labels(), expected.train_images().unwrap().labels());
    assert_eq!(parts.validation.labels(), expected.validation_images().unwrap().labels());
    assert_eq!(parts.test.labels(), expected.test.as_images().unwrap().labels());
    let found: Experiment = parts.into();
    assert_eq!((found.train_ids, found.wrong), (expected.train_ids, expected.wrong));
    assert_eq!(found.realized_noise, 0.4);
}

#[test]
fn crops_of_an_image_share_its_label_and_its_fate() {
    let folder = folder();
    let crop = RandomResizedCrop::default();
    let (dataset, seed) = (open(&folder), Seed::new(3));
    let whole = plan(View::Whole(crop)).parts(&dataset, seed).unwrap();
    let crops = plan(View::Crops(3, crop)).parts(&dataset, seed).unwrap();
    assert_eq!((crops.train.len(), crops.validation.len(), crops.test.len()), (450, 60, 50));
    for i in 0..450 {
        assert_eq!(crops.train.labels()[i], whole.train.labels()[i / 3]);
        assert_eq!(crops.true_labels[i], whole.true_labels[i / 3]);
        assert_eq!(crops.train_ids[i], 3 * whole.train_ids[i / 3] + i as u64 % 3);
    }
    assert_eq!(crops.validation.labels(), whole.validation.labels());
}

fn run(experiment: &Experiment, methods: &[Method]) -> ss_cli::Result<Outcome> {
    let mut recipe = Recipe { network: "resnet8-4-8-8".parse().unwrap(), ..Recipe::for_image_folder() };
    recipe.set_epochs(4);
    (recipe.trials, recipe.train.batch_size, recipe.train.learning_rate) = (3, 32, 0.05);
    let setup = Setup {
        experiment,
        recipe: &recipe,
        spec: &SamplerSpec::paper(),
        devices: &[Device::Cpu],
        seed: Seed::new(4),
        journal: None,
    };
    method::run(setup, methods, |_| ())
}

#[test]
fn the_methods_run_on_files_and_rivals_are_refused() {
    let folder = folder();
    let crop = RandomResizedCrop::new(0.5).unwrap();
    let experiment: Experiment =
        plan(View::Crops(2, crop)).parts(&open(&folder), Seed::new(4)).unwrap().into();
    let outcome = run(&experiment, &Method::OWN).unwrap();
    let [baseline, oracle, ss] = &outcome.results[..] else { panic!("three methods") };
    assert!(oracle.top5_last > 50.0 && baseline.perplexity().is_none(), "{oracle:?}");
    let summary = ss.search.as_ref().unwrap();
    assert_eq!(summary.trials.len(), 3);
    if !summary.kept {
        assert_eq!(ss.top1_last, baseline.top1_last);
    }
    let refused = run(&experiment, &[Method::CoTeaching]).err().unwrap().to_string();
    assert!(refused.contains("one label an image in memory"), "{refused}");
    assert!(experiment.clean_subset(Seed::new(0)).is_err());
}
