//! The fixed panel of samplers that approximations are judged on.

use anyhow::{Context, Result};
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Weights, shapes};
use ss_seed::Seed;

/// A sampler of the panel on one training set.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    /// Means the same sampler on every training set.
    pub(super) name: String,
    pub(super) weights: Weights,
}

/// Random rules of the ten-number family in the panel.
const RANDOM_RULES: u64 = 8;

/// What tells this panel from another in a journal.
pub(super) const VERSION: u32 = 1;

/// The panel on the examples of `ranked`, of which `wrong` carry wrong labels; feature 0 is the loss.
///
/// - `uniform`; `oracle`: uniform over the right labels.
/// - The simple rules that a search begins with, see [`shapes::startup`]: `drop-10` to `drop-60` (without that
///   percentage of the largest losses), `ramp`, `gentle-ramp`, `late-ramp`, `middle`, `drop-20-contrast`, `drop-40-contrast`.
/// - By the mid-rank `r` of the loss: `easy-first` `(1 - r)^3`, `hard-first` `r`, `hardest-first` `r^3`, `tent`
///   `1 - |2 r - 1|`.
/// - `random-0` to `random-7`: points of the unit cube, uniform, from a stream of their own: the same rules for every
///   seed of the study.
pub(super) fn panel(ranked: &RankedFeatures, wrong: &[bool]) -> Result<Vec<Sampler>> {
    let mut panel = Vec::new();
    for (name, params) in shapes::startup(ranked)? {
        let weights = ranked.weights(&params).context(name.clone())?;
        panel.push(Sampler { name, weights });
    }
    let mut add = |name: &str, tau: Vec<f64>| -> Result<()> {
        panel.push(Sampler { name: name.into(), weights: Weights::new(tau).context(name.to_owned())? });
        Ok(())
    };
    add("oracle", wrong.iter().map(|&wrong| f64::from(u8::from(!wrong))).collect())?;
    let by_loss = |tau: fn(f64) -> f64| ranked.mid_ranks(0).map(tau).collect::<Vec<f64>>();
    add("easy-first", by_loss(|r| (1.0 - r).powi(3)))?;
    add("hard-first", by_loss(|r| r))?;
    add("hardest-first", by_loss(|r| r.powi(3)))?;
    add("tent", by_loss(|r| 1.0 - (2.0 * r - 1.0).abs()))?;
    let spec = ranked.spec();
    for rule in 0..RANDOM_RULES {
        let name = format!("random-{rule}");
        let stream = Seed::new(0).stream("fidelity-panel").index(rule);
        let point: Vec<f64> = (0..spec.dim() as u64).map(|k| stream.index(k).unit()).collect();
        let weights = ranked.weights(&SamplerParams::from_unit(spec, &point)?).context(name.clone())?;
        panel.push(Sampler { name, weights });
    }
    Ok(panel)
}

/// The names of the panel of this spec, in its order: they do not depend on the training set.
pub(super) fn names(spec: &SamplerSpec) -> Result<Vec<String>> {
    let column: Vec<f32> = (0..100_u8).map(f32::from).collect();
    let columns = vec![column.as_slice(); spec.features().len()];
    let ranked = RankedFeatures::new(spec.clone(), &columns, &column)?;
    Ok(panel(&ranked, &[false; 100])?.into_iter().map(|sampler| sampler.name).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Losses that rise with the index; every fifth label is wrong.
    fn example() -> (RankedFeatures, Vec<bool>) {
        let loss: Vec<f32> = (0..500).map(|i| i as f32).collect();
        let entropy: Vec<f32> = (0..500).map(|i| ((7 * i) % 101) as f32).collect();
        let ranked = RankedFeatures::new(SamplerSpec::paper(), &[&loss, &entropy], &loss).unwrap();
        (ranked, (0..500).map(|i| i % 5 == 0).collect())
    }

    fn named<'a>(panel: &'a [Sampler], name: &str) -> &'a Weights {
        &panel.iter().find(|sampler| sampler.name == name).unwrap().weights
    }

    #[test]
    fn the_panel_is_large_fixed_and_without_repetition() {
        let (ranked, wrong) = example();
        let (panel, again) = (super::panel(&ranked, &wrong).unwrap(), super::panel(&ranked, &wrong).unwrap());
        assert!(panel.len() >= 20, "{}", panel.len());
        assert!(panel.iter().zip(&again).all(|(a, b)| a.name == b.name && a.weights == b.weights));
        assert_eq!(panel.iter().map(|s| s.name.as_str()).collect::<BTreeSet<_>>().len(), panel.len());
        for (i, a) in panel.iter().enumerate() {
            assert_eq!(a.weights.len(), 500);
            let total: f64 = a.weights.probabilities().iter().sum();
            assert!((total - 1.0).abs() < 1e-12, "{}", a.name);
            for b in &panel[..i] {
                assert!(a.weights.probabilities() != b.weights.probabilities(), "{} = {}", a.name, b.name);
            }
        }
        // Another training set: other weights under the same names.
        let loss: Vec<f32> = (0..500).map(|i| ((31 * i) % 97) as f32).collect();
        let other = RankedFeatures::new(SamplerSpec::paper(), &[&loss, &loss], &loss).unwrap();
        let other = super::panel(&other, &wrong).unwrap();
        assert!(panel.iter().zip(&other).all(|(a, b)| a.name == b.name));
        let names: Vec<String> = panel.into_iter().map(|sampler| sampler.name).collect();
        assert_eq!(super::names(ranked.spec()).unwrap(), names);
    }

    #[test]
    fn samplers_are_what_they_are_called() {
        let (ranked, wrong) = example();
        let panel = super::panel(&ranked, &wrong).unwrap();
        assert!((0..500).all(|i| named(&panel, "uniform").probability(i) == 1.0 / 500.0));
        assert_eq!(named(&panel, "oracle").positive(), 400);
        assert!((0..500).all(|i| (named(&panel, "oracle").probability(i) == 0.0) == wrong[i]));
        // Losses rise with the index.
        let (easy, hard) = (named(&panel, "easy-first"), named(&panel, "hard-first"));
        assert!((1..500).all(|i| easy.probability(i) < easy.probability(i - 1)));
        assert!((1..500).all(|i| hard.probability(i) > hard.probability(i - 1)));
        // r^3 is further from uniform than r.
        let size = |name| named(&panel, name).effective_sample_size();
        assert!(size("hardest-first") < size("hard-first"));
        let tent = named(&panel, "tent");
        assert!(tent.probability(250) > 100.0 * tent.probability(0) && tent.probability(499) < 0.01);
    }
}
