//! Epoch plans: counts, order, shards, resuming; statistical claims at fixed seeds.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::HashMap;

use proptest::prelude::*;
use ss_sampler::{DrawMode, EpochPlan, Error, PlanState, Remainder, Weights};
use ss_seed::{Seed, Stream};

const MODES: [DrawMode; 3] = [DrawMode::Systematic, DrawMode::Multinomial, DrawMode::WithoutReplacement];

fn stream(seed: u64) -> Stream {
    Seed::new(seed).stream("epoch-order")
}

fn counts(plan: &EpochPlan, n: usize) -> Vec<usize> {
    let mut counts = vec![0; n];
    plan.indices().for_each(|i| counts[i] += 1);
    counts
}

/// Weights with zeros, ties and several orders of magnitude; at least one positive.
fn weights() -> impl Strategy<Value = Weights> {
    let tau = prop_oneof![2 => 0.0_f64..1.0, 1 => Just(0.0), 1 => Just(1.0), 1 => 1e-9_f64..1e-3];
    prop::collection::vec(tau, 1..200).prop_map(|mut tau| {
        tau[0] += 0.1;
        Weights::new(tau).unwrap()
    })
}

/// The upper tail beyond which chi-square with `df` degrees lies with probability about 1e-4
/// (Wilson-Hilferty).
fn chi_square_limit(df: f64) -> f64 {
    let z = 3.72;
    df * (1.0 - 2.0 / (9.0 * df) + z * (2.0 / (9.0 * df)).sqrt()).powi(3)
}

fn chi_square(observed: &[f64], expected: &[f64]) -> f64 {
    observed.iter().zip(expected).filter(|(_, e)| **e > 0.0).map(|(o, e)| (o - e) * (o - e) / e).sum()
}

