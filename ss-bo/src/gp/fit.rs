//! Maximum a posteriori hyper-parameters.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;

use argmin::core::{CostFunction, Error as ArgminError, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use nalgebra::DVector;
use ss_seed::Stream;

use super::{Dataset, GaussianProcess, Hyperparameters, Priors, laplace, log_evidence};
use crate::error::Result;

/// What the fit found.
#[derive(Clone, Debug, PartialEq)]
pub struct FitReport {
    /// Log posterior density of the hyper-parameters at the best start's end, on the scale that was chosen (nats, up
    /// to a constant).
    pub log_posterior: f64,
    /// Evaluations of the marginal likelihood, all starts and scales together.
    pub evaluations: usize,
    /// What had to be added to the diagonal of the covariance at the fit; 0 when nothing was.
    pub jitter: f64,
}

/// What a scale must gain over the first one to replace it, in nats: evidence that is positive, not a toss-up
/// between noises (Kass and Raftery 1995, "Bayes Factors", section 3.2).
const MARGIN: f64 = 2.0;
/// Largest number of observations whose marginal likelihood is maximised; beyond it a subset is used.
const MAX_FIT: usize = 192;
/// Logarithms of noise variances outside this range count as its ends.
const LOG_NOISE: (f64, f64) = (-18.0, 4.0);
/// L-BFGS from each start, on each scale, ends when an iteration gains less than this, in nats: enough to tell
/// optima apart.
const ROUGH: f64 = 1e-2;
/// The same for the one that is kept.
const FINE: f64 = 1e-6;
/// Iterations of L-BFGS from each start.
const MAX_ITERATIONS: u64 = 40;
/// Log hyper-parameters are clamped to this distance from the prior's mode, the signal's in prior deviations, inside
/// the likelihood.
const CLAMP: f64 = 6.0;

/// Fits the hyper-parameters to `data` by L-BFGS with analytic gradients from several starts, and
/// conditions the process on all of it.
///
/// The marginal likelihood of more than 192 observations is replaced by that of a subset of 192, the best
/// half of it and the rest spread evenly over the others: the fit stays fast, and the posterior uses
/// every observation.
///
/// # Errors
/// A covariance that is not positive definite at the best hyper-parameters.
pub fn fit(data: Dataset, priors: &Priors) -> Result<(GaussianProcess, FitReport)> {
    let log_slopes = vec![0.0; data.len()];
    let fitted = fit_best(vec![(data, log_slopes)], priors, None)?;
    Ok((fitted.gp, fitted.report))
}

/// The best of several fits of the same observations.
pub(crate) struct Fitted {
    /// Which candidate it is.
    pub(crate) index: usize,
    /// The process with the most probable hyper-parameters.
    pub(crate) gp: GaussianProcess,
    /// Other plausible hyper-parameters.
    pub(crate) draws: Vec<Hyperparameters>,
    pub(crate) report: FitReport,
}

/// Fits the same observations on several scales and keeps the most probable one: the posterior density of its
/// hyper-parameters times the derivatives of the map to that scale, whose logarithms come with the data. The
/// first candidate is kept unless another is [`MARGIN`] more probable. At least one candidate; all have the
/// same points and the same order of scores. `draws` asks for so many other hyper-parameters from the Laplace
/// approximation of their posterior.
pub(crate) fn fit_best(
    candidates: Vec<(Dataset, Vec<f64>)>,
    priors: &Priors,
    draws: Option<(usize, Stream)>,
) -> Result<Fitted> {
    let dim = candidates[0].0.dim();
    let mut starts = starts(dim, priors);
    // One subset for all scales, so that their likelihoods are of the same observations.
    let chosen = (candidates[0].0.len() > MAX_FIT).then(|| fit_indices(&candidates[0].0));
    let mut best: Option<Optimum> = None;
    let mut evaluations = 0;
    for (index, (data, log_slopes)) in candidates.iter().enumerate() {
        let problem = MapProblem::new(data, chosen.as_deref(), priors);
        let mut jacobian: f64 = match &chosen {
            Some(indices) => indices.iter().map(|&i| log_slopes[i]).sum(),
            None => log_slopes.iter().sum(),
        };
        if index == 0 {
            jacobian += MARGIN;
        }
        for start in &starts {
            maximise(&problem, start.clone(), ROUGH);
        }
        let memo = problem.memo.into_inner();
        evaluations += memo.evaluations;
        let Some((cost, theta)) = memo.best else { continue };
        // Another map of the scores moves the optimum little: the others start from there.
        starts = vec![theta.clone()];
        let density = jacobian - cost;
        if best.as_ref().is_none_or(|b| density > b.density) {
            best = Some(Optimum { index, theta, density });
        }
    }
    // Where no likelihood could be computed at all, the priors have the say.
    let (index, mut theta) = best.map_or_else(|| (0, starts.swap_remove(0)), |b| (b.index, b.theta));
    let data = &candidates[index].0;
    let problem = MapProblem::new(data, chosen.as_deref(), priors);
    maximise(&problem, theta.clone(), FINE);
    let refined = problem.memo.borrow_mut().best.take();
    let log_posterior = refined.map_or(f64::NEG_INFINITY, |(cost, at)| {
        theta = at;
        -cost
    });
    let draws = match draws {
        Some((count, stream)) if count > 0 => {
            let draws = laplace::draws(|theta| problem.gradient_at(theta), &theta, count, stream);
            draws.iter().map(|theta| unpack(theta, priors, dim)).collect()
        }
        _ => Vec::new(),
    };
    evaluations += problem.memo.into_inner().evaluations;
    let gp = GaussianProcess::new(data.clone(), unpack(&theta, priors, dim))?;
    let report = FitReport { log_posterior, evaluations, jitter: gp.jitter() };
    Ok(Fitted { index, gp, draws, report })
}

/// The most probable hyper-parameters on one scale, roughly.
struct Optimum {
    index: usize,
    theta: DVector<f64>,
    /// The log posterior on a scale common to all candidates.
    density: f64,
}

/// The subset for the marginal likelihood: the best half by score, the others at even ranks.
fn fit_indices(data: &Dataset) -> Vec<usize> {
    let mut order: Vec<usize> = (0..data.len()).collect();
    order.sort_by(|&a, &b| data.y[b].total_cmp(&data.y[a]).then(a.cmp(&b)));
    let best = MAX_FIT / 2;
    let rest = order.len() - best;
    let mut chosen: Vec<usize> = order[..best].to_vec();
    chosen.extend((0..MAX_FIT - best).map(|i| order[best + i * rest / (MAX_FIT - best)]));
    chosen.sort_unstable();
    chosen
}

/// Starting points `(ln l_1.., ln signal, ln noise)`: the prior's mode, a rougher objective, a smoother but
/// noisier one.
fn starts(dim: usize, priors: &Priors) -> Vec<DVector<f64>> {
    let length = priors.length_scale_in(dim).log_mode();
    [(0.0, 1.0), (-1.0, 0.1), (0.7, 30.0)]
        .into_iter()
        .map(|(l, noise)| {
            let mut theta = DVector::from_element(dim + 2, length + l);
            theta[dim] = priors.signal.mu;
            theta[dim + 1] = (noise * priors.noise.mode()).ln();
            theta
        })
        .collect()
}

fn unpack(theta: &DVector<f64>, priors: &Priors, dim: usize) -> Hyperparameters {
    let value = |i: usize| clamp(theta[i], i, priors, dim).exp();
    Hyperparameters {
        length_scales: (0..dim).map(value).collect(),
        signal_variance: value(dim),
        noise_variance: priors.noise_floor + value(dim + 1),
        mean_variance: priors.mean_variance,
    }
}

/// Where the likelihood looks at log hyper-parameter number `i`.
fn clamp(t: f64, i: usize, priors: &Priors, dim: usize) -> f64 {
    let (mode, deviation) = match i.cmp(&dim) {
        Ordering::Less => (priors.length_scale_in(dim).log_mode(), 1.0),
        Ordering::Equal => (priors.signal.mu, priors.signal.sigma),
        Ordering::Greater => return t.clamp(LOG_NOISE.0, LOG_NOISE.1),
    };
    t.clamp(mode - CLAMP * deviation, mode + CLAMP * deviation)
}

/// Log prior density of log hyper-parameter number `i` at `t`, and its derivative.
fn log_prior(t: f64, i: usize, priors: &Priors, dim: usize) -> (f64, f64) {
    match i.cmp(&dim) {
        Ordering::Less => priors.length_scale_in(dim).log_density(t),
        Ordering::Equal => priors.signal.log_density(t),
        Ordering::Greater => priors.noise.log_density(t.min(LOG_NOISE.1)),
    }
}

/// Runs L-BFGS from one start until an iteration gains less than `tolerance`. Whatever it finds is kept in the problem's memo, so a line search that gives
/// up (as they do at the limit of precision) loses nothing.
fn maximise(problem: &MapProblem<'_>, start: DVector<f64>, tolerance: f64) {
    let line = MoreThuenteLineSearch::new();
    let lbfgs = LBFGS::new(line, 8).with_tolerance_grad(1e-4).and_then(|l| l.with_tolerance_cost(tolerance));
    let Ok(lbfgs) = lbfgs else { return };
    let run = Executor::new(problem, lbfgs)
        .configure(|state| state.param(start).max_iters(MAX_ITERATIONS))
        .timer(false)
        // Ctrl-C belongs to the program, or to an executor around the whole search.
        .ctrlc(false)
        .run();
    drop(run);
}

/// Negative log posterior of the log hyper-parameters.
struct MapProblem<'a> {
    /// The observations whose likelihood is taken.
    data: Cow<'a, Dataset>,
    priors: &'a Priors,
    memo: RefCell<Memo>,
}

