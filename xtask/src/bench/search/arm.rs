//! The arms: the search as it is shipped, what is left when its two ideas are taken away, and rivals.

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use ss_bo::rivals::ReinforceConfig;
use ss_bo::{BayesOpt, BoConfig, EvolutionStrategy, Optimizer, RandomSearch, Reinforce, SobolSearch};
use ss_sampler::{RankedFeatures, Transform, canonicalize_unit, shapes};
use ss_seed::Seed;

/// An optimiser with the coordinates it sees and the points it starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arm {
    /// Bayesian optimisation in canonical coordinates from simple rules: what `swift-sampler search` does
    CanonicalRules,
    /// Bayesian optimisation on the raw cube from Sobol points
    RawSobol,
    /// Bayesian optimisation on the raw cube from simple rules
    RawRules,
    /// Bayesian optimisation in canonical coordinates from Sobol points
    CanonicalSobol,
    /// As canonical-rules, by rank (cdf) in the place of gradient mass (cgf)
    CanonicalRulesCdf,
    /// As canonical-sobol, by rank (cdf) in the place of gradient mass (cgf)
    CanonicalSobolCdf,
    /// Independent uniform points
    Random,
    /// Scrambled Sobol points
    Sobol,
    /// REINFORCE with a Gaussian policy
    Reinforce,
    /// A (1+1) evolution strategy
    Evolution,
}

impl Arm {
    /// The arms of `bench search` unless a flag names others.
    pub(super) const BENCH: [Self; 8] = [
        Self::CanonicalRules,
        Self::RawSobol,
        Self::RawRules,
        Self::CanonicalSobol,
        Self::Random,
        Self::Sobol,
        Self::Reinforce,
        Self::Evolution,
    ];

    /// The coordinate that this arm's rules are functions of.
    pub(crate) const fn transform(self) -> Transform {
        match self {
            Self::CanonicalRulesCdf | Self::CanonicalSobolCdf => Transform::Cdf,
            Self::CanonicalRules
            | Self::RawSobol
            | Self::RawRules
            | Self::CanonicalSobol
            | Self::Random
            | Self::Sobol
            | Self::Reinforce
            | Self::Evolution => Transform::Cgf,
        }
    }

    /// The optimiser of this arm over rules for `ranked` (of this arm's transform), all its random choices drawn from `seed`.
    ///
    /// `CanonicalRules` is built as `ss_cli::search::search` builds its own, which it keeps to itself; a test
    /// compares the two trial by trial.
    pub(super) fn optimizer(self, ranked: &RankedFeatures, seed: Seed) -> Result<Box<dyn Optimizer>> {
        let dim = ranked.spec().dim();
        let seed = seed.derive("outer-loop", 0).value();
        let sobol = BoConfig { seed, ..BoConfig::default() };
        let rules = || -> Result<BoConfig> { Ok(BoConfig { startup: designs(ranked)?, ..sobol.clone() }) };
        let spec = ranked.spec().clone();
        // The optimisers only ask for points of the right dimension, the one thing that can be wrong with them.
        let projection =
            Arc::new(move |x: &[f64]| canonicalize_unit(&spec, x).unwrap_or_else(|_| x.to_vec()));
        Ok(match self {
            Self::CanonicalRules | Self::CanonicalRulesCdf => {
                Box::new(BayesOpt::with_projection(dim, rules()?, projection)?)
            }
            Self::CanonicalSobol | Self::CanonicalSobolCdf => {
                Box::new(BayesOpt::with_projection(dim, sobol, projection)?)
            }
            Self::RawRules => Box::new(BayesOpt::new(dim, rules()?)?),
            Self::RawSobol => Box::new(BayesOpt::new(dim, sobol)?),
            Self::Random => Box::new(RandomSearch::new(dim, seed)?),
            Self::Sobol => Box::new(SobolSearch::new(dim, seed)?),
            Self::Reinforce => {
                Box::new(Reinforce::new(dim, ReinforceConfig { seed, ..ReinforceConfig::default() })?)
            }
            Self::Evolution => Box::new(EvolutionStrategy::new(dim, seed)?),
        })
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.pad(value.get_name()),
            None => Ok(()),
        }
    }
}

/// The simple rules as points of the cube.
fn designs(ranked: &RankedFeatures) -> Result<Vec<Vec<f64>>> {
    let rules = shapes::startup(ranked)?;
    rules.iter().map(|(_, params)| Ok(params.canonical().to_unit(ranked.spec())?)).collect()
}
