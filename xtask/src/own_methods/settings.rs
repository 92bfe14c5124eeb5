//! Settings that tables of these methods share, whatever the task.

use anyhow::Result;
use serde_json::Value;
use ss_cli::Recipe;
use ss_sampler::SamplerSpec;

use crate::run_flags::Run;

/// Settings resolved and checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Shares of the training data that are spoilt, ascending, each once.
    pub(crate) noise: Vec<f64>,
    pub(crate) recipe: Recipe,
    pub(crate) spec: SamplerSpec,
    pub(crate) run: Run,
}

impl Settings {
    /// Everything that changes a cell, apart from its method, noise and seed: these settings, and the `data` of the task, an object.
    pub(crate) fn fingerprint(&self, data: Value) -> Result<Value> {
        let mut fingerprint = data;
        fingerprint["version"] = env!("CARGO_PKG_VERSION").into();
        fingerprint["format"] = 1.into();
        fingerprint["recipe"] = serde_json::to_value(&self.recipe)?;
        fingerprint["spec"] = serde_json::to_value(&self.spec)?;
        self.run.add_arithmetic(&mut fingerprint);
        Ok(fingerprint)
    }
}
