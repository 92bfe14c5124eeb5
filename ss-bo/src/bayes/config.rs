//! Settings of Bayesian optimisation.

use serde::{Deserialize, Serialize};

use crate::acquisition::Acquisition;
use crate::error::{Error, Result, check_point};
use crate::gp::{Priors, TargetTransform};

/// Settings of [`BayesOpt`](crate::BayesOpt); checked once, by its constructor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoConfig {
    /// Number of trials before the model takes over, the user's designs included; what they do not fill is
    /// scrambled Sobol. At least 1 unless designs are given. Defaults to 6.
    pub startup_trials: usize,
    /// Designs that are evaluated first, in this order, each in `[0, 1]^d`. A design whose canonical point has
    /// been suggested already is skipped. Defaults to none.
    pub startup: Vec<Vec<f64>>,
    /// What the next trial maximises. Defaults to [`Acquisition::LogNoisyEi`].
    pub acquisition: Acquisition,
    /// How scores are brought to a common scale. Defaults to [`TargetTransform::Warped`].
    pub transform: TargetTransform,
    /// Priors of the hyper-parameters.
    pub priors: Priors,
    /// Plausible hyper-parameters beside the most probable ones that acquisitions are averaged over, up to 127
    /// observations. At most 64; defaults to 4. 0 trusts the most probable ones alone.
    pub hyper_draws: usize,
    /// Suggestions keep this distance (largest difference of a canonical coordinate) from all earlier
    /// trials. In `[0, 0.5)`; defaults to 1e-4.
    pub min_distance: f64,
    /// Seed of every random choice. Defaults to 0.
    pub seed: u64,
}

impl Default for BoConfig {
    fn default() -> Self {
        Self {
            startup_trials: 6,
            startup: Vec::new(),
            acquisition: Acquisition::default(),
            transform: TargetTransform::default(),
            priors: Priors::default(),
            hyper_draws: 4,
            min_distance: 1e-4,
            seed: 0,
        }
    }
}

impl BoConfig {
    /// Checks every field for a search space of dimension `dim`.
    pub(super) fn check(self, dim: usize) -> Result<ValidConfig> {
        let invalid = |field, found: String, expected| Err(Error::InvalidConfig { field, found, expected });
        if dim == 0 {
            return invalid("dim", dim.to_string(), "at least one dimension");
        }
        for (i, x) in self.startup.iter().enumerate() {
            check_point(x, dim, || format!("startup design {i}"))?;
        }
        if self.startup_trials == 0 && self.startup.is_empty() {
            return invalid("startup_trials", "0".into(), "at least 1 when `startup` is empty");
        }
        if self.hyper_draws > 64 {
            return invalid("hyper_draws", self.hyper_draws.to_string(), "at most 64");
        }
        if !(0.0..0.5).contains(&self.min_distance) {
            return invalid("min_distance", self.min_distance.to_string(), "a number in [0, 0.5)");
        }
        if let Acquisition::Ucb { beta } = self.acquisition
            && !(beta.is_finite() && beta > 0.0)
        {
            return invalid("acquisition.beta", beta.to_string(), "a finite positive number");
        }
        self.priors.check()?;
        Ok(ValidConfig(self))
    }
}

/// Settings that have been checked against the dimension of the search space.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct ValidConfig(BoConfig);

impl std::ops::Deref for ValidConfig {
    type Target = BoConfig;

    fn deref(&self) -> &BoConfig {
        &self.0
    }
}
