//! The rivals of Table 1 as methods of an experiment.

use std::time::Instant;

use ss_approx::Trainer;
use ss_baselines::{
    CoTeaching, Information, Known, L2rw, LossThreshold, MentorNetDd, MentorNetPd, Reed, Task, TrainingMethod,
};

use super::training::{TimedUniformRun, judge};
use super::{Event, Method, MethodResult, Setup};
use crate::{Result, ValidationLabels};

impl Method {
    /// The rival of this name with its published settings; `None` for the methods that are none.
    ///
    /// # Errors
    /// None with published settings.
    pub fn rival(self) -> Result<Option<Box<dyn TrainingMethod>>> {
        Ok(Some(match self {
            Self::Baseline | Self::Oracle | Self::Ss => return Ok(None),
            Self::ReedSoft => Box::new(Reed::SOFT),
            Self::ReedHard => Box::new(Reed::HARD),
            Self::MentornetPd => Box::new(MentorNetPd::released()?),
            Self::MentornetDd => Box::new(MentorNetDd::released()?),
            Self::L2rw => Box::new(L2rw),
            Self::CoTeaching => Box::new(CoTeaching::default()),
            Self::LossThreshold => Box::new(LossThreshold),
        }))
    }

    /// What the method is told beyond noisy training labels.
    ///
    /// # Errors
    /// As [`rival`](Self::rival).
    pub fn information(self, validation: ValidationLabels) -> Result<Information> {
        let validated = |own: Information| match validation {
            ValidationLabels::Clean => Information { clean_validation: true, ..own },
            ValidationLabels::Noisy => Information { noisy_validation: true, ..own },
        };
        Ok(match (self, self.rival()?) {
            // Whoever reads the reference learns from the validation labels that chose it.
            (_, Some(rival)) if rival.reads_uniform_run() => validated(rival.information()),
            (_, Some(rival)) => rival.information(),
            (Self::Oracle, None) => Information { wrong_labels: true, ..Information::NONE },
            (Self::Ss, None) => validated(Information::NONE),
            (_, None) => Information::NONE,
        })
    }

    /// Whether the method starts from the uniform run or is it.
    pub(super) fn needs_uniform_run(self) -> Result<bool> {
        Ok(match self {
            Self::Baseline | Self::Ss => true,
            _ => self.rival()?.is_some_and(|rival| rival.reads_uniform_run()),
        })
    }
}

/// Trains by `rival`, which is told what it asks for, and judges the model.
pub(super) fn train_rival(
    trainer: &Trainer,
    setup: Setup,
    method: Method,
    rival: &dyn TrainingMethod,
    uniform: Option<&TimedUniformRun>,
    observe: &mut impl FnMut(Event),
) -> Result<MethodResult> {
    let Setup { experiment, recipe, seed, .. } = setup;
    let clock = Instant::now();
    let information = rival.information();
    let clean_subset = information.clean_subset.then(|| experiment.clean_subset(seed)).transpose()?;
    let reads = rival.reads_uniform_run();
    let uniform = uniform.filter(|_| reads);
    let reference_loss = uniform.map(|uniform| uniform.run.features.column("loss")).transpose()?;
    let known = Known {
        noise_rate: information.noise_rate.then_some(experiment.realized_noise),
        clean_subset: clean_subset.as_ref(),
        reference_loss,
    };
    let task = Task { trainer, seed, validation: experiment.validation.as_ref(), known };
    let outcome = rival.train(&task, &mut |report| {
        observe(Event::Epoch {
            method,
            epoch: report.epoch + 1,
            epochs: report.epochs,
            loss: report.train_loss,
            session: None,
        });
    })?;
    let mut result = judge(trainer, experiment, method, &outcome.run, clock.elapsed().as_secs_f64())?;
    result.extra_cost = outcome.extra_cost();
    if let Some(uniform) = uniform {
        result.train_seconds += uniform.seconds;
        result.search_seconds = uniform.reading_seconds;
        // The readings behind the reference, each a forward pass over the training data.
        result.feature_cost = recipe.reference_until as f64 / (3.0 * trainer.config.epochs as f64);
    }
    Ok(result)
}
