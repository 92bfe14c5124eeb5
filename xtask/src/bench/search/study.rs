//! One arm's search on one objective.

use anyhow::Result;
use ss_bo::{Optimizer, Outcome};
use ss_sampler::{SamplerParams, canonicalize_unit};
use ss_seed::Seed;

use super::arm::Arm;
use super::objective::{Candidate, Objective, RuleKey, Tried};
use super::record::{SearchRun, SearchTrial};

/// Runs `trials` trials of `arm`; `observe` is told of each.
pub(crate) fn search(
    objective: &mut dyn Objective,
    arm: Arm,
    trials: usize,
    seed: u64,
    mut observe: impl FnMut(&SearchTrial),
) -> Result<SearchRun> {
    let mut optimizer = arm.optimizer(objective.ranked(arm.transform()), Seed::new(seed))?;
    let mut done = Vec::with_capacity(trials);
    for number in 0..trials {
        let suggestion = optimizer.ask()?;
        let tried = match candidate(objective, arm, &suggestion.x)? {
            Ok(candidate) => objective.measure(&candidate, Some(number as u64))?,
            Err(reason) => Err(reason),
        };
        let outcome = match &tried {
            Ok(reading) => Outcome::Score(reading.score),
            Err(reason) => Outcome::Failed { reason: reason.clone() },
        };
        optimizer.tell(suggestion.id, outcome)?;
        let trial = SearchTrial {
            origin: suggestion.origin,
            point: suggestion.x,
            reading: tried.as_ref().ok().copied(),
            failure: tried.err(),
        };
        observe(&trial);
        done.push(trial);
    }
    let recommended = recommended(optimizer.as_ref());
    let recommended_test = match recommended {
        None => None,
        Some(number) => match candidate(objective, arm, &done[number].point)? {
            Ok(candidate) => objective.test(&candidate)?,
            Err(_) => None,
        },
    };
    Ok(SearchRun { seed, arm, trials: done, recommended, recommended_test })
}

fn recommended(optimizer: &dyn Optimizer) -> Option<usize> {
    let best = optimizer.best()?;
    optimizer.trials().iter().position(|trial| trial.id == best.id)
}

/// The weighting at a point of the cube; the reason when its rule gives no example any weight.
fn candidate(
    objective: &dyn Objective,
    arm: Arm,
    point: &[f64],
) -> Result<std::result::Result<Candidate, String>> {
    let ranked = objective.ranked(arm.transform());
    let rule = Some(RuleKey::new(arm.transform(), &canonicalize_unit(ranked.spec(), point)?));
    let params = SamplerParams::from_unit(ranked.spec(), point)?;
    Ok(match ranked.weights(&params) {
        Ok(weights) => Ok(Candidate { weights, rule }),
        Err(error @ ss_sampler::Error::NoMass { .. }) => Err(error.to_string()),
        Err(error) => return Err(error.into()),
    })
}

/// Hands the trials of an earlier search to an objective that was prepared anew.
pub(crate) fn recall(objective: &mut dyn Objective, run: &SearchRun) -> Result<()> {
    let transform = run.arm.transform();
    for trial in &run.trials {
        let canonical = canonicalize_unit(objective.ranked(transform).spec(), &trial.point)?;
        let rule = RuleKey::new(transform, &canonical);
        let tried: Tried = trial.tried();
        objective.recall(rule, tried);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ss_approx::shared_start::TrialConfig;
    use ss_approx::{Device, Trainer, UniformRun, UniformRunConfig};
    use ss_cli::{Experiment, ExperimentConfig, Recipe, SearchConfig, ValidationLabels};
    use ss_data::{DatasetKind, LabelNoise, NoiseKind};
    use ss_sampler::SamplerSpec;

    use super::*;
    use crate::bench::search::fine_tuning::FineTuning;

    #[test]
    fn the_first_arm_is_the_search_of_the_command() {
        const SEED: u64 = 3;
        const TRIALS: usize = 17;
        let dataset = ss_data::load(DatasetKind::Digits, None).unwrap();
        let mut recipe = Recipe {
            train_size: Some(200),
            validation_size: 100,
            test_size: Some(200),
            trials: TRIALS,
            ..Recipe::for_dataset(DatasetKind::Digits)
        };
        recipe.set_epochs(4);
        let noise = LabelNoise::new(NoiseKind::Symmetric, 0.4).unwrap();
        let seed = Seed::new(SEED);

        let mut objective =
            FineTuning::prepare(&dataset, &recipe, &Device::Cpu, noise, seed, |_| ()).unwrap();
        let ours = search(&mut objective, Arm::CanonicalRules, TRIALS, SEED, |_| ()).unwrap();

        let config = ExperimentConfig {
            sizes: recipe.sizes(),
            noise: noise.into(),
            validation_labels: ValidationLabels::Noisy,
        };
        let experiment = Experiment::prepare(&dataset, &config, seed).unwrap();
        let trainer = Trainer {
            network: recipe.network.clone(),
            data: experiment.train.as_ref(),
            config: recipe.train.clone().check().unwrap(),
            device: Device::Cpu,
        };
        let checkpoints = UniformRunConfig {
            start_epoch: recipe.start_epoch,
            reference_until: recipe.reference_until,
            reference_score: recipe.score,
        };
        let validation = experiment.validation.as_ref();
        let uniform = UniformRun::run(&trainer, seed, validation, checkpoints, |_| ()).unwrap();
        let config = SearchConfig {
            spec: SamplerSpec::paper(),
            trials: TRIALS,
            trial: TrialConfig {
                epochs: recipe.trial_epochs,
                learning_rate: trainer.config.learning_rate,
                score: recipe.score,
            },
            caution: f64::NEG_INFINITY,
            finalists: 1,
            convergence: None,
            pruning: None,
            devices: Vec::new(),
        };
        let theirs =
            ss_cli::search::search(&trainer, validation, &uniform, &config, None, seed, |_, _| ()).unwrap();
        let scores = |run: &SearchRun| -> Vec<(Vec<f64>, Option<f64>)> {
            run.trials.iter().map(|t| (t.point.clone(), t.reading.map(|r| r.score))).collect()
        };
        let expected: Vec<_> = theirs.trials.iter().map(|t| (t.point.clone(), t.score)).collect();
        assert_eq!(scores(&ours), expected);
        assert_eq!(ours.recommended, Some(theirs.choice.trial));
    }
}
