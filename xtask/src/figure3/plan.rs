//! What a run of the figure computes: flags, checked, and what of them changes a result.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ss_bo::BoConfig;
use ss_cli::ValidationLabels;
use ss_data::{Dataset, LabelNoise, NoiseKind};
use ss_sampler::Transform;

use super::arms;
use crate::bench::search::arm::Arm;
use crate::settings::{self, Profile, Settings};

/// Flags of `reproduce-figure3`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::Args,
    /// Share of wrong labels, in training and validation, in [0, 1)
    #[arg(long, default_value_t = 0.4)]
    noise: f64,
    /// Arms [default: canonical-rules,canonical-rules-cdf,canonical-sobol,canonical-sobol-cdf,reinforce,random,evolution]
    #[arg(long, value_enum, value_delimiter = ',')]
    arms: Vec<Arm>,
}

/// A checked run.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) dataset: Dataset,
    pub(super) noise: LabelNoise,
    pub(super) arms: Vec<Arm>,
}

/// Seeds unless a flag says otherwise.
const SEEDS: u64 = 10;
/// The same for the smoke profile: the fewest that have an interval.
const SMOKE_SEEDS: u64 = 2;

impl Plan {
    pub(super) fn resolve(mut args: Args) -> Result<Self> {
        let noise = LabelNoise::new(NoiseKind::Symmetric, args.noise).context("--noise")?;
        let smoke = args.settings.profile == Profile::Smoke;
        args.settings.run.seeds.get_or_insert(if smoke { SMOKE_SEEDS } else { SEEDS });
        args.settings.run.refuse_finalists("figure 3")?;
        let settings = Settings::resolve(args.settings, "figure3")?;
        if settings.spec.transform() != Transform::Cgf {
            bail!(
                "--transform {}: every arm of the figure has its own; choose --arms",
                settings.spec.transform()
            );
        }
        if settings.validation_labels != ValidationLabels::Noisy {
            bail!("--val-labels clean: the arms are told noisy labels; clean ones are reported beside them");
        }
        let mut arms: Vec<Arm> = Vec::new();
        for &arm in if args.arms.is_empty() { &arms::ALL[..] } else { &args.arms } {
            if !arms.contains(&arm) {
                arms.push(arm);
            }
        }
        let dataset = settings.load()?;
        Ok(Self { settings, dataset, noise, arms })
    }

    /// Everything that changes a result, apart from seed and arm.
    pub(super) fn fingerprint(&self) -> Result<Value> {
        let mut fingerprint = self.settings.fingerprint(&self.dataset)?;
        fingerprint["noise"] = self.noise.rate().into();
        // A search depends on the optimiser's defaults, which a new version of it may change.
        fingerprint["optimiser"] = serde_json::to_value(BoConfig::default())?;
        Ok(fingerprint)
    }
}
