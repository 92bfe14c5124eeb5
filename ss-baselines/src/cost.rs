//! What a method costs, in passes through the network.

use std::ops::Add;

/// Examples passed through networks of the trained kind.
///
/// ```
/// use ss_baselines::Cost;
/// let plain = Cost { forward: 300, backward: 300 };
/// assert_eq!(plain.in_trainings(300), 1.0);
/// // A forward pass is a third of a training step.
/// assert_eq!((plain + Cost { forward: 300, backward: 0 }).in_trainings(300), 4.0 / 3.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Examples passed forward, with repetition.
    pub forward: u64,
    /// Examples passed backward, with repetition.
    pub backward: u64,
}

impl Cost {
    /// `passes` times the forward and backward pass of `trained` examples.
    pub fn of_training(trained: u64, passes: u64) -> Self {
        Self { forward: passes * trained, backward: passes * trained }
    }

    /// In units of one ordinary training on `trained` examples, with repetition: a forward pass counts a third of a
    /// training step, a backward pass two thirds.
    pub fn in_trainings(self, trained: u64) -> f64 {
        (self.forward as f64 + 2.0 * self.backward as f64) / (3.0 * trained as f64)
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { forward: self.forward + other.forward, backward: self.backward + other.backward }
    }
}
