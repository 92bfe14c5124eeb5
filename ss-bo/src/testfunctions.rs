//! Standard test problems on the unit cube, as scores to **maximise**.
//!
//! The textbook functions are minimised; here they are negated and, where the optimum would lie in the
//! centre, in a corner or on the diagonal, shifted by a fixed offset that differs from coordinate to
//! coordinate. Sources: Surjanovic and Bingham, "Virtual Library of Simulation Experiments" (Branin,
//! Hartmann, Ackley, Levy, Styblinski-Tang).

use std::f64::consts::{E, PI};

use rand_distr::{Distribution, StandardNormal};
use ss_seed::Seed;

mod reweighting;

/// A test problem.
#[derive(Clone, Copy, Debug)]
pub struct Problem {
    /// Its name in tables.
    pub name: &'static str,
    /// Dimension of the cube.
    pub dim: usize,
    /// Standard deviation of the noise of an observation.
    pub noise_std: f64,
    /// The largest noise-free score.
    pub optimum: f64,
    score: fn(&[f64]) -> f64,
}

impl Problem {
    /// The noise-free score at `x` in `[0, 1]^dim`.
    pub fn score(&self, x: &[f64]) -> f64 {
        (self.score)(x)
    }

    /// How far the noise-free score at `x` is below the optimum; not negative.
    pub fn regret(&self, x: &[f64]) -> f64 {
        (self.optimum - self.score(x)).max(0.0)
    }

    /// The score with the noise of this trial of this seed: the same whatever the optimiser.
    pub fn observe(&self, x: &[f64], seed: u64, trial: u64) -> f64 {
        let mut rng = Seed::new(seed).stream("test-noise").index(trial).rng();
        let normal: f64 = StandardNormal.sample(&mut rng);
        self.score(x) + self.noise_std * normal
    }
}

/// The seven problems of the benchmark.
pub const PROBLEMS: [Problem; 7] = [
    Problem { name: "branin2", dim: 2, noise_std: 0.0, optimum: -0.397_887_357_729_738, score: branin },
    Problem { name: "hartmann6", dim: 6, noise_std: 0.0, optimum: 3.322_368_011_415_515, score: hartmann6 },
    Problem { name: "ackley10", dim: 10, noise_std: 0.0, optimum: 0.0, score: ackley },
    Problem { name: "levy10", dim: 10, noise_std: 0.0, optimum: 0.0, score: levy },
    Problem {
        name: "styblinski-tang5",
        dim: 5,
        noise_std: 0.0,
        optimum: 195.830_828_518_857,
        score: styblinski_tang,
    },
    Problem {
        name: "hartmann6-noisy",
        dim: 6,
        noise_std: 0.1,
        optimum: 3.322_368_011_415_515,
        score: hartmann6,
    },
    Problem {
        name: "reweighting10-noisy",
        dim: 10,
        noise_std: 0.4,
        optimum: reweighting::OPTIMUM,
        score: reweighting::score,
    },
];

/// Offset of coordinate `i` in `[-1, 1)`: a golden-ratio sequence, so that no two agree.
fn offset(i: usize) -> f64 {
    2.0 * (0.618_033_988_749_895 * (i + 1) as f64 + 0.21).fract() - 1.0
}

/// Branin on `[-5, 10] x [0, 15]`, moved by up to a tenth of its sides. Three equal optima.
fn branin(u: &[f64]) -> f64 {
    let x = 15.0 * (u[0] - 0.1 * offset(0)) - 5.0;
    let y = 15.0 * (u[1] - 0.1 * offset(1));
    let bowl = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    -(bowl * bowl + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0)
}

/// Hartmann in six dimensions, moved by up to 0.1.
fn hartmann6(u: &[f64]) -> f64 {
    const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    (0..4)
        .map(|k| {
            let r: f64 = (0..6).map(|i| A[k][i] * (u[i] - 0.1 * offset(i) - P[k][i]).powi(2)).sum();
            ALPHA[k] * (-r).exp()
        })
        .sum()
}

/// Ackley with sides of 65.536, its optimum moved off the centre by up to 0.3 of them.
fn ackley(u: &[f64]) -> f64 {
    let n = u.len() as f64;
    let x = |i: usize| 65.536 * (u[i] - 0.5 - 0.3 * offset(i));
    let square: f64 = (0..u.len()).map(|i| x(i).powi(2)).sum::<f64>() / n;
    let cosine: f64 = (0..u.len()).map(|i| (2.0 * PI * x(i)).cos()).sum::<f64>() / n;
    -(-20.0 * (-0.2 * square.sqrt()).exp() - cosine.exp() + 20.0 + E)
}

/// Levy with sides of 20, its optimum moved off the centre by up to 0.3 of them.
fn levy(u: &[f64]) -> f64 {
    let w = |i: usize| 1.0 + 20.0 * (u[i] - 0.5 - 0.3 * offset(i)) / 4.0;
    let last = u.len() - 1;
    let first = (PI * w(0)).sin().powi(2);
    let middle: f64 =
        (0..last).map(|i| (w(i) - 1.0).powi(2) * (1.0 + 10.0 * (PI * w(i) + 1.0).sin().powi(2))).sum();
    -(first + middle + (w(last) - 1.0).powi(2) * (1.0 + (2.0 * PI * w(last)).sin().powi(2)))
}

/// Styblinski-Tang on `[-5, 5]^d`, moved by up to a tenth of the sides.
fn styblinski_tang(u: &[f64]) -> f64 {
    let term = |i: usize| {
        let x = 10.0 * (u[i] - 0.1 * offset(i)) - 5.0;
        x.powi(4) - 16.0 * x * x + 5.0 * x
    };
    -0.5 * (0..u.len()).map(term).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook optima, mapped to the shifted cube.
    #[test]
    fn optima_are_where_they_should_be() {
        let at = |scale: f64, i: usize, x: f64| x + scale * offset(i);
        let branin = [at(0.1, 0, (PI + 5.0) / 15.0), at(0.1, 1, 2.275 / 15.0)];
        let hartmann = [0.201_689_51, 0.150_010_69, 0.476_873_97, 0.275_332_43, 0.311_651_62, 0.657_300_53];
        let hartmann: Vec<f64> = hartmann.iter().enumerate().map(|(i, &x)| at(0.1, i, x)).collect();
        let centre: Vec<f64> = (0..10).map(|i| at(0.3, i, 0.5)).collect();
        let tang: Vec<f64> = (0..5).map(|i| at(0.1, i, (5.0 - 2.903_534_027_771_177) / 10.0)).collect();
        let optima = [&branin[..], &hartmann, &centre, &centre, &tang, &hartmann];
        for (problem, x) in PROBLEMS.iter().zip(optima) {
            assert_eq!(x.len(), problem.dim);
            assert!(x.iter().all(|v| (0.05..0.95).contains(v)), "{}: {x:?}", problem.name);
            let gap = problem.optimum - problem.score(x);
            assert!(gap.abs() < 1e-6, "{}: {gap:e}", problem.name);
        }
    }

    #[test]
    fn noise_is_a_function_of_seed_and_trial() {
        let p = PROBLEMS[5];
        let x = [0.4; 6];
        assert_eq!(p.observe(&x, 1, 2), p.observe(&x, 1, 2));
        assert_ne!(p.observe(&x, 1, 2), p.observe(&x, 1, 3));
        let noise: Vec<f64> = (0..2000).map(|t| p.observe(&x, 1, t) - p.score(&x)).collect();
        let variance = noise.iter().map(|e| e * e).sum::<f64>() / 2000.0;
        assert!((variance.sqrt() - 0.1).abs() < 0.006, "{variance}");
    }
}
