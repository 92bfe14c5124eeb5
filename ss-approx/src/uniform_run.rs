//! The baseline run and the two checkpoints that a search takes from it (`docs/method.md` 4).

use ss_features::{FeatureTable, RunningMean};
use ss_seed::Seed;

use crate::full_run::FullRun;
use crate::{EpochReport, Error, Examples, Result, Sampling, Score, Session, SharedStart, Trainer};

/// Which checkpoints a [`UniformRun`] keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UniformRunConfig {
    /// Epochs trained before the shared start is taken: 1 to the length of the run. The middle of the run is
    /// where trials separate samplers best.
    pub start_epoch: usize,
    /// Last epoch (counted from 1) that the reference may come from; the one with the best validation score
    /// is taken. 1 to `start_epoch`.
    pub reference_until: usize,
    /// The score that chooses the reference.
    pub reference_score: Score,
}

/// An ordinary training run on every example, with what a search needs from it.
pub struct UniformRun {
    /// The run itself: the baseline.
    pub run: FullRun,
    /// Features of the training examples at the reference checkpoint `w_ref`.
    pub features: FeatureTable,
    /// Epochs trained at the reference.
    pub reference_epoch: usize,
    /// The shared start `w_start` of all trials.
    pub start: SharedStart,
}

impl UniformRun {
    /// Trains for the full schedule of `trainer` and keeps what a search needs.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for checkpoints outside the run and a score that the task does not have; errors of training.
    pub fn run(
        trainer: &Trainer,
        seed: Seed,
        validation: &dyn Examples,
        config: UniformRunConfig,
        mut observe: impl FnMut(EpochReport),
    ) -> Result<Self> {
        Self::watched(trainer, seed, validation, config, |report, _| {
            observe(report);
            Ok(())
        })
    }

    /// As [`run`](Self::run), but `observe` sees the network after each epoch too, and can take
    /// [starts](SharedStart::new) at other epochs from it. Looking does not change the run.
    ///
    /// # Errors
    /// As [`run`](Self::run), and errors of `observe`.
    pub fn watched(
        trainer: &Trainer,
        seed: Seed,
        validation: &dyn Examples,
        config: UniformRunConfig,
        mut observe: impl FnMut(EpochReport, &Session) -> Result<()>,
    ) -> Result<Self> {
        let within = |setting, value: usize, last: usize, expected| {
            if (1..=last).contains(&value) {
                return Ok(());
            }
            Err(Error::InvalidSetting { setting, found: format!("{value} of {last}"), expected })
        };
        within("start_epoch", config.start_epoch, trainer.config.epochs, "1 to the number of epochs")?;
        within("reference_until", config.reference_until, config.start_epoch, "1 to start_epoch")?;
        validation.check_score(config.reference_score)?;

        let mut reference: Option<(f64, usize, FeatureTable)> = None;
        let mut start = None;
        let mut mean = MeanFeatures::new(trainer.data.len());
        let run = FullRun::run(trainer, seed, Sampling::Uniform, validation, |report, session, seen| {
            let epoch = report.epoch + 1;
            if epoch <= config.reference_until {
                mean.update(&session.features(trainer.data)?)?;
                let score = seen.score(config.reference_score)?;
                if reference.as_ref().is_none_or(|(value, ..)| score > *value) {
                    reference = Some((score, epoch, mean.table()?));
                }
            }
            if epoch == config.start_epoch {
                start = Some(SharedStart::new(session.snapshot()?, epoch));
            }
            observe(report, session)
        })?;
        match (reference, start) {
            (Some((_, reference_epoch, features)), Some(start)) => {
                Ok(Self { run, features, reference_epoch, start })
            }
            // The checks above put both checkpoints inside the run.
            _ => unreachable!("a run of {} epochs passed its checkpoints", trainer.config.epochs),
        }
    }
}

/// The mean of every feature over the epochs seen so far: steadier than any one reading, and later
/// readings, which have begun to memorise, cannot undo the earlier ones.
struct MeanFeatures {
    examples: usize,
    columns: Vec<(String, RunningMean)>,
}

impl MeanFeatures {
    fn new(examples: usize) -> Self {
        Self { examples, columns: Vec::new() }
    }

    fn update(&mut self, features: &FeatureTable) -> Result<()> {
        if self.columns.is_empty() {
            self.columns =
                features.names().map(|name| (name.to_owned(), RunningMean::new(self.examples))).collect();
        }
        for (name, mean) in &mut self.columns {
            mean.update(features.column(name)?)?;
        }
        Ok(())
    }

    fn table(&self) -> Result<FeatureTable> {
        let mut table = FeatureTable::new((0..self.examples as u64).collect())?;
        for (name, mean) in &self.columns {
            table.insert(name.clone(), mean.means()?)?;
        }
        Ok(table)
    }
}
