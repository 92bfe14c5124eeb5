//! Full trainings of an experiment, timed, and what their models reach.

use std::time::Instant;

use ss_approx::{FullRun, Sampling, Trainer, UniformRun, UniformRunConfig};
use ss_sampler::Weights;

use super::{Event, Measures, Method, MethodResult, Setup};
use crate::selection::paired;
use crate::{Experiment, Result};

/// A run and its wall-clock seconds.
pub struct Timed<T> {
    /// The run.
    pub run: T,
    /// What it took.
    pub seconds: f64,
}

/// The uniform run and its wall-clock seconds, which fall into two parts.
pub struct TimedUniformRun {
    /// The run.
    pub run: UniformRun,
    /// What the training took: the baseline.
    pub seconds: f64,
    /// What the readings of features took that the reference needs: one more such pass over the training images, timed,
    /// times their number.
    pub reading_seconds: f64,
}

/// What sampling uniformly from the examples that are not wrong reaches.
///
/// # Errors
/// Those of training; no weights where every example is wrong.
pub fn oracle(trainer: &Trainer, setup: Setup, observe: &mut impl FnMut(Event)) -> Result<MethodResult> {
    let experiment = setup.experiment;
    let clean = experiment.wrong.iter().map(|&wrong| f64::from(u8::from(!wrong))).collect();
    let sampling = Sampling::Fixed(Weights::new(clean)?);
    let Timed { run, seconds } = full_run(trainer, setup, Method::Oracle, sampling, observe)?;
    judge(trainer, experiment, Method::Oracle, &run, seconds)
}

/// The uniform run of an experiment: the baseline, and what a search starts from.
///
/// # Errors
/// Those of training.
pub fn uniform_run(
    trainer: &Trainer,
    setup: Setup,
    observe: &mut impl FnMut(Event),
) -> Result<TimedUniformRun> {
    let clock = Instant::now();
    let recipe = setup.recipe;
    let config = UniformRunConfig {
        start_epoch: recipe.start_epoch,
        reference_until: recipe.reference_until,
        reference_score: recipe.score,
    };
    let validation = setup.experiment.validation.as_ref();
    let run = UniformRun::watched(trainer, setup.seed, validation, config, |report, session| {
        observe(Event::Epoch {
            method: Method::Baseline,
            epoch: report.epoch + 1,
            epochs: report.epochs,
            loss: report.train_loss,
            session: Some(session),
        });
        Ok(())
    })?;
    let whole = clock.elapsed().as_secs_f64();
    // One reading is timed in the place of all, and may have been held up where they were not.
    let reading_seconds = reading_seconds(trainer, setup, &run)?.min(whole);
    Ok(TimedUniformRun { run, seconds: whole - reading_seconds, reading_seconds })
}

fn reading_seconds(trainer: &Trainer, setup: Setup, uniform: &UniformRun) -> Result<f64> {
    let clock = Instant::now();
    trainer.predict(&uniform.run.last, trainer.data)?.features()?;
    Ok(clock.elapsed().as_secs_f64() * setup.recipe.reference_until as f64)
}

/// A training from scratch under `sampling`, shown as one of `method`.
///
/// # Errors
/// Those of training.
pub fn full_run(
    trainer: &Trainer,
    setup: Setup,
    method: Method,
    sampling: Sampling,
    observe: &mut impl FnMut(Event),
) -> Result<Timed<FullRun>> {
    let clock = Instant::now();
    let validation = setup.experiment.validation.as_ref();
    let run = FullRun::run(trainer, setup.seed, sampling, validation, |report, session, _| {
        observe(Event::Epoch {
            method,
            epoch: report.epoch + 1,
            epochs: report.epochs,
            loss: report.train_loss,
            session: Some(session),
        });
        Ok(())
    })?;
    Ok(Timed { run, seconds: clock.elapsed().as_secs_f64() })
}

/// What a finished run reaches on test data: accuracies in percent, and what the task measures beside.
///
/// # Errors
/// Those of predicting: a model that has diverged.
pub fn judge(
    trainer: &Trainer,
    experiment: &Experiment,
    method: Method,
    run: &FullRun,
    train_seconds: f64,
) -> Result<MethodResult> {
    let test = experiment.test.as_ref();
    let (last, best) = (trainer.predict(&run.last, test)?, trainer.predict(&run.best, test)?);
    // Pairs of images have no classes to be among the nearest five.
    let top5 = if last.embeddings().is_some_and(|seen| seen.classes().is_err()) {
        0.0
    } else {
        last.top_k_accuracy(5)?
    };
    Ok(MethodResult {
        top1_last: 100.0 * last.accuracy()?,
        top1_best: 100.0 * best.accuracy()?,
        top5_last: 100.0 * top5,
        val_top1: run.history.last().map_or(f64::NAN, |epoch| 100.0 * epoch.accuracy),
        measures: Measures::of(&last, &best, &run.history, experiment.protocol.as_ref())?,
        ..MethodResult::of_training(method, train_seconds)
    })
}

/// Gain on validation data of one finished model over another, and its standard error, by the score that models of the task are
/// compared by.
///
/// That is accuracy for images, whatever the score of the trials was: a likelihood also rewards mere caution, and what a user
/// wants of the finished model is the right label. Of a language model one wants the likelihood.
pub(super) fn validation_gain(
    trainer: &Trainer,
    experiment: &Experiment,
    run: &FullRun,
    base: &FullRun,
) -> Result<(f64, f64)> {
    let validation = experiment.validation.as_ref();
    let scores = |run: &FullRun| -> Result<Vec<f64>> {
        Ok(trainer.predict(&run.last, validation)?.example_scores(validation.goal())?)
    };
    paired(&scores(run)?, &scores(base)?)
}
