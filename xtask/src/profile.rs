//! How much a study computes.

use anyhow::{Result, bail};
use clap::ValueEnum;
use ss_cli::Recipe;
use ss_data::DatasetKind;

/// The profiles of the studies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Seconds: shows that every part works, says nothing about the method
    Smoke,
    /// Minutes on two cores: the embedded digits, whole
    Quick,
    /// Hours on two cores: Fashion-MNIST
    Cpu,
}

impl Profile {
    /// As in flags and folder names.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Cpu => "cpu",
        }
    }

    /// The dataset unless a flag names another.
    pub(crate) const fn dataset(self) -> DatasetKind {
        match self {
            Self::Smoke | Self::Quick => DatasetKind::Digits,
            Self::Cpu => DatasetKind::FashionMnist,
        }
    }

    /// The dataset's recipe, cut down to seconds for `smoke`.
    pub(crate) fn recipe(self, dataset: DatasetKind) -> Recipe {
        let mut recipe = Recipe::for_dataset(dataset);
        if self == Self::Smoke {
            recipe.train_size = Some(200);
            recipe.validation_size = 100;
            recipe.test_size = Some(200);
            recipe.trials = 4;
            recipe.set_epochs(4);
        }
        recipe
    }
}

/// Small trainings side by side, one a core; large ones with every core each.
pub(crate) fn default_jobs(jobs: Option<usize>, kind: DatasetKind) -> Result<usize> {
    let jobs = jobs.unwrap_or(if kind == DatasetKind::Digits { rayon::current_num_threads() } else { 1 });
    if jobs == 0 {
        bail!("--jobs 0: expected at least 1");
    }
    Ok(jobs)
}
