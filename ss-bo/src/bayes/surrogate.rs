//! The model of the objective that a study's trials give.

use crate::acquisition::Acquisition;
use crate::error::Result;
use crate::gp::{Dataset, FitReport, GaussianProcess, Posterior, TargetScale, Targets, fit_best};
use crate::trial::{Trial, TrialState};

use super::BoConfig;

/// A Gaussian process fitted to the completed trials, on the standardised scale.
#[derive(Clone, Debug)]
pub struct Surrogate {
    gp: GaussianProcess,
    scale: TargetScale,
    report: FitReport,
    /// How many of the observations, the first ones told, the hyper-parameters and the scale come from.
    fitted: usize,
    /// Index in the study of each of the process's observations, in the order in which they were told.
    trials: Vec<usize>,
    /// Posterior mean at each observation.
    means: Vec<f64>,
}

/// A completed trial as the surrogate sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation<'a> {
    /// Index in the study.
    pub(super) trial: usize,
    /// The canonical point.
    pub(super) x: &'a [f64],
    pub(super) score: f64,
    /// Known variance of the score, 0 where unknown.
    pub(super) variance: f64,
}

/// How many of `n` observations the hyper-parameters are fitted to: all of them up to 128, then the fit is
/// renewed whenever a sixteenth has been added. In between, observations are appended to the Cholesky factor.
///
/// A function of `n` alone, so that a study that is replayed has the model of one that was not interrupted.
pub(super) fn fit_point(n: usize) -> usize {
    if n < 128 { n } else { n - n % (n / 16).next_power_of_two() }
}

impl Surrogate {
    /// The model of these observations, in the order told. `known` is an earlier model of the same study: what can
    /// be taken over from it is. `None` without observations.
    pub(super) fn of(
        observations: &[Observation],
        config: &BoConfig,
        known: Option<&Self>,
    ) -> Result<Option<Self>> {
        let fitted = fit_point(observations.len());
        if fitted == 0 {
            return Ok(None);
        }
        let mut surrogate = match known {
            Some(known) if known.fitted == fitted && known.trials.len() <= observations.len() => {
                known.clone()
            }
            _ => Self::fit(&observations[..fitted], config)?,
        };
        for observation in &observations[surrogate.trials.len()..] {
            surrogate.append(observation)?;
        }
        let gp = &surrogate.gp;
        surrogate.means = (0..gp.data().len()).map(|i| gp.mean(gp.data().point(i))).collect();
        Ok(Some(surrogate))
    }

    fn fit(observations: &[Observation], config: &BoConfig) -> Result<Self> {
        let scores: Vec<f64> = observations.iter().map(|o| o.score).collect();
        let points: Vec<Vec<f64>> = observations.iter().map(|o| o.x.to_vec()).collect();
        let mut candidates = Vec::new();
        let mut scales = Vec::new();
        for Targets { y, scale, log_slopes } in config.transform.candidates(&scores) {
            let variances: Vec<f64> = observations.iter().map(|o| scaled_variance(o, &scale)).collect();
            candidates.push((Dataset::new(&points, &y, &variances, points[0].len())?, log_slopes));
            scales.push(scale);
        }
        let (index, gp, report) = fit_best(candidates, &config.priors)?;
        let trials = observations.iter().map(|o| o.trial).collect();
        Ok(Self { gp, scale: scales[index], report, fitted: observations.len(), trials, means: Vec::new() })
    }

    fn append(&mut self, observation: &Observation) -> Result<()> {
        let variance = scaled_variance(observation, &self.scale);
        self.gp = self.gp.condition(observation.x, self.scale.to_target(observation.score), variance)?;
        self.trials.push(observation.trial);
        Ok(())
    }

    /// The process, on the standardised scale.
    pub fn process(&self) -> &GaussianProcess {
        &self.gp
    }

    /// The map between scores and the standardised scale.
    pub fn scale(&self) -> &TargetScale {
        &self.scale
    }

    /// How the fit went; its jitter tells whether the covariance had to be repaired. With more than 128
    /// observations the fit is not renewed for each: see [`process`](Self::process) for the jitter in use.
    pub fn report(&self) -> &FitReport {
        &self.report
    }

    /// The observation with the best posterior mean: its trial's index in the study and the posterior there.
    pub fn best(&self) -> Option<(usize, Posterior)> {
        self.ranking().first().map(|&i| (self.trials[i], self.gp.posterior(self.gp.data().point(i))))
    }

    /// Observations by decreasing posterior mean; the earlier trial first where equal.
    fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.means.len()).collect();
        order.sort_by(|&a, &b| self.means[b].total_cmp(&self.means[a]).then(a.cmp(&b)));
        order
    }

    /// What an improvement is measured against, on the standardised scale.
    pub(super) fn incumbent(&self, acquisition: Acquisition) -> f64 {
        match acquisition {
            Acquisition::LogEi => self.gp.data().scores().iter().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => self.means.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// The `count` observed points with the best posterior means, best first.
    pub(super) fn best_points(&self, count: usize) -> Vec<Vec<f64>> {
        self.ranking().into_iter().take(count).map(|i| self.gp.data().point(i).to_vec()).collect()
    }

    /// The process as it would be if each running trial came out at its posterior mean, and each failed
    /// or pruned one a
    /// posterior deviation worse: neither is suggested again, and neither distorts the model elsewhere.
    pub(super) fn condition_on_open_trials(
        &self,
        trials: &[Trial],
        canonical: &[Vec<f64>],
    ) -> Result<GaussianProcess> {
        let mut gp = self.gp.clone();
        for (trial, x) in trials.iter().zip(canonical) {
            let belief = match trial.state {
                TrialState::Complete { .. } => continue,
                TrialState::Running => gp.posterior(x).mean,
                TrialState::Pruned { .. } | TrialState::Failed { .. } => {
                    let posterior = gp.posterior(x);
                    posterior.mean - posterior.variance.sqrt()
                }
            };
            gp = gp.condition(x, belief, 0.0)?;
        }
        Ok(gp)
    }
}

/// The known variance on the standardised scale.
fn scaled_variance(observation: &Observation, scale: &TargetScale) -> f64 {
    let slope = scale.slope(observation.score);
    // A variance too large to square the slope of says that the observation tells nothing.
    (observation.variance * slope * slope).min(1e12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_lags_by_less_than_an_eighth_and_never_goes_back() {
        let mut last = 0;
        for n in 0..5000 {
            let m = fit_point(n);
            assert!(m <= n && m >= last && (n - m) * 8 <= n, "{n} {m}");
            assert!(n >= 128 || m == n);
            last = m;
        }
    }
}
