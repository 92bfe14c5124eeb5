//! The arms of the figure, and which of them may be compared with which.

use crate::bench::search::arm::Arm;

/// In the order of rows and curves.
pub(super) const ALL: [Arm; 7] = [
    Arm::CanonicalRules,
    Arm::CanonicalRulesCdf,
    Arm::CanonicalSobol,
    Arm::CanonicalSobolCdf,
    Arm::Reinforce,
    Arm::Random,
    Arm::Evolution,
];

/// An arm as the figure calls it.
pub(super) fn name(arm: Arm) -> String {
    match arm {
        Arm::CanonicalRules => "BO, cgf, simple rules".into(),
        Arm::CanonicalRulesCdf => "BO, cdf, simple rules".into(),
        Arm::CanonicalSobol => "BO, cgf, Sobol start".into(),
        Arm::CanonicalSobolCdf => "BO, cdf, Sobol start".into(),
        Arm::Reinforce => "RL (REINFORCE)".into(),
        Arm::Random => "random".into(),
        Arm::Evolution => "evolution, (1+1)".into(),
        Arm::RawSobol | Arm::RawRules | Arm::Sobol => arm.to_string(),
    }
}

/// The arms that `of` is compared with: the search as it is shipped, and for arms that know no simple rules Bayesian
/// optimisation without them.
pub(super) fn compared_with(of: Arm) -> &'static [Arm] {
    match of {
        Arm::CanonicalRules => &[],
        Arm::CanonicalRulesCdf | Arm::CanonicalSobol | Arm::RawRules => &[Arm::CanonicalRules],
        Arm::CanonicalSobolCdf
        | Arm::Reinforce
        | Arm::Random
        | Arm::Evolution
        | Arm::RawSobol
        | Arm::Sobol => &[Arm::CanonicalRules, Arm::CanonicalSobol],
    }
}
