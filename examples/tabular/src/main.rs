//! Swift Sampler with a model and data of one's own: `ss-features`, `ss-sampler` and `ss-bo` around a small network for a table.
//!
//! ```sh
//! cargo run --release -p tabular            # accuracies with 0, 20 and 40% wrong labels, 10 seeds each
//! ```
//!
//! With two classes the renormalised entropy says nothing (one class is left beside the label's), so the second feature is one
//! that tables have: how many of a row's nearest neighbours carry another label.

mod mlp;
mod neighbours;
mod table;

use anyhow::{Context, Result};
use ss_bo::{BayesOpt, BoConfig, Optimizer, Outcome};
use ss_features::RunningMean;
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Transform, Weights, canonicalize_unit, shapes};
use ss_seed::Seed;
use std::sync::Arc;

use mlp::{Mlp, Run};
use table::{CLASSES, Split};

const EPOCHS: usize = 60;
/// Epochs of the uniform run behind the shared start of all trials.
const START: usize = 10;
const TRIAL_EPOCHS: usize = 10;
const TRIALS: usize = 40;
const RATE: f32 = 0.01;

fn main() -> Result<()> {
    println!(
        "noise  baseline         swift sampler    oracle           (test accuracy, 10 seeds: mean +- standard error)"
    );
    for noise in [0.0, 0.2, 0.4] {
        let results = (0..10).map(|seed| compare(Seed::new(seed), noise)).collect::<Result<Vec<_>>>()?;
        let column = |k: usize| {
            let (mean, error) = mean_and_error(results.iter().map(|result| result[k]));
            format!("{mean:5.1} +- {error:.1}")
        };
        println!("{noise:<6} {:<16} {:<16} {}", column(0), column(1), column(2));
    }
    Ok(())
}

/// Test accuracies of uniform sampling, of the rule that was found, and of uniform sampling over the rows with right labels.
fn compare(seed: Seed, noise: f64) -> Result<[f64; 3]> {
    let split = Split::new(seed, noise);
    let train = |weights: Option<&Weights>| -> Result<Mlp> {
        let mut model = Mlp::new(seed);
        let run = Run { rows: &split.train, weights, first_epoch: 0, epochs: EPOCHS, rate: RATE, seed };
        model.train(&run, |_, _| Ok(()))?;
        Ok(model)
    };
    let baseline = train(None)?;
    let swift = match search(&split, seed)? {
        None => baseline.clone(),
        Some(found) => {
            let model = train(Some(&found))?;
            let better = gains(&likelihoods(&model, &split)?, &likelihoods(&baseline, &split)?);
            if better { model } else { baseline.clone() }
        }
    };
    let clean = Weights::new(split.wrong.iter().map(|&wrong| f64::from(u8::from(!wrong))).collect())?;
    let models = [baseline, swift, train(Some(&clean))?];
    Ok(models.map(|model| model.see(&split.test).accuracy(&split.test)))
}

/// The weights of the best rule; `None` where it is not clearly better than uniform sampling.
fn search(split: &Split, seed: Seed) -> Result<Option<Weights>> {
    // 1. A uniform run: features of every row, averaged over the epochs, and the shared start.
    let n = split.train.len();
    let (mut loss, mut grad_norm) = (RunningMean::new(n), RunningMean::new(n));
    let mut model = Mlp::new(seed);
    let run = Run { rows: &split.train, weights: None, first_epoch: 0, epochs: START, rate: RATE, seed };
    model.train(&run, |_, model| {
        let seen = model.see(&split.train);
        let labels = &split.train.labels;
        let features = ss_features::compute(&seen.logits, CLASSES, labels, Some(&seen.hidden_sq_norm))?;
        loss.update(&features.loss)?;
        Ok(grad_norm.update(&features.grad_norm)?)
    })?;

    // 2. The rules: two features, ranked once, and the simple rules to begin with.
    let spec = SamplerSpec::new(["loss", "other_labels_near"], Transform::Cgf)?;
    let columns = [loss.means()?, neighbours::other_labels_near(&split.train, 10)];
    let ranked = RankedFeatures::new(spec.clone(), &[&columns[0], &columns[1]], &grad_norm.means()?)?;
    let startup = shapes::startup(&ranked)?.into_iter();
    // The contrast with the second feature is meant for the renormalised entropy.
    let startup = startup.filter(|(name, _)| !name.ends_with("contrast"));
    let startup = startup.map(|(_, params)| params.canonical().to_unit(&spec)).collect::<Result<_, _>>()?;

    // 3. Bayesian optimisation: every candidate is fine-tuned from the shared start and judged by the likelihood of the
    //    validation labels.
    let config = BoConfig { startup, seed: seed.value(), ..BoConfig::default() };
    let on_spec = spec.clone();
    let canonical = Arc::new(move |x: &[f64]| canonicalize_unit(&on_spec, x).unwrap_or_else(|_| x.to_vec()));
    let mut bo = BayesOpt::with_projection(spec.dim(), config, canonical)?;
    let weights_at =
        |x: &[f64]| -> Result<Weights> { Ok(ranked.weights(&SamplerParams::from_unit(&spec, x)?)?) };
    for _ in 0..TRIALS {
        let candidate = bo.ask()?;
        let scores = weights_at(&candidate.x).and_then(|weights| trial(&model, split, &weights, seed));
        let outcome = match scores {
            Ok(scores) => Outcome::Score(scores.iter().sum::<f64>() / scores.len() as f64),
            Err(error) => Outcome::Failed { reason: error.to_string() },
        };
        bo.tell(candidate.id, outcome)?;
    }

    // 4. The best of many candidates looks better than it is: it must gain more than its standard error over uniform
    //    sampling.
    let best = weights_at(&bo.best().context("no trial succeeded")?.x)?;
    let uniform = trial(&model, split, &Weights::uniform(n)?, seed)?;
    Ok(gains(&trial(&model, split, &best, seed)?, &uniform).then_some(best))
}

/// Log-likelihoods of the validation labels after some epochs under these weights.
fn trial(start: &Mlp, split: &Split, weights: &Weights, seed: Seed) -> Result<Vec<f64>> {
    let mut model = start.clone();
    let run = Run {
        rows: &split.train,
        weights: Some(weights),
        first_epoch: START,
        epochs: TRIAL_EPOCHS,
        rate: RATE,
        seed,
    };
    model.train(&run, |_, _| Ok(()))?;
    likelihoods(&model, split)
}

/// Log-likelihood of every validation label.
fn likelihoods(model: &Mlp, split: &Split) -> Result<Vec<f64>> {
    let (logits, labels) = (model.see(&split.validation).logits, &split.validation.labels);
    let features = ss_features::compute(&logits, CLASSES, labels, None)?;
    Ok(features.loss.into_iter().map(|loss| -f64::from(loss)).collect())
}

/// Whether `a` is larger than `b`, pair by pair, by more than a standard error.
fn gains(a: &[f64], b: &[f64]) -> bool {
    let (mean, error) = mean_and_error(a.iter().zip(b).map(|(a, b)| a - b));
    mean > error
}

fn mean_and_error(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_that_the_network_learns_better_under() {
        let results: Vec<[f64; 3]> = (100..104).map(|seed| compare(Seed::new(seed), 0.4).unwrap()).collect();
        let mean = |k: usize| results.iter().map(|result| result[k]).sum::<f64>() / results.len() as f64;
        assert!(mean(1) > mean(0) + 5.0, "{results:?}");
        assert!(mean(2) > 90.0, "{results:?}");
        assert_eq!(compare(Seed::new(100), 0.4).unwrap(), results[0]);
    }
}
