//! Where the sampling weights of an epoch come from.

use ss_features::{ExponentialMean, FeatureTable};
use ss_sampler::{RankedFeatures, Sampler, SamplerSpec, Weights};

use crate::{Error, Result};

/// How a training run draws its examples.
#[derive(Clone, Debug)]
pub enum Sampling {
    /// Every example once an epoch: the baseline.
    Uniform,
    /// The same weights in every epoch.
    Fixed(Weights),
    /// The rule is applied again to fresh features during training (`docs/method.md` 8).
    Refreshed(Box<Refresh>),
}

/// Re-reading: after a warm-up under `initial` weights, the features of all training examples are read
/// again every `every` epochs, smoothed over the readings, and the rule gives new weights
/// ([`Sampler::reread`]).
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The rule, fitted at the reference checkpoint.
    pub sampler: Sampler,
    /// Weights of the epochs before the first reading.
    pub initial: Weights,
    /// Epochs before the first reading, at least 1.
    pub warm_up: usize,
    /// Epochs between readings, at least 1.
    pub every: usize,
    /// Share of the old value in the smoothed features, in `[0, 1)`; 0 takes the newest reading alone.
    pub smoothing: f64,
}

impl Refresh {
    /// Whether features are read before epoch `epoch` (counted from 0).
    pub fn is_due(&self, epoch: usize) -> bool {
        epoch >= self.warm_up.max(1) && (epoch - self.warm_up.max(1)).is_multiple_of(self.every.max(1))
    }
}

/// The columns of the spec, ranked: ready to give the weights of any rule of this spec.
///
/// # Errors
/// [`Error::Features`] when the spec names a feature that the table lacks, [`Error::Sampler`] for values that
/// cannot be ranked.
pub fn rank(spec: &SamplerSpec, features: &FeatureTable) -> Result<RankedFeatures> {
    let columns = features.select(spec.features())?;
    Ok(RankedFeatures::new(spec.clone(), &columns, features.column("grad_norm")?)?)
}

/// The state of the sampling of one run: the weights in force and the features they came from.
pub(crate) struct Sampled {
    sampling: Sampling,
    current: Option<Weights>,
    /// One a feature of the spec; empty unless features are re-read.
    smoothed: Vec<ExponentialMean>,
}

impl Sampled {
    pub(crate) fn new(sampling: Sampling, examples: usize) -> Result<Self> {
        let (current, smoothed) = match &sampling {
            Sampling::Uniform => (None, Vec::new()),
            Sampling::Fixed(weights) => (Some(weights.clone()), Vec::new()),
            Sampling::Refreshed(refresh) => {
                let mean = ExponentialMean::new(examples, refresh.smoothing)?;
                let columns = refresh.sampler.spec().features().len();
                (Some(refresh.initial.clone()), vec![mean; columns])
            }
        };
        match &current {
            Some(weights) if weights.len() != examples => Err(Error::Mismatch {
                what: "sampling weights against training examples",
                expected: examples.to_string(),
                found: weights.len().to_string(),
            }),
            _ => Ok(Self { sampling, current, smoothed }),
        }
    }

    /// The weights of epoch `epoch`; `None` stands for uniform. `read` computes the features at the
    /// network's present state and is called only when a reading is due.
    pub(crate) fn weights(
        &mut self,
        epoch: usize,
        read: impl FnOnce() -> Result<FeatureTable>,
    ) -> Result<Option<&Weights>> {
        if let Sampling::Refreshed(refresh) = &self.sampling
            && refresh.is_due(epoch)
        {
            let fresh = read()?;
            let mut means = Vec::with_capacity(self.smoothed.len());
            for (mean, name) in self.smoothed.iter_mut().zip(refresh.sampler.spec().features()) {
                mean.update(fresh.column(name)?)?;
                means.push(mean.means()?);
            }
            let columns: Vec<&[f32]> = means.iter().map(Vec::as_slice).collect();
            self.current = Some(refresh.sampler.reread(&columns)?);
        }
        Ok(self.current.as_ref())
    }
}
