//! The model of the objective that a study's trials give.

use ss_seed::Stream;

use crate::acquisition::Acquisition;
use crate::error::Result;
use crate::gp::{Dataset, FitReport, Fitted, GaussianProcess, Posterior, TargetScale, Targets, fit_best};
use crate::trial::{Trial, TrialState};

use super::BoConfig;

/// Gaussian processes fitted to the completed trials, on the standardised scale.
///
/// One has the most probable hyper-parameters; up to 127 observations there are others with draws of plausible ones
/// ([`BoConfig::hyper_draws`]). Beliefs are averages over all of them.
#[derive(Clone, Debug)]
pub struct Surrogate {
    /// The one with the most probable hyper-parameters first.
    models: Vec<GaussianProcess>,
    scale: TargetScale,
    report: FitReport,
    /// How many of the observations, the first ones told, the hyper-parameters and the scale come from.
    fitted: usize,
    /// Index in the study of each of the process's observations, in the order in which they were told.
    trials: Vec<usize>,
    /// Posterior mean at each observation, averaged over the models.
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

/// Up to so many observations each one renews the fit, and plausible hyper-parameters are drawn; with more of them
/// there is little doubt left.
const FEW: usize = 127;

/// How many of `n` observations the hyper-parameters are fitted to: all of them while they are few, then the fit is
/// renewed whenever a sixteenth to an eighth has been added. In between, observations are appended to the Cholesky factor.
///
/// A function of `n` alone, so that a study that is replayed has the model of one that was not interrupted.
pub(super) fn fit_point(n: usize) -> usize {
    if n <= FEW { n } else { n - n % (n / 16).next_power_of_two() }
}

impl Surrogate {
    /// The model of these observations, in the order told. `known` is an earlier model of the same study: what can
    /// be taken over from it is. `None` without observations.
    pub(super) fn of(
        observations: &[Observation],
        config: &BoConfig,
        stream: Stream,
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
            _ => Self::fit(&observations[..fitted], config, stream.index(fitted as u64))?,
        };
        for observation in &observations[surrogate.trials.len()..] {
            surrogate.append(observation)?;
        }
        let data = surrogate.models[0].data();
        surrogate.means = (0..data.len()).map(|i| mean(&surrogate.models, data.point(i))).collect();
        Ok(Some(surrogate))
    }

    fn fit(observations: &[Observation], config: &BoConfig, stream: Stream) -> Result<Self> {
        let scores: Vec<f64> = observations.iter().map(|o| o.score).collect();
        let points: Vec<Vec<f64>> = observations.iter().map(|o| o.x.to_vec()).collect();
        let mut candidates = Vec::new();
        let mut scales = Vec::new();
        for Targets { y, scale, log_slopes } in config.transform.candidates(&scores) {
            let variances: Vec<f64> = observations.iter().map(|o| scaled_variance(o, &scale)).collect();
            candidates.push((Dataset::new(&points, &y, &variances, points[0].len())?, log_slopes));
            scales.push(scale);
        }
        let draws = if observations.len() > FEW { 0 } else { config.hyper_draws };
        let Fitted { index, gp, draws, report } =
            fit_best(candidates, &config.priors, Some((draws, stream)))?;
        let data = gp.data().clone();
        let mut models = vec![gp];
        // A draw whose covariance cannot be factored is not plausible after all.
        models.extend(draws.into_iter().filter_map(|hyper| GaussianProcess::new(data.clone(), hyper).ok()));
        let trials = observations.iter().map(|o| o.trial).collect();
        let fitted = observations.len();
        Ok(Self { models, scale: scales[index], report, fitted, trials, means: Vec::new() })
    }

    fn append(&mut self, observation: &Observation) -> Result<()> {
        let variance = scaled_variance(observation, &self.scale);
        let y = self.scale.to_target(observation.score);
        for gp in &mut self.models {
            *gp = gp.condition(observation.x, y, variance)?;
        }
        self.trials.push(observation.trial);
        Ok(())
    }

    /// The process with the most probable hyper-parameters, on the standardised scale.
    pub fn process(&self) -> &GaussianProcess {
        &self.models[0]
    }