/// argmin asks for cost and gradient separately, at the same point: compute both once.
struct Memo {
    last: Option<(DVector<f64>, f64, DVector<f64>)>,
    best: Option<(f64, DVector<f64>)>,
    evaluations: usize,
}

impl<'a> MapProblem<'a> {
    fn new(data: &'a Dataset, chosen: Option<&[usize]>, priors: &'a Priors) -> Self {
        let memo = RefCell::new(Memo { last: None, best: None, evaluations: 0 });
        let data = chosen.map_or(Cow::Borrowed(data), |indices| Cow::Owned(data.subset(indices)));
        Self { data, priors, memo }
    }

    /// The gradient of the negative log posterior; `None` where it cannot be computed.
    fn gradient_at(&self, theta: &DVector<f64>) -> Option<DVector<f64>> {
        self.evaluate(theta).ok().map(|(_, gradient)| gradient)
    }

    fn evaluate(&self, theta: &DVector<f64>) -> std::result::Result<(f64, DVector<f64>), ArgminError> {
        let mut memo = self.memo.borrow_mut();
        if let Some((at, cost, gradient)) = &memo.last
            && at == theta
        {
            return Ok((*cost, gradient.clone()));
        }
        memo.evaluations += 1;
        let (cost, gradient) = self.negative_log_posterior(theta)?;
        if cost.is_finite() && memo.best.as_ref().is_none_or(|(best, _)| cost < *best) {
            memo.best = Some((cost, theta.clone()));
        }
        memo.last = Some((theta.clone(), cost, gradient.clone()));
        Ok((cost, gradient))
    }

