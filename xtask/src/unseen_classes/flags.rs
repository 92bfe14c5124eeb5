//! Flags of these tables.

use anyhow::Result;
use ss_cli::Recipe;
use ss_data::{LabelNoise, NoiseKind};

use crate::own_methods::Settings;
use crate::run_flags::{RunArgs, rates};

/// The flags, but for the data.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Shares of the training labels that are made wrong, in [0, 1): redrawn among the other training classes. Validation and test
    /// classes, which are others, keep their right labels
    #[arg(long, value_delimiter = ',', default_value = "0,0.2")]
    noise: Vec<f64>,
    /// Images a step
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate of the first step
    #[arg(long)]
    learning_rate: Option<f64>,
    #[command(flatten)]
    run: RunArgs,
}

impl Flags {
    /// Opens the devices and checks every value. Results go to `runs/NAME` where no flag says otherwise.
    pub(crate) fn resolve(self, recipe: Recipe, smoke: bool, name: &str) -> Result<Settings> {
        let noise = rates(&self.noise, |rate| {
            LabelNoise::new(NoiseKind::Symmetric, rate)?;
            Ok(())
        })?;
        Ok(Settings { noise, recipe, spec: self.run.spec()?, run: self.run.resolve(smoke, true, name)? })
    }

    /// Changes a recipe as the flags say, and checks it.
    pub(crate) fn adjust(&self, recipe: &mut Recipe) -> Result<()> {
        self.run.adjust(recipe);
        recipe.train.batch_size = self.batch.unwrap_or(recipe.train.batch_size);
        recipe.train.learning_rate = self.learning_rate.unwrap_or(recipe.train.learning_rate);
        Ok(recipe.check()?)
    }
}
