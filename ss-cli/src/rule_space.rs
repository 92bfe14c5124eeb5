//! The rules that a search chooses from: points of the unit cube on one set of ranked features.

use std::sync::Arc;

use ss_bo::{BayesOpt, BoConfig};
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Weights, shapes};
use ss_seed::Seed;

use crate::Result;

/// Ranked features, the start-up rules on them, and the optimiser over all rules.
#[derive(Clone, Debug)]
pub(crate) struct RuleSpace {
    ranked: RankedFeatures,
    /// The start-up shapes by name; uniform sampling is the first.
    designs: Vec<(String, Vec<f64>)>,
    seed: Seed,
}

impl RuleSpace {
    /// The rules of the spec that `ranked` is for; `seed` is that of the optimiser.
    pub(crate) fn new(ranked: RankedFeatures, seed: Seed) -> Result<Self> {
        let designs = shapes::startup(&ranked)?
            .into_iter()
            .map(|(name, params)| Ok((name, params.canonical().to_unit(ranked.spec())?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { ranked, designs, seed })
    }

    pub(crate) fn ranked(&self) -> &RankedFeatures {
        &self.ranked
    }

    pub(crate) fn into_ranked(self) -> RankedFeatures {
        self.ranked
    }

    /// What makes a fresh optimiser: the start-up rules first, uniform sampling before all, then the model's.
    pub(crate) fn optimizer(&self) -> impl Fn() -> ss_bo::Result<Box<BayesOpt>> + Send + Sync + 'static {
        let spec = self.ranked.spec().clone();
        let dim = spec.dim();
        let config = BoConfig {
            startup: self.designs.iter().map(|(_, point)| point.clone()).collect(),
            seed: self.seed.value(),
            ..BoConfig::default()
        };
        // The optimiser only asks for points of the right dimension, the one thing that can be wrong with them.
        let projection: ss_bo::Projection =
            Arc::new(move |x| ss_sampler::canonicalize_unit(&spec, x).unwrap_or_else(|_| x.to_vec()));
        move || Ok(Box::new(BayesOpt::with_projection(dim, config.clone(), Arc::clone(&projection))?))
    }

    /// The rule at a point.
    pub(crate) fn params(&self, point: &[f64]) -> Result<SamplerParams> {
        Ok(SamplerParams::from_unit(self.ranked.spec(), point)?)
    }

    /// The weights of the rule at a point.
    pub(crate) fn weights(&self, point: &[f64]) -> Result<Weights> {
        Ok(self.ranked.weights(&self.params(point)?)?)
    }

    /// Whether `point` is uniform sampling.
    pub(crate) fn is_uniform(&self, point: &[f64]) -> bool {
        self.designs.first().is_some_and(|(_, design)| same(design, point))
    }

    /// The start-up shape at `point`, or `model` for a point that the optimiser chose.
    pub(crate) fn name_of(&self, point: &[f64]) -> &str {
        self.designs
            .iter()
            .find(|(_, design)| same(design, point))
            .map_or(crate::TrialRecord::MODEL, |(name, _)| name)
    }
}

/// The names of the coordinates of the unit cube of `spec`, in order: of the candidate's parameters.
pub(crate) fn parameter_names(spec: &SamplerSpec) -> Vec<String> {
    let coefficients = spec.features().iter().map(|feature| format!("c_{feature}"));
    let knots = (1..spec.segments()).map(|k| format!("e_{k}"));
    let values = (0..=spec.segments()).map(|k| format!("v_{k}"));
    coefficients.chain(knots).chain(values).collect()
}

/// Whether two points of the unit cube are one, but for rounding.
pub(crate) fn same(design: &[f64], point: &[f64]) -> bool {
    design.iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coordinate_has_a_name_of_its_own() {
        let spec = SamplerSpec::paper();
        let names = parameter_names(&spec);
        assert_eq!(names.join(" "), "c_loss c_renormed_entropy e_1 e_2 e_3 v_0 v_1 v_2 v_3 v_4");
        assert_eq!(names.len(), spec.dim());
    }
}
