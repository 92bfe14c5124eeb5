//! The model of the objective that a study's trials give.

use crate::acquisition::Acquisition;
use crate::error::Result;
use crate::gp::{Dataset, FitReport, GaussianProcess, Posterior, Targets, fit};
use crate::trial::{Trial, TrialState};

use super::BoConfig;

/// A Gaussian process fitted to the completed trials, on the standardised scale.
#[derive(Clone, Debug)]
pub struct Surrogate {
    gp: GaussianProcess,
    targets: Targets,
    report: FitReport,
    /// Index in the study of each of the process's observations.
    trials: Vec<usize>,
    /// Posterior mean at each observation.
    means: Vec<f64>,
}

impl Surrogate {
    /// Fits the completed ones of `trials`, at the points `canonical`.
    pub(super) fn fit(trials: &[Trial], canonical: &[Vec<f64>], config: &BoConfig) -> Result<Option<Self>> {
        let (mut indices, mut scores, mut variances) = (Vec::new(), Vec::new(), Vec::new());
        for (i, trial) in trials.iter().enumerate() {
            if let TrialState::Complete { score, variance } = trial.state {
                indices.push(i);
                scores.push(score);
                variances.push(variance.unwrap_or(0.0));
            }
        }
        if indices.is_empty() {
            return Ok(None);
        }
        let targets = config.transform.apply(&scores);
        for v in &mut variances {
            // A variance too large to square the scale of says that the observation tells nothing.
            *v = (*v / targets.scale / targets.scale).min(1e12);
        }
        let points: Vec<Vec<f64>> = indices.iter().map(|&i| canonical[i].clone()).collect();
        let data = Dataset::new(&points, &targets.y, &variances, points[0].len())?;
        let (gp, report) = fit(data, &config.priors)?;
        let means = points.iter().map(|x| gp.mean(x)).collect();
        Ok(Some(Self { gp, targets, report, trials: indices, means }))
    }

    /// The process, on the standardised scale.
    pub fn process(&self) -> &GaussianProcess {
        &self.gp
    }

    /// Standardised scores, and the way back to the score's units.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// How the fit went; its jitter tells whether the covariance had to be repaired.
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
