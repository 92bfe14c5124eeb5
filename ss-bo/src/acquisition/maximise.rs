//! Maximisation of an acquisition function over the cube.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use ss_seed::Stream;

use super::Criterion;
use crate::bayes::Space;
use crate::box_lbfgs::{Limits, minimise};
use crate::gp::GaussianProcess;
use crate::sobol::Sobol;

/// How hard to search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Scrambled Sobol candidates.
    pub(crate) sobol: usize,
    /// Perturbations of good evaluated points.
    pub(crate) perturbed: usize,
    /// Candidates, the best to the first model, that all models are asked about.
    pub(crate) screened: usize,
    /// Candidates refined by gradient.
    pub(crate) starts: usize,
    /// Quasi-Newton iterations for each.
    pub(crate) iterations: usize,
}

/// Canonical points by decreasing acquisition value: refined starts first, raw candidates as a reserve for
/// callers who must reject some.
pub(crate) fn maximise(
    criterion: &Criterion<'_>,
    gp: &GaussianProcess,
    space: &Space,
    centers: &[Vec<f64>],
    search: Search,
    stream: Stream,
) -> Vec<Vec<f64>> {
    let mut candidates: Vec<Vec<f64>> = Vec::with_capacity(search.sobol + search.perturbed);
    let sobol = Sobol::new(space.dim(), stream.index(0));
    candidates.extend((0..search.sobol as u64).map(|i| space.canonical(&sobol.point(i))));
    candidates.extend(perturbations(gp, space, centers, search.perturbed, stream.index(1)));

    // What the first model thinks little of is hardly the best point to the average of it and its likes.
    let mut screened = ranked(candidates, |x| criterion.screen(x));
    let reserve = screened.split_off(search.screened.min(screened.len()));
    let scored = ranked(screened.into_iter().map(|(_, x)| x).collect(), |x| criterion.value(x));

    let limits = Limits { iterations: search.iterations, gradient: 1e-6, decrease: 1e-9 };
    let mut refined: Vec<(f64, Vec<f64>)> = spread(&scored, search.starts)
        .into_par_iter()
        .map(|start| {
            let descend = |x: &[f64]| {
                let canonical = space.canonical(x);
                let (value, mut gradient) = criterion.gradient(&canonical);
                gradient.iter_mut().for_each(|g| *g = -*g);
                (-value, space.pull_back(x, &canonical, gradient))
            };
            let (x, value) = minimise(descend, start, limits);
            (-value, space.canonical(&x))
        })
        .collect();
    refined.retain(|(v, _)| !v.is_nan());
    refined.sort_by(|a, b| b.0.total_cmp(&a.0));
    refined.into_iter().chain(scored).chain(reserve).map(|(_, x)| x).collect()
}

/// The candidates with their values, best first; those without a value are dropped.
fn ranked(candidates: Vec<Vec<f64>>, value: impl Fn(&[f64]) -> f64 + Sync) -> Vec<(f64, Vec<f64>)> {
    let mut scored: Vec<(f64, Vec<f64>)> =
        candidates.into_par_iter().map(|x| (value(&x), x)).filter(|(v, _)| !v.is_nan()).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
}

/// The best candidates that are not all in one place: each next one is the best that keeps a distance from
/// those chosen, the distance shrinking when too few are left.
fn spread(scored: &[(f64, Vec<f64>)], count: usize) -> Vec<Vec<f64>> {
    let mut chosen: Vec<Vec<f64>> = Vec::with_capacity(count);
    for distance in [0.1, 0.01, 0.0] {
        for (_, x) in scored {
            if chosen.len() == count {
                return chosen;
            }
            if chosen.iter().all(|c| max_distance(c, x) > distance) {
                chosen.push(x.clone());
            }
        }
    }
    chosen
}

/// Largest difference of a coordinate.
pub(crate) fn max_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

/// Normal perturbations of the centers on several scales relative to the length scales, of all coordinates
/// or of a few.
fn perturbations(
    gp: &GaussianProcess,
    space: &Space,
    centers: &[Vec<f64>],
    count: usize,
    stream: Stream,
) -> Vec<Vec<f64>> {
    if centers.is_empty() {
        return Vec::new();
    }
    let dim = space.dim();
    let lengths = &gp.hyperparameters().length_scales;
    let mut rng = stream.rng();
    (0..count)
        .map(|i| {
            let mut x = centers[i % centers.len()].clone();
            let scale = [0.5, 0.1, 0.02, 0.004][(i / centers.len()) % 4];
            // Half of the perturbations move all coordinates, half about three of them.
            let share = if i % 2 == 0 { 1.0 } else { (3.0 / dim as f64).min(1.0) };
            let always = rng.random_range(0..dim);
            for c in 0..dim {
                let (pick, normal): (f64, f64) = (rng.random(), StandardNormal.sample(&mut rng));
                if pick < share || c == always {
                    x[c] = (x[c] + scale * lengths[c].min(1.0) * normal).clamp(0.0, 1.0);
                }
            }
            space.canonical(&x)
        })
        .collect()
}