    fn negative_log_posterior(&self, theta: &DVector<f64>) -> Result<(f64, DVector<f64>)> {
        let dim = self.data.dim();
        let hyper = unpack(theta, self.priors, dim);
        let evidence = log_evidence(&self.data, &hyper)?;
        let mut cost = -evidence.value;
        let mut gradient = DVector::zeros(dim + 2);
        for i in 0..dim + 2 {
            // The likelihood is flat beyond the clamp; the prior still pulls back.
            if clamp(theta[i], i, self.priors, dim) == theta[i] {
                gradient[i] = -match i.cmp(&dim) {
                    Ordering::Less => evidence.length_scales[i],
                    Ordering::Equal => evidence.signal,
                    Ordering::Greater => evidence.noise * theta[i].exp(),
                };
            }
            let (log_density, slope) = log_prior(theta[i], i, self.priors, dim);
            cost -= log_density;
            gradient[i] -= slope;
        }
        Ok((cost, gradient))
    }
}

impl CostFunction for &MapProblem<'_> {
    type Param = DVector<f64>;
    type Output = f64;

    fn cost(&self, theta: &Self::Param) -> std::result::Result<f64, ArgminError> {
        Ok(self.evaluate(theta)?.0)
    }
}

impl Gradient for &MapProblem<'_> {
    type Param = DVector<f64>;
    type Gradient = DVector<f64>;

    fn gradient(&self, theta: &Self::Param) -> std::result::Result<Self::Gradient, ArgminError> {
        Ok(self.evaluate(theta)?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sobol::Sobol;
    use ss_seed::Seed;

    #[test]
    fn rough_optima_are_compared_and_the_kept_one_is_refined() {
        let sobol = Sobol::new(3, Seed::new(4).stream("fit"));
        let points: Vec<Vec<f64>> = (0..30).map(|i| sobol.point(i)).collect();
        let y: Vec<f64> = points.iter().map(|x| (6.0 * x[0]).sin() + x[1] * x[1]).collect();
        let data = Dataset::new(&points, &y, &[0.0; 30], 3).unwrap();
        let priors = Priors::default();
        let (gp, report) = fit(data.clone(), &priors).unwrap();

        let hyper = gp.hyperparameters();
        let mut theta = DVector::from_iterator(5, hyper.length_scales.iter().map(|l| l.ln()).chain([0.0; 2]));
        theta[3] = hyper.signal_variance.ln();
        theta[4] = (hyper.noise_variance - priors.noise_floor).ln();
        let problem = MapProblem::new(&data, None, &priors);
        let (cost, gradient) = problem.evaluate(&theta).unwrap();
        assert!((cost + report.log_posterior).abs() < 1e-6);
        assert!(gradient.amax() < 0.02, "{gradient}");
        for start in starts(3, &priors) {
            let problem = MapProblem::new(&data, None, &priors);
            maximise(&problem, start, ROUGH);
            let (rough, _) = problem.memo.into_inner().best.unwrap();
            assert!(rough >= cost - 1e-9, "{rough} {cost}");
        }
    }
}
