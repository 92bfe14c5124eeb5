//! What a method is told beyond the noisy training set.

use std::fmt;

use crate::{CleanSubset, Error, Result};

/// Knowledge beyond training images with noisy labels. A comparison of methods is fair only between methods that
/// use the same; a table therefore shows it ([`Display`](fmt::Display)).
///
/// ```
/// use ss_baselines::Information;
/// assert_eq!(Information::NONE.to_string(), "none");
/// let both = Information { clean_subset: true, ..Information::NOISE_RATE };
/// assert_eq!(both.to_string(), "clean training subset, noise rate");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Information {
    /// Validation images with labels as noisy as those of training, from which the method learns. Choosing the epoch that is
    /// reported beside the last one does not count: every method may do that.
    pub noisy_validation: bool,
    /// Validation images with true labels.
    pub clean_validation: bool,
    /// The true labels of a random share of the training images ([`CleanSubset`]).
    pub clean_subset: bool,
    /// The true share of wrong training labels.
    pub noise_rate: bool,
    /// Which training labels are wrong: what no method of practice knows.
    pub wrong_labels: bool,
}

impl Information {
    /// Nothing but the noisy labels.
    pub const NONE: Self = Self {
        noisy_validation: false,
        clean_validation: false,
        clean_subset: false,
        noise_rate: false,
        wrong_labels: false,
    };
    /// The noise rate alone.
    pub const NOISE_RATE: Self = Self { noise_rate: true, ..Self::NONE };
    /// True labels of a part of the training images.
    pub const CLEAN_SUBSET: Self = Self { clean_subset: true, ..Self::NONE };
}

impl fmt::Display for Information {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.noisy_validation, "noisy validation"),
            (self.clean_validation, "clean validation"),
            (self.clean_subset, "clean training subset"),
            (self.noise_rate, "noise rate"),
            (self.wrong_labels, "wrong labels"),
        ];
        let named: Vec<&str> = parts.into_iter().filter_map(|(used, name)| used.then_some(name)).collect();
        f.pad(&if named.is_empty() { "none".to_owned() } else { named.join(", ") })
    }
}

/// The knowledge itself, as far as a method is given it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The true share of wrong training labels, in `[0, 1)`.
    pub noise_rate: Option<f64>,
    /// True labels of a part of the training images.
    pub clean_subset: Option<&'a CleanSubset>,
    /// The loss of each training example at the reference of the uniform run, in nats. Not a secret: anyone can make
    /// that run.
    pub reference_loss: Option<&'a [f32]>,
}

impl<'a> Known<'a> {
    /// The noise rate, for a method that cannot do without.
    ///
    /// # Errors
    /// [`Error::NotTold`]; [`Error::InvalidSetting`] for a rate outside `[0, 1)`.
    pub fn noise_rate(&self, method: &'static str) -> Result<f64> {
        let rate = self.noise_rate.ok_or(Error::NotTold { method, what: "the noise rate" })?;
        if (0.0..1.0).contains(&rate) {
            return Ok(rate);
        }
        Err(Error::InvalidSetting {
            setting: "noise rate",
            found: rate.to_string(),
            expected: "a share of wrong labels in [0, 1)",
        })
    }

    /// The clean subset, for a method that cannot do without.
    ///
    /// # Errors
    /// [`Error::NotTold`].
    pub fn clean_subset(&self, method: &'static str) -> Result<&'a CleanSubset> {
        self.clean_subset
            .ok_or(Error::NotTold { method, what: "a subset of the training images with true labels" })
    }

    /// The reference losses of `examples` training examples.
    ///
    /// # Errors
    /// [`Error::NotTold`]; [`Error::Mismatch`] for another number of losses; [`Error::NonFinite`].
    pub fn reference_loss(&self, method: &'static str, examples: usize) -> Result<&'a [f32]> {
        let what = "the losses at the reference of the uniform run";
        let losses = self.reference_loss.ok_or(Error::NotTold { method, what })?;
        if losses.len() != examples {
            return Err(Error::Mismatch {
                what: "reference losses against training examples",
                expected: examples.to_string(),
                found: losses.len().to_string(),
            });
        }
        match losses.iter().position(|loss| !loss.is_finite()) {
            Some(index) => Err(Error::NonFinite { what: "reference loss", index, value: losses[index] }),
            None => Ok(losses),
        }
    }
}
