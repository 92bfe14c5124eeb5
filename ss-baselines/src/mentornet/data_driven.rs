//! MentorNet-DD: training under a curriculum that is learned from examples of known truth.

use ss_approx::{Batch, EpochReport, Sampling};
use ss_seed::Seed;

use super::student::{Mentor, Student};
use super::{FitConfig, FitSettings, MentorNet, Row, StudentConfig, StudentSettings, fit};
use crate::{CleanSubset, Cost, Error, Information, Outcome, Result, Task, TrainingMethod};

/// The epoch feature of every row, in percent: the release keeps it at the end of its burn-in
/// (`--fixed_epoch_after_burn_in --burn_in_epoch=18`).
const FIXED_PERCENT: u32 = 18;

/// MentorNet with a data-driven curriculum (Jiang et al., ICML 2018, arXiv 1712.05055): the mentor learns from a small set
/// of examples whose true labels are known ([`CleanSubset`]) which losses go with right labels, target 1, and which with
/// wrong ones, target 0.
///
/// As in the paper's algorithm the mentor is updated a few times while the student trains, at 21% and 75% of the training;
/// before the first update every weight is 1. The release publishes the features from which its mentor was learned as a
/// table of (epoch, labels, loss) without the code that dumped them. Here (our reconstruction) the rows are the student's
/// own: each time it trains on an example of the subset, in the last tenth of the training before an update (at least an
/// epoch), loss and difference to the moving average are recorded exactly as the mentor will see them. That
/// costs no pass through the network.
#[derive(Clone, Debug, PartialEq)]
pub struct MentorNetDd {
    updates: Vec<u32>,
    window: f64,
    student: StudentConfig,
    fit: FitConfig,
}

impl MentorNetDd {
    /// The published settings, with the number of steps of a fit that [`FitSettings`] has by default. The percentile is 0.7, the
    /// default of the release's flag, at every noise rate: its commands tune it to a rate that a user does not know (0.8,
    /// 0.6, 0.5 at 20, 40, 80%), and nothing is tuned here.
    ///
    /// # Errors
    /// None with these settings.
    pub fn released() -> Result<Self> {
        let (student, fit) = (StudentSettings::default().check()?, FitSettings::default().check()?);
        Self::new(vec![21, 75], 0.1, student, fit)
    }

    /// With other settings: the mentor is fitted at each of `updates` (percent of the training, increasing, 1 to 99) to rows
    /// of the share `window`, in `(0, 1]`, of the training before it.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`].
    pub fn new(updates: Vec<u32>, window: f64, student: StudentConfig, fit: FitConfig) -> Result<Self> {
        let invalid =
            |setting, found: String, expected| Err(Error::InvalidSetting { setting, found, expected });
        let inside = updates.iter().all(|percent| (1..100).contains(percent));
        if updates.is_empty() || !inside || !updates.is_sorted_by(|a, b| a < b) {
            let expected = "at least one, increasing, each from 1 to 99 percent, such as [21, 75]";
            return invalid("updates", format!("{updates:?}"), expected);
        }
        if !(window > 0.0 && window <= 1.0) {
            return invalid("window", window.to_string(), "a share of the training in (0, 1] such as 0.1");
        }
        Ok(Self { updates, window, student, fit })
    }
}

impl TrainingMethod for MentorNetDd {
    fn name(&self) -> &'static str {
        "mentornet-dd"
    }

    fn information(&self) -> Information {
        Information::CLEAN_SUBSET
    }

    /// The cost counts passes through the student; a fit of the mentor, a network of some hundred weights, makes none.
    fn train(&self, task: &Task, observe: &mut dyn FnMut(EpochReport)) -> Result<Outcome> {
        let mentor = DataDriven {
            clean: task.known.clean_subset(self.name())?,
            updates: &self.updates,
            done: 0,
            window: self.window.max(1.0 / task.trainer.config.epochs as f64),
            rows: Vec::new(),
            targets: Vec::new(),
            fit: &self.fit,
            seed: task.seed,
            network: None,
        };
        let mut student = Student::new(self.student, mentor, task.seed)?;
        let run = task.minimise(&mut student, Sampling::Uniform, observe)?;
        let cost = Cost::of_training(run.cost.trained, 1);
        Ok(Outcome { run, cost })
    }
}

/// A mentor that learns as the training goes on.
struct DataDriven<'a> {
    clean: &'a CleanSubset,
    updates: &'a [u32],
    /// Updates made.
    done: usize,
    window: f64,
    rows: Vec<Row>,
    targets: Vec<f32>,
    fit: &'a FitConfig,
    seed: Seed,
    /// `None` until the first update.
    network: Option<MentorNet>,
}

impl DataDriven<'_> {
    /// Fits the mentor when its update is due.
    fn update(&mut self, progress: f64) -> Result<()> {
        while let Some(&percent) = self.updates.get(self.done)
            && 100.0 * progress >= f64::from(percent)
        {
            // A run of so few steps that no example of the subset came up keeps the mentor that it has.
            if self.rows.len() >= 2 {
                let seed = self.seed.derive("mentornet-dd", self.done as u64);
                self.network = Some(fit(&self.rows, &self.targets, self.fit, seed)?.network);
            }
            self.rows.clear();
            self.targets.clear();
            self.done += 1;
        }
        Ok(())
    }

    /// Keeps the rows of examples whose truth is known, in the window before an update.
    fn record(&mut self, rows: &[Row], batch: &Batch) -> Result<()> {
        let Some(&percent) = self.updates.get(self.done) else { return Ok(()) };
        if batch.progress < f64::from(percent) / 100.0 - self.window {
            return Ok(());
        }
        let labels = batch.labels.to_vec1::<u32>()?;
        for ((row, draw), label) in rows.iter().zip(batch.draws).zip(labels) {
            if let Some(truth) = self.clean.true_label(draw.example()) {
                self.rows.push(*row);
                self.targets.push(f32::from(u8::from(label == truth)));
            }
        }
        Ok(())
    }
}

impl Mentor for DataDriven<'_> {
    fn weights(&mut self, rows: &[Row], batch: &Batch) -> Result<Vec<f32>> {
        self.update(batch.progress)?;
        let fixed: Vec<Row> = rows.iter().map(|row| Row { epoch_percent: FIXED_PERCENT, ..*row }).collect();
        self.record(&fixed, batch)?;
        match &self.network {
            Some(network) => network.weights(&fixed),
            None => Ok(vec![1.0; rows.len()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_named() {
        let new = |updates, window| {
            let student = StudentSettings::default().check().unwrap();
            MentorNetDd::new(updates, window, student, FitSettings::default().check().unwrap())
        };
        for updates in [vec![], vec![0], vec![100], vec![75, 21], vec![21, 21]] {
            assert!(new(updates, 0.1).unwrap_err().to_string().starts_with("updates"));
        }
        for window in [0.0, 1.5, f64::NAN] {
            assert!(new(vec![21], window).unwrap_err().to_string().starts_with("window"));
        }
        assert_eq!(new(vec![21, 75], 0.1).unwrap(), MentorNetDd::released().unwrap());
    }
}
