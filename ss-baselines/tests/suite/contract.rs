//! What every method promises.

use ss_approx::EpochReport;
use ss_baselines::mentornet::{FitSettings, StudentSettings};
use ss_baselines::{
    CoTeaching, Known, L2rw, LossThreshold, MentorNetDd, MentorNetPd, Reed, Task, TrainingMethod,
};

use crate::fixtures::{EPOCHS, Problem, SEED};

/// MentorNet-DD as published, with fewer steps of its fits.
fn quick_data_driven() -> MentorNetDd {
    let fit = FitSettings { steps: 500, ..FitSettings::default() }.check().unwrap();
    MentorNetDd::new(vec![21, 75], 0.1, StudentSettings::default().check().unwrap(), fit).unwrap()
}

pub(crate) fn methods() -> Vec<Box<dyn TrainingMethod>> {
    vec![
        Box::new(Reed::SOFT),
        Box::new(Reed::HARD),
        Box::new(MentorNetPd::released().unwrap()),
        Box::new(quick_data_driven()),
        Box::new(L2rw),
        Box::new(CoTeaching::default()),
        Box::new(LossThreshold),
    ]
}

/// What `method` asks for, and nothing else.
pub(crate) fn told<'a>(method: &dyn TrainingMethod, problem: &'a Problem, losses: &'a [f32]) -> Known<'a> {
    let information = method.information();
    Known {
        noise_rate: information.noise_rate.then_some(problem.rate),
        clean_subset: information.clean_subset.then_some(&problem.clean),
        reference_loss: method.reads_uniform_run().then_some(losses),
    }
}

#[test]
fn every_method_learns_repeatably_on_any_number_of_threads_and_counts_its_cost() {
    let problem = Problem::new(0.3);
    let losses = problem.reference_loss();
    let baseline = problem.baseline();
    for method in methods() {
        let name = method.name();
        let known = told(method.as_ref(), &problem, &losses);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| problem.train(method.as_ref(), known)).unwrap()
        };
        let (one, two) = (on(1), on(2));
        let logits = problem.logits(&one.run);
        assert_eq!(logits, problem.logits(&two.run), "{name}: threads change the result");
        assert_ne!(logits, problem.logits(&baseline), "{name} is the baseline");
        // Ten classes: chance is 0.1, and 300 images make its deviation 0.02.
        let accuracy = problem.accuracy(&one.run);
        assert!(accuracy > 0.3, "{name}: {accuracy}");

        assert_eq!(one.run.cost.trained, (EPOCHS * 256) as u64, "{name}");
        assert_eq!(one.run.history.len(), EPOCHS, "{name}");
        let extra = match name {
            "co-teaching" => 1.0,
            // A clean batch forward and backward, 32 of 64 images, and two forward passes of the batch.
            "l2rw" => 5.0 / 3.0,
            _ => 0.0,
        };
        assert!((one.extra_cost() - extra).abs() < 1e-12, "{name}: {}", one.extra_cost());
        assert_eq!(one.cost, two.cost, "{name}");
    }
}

#[test]
fn a_method_that_is_not_told_what_it_needs_says_so_before_training() {
    let problem = Problem::new(0.3);
    let losses = problem.reference_loss();
    let trainer = problem.trainer();
    for method in methods() {
        let full = told(method.as_ref(), &problem, &losses);
        let poorer = [
            Known { noise_rate: None, ..full },
            Known { clean_subset: None, ..full },
            Known { reference_loss: None, ..full },
        ];
        let lacks = [full.noise_rate.is_some(), full.clean_subset.is_some(), full.reference_loss.is_some()];
        for (known, _) in poorer.into_iter().zip(lacks).filter(|(_, lacks)| *lacks) {
            let task = Task { trainer: &trainer, seed: SEED, validation: &problem.validation, known };
            let mut trained = |_: EpochReport| panic!("{} trains", method.name());
            let message = method.train(&task, &mut trained).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{} needs", method.name())), "{message}");
        }
    }
    let known = Known { noise_rate: Some(1.0), reference_loss: Some(&losses), ..Known::default() };
    for method in [&CoTeaching::default() as &dyn TrainingMethod, &LossThreshold] {
        assert!(problem.train(method, known).unwrap_err().to_string().contains("noise rate = 1"));
    }
    let mut bad = losses.clone();
    bad[7] = f32::NAN;
    for (losses, expected) in [(&losses[1..], "expected 256, found 255"), (&bad[..], "example 7")] {
        let known = Known { noise_rate: Some(0.3), reference_loss: Some(losses), ..Known::default() };
        let message = problem.train(&LossThreshold, known).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