proptest! {
    #[test]
    fn systematic_counts_are_within_one_of_expectation(
        weights in weights(), m in 1_usize..1000, seed in any::<u64>(), epoch in any::<u64>(),
    ) {
        let plan = EpochPlan::systematic(&weights, m, stream(seed), epoch).unwrap();
        prop_assert_eq!(plan.len(), m);
        for (i, count) in counts(&plan, weights.len()).into_iter().enumerate() {
            let expected = m as f64 * weights.probability(i);
            prop_assert!((count as f64 - expected).abs() < 1.0 + 1e-9, "{i}: {count} for {expected}");
            prop_assert!(weights.tau()[i] > 0.0 || count == 0);
        }
        let mut copies: HashMap<usize, Vec<u32>> = HashMap::new();
        plan.draws().iter().for_each(|d| copies.entry(d.example()).or_default().push(d.copy()));
        for mut copies in copies.into_values() {
            copies.sort_unstable();
            prop_assert_eq!(&copies, &(0..copies.len() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn uniform_systematic_is_the_shuffled_epoch(
        n in 1_usize..2000, tau in 1e-3_f64..1e3, seed in any::<u64>(), epoch in any::<u64>(),
    ) {
        let shuffled = EpochPlan::shuffled(n, stream(seed), epoch).unwrap();
        let weights = Weights::new(vec![tau; n]).unwrap();
        prop_assert_eq!(&EpochPlan::systematic(&weights, n, stream(seed), epoch).unwrap(), &shuffled);
        prop_assert_eq!(&EpochPlan::without_replacement(&weights, n, stream(seed), epoch).unwrap(), &shuffled);
        let mut seen: Vec<usize> = shuffled.indices().collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
        // Whole multiples of an epoch are exact too.
        let twice = EpochPlan::systematic(&weights, 2 * n, stream(seed), epoch).unwrap();
        prop_assert_eq!(counts(&twice, n), vec![2; n]);
    }

    #[test]
    fn common_draws_keep_their_order_across_samplers(
        a in weights(), m in 1_usize..400, seed in any::<u64>(),
    ) {
        let n = a.len();
        let plan = EpochPlan::systematic(&a, m, stream(seed), 3).unwrap();
        let uniform = EpochPlan::shuffled(n, stream(seed), 3).unwrap();
        let first: Vec<usize> =
            plan.draws().iter().filter(|d| d.copy() == 0).map(|d| d.example()).collect();
        let drawn: std::collections::HashSet<usize> = first.iter().copied().collect();
        let expected: Vec<usize> = uniform.indices().filter(|i| drawn.contains(i)).collect();
        prop_assert_eq!(first, expected);
    }

    #[test]
    fn without_replacement_draws_differ_and_have_weight(
        weights in weights(), share in 0.0_f64..=1.0, seed in any::<u64>(),
    ) {
        let positive = weights.positive();
        let m = ((positive as f64 * share) as usize).max(1);
        let plan = EpochPlan::without_replacement(&weights, m, stream(seed), 0).unwrap();
        prop_assert_eq!(plan.len(), m);
        let counts = counts(&plan, weights.len());
        prop_assert!(counts.iter().zip(weights.tau()).all(|(&c, &t)| c <= usize::from(t > 0.0)));
        let error = EpochPlan::without_replacement(&weights, positive + 1, stream(seed), 0).unwrap_err();
        prop_assert_eq!(error, Error::NotEnough { draws: positive + 1, positive });
    }

    #[test]
    fn multinomial_never_draws_zero_weight(weights in weights(), m in 1_usize..500, seed in any::<u64>()) {
        let plan = EpochPlan::multinomial(&weights, m, stream(seed), 0).unwrap();
        prop_assert_eq!(plan.len(), m);
        prop_assert!(plan.indices().all(|i| weights.tau()[i] > 0.0));
        // Copies count up in order.
        let mut seen = vec![0; weights.len()];
        for draw in plan.draws() {
            prop_assert_eq!(draw.copy(), seen[draw.example()]);
            seen[draw.example()] += 1;
        }
    }

    #[test]
    fn shards_are_disjoint_complete_and_of_equal_length(
        n in 1_usize..300, world in 1_usize..9, seed in any::<u64>(),
    ) {
        let plan = EpochPlan::shuffled(n, stream(seed), 1).unwrap();
        let shards = |remainder| -> Vec<Vec<usize>> {
            (0..world).map(|rank| plan.shard(rank, world, remainder).unwrap().indices().collect()).collect()
        };
        let padded = shards(Remainder::Pad);
        prop_assert!(padded.iter().all(|s| s.len() == n.div_ceil(world)));
        // Interleaved, they are the plan, continued from its start.
        let joined: Vec<usize> = (0..padded[0].len() * world).map(|i| padded[i % world][i / world]).collect();
        prop_assert_eq!(joined, plan.indices().cycle_to(n.div_ceil(world) * world));
        if n >= world {
            let dropped = shards(Remainder::Drop);
            prop_assert!(dropped.iter().all(|s| s.len() == n / world));
            let mut all = dropped.concat();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), n / world * world);
        } else {
            prop_assert!(plan.shard(0, world, Remainder::Drop).is_err());
        }
        prop_assert!(plan.shard(world, world, Remainder::Pad).is_err());
    }

    #[test]
    fn a_run_resumes_anywhere(weights in weights(), seed in any::<u64>(), part in 0.0_f64..=1.0) {
        for mode in MODES {
            let m = weights.positive();
            let state = {
                let plan = EpochPlan::draw(mode, &weights, m, Seed::new(seed).stream("order"), 5).unwrap();
                plan.state(Seed::new(seed), "order", 5, (m as f64 * part) as usize).unwrap()
            };
            let state: PlanState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            let again = EpochPlan::draw(mode, &weights, m, state.stream(), state.epoch).unwrap();
            let rest = again.resume(&state).unwrap();
            prop_assert_eq!(rest, &again.draws()[state.position as usize..]);
            prop_assert!(again.state(Seed::new(seed), "order", 5, m + 1).is_err());
            let other = EpochPlan::draw(mode, &weights, m, state.stream(), 6).unwrap();
            if other != again {
                prop_assert!(other.resume(&state).is_err());
            }
        }
    }
}

trait CycleTo {
    fn cycle_to(self, len: usize) -> Vec<usize>;
}

impl<I: Iterator<Item = usize>> CycleTo for I {
    fn cycle_to(self, len: usize) -> Vec<usize> {
        let all: Vec<usize> = self.collect();
        (0..len).map(|i| all[i % all.len()]).collect()
    }
}

#[test]
fn systematic_draws_are_unbiased() {
    // Over independent epochs the mean count is m p. A count varies as a Bernoulli on its residual r, so the
    // mean has variance r (1 - r) / epochs: all examples within 4.5 standard errors (two-sided 7e-6 each).
    let weights = Weights::new((0..50).map(|i| ((i * 37) % 50) as f64 + 0.25).collect()).unwrap();
    for m in [20, 50, 73] {
        let epochs = 20_000;
        let mut sums = vec![0_usize; 50];
        for epoch in 0..epochs {
            let plan = EpochPlan::systematic(&weights, m, stream(11), epoch).unwrap();
            plan.indices().for_each(|i| sums[i] += 1);
        }
        for (i, sum) in sums.into_iter().enumerate() {
            let expected = m as f64 * weights.probability(i);
            let residual = expected.fract();
            let error = (residual * (1.0 - residual) / epochs as f64).sqrt();
            let mean = sum as f64 / epochs as f64;
            assert!(
                (mean - expected).abs() < 4.5 * error + 1e-9,
                "m {m}, example {i}: {mean} for {expected}"
            );
        }
    }
}

#[test]
fn neighbours_do_not_exclude_one_another() {
    // Plain systematic sampling with p = 1/2 takes every other example, so neighbours never come together. In
    // random order two of 40 examples come together with probability 20/40 * 19/39, up to the parity of the
    // walk.
    let (n, epochs) = (40, 20_000);
    let weights = Weights::uniform(n).unwrap();
    let together = (0..epochs)
        .filter(|&epoch| {
            let c = counts(&EpochPlan::systematic(&weights, n / 2, stream(4), epoch).unwrap(), n);
            c[7] == 1 && c[8] == 1
        })
        .count() as f64
        / epochs as f64;
    let expected = 0.5 * 19.0 / 39.0;
    let error = (expected * (1.0 - expected) / epochs as f64).sqrt();
    assert!((together - expected).abs() < 4.5 * error, "{together} for {expected}");
}

#[test]
fn multinomial_counts_pass_chi_square() {
    let weights = Weights::new(vec![0.5, 0.0, 3.0, 1.0, 1e-3, 7.0, 2.5, 0.0, 4.0, 0.25]).unwrap();
    let m = 400_000;
    let plan = EpochPlan::multinomial(&weights, m, stream(21), 2).unwrap();
    let observed: Vec<f64> = counts(&plan, 10).into_iter().map(|c| c as f64).collect();
    let expected: Vec<f64> = weights.probabilities().iter().map(|p| p * m as f64).collect();
    let statistic = chi_square(&observed, &expected);
    assert!(statistic < chi_square_limit(7.0), "{statistic}");

    // Independence: pairs of successive draws.
    let weights = Weights::new(vec![1.0, 2.0, 3.0]).unwrap();
    let draws: Vec<usize> = EpochPlan::multinomial(&weights, m, stream(22), 0).unwrap().indices().collect();
    let mut pairs = vec![0.0; 9];
    draws.chunks_exact(2).for_each(|pair| pairs[3 * pair[0] + pair[1]] += 1.0);
    let p = weights.probabilities();
    let expected: Vec<f64> = (0..9).map(|k| p[k / 3] * p[k % 3] * m as f64 / 2.0).collect();
    assert!(chi_square(&pairs, &expected) < chi_square_limit(8.0));
}

#[test]
fn without_replacement_follows_successive_sampling() {
    // P({a, b}) = p_a p_b / (1 - p_a) + p_b p_a / (1 - p_b), the definition of drawing two without putting
    // back.
    let weights = Weights::new(vec![1.0, 2.0, 3.0, 4.0, 0.0]).unwrap();
    let p = weights.probabilities();
    let epochs = 100_000;
    let mut observed = vec![0.0; 25];
    for epoch in 0..epochs {
        let plan = EpochPlan::without_replacement(&weights, 2, stream(31), epoch).unwrap();
        let mut pair: Vec<usize> = plan.indices().collect();
        pair.sort_unstable();
        observed[5 * pair[0] + pair[1]] += 1.0;
    }
    let expected: Vec<f64> = (0..25)
        .map(|k| {
            let (a, b) = (k / 5, k % 5);
            let pair = p[a] * p[b] * (1.0 / (1.0 - p[a]) + 1.0 / (1.0 - p[b]));
            if a < b { epochs as f64 * pair } else { 0.0 }
        })
        .collect();
    assert!((expected.iter().sum::<f64>() - epochs as f64).abs() < 1e-6);
    let statistic = chi_square(&observed, &expected);
    assert!(statistic < chi_square_limit(5.0), "{statistic}");
}

#[test]
fn every_order_of_a_shuffled_epoch_is_equally_likely() {
    let epochs = 48_000;
    let mut observed: HashMap<Vec<usize>, f64> = HashMap::new();
    for epoch in 0..epochs {
        *observed
            .entry(EpochPlan::shuffled(4, stream(41), epoch).unwrap().indices().collect())
            .or_default() += 1.0;
    }
    assert_eq!(observed.len(), 24);
    let observed: Vec<f64> = observed.into_values().collect();
    assert!(chi_square(&observed, &[epochs as f64 / 24.0; 24]) < chi_square_limit(23.0));
}

#[test]
fn large_alias_tables_are_right() {
    // 2^20 categories with weight proportional to i mod 4: shares of the four kinds, and of the two halves.
    let n = 1 << 20;
    let weights = Weights::new((0..n).map(|i| (i % 4) as f64).collect()).unwrap();
    let m = 1 << 20;
    let plan = EpochPlan::multinomial(&weights, m, stream(51), 0).unwrap();
    let mut observed = vec![0.0; 8];
    plan.indices().for_each(|i| observed[i % 4 + if i < n / 2 { 0 } else { 4 }] += 1.0);
    let expected: Vec<f64> = (0..8).map(|k| (k % 4) as f64 / 12.0 * m as f64).collect();
    assert_eq!(observed[0] + observed[4], 0.0);
    assert!(chi_square(&observed, &expected) < chi_square_limit(5.0));
}

#[test]
fn plans_do_not_depend_on_the_thread_count() {
    let weights = Weights::new((0..30_000).map(|i| ((i * 7919) % 1013) as f64).collect()).unwrap();
    for mode in MODES {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| EpochPlan::draw(mode, &weights, 20_000, stream(61), 9).unwrap())
        };
        let (one, three) = (run(1), run(3));
        assert_eq!(one.fingerprint(), three.fingerprint());
        assert_eq!(one, three);
    }
}

