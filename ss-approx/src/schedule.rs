//! The learning rate over a run.

use serde::{Deserialize, Serialize};

/// How a learning rate falls to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Half a cosine (Loshchilov & Hutter 2017), changed at every step.
    Cosine,
    /// A straight line, changed at every step.
    Linear,
}

/// A learning rate that rises to `peak` in `warmup` equal steps, or begins there, and has fallen to zero after `steps` steps.
///
/// ```
/// use ss_approx::schedule::{Decay, LearningRate};
/// let rate = LearningRate { peak: 0.1, steps: 100, warmup: 0, decay: Decay::Cosine };
/// assert_eq!(rate.at(0), 0.1);
/// assert!((rate.at(50) - 0.05).abs() < 1e-12);
/// assert!(rate.at(99) > 0.0 && rate.at(100) < 1e-12);
///
/// let slow = LearningRate { warmup: 20, ..rate };
/// assert!((slow.at(0) - 0.005).abs() < 1e-12 && slow.at(19) == 0.1 && slow.at(20) == 0.1);
/// assert!((slow.at(60) - 0.05).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRate {
    /// The largest rate.
    pub peak: f64,
    /// The number of steps of the run.
    pub steps: usize,
    /// The number of them on which it rises, fewer than `steps`.
    pub warmup: usize,
    /// The shape of the fall.
    pub decay: Decay,
}

impl LearningRate {
    /// The rate of step `step`, counted from 0; zero from `steps` on.
    pub fn at(&self, step: usize) -> f64 {
        if step >= self.steps {
            return 0.0;
        }
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let done = (step - self.warmup) as f64 / (self.steps - self.warmup) as f64;
        self.peak
            * match self.decay {
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
                Decay::Linear => 1.0 - done,
            }
    }
}
