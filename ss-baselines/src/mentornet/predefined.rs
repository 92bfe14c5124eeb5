//! MentorNet-PD: training under a predefined curriculum.

use ss_approx::{Batch, EpochReport, Sampling};

use super::student::{Mentor, Student};
use super::{Predefined, Row, StudentConfig, StudentSettings};
use crate::{Cost, Information, Outcome, Result, Task, TrainingMethod};

/// MentorNet with a predefined curriculum (Jiang et al., ICML 2018, arXiv 1712.05055).
///
/// The published mentor is a network fitted to the curriculum's formula; here the formula itself gives the weights, so
/// that no error of a fit enters ([`fit`](super::fit()) can make that network, and its test bounds the error). The default
/// is the release's curriculum `vstar_mentornet_pd` with `gamma = 1`: every example up to 18% of the training, a
/// threshold at the moving average of the 75th percentile until 90%, then a ramp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MentorNetPd {
    curriculum: Predefined,
    student: StudentConfig,
}

impl MentorNetPd {
    /// The curriculum and settings of the release, whose commands for MentorNet-PD (README and
    /// `commands/train_studentnet_resnet.sh` of google/mentornet) set the percentile to 0.75 at 20 and 40% noise, not to the
    /// flag's default of 0.7. At 80% they have 0.5; a user does not know the rate, and 0.75 is used at all of them.
    ///
    /// # Errors
    /// None with these settings.
    pub fn released() -> Result<Self> {
        let student = StudentSettings { percentile: 0.75, ..StudentSettings::default() };
        Ok(Self::new(Predefined::released(1.0)?, student.check()?))
    }

    /// With another curriculum or another use of its weights.
    pub fn new(curriculum: Predefined, student: StudentConfig) -> Self {
        Self { curriculum, student }
    }
}

impl Mentor for Predefined {
    fn weights(&mut self, rows: &[Row], _batch: &Batch) -> Result<Vec<f32>> {
        Ok(rows.iter().map(|row| self.weight(row.loss, row.difference, row.epoch_percent)).collect())
    }
}

impl TrainingMethod for MentorNetPd {
    fn name(&self) -> &'static str {
        "mentornet-pd"
    }

    fn information(&self) -> Information {
        Information::NONE
    }

    fn train(&self, task: &Task, observe: &mut dyn FnMut(EpochReport)) -> Result<Outcome> {
        let mut student = Student::new(self.student, self.curriculum, task.seed)?;
        let run = task.minimise(&mut student, Sampling::Uniform, observe)?;
        let cost = Cost::of_training(run.cost.trained, 1);
        Ok(Outcome { run, cost })
    }
}
