//! A synthetic reweighting problem: ten parameters of a piecewise-linear rule decide how much each of 1,000
//! examples counts, 40% of which are bad, and the score is what a learner would get out of the weighted set.
//!
//! Two noisy features tell bad examples apart. The first two parameters mix the features' ranks to one
//! coordinate; three place the inner knots of a rule on it, five its values. Like its real counterpart the
//! objective is flat in places, invariant in others (scaling the values changes nothing), and has a few good
//! basins.

use std::sync::OnceLock;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use ss_seed::Seed;

/// The largest score, the best of 64 evolution strategies of 10,000 evaluations each
/// (`examples/reweighting_optimum.rs`).
pub(super) const OPTIMUM: f64 = 55.939_412;

const EXAMPLES: usize = 1000;
/// Smallest gap between knots.
const GAP: f64 = 0.05;

struct Example {
    ranks: [f64; 2],
    bad: bool,
    hard: bool,
}

fn examples() -> &'static [Example] {
    static DATA: OnceLock<Vec<Example>> = OnceLock::new();
    DATA.get_or_init(|| {
        let mut rng = Seed::new(0).stream("reweighting-examples").rng();
        let mut rows: Vec<([f64; 2], bool, bool)> = (0..EXAMPLES)
            .map(|_| {
                let bad = rng.random_bool(0.4);
                let hard = !bad && rng.random_bool(0.2);
                let (a, b): (f64, f64) = (StandardNormal.sample(&mut rng), StandardNormal.sample(&mut rng));
                // Bad and hard examples both have large first features; the second is small for bad ones.
                let first = a + if bad { 2.5 } else { 0.0 } + if hard { 1.8 } else { 0.0 };
                let second = b + if bad { -1.0 } else { 0.0 } + if hard { 1.0 } else { 0.0 };
                ([first, second], bad, hard)
            })
            .collect();
        let mut ranks = vec![[0.0; 2]; EXAMPLES];
        for k in 0..2 {
            for (i, r) in mid_ranks(&rows.iter().map(|r| r.0[k]).collect::<Vec<_>>()).into_iter().enumerate()
            {
                ranks[i][k] = r;
            }
        }
        rows.drain(..).zip(ranks).map(|((_, bad, hard), ranks)| Example { ranks, bad, hard }).collect()
    })
}

/// Ranks in (0, 1).
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    for (r, i) in order.into_iter().enumerate() {
        ranks[i] = (r as f64 + 0.5) / values.len() as f64;
    }
    ranks
}

/// The score in percent, about 20 (all weight on bad examples) to 56.
pub(super) fn score(x: &[f64]) -> f64 {
    let data = examples();
    let mix: Vec<f64> =
        data.iter().map(|e| (2.0 * x[0] - 1.0) * e.ranks[0] + (2.0 * x[1] - 1.0) * e.ranks[1]).collect();
    let u = mid_ranks(&mix);
    let mut inner = [x[2], x[3], x[4]];
    inner.sort_by(f64::total_cmp);
    let mut knots = [0.0; 5];
    for k in 0..3 {
        knots[k + 1] = GAP * (k + 1) as f64 + (1.0 - 4.0 * GAP) * inner[k];
    }
    knots[4] = 1.0;
    let values = &x[5..10];
    let weights: Vec<f64> = u
        .iter()
        .map(|&u| {
            let k = knots[1..4].iter().filter(|&&e| u >= e).count();
            let t = (u - knots[k]) / (knots[k + 1] - knots[k]);
            values[k] * (1.0 - t) + values[k + 1] * t + 1e-6
        })
        .collect();
    let total: f64 = weights.iter().sum();
    let (mut bad, mut hard, mut good_mass, mut good_square, mut good) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (e, w) in data.iter().zip(&weights) {
        let p = w / total;
        if e.bad {
            bad += p;
        } else {
            good_mass += p;
            good_square += p * p;
            good += 1.0;
            hard += if e.hard { p } else { 0.0 };
        }
    }
    // Bad mass misleads, repeating few good examples overfits, and hard ones teach most.
    let diversity = good_mass * good_mass / (good * good_square);
    55.0 - 24.0 * bad.powf(1.5) - 6.0 * (1.0 - diversity) + 4.0 * hard / (hard + 0.1)
}