    /// All processes, that with the most probable hyper-parameters first.
    pub fn models(&self) -> &[GaussianProcess] {
        &self.models
    }

    /// The belief about the noise-free objective at `x`, of length `d`, averaged over all processes; on the
    /// standardised scale.
    pub fn posterior(&self, x: &[f64]) -> Posterior {
        let n = self.models.len() as f64;
        let beliefs: Vec<Posterior> = self.models.iter().map(|gp| gp.posterior(x)).collect();
        let mean = beliefs.iter().map(|b| b.mean / n).sum::<f64>();
        // Variance within the models and between them.
        let variance = beliefs.iter().map(|b| (b.variance + (b.mean - mean).powi(2)) / n).sum();
        Posterior { mean, variance }
    }

    /// The map between scores and the standardised scale.
    pub fn scale(&self) -> &TargetScale {
        &self.scale
    }

    /// How the latest fit went; its jitter tells whether the covariance had to be repaired then.
    pub fn report(&self) -> &FitReport {
        &self.report
    }

    /// How many of the observations, the first ones told, the hyper-parameters were fitted to: all of them up to
    /// 127; beyond, the fit is renewed whenever a sixteenth to an eighth has been added.
    pub fn fitted(&self) -> usize {
        self.fitted
    }

    /// The observation with the best posterior mean: its trial's index in the study and the posterior there.
    pub fn best(&self) -> Option<(usize, Posterior)> {
        self.ranking().first().map(|&i| (self.trials[i], self.posterior(self.process().data().point(i))))
    }

    /// Observations by decreasing posterior mean; the earlier trial first where equal.
    fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.means.len()).collect();
        order.sort_by(|&a, &b| self.means[b].total_cmp(&self.means[a]).then(a.cmp(&b)));
        order
    }

    /// What an improvement is measured against, as each of the models sees it, on the standardised scale.
    pub(super) fn incumbents(&self, acquisition: Acquisition) -> Vec<f64> {
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
        let incumbent = |gp: &GaussianProcess| match acquisition {
            Acquisition::LogEi => largest(&mut gp.data().scores().iter().copied()),
            _ => largest(&mut (0..gp.data().len()).map(|i| gp.mean(gp.data().point(i)))),
        };
        self.models.iter().map(incumbent).collect()
    }

    /// The `count` observed points with the best posterior means, best first.
    pub(super) fn best_points(&self, count: usize) -> Vec<Vec<f64>> {
        self.ranking().into_iter().take(count).map(|i| self.process().data().point(i).to_vec()).collect()
    }

    /// The processes as they would be if each running trial came out at its posterior mean, and each failed
    /// or pruned one a posterior deviation worse: neither is suggested again, and neither distorts the model
    /// elsewhere.
    pub(super) fn condition_on_open_trials(
        &self,
        trials: &[Trial],
        canonical: &[Vec<f64>],
    ) -> Result<Vec<GaussianProcess>> {
        let condition = |gp: &GaussianProcess| {
            let mut gp = gp.clone();
            for (trial, x) in trials.iter().zip(canonical) {
                let belief = match trial.state {
                    TrialState::Complete { .. } => continue,
                    TrialState::Running => gp.mean(x),
                    TrialState::Pruned { .. } | TrialState::Failed { .. } => {
                        let posterior = gp.posterior(x);
                        posterior.mean - posterior.variance.sqrt()
                    }
                };
                gp = gp.condition(x, belief, 0.0)?;
            }
            Ok(gp)
        };
        self.models.iter().map(condition).collect()
    }
}

/// The posterior mean at `x`, averaged over the models.
fn mean(models: &[GaussianProcess], x: &[f64]) -> f64 {
    models.iter().map(|gp| gp.mean(x)).sum::<f64>() / models.len() as f64
}

/// The known variance on the standardised scale.
fn scaled_variance(observation: &Observation, scale: &TargetScale) -> f64 {
    let slope = scale.slope(observation.score);
    if observation.variance == 0.0 {
        return 0.0;
    }
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
