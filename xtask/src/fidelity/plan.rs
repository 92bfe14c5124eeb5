//! What a run of the study computes: flags, checked, and what of them changes a result.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ss_data::{Dataset, LabelNoise, NoiseKind};

use super::panel;
use super::record::{Setting, Yardstick};
use crate::settings::{self, Profile, Settings};

/// Flags of `reproduce-fidelity`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Share of wrong labels, in training and validation, in [0, 1)
    #[arg(long, default_value_t = 0.4)]
    noise: f64,
    /// Epochs of a trial that are compared, fractions allowed [default: 0.5,1,2,4; 0.5,1 for smoke]
    #[arg(long, value_delimiter = ',')]
    budgets: Vec<f64>,
    /// First learning rates of a trial that are compared, in units of the training's [default: 1,0.5,0.2; 1,0.2 for smoke]
    #[arg(long, value_delimiter = ',')]
    rates: Vec<f64>,
    /// Samplers of the panel, by name, at least three [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    samplers: Vec<String>,
    /// Shared starts that are compared, as shares of the uniform run in (0, 1] [default: 0.1,0.5,1; 0.5,1 for smoke]
    #[arg(long, value_delimiter = ',')]
    starts: Vec<f64>,
}

/// A checked run.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) dataset: Dataset,
    pub(super) noise: LabelNoise,
    /// In the order of start, rate and epochs.
    pub(super) grid: Vec<Setting>,
    /// Names of samplers, in the order of the panel.
    pub(super) samplers: Vec<String>,
}

impl Plan {
    pub(super) fn resolve(args: Args) -> Result<Self> {
        let noise = LabelNoise::new(NoiseKind::Symmetric, args.noise).context("--noise")?;
        let smoke = args.settings.profile == Profile::Smoke;
        let or = |given: Vec<f64>, usual: &[f64], small: &[f64]| {
            let usual = if smoke { small } else { usual };
            distinct(if given.is_empty() { usual.to_vec() } else { given })
        };
        let budgets = or(args.budgets, &[0.5, 1.0, 2.0, 4.0], &[0.5, 1.0]);
        let rates = or(args.rates, &[1.0, 0.5, 0.2], &[1.0, 0.2]);
        let starts = or(args.starts, &[0.1, 0.5, 1.0], &[0.5, 1.0]);
        if let Some(bad) = budgets.iter().find(|e| !(**e > 0.0 && **e <= 1e6)) {
            bail!("--budgets {bad}: expected positive numbers of epochs, such as 1 or 0.5, and at most 1e6");
        }
        if let Some(bad) = rates.iter().find(|r| !(r.is_finite() && **r > 0.0)) {
            bail!("--rates {bad}: expected positive numbers, such as 1 or 0.5");
        }
        if let Some(bad) = starts.iter().find(|s| !(**s > 0.0 && **s <= 1.0)) {
            bail!("--starts {bad}: expected shares of the uniform run above 0 and up to 1, such as 0.5");
        }
        args.settings.run.refuse_finalists("the study of fidelity")?;
        let settings = Settings::resolve(args.settings, "fidelity")?;
        let samplers = chosen(&args.samplers, panel::names(&settings.spec)?)?;
        let dataset = settings.load()?;
        let grid = grid(&starts, &rates, &budgets, settings.recipe.train.epochs);
        Ok(Self { settings, dataset, noise, grid, samplers })
    }

    /// What the search does unless told otherwise: the recipe's.
    pub(super) fn default_row(&self) -> (Setting, Yardstick) {
        let recipe = &self.settings.recipe;
        let setting = Setting { start_epoch: recipe.start_epoch, rate: 1.0, epochs: recipe.trial_epochs };
        (setting, Yardstick { score: recipe.score, labels: self.settings.validation_labels })
    }

    /// Everything that changes a result, apart from what identifies a record.
    pub(super) fn fingerprint(&self) -> Result<Value> {
        let mut fingerprint = self.settings.fingerprint(&self.dataset)?;
        fingerprint["noise"] = self.noise.rate().into();
        fingerprint["panel"] = panel::VERSION.into();
        Ok(fingerprint)
    }
}

/// Every combination; shares of the run become whole epochs, at least one.
fn grid(starts: &[f64], rates: &[f64], budgets: &[f64], total: usize) -> Vec<Setting> {
    let start_epochs: BTreeSet<usize> =
        starts.iter().map(|share| ((share * total as f64).round() as usize).clamp(1, total)).collect();
    let mut settings = Vec::new();
    for &start_epoch in &start_epochs {
        for &rate in rates {
            for &epochs in budgets {
                settings.push(Setting { start_epoch, rate, epochs });
            }
        }
    }
    settings
}

/// Those of the panel that were asked for, or all of them.
fn chosen(asked: &[String], panel: Vec<String>) -> Result<Vec<String>> {
    if let Some(unknown) = asked.iter().find(|name| !panel.contains(name)) {
        bail!("--samplers {unknown}: expected names of the panel: {}", panel.join(", "));
    }
    let all = asked.is_empty();
    let chosen: Vec<String> = panel.into_iter().filter(|name| all || asked.contains(name)).collect();
    if chosen.len() < 3 {
        bail!(
            "--samplers: expected at least 3, as fewer have no ranking to speak of; found {}",
            chosen.len()
        );
    }
    Ok(chosen)
}

/// Without repetition, in the order given.
fn distinct(mut values: Vec<f64>) -> Vec<f64> {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.to_bits()));
    values
}