#[test]
fn plans_are_pinned() {
    // Other numbers mean that every published run changes: say so in the changelog.
    let plan = EpochPlan::shuffled(10, Seed::new(0).stream("pinned"), 0).unwrap();
    assert_eq!(plan.indices().collect::<Vec<_>>(), [1, 6, 8, 9, 2, 4, 7, 3, 0, 5]);
    let weights = Weights::new(vec![1.0, 0.0, 4.0, 2.0]).unwrap();
    let indices = |mode, m| -> Vec<usize> {
        EpochPlan::draw(mode, &weights, m, Seed::new(0).stream("pinned"), 0).unwrap().indices().collect()
    };
    assert_eq!(indices(DrawMode::Systematic, 8), [2, 3, 2, 2, 3, 0, 2, 2]);
    assert_eq!(indices(DrawMode::Multinomial, 8), [3, 0, 2, 0, 3, 2, 2, 2]);
    assert_eq!(indices(DrawMode::WithoutReplacement, 2), [2, 0]);
}

#[test]
fn epochs_and_streams_differ() {
    let plan = |seed, epoch| EpochPlan::shuffled(100, stream(seed), epoch).unwrap();
    assert_ne!(plan(1, 0), plan(1, 1));
    assert_ne!(plan(1, 0), plan(2, 0));
    assert_ne!(plan(1, 0).fingerprint(), plan(1, 1).fingerprint());
}

#[test]
fn bad_sizes_are_refused() {
    let weights = Weights::uniform(3).unwrap();
    for mode in MODES {
        assert!(
            EpochPlan::draw(mode, &weights, 0, stream(1), 0)
                .unwrap_err()
                .to_string()
                .contains("epoch plan is empty")
        );
    }
    assert!(EpochPlan::shuffled(0, stream(1), 0).is_err());
    let one = Weights::uniform(1).unwrap();
    let error = EpochPlan::systematic(&one, 1 << 24, stream(1), 0).unwrap_err().to_string();
    assert!(error.contains("draws of one example"), "{error}");
}

#[test]
fn an_absurd_number_of_draws_is_refused_and_not_allocated() {
    let weights = Weights::new(vec![1.0, 2.0]).unwrap();
    for mode in MODES {
        let error = EpochPlan::draw(mode, &weights, usize::MAX, stream(0), 0).unwrap_err();
        assert!(matches!(error, Error::TooMany { what: "draws", .. }), "{error}");
    }
}
