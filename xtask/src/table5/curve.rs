//! Test accuracy after every epoch of one training.

use std::time::Instant;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use ss_approx::Examples;
use ss_cli::method::Event;

/// How a network has learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Curve {
    /// Test top-1 in percent after each epoch.
    pub(super) top1: Vec<f64>,
    /// Wall-clock seconds of an epoch, its evaluation on test images left out.
    pub(super) epoch_seconds: f64,
}

impl Curve {
    /// The first epoch, counted from 1, after which `top1` reaches `target` percent.
    pub(super) fn epoch_of(&self, target: f64) -> Option<usize> {
        self.top1.iter().position(|&top1| top1 >= target).map(|epoch| epoch + 1)
    }
}

/// Reads the test accuracy of a network as it is trained.
pub(super) struct Recorder<'a> {
    test: &'a dyn Examples,
    top1: Vec<f64>,
    reading_seconds: f64,
    failure: Option<ss_approx::Error>,
}

impl<'a> Recorder<'a> {
    pub(super) const fn new(test: &'a dyn Examples) -> Self {
        Self { test, top1: Vec::new(), reading_seconds: 0.0, failure: None }
    }

    /// Looks at the network at the end of an epoch.
    pub(super) fn see(&mut self, event: &Event) {
        let Event::Epoch { session: Some(session), .. } = event else { return };
        let clock = Instant::now();
        let accuracy = session.predict(self.test).and_then(|seen| seen.accuracy());
        match accuracy {
            Ok(accuracy) => self.top1.push(100.0 * accuracy),
            Err(error) => self.failure = Some(error),
        }
        self.reading_seconds += clock.elapsed().as_secs_f64();
    }

    /// What the looking has taken.
    pub(super) const fn reading_seconds(&self) -> f64 {
        self.reading_seconds
    }

    /// The curve of a training that took so many seconds, without the looking.
    pub(super) fn finish(self, train_seconds: f64) -> Result<Curve> {
        if let Some(error) = self.failure {
            return Err(error.into());
        }
        if self.top1.is_empty() {
            bail!("a training without epochs has no curve");
        }
        let epoch_seconds = train_seconds / self.top1.len() as f64;
        Ok(Curve { top1: self.top1, epoch_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::Curve;

    #[test]
    fn the_first_epoch_at_the_target_counts() {
        let curve = Curve { top1: vec![50.0, 80.0, 70.0, 90.0], epoch_seconds: 1.0 };
        assert_eq!([50.0, 75.0, 80.5, 91.0].map(|t| curve.epoch_of(t)), [Some(1), Some(2), Some(4), None]);
    }
}
