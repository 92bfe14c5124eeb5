//! Projected L-BFGS: minimisation in the unit cube.

use std::collections::VecDeque;

use crate::cholesky::dot;

/// Limits of one minimisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Quasi-Newton iterations.
    pub(crate) iterations: usize,
    /// Stop when no free coordinate of the gradient is larger than this.
    pub(crate) gradient: f64,
    /// Stop when an iteration improves the value by less than this.
    pub(crate) decrease: f64,
}

const MEMORY: usize = 8;
const BACKTRACKS: usize = 20;
const ARMIJO: f64 = 1e-4;

/// Minimises `f` (value and gradient) over `[0, 1]^d` from `x`; returns the best point and its value.
///
/// Coordinates at a bound whose gradient points outwards are held fixed; the others take an L-BFGS
/// direction, projected back to the cube by clamping, with backtracking on the projected path
/// (Bertsekas 1982; Nocedal and Wright 2006, sections 7.2 and 16.7).
pub(crate) fn minimise(
    mut f: impl FnMut(&[f64]) -> (f64, Vec<f64>),
    mut x: Vec<f64>,
    limits: Limits,
) -> (Vec<f64>, f64) {
    let (mut value, mut gradient) = f(&x);
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::with_capacity(MEMORY);
    for _ in 0..limits.iterations {
        let free: Vec<bool> =
            x.iter().zip(&gradient).map(|(&x, &g)| !(x <= 0.0 && g >= 0.0 || x >= 1.0 && g <= 0.0)).collect();
        let masked: Vec<f64> =
            gradient.iter().zip(&free).map(|(&g, &free)| if free { g } else { 0.0 }).collect();
        let largest = masked.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        if !(largest > limits.gradient) || !value.is_finite() {
            break;
        }
        let mut direction = two_loop(&masked, &memory);
        for (d, &free) in direction.iter_mut().zip(&free) {
            *d = if free { -*d } else { 0.0 };
        }
        if !(dot(&direction, &masked) < 0.0) {
            memory.clear();
            direction = masked.iter().map(|g| -g).collect();
        }
        // Without curvature information, a first step of a tenth of the cube.
        let mut step = if memory.is_empty() { 0.1 / largest } else { 1.0 };
        let mut accepted = None;
        for _ in 0..BACKTRACKS {
            let candidate: Vec<f64> =
                x.iter().zip(&direction).map(|(x, d)| (x + step * d).clamp(0.0, 1.0)).collect();
            let moved: Vec<f64> = candidate.iter().zip(&x).map(|(c, x)| c - x).collect();
            let (next, next_gradient) = f(&candidate);
            if next <= value + ARMIJO * dot(&masked, &moved) && next.is_finite() {
                accepted = Some((candidate, moved, next, next_gradient));
                break;
            }
            step *= 0.4;
        }
        let Some((candidate, moved, next, next_gradient)) = accepted else {
            if memory.is_empty() {
                break;
            }
            memory.clear();
            continue;
        };
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&change, &moved);
        if curvature > 1e-10 * dot(&change, &change).sqrt() * dot(&moved, &moved).sqrt() {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((moved, change, 1.0 / curvature));
        }
        let decrease = value - next;
        (x, value, gradient) = (candidate, next, next_gradient);
        if decrease < limits.decrease {
            break;
        }
    }
    (x, value)
}

/// The L-BFGS product of inverse Hessian and `gradient` (Nocedal and Wright 2006, algorithm 7.4).
fn two_loop(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut weights = Vec::with_capacity(memory.len());
    for (s, y, rho) in memory.iter().rev() {
        let a = rho * dot(s, &q);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= a * y);
        weights.push(a);
    }
    if let Some((_, y, rho)) = memory.back() {
        let gamma = 1.0 / (rho * dot(y, y));
        q.iter_mut().for_each(|q| *q *= gamma);
    }
    for ((s, y, rho), a) in memory.iter().zip(weights.iter().rev()) {
        let b = rho * dot(y, &q);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (a - b) * s);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { iterations: 200, gradient: 1e-9, decrease: 0.0 };

    #[test]
    fn finds_the_interior_minimum_of_rosenbrock() {
        // Rosenbrock's valley with its minimum at (0.7, 0.7^2).
        let f = |x: &[f64]| {
            let (a, b) = (0.7 - x[0], x[1] - x[0] * x[0]);
            (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
        };
        let (x, value) = minimise(f, vec![0.1, 0.9], LIMITS);
        assert!((x[0] - 0.7).abs() < 1e-5 && (x[1] - 0.49).abs() < 1e-5, "{x:?} {value}");
    }

    #[test]
    fn stops_at_the_bounds() {
        // The unconstrained minimum (1.5, 0.4, -1) lies outside.
        let target = [1.5, 0.4, -1.0];
        let f = |x: &[f64]| {
            let value = x.iter().zip(&target).map(|(x, t)| (x - t) * (x - t)).sum();
            (value, x.iter().zip(&target).map(|(x, t)| 2.0 * (x - t)).collect())
        };
        let (x, _) = minimise(f, vec![0.5; 3], LIMITS);
        assert_eq!((x[0], x[2]), (1.0, 0.0));
        assert!((x[1] - 0.4).abs() < 1e-8);
    }
}
