//! Sizes at which rows are partitioned rather than sorted: everything against its definition by sorting, on any number of
//! threads, to the bit.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use ss_sampler::{
    AliasTable, EpochPlan, Error, RankedFeatures, SamplerParams, SamplerSpec, Transform, Weights, mid_ranks,
};
use ss_seed::{Seed, Stream};

const N: usize = 300_000;

/// Runs on one thread and on three.
fn on_threads<T: Send>(run: impl Fn() -> T + Sync) -> [T; 2] {
    [1, 3].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&run))
}

fn hashes(name: &str) -> impl Iterator<Item = u64> {
    let stream = Seed::new(12).stream(name);
    (0..N as u64).map(move |i| stream.index(i).hash())
}

/// Columns spread over all magnitudes, over one, over a few values, over a few neighbours of 1, over none.
fn columns() -> Vec<Vec<f32>> {
    let finite = |bits: u64| Some(f32::from_bits(bits as u32)).filter(|v| v.is_finite()).unwrap_or(-0.0);
    vec![
        hashes("any bits").map(finite).collect(),
        hashes("uniform").map(|h| (h >> 40) as f32 / (1 << 24) as f32 - 0.25).collect(),
        hashes("ties").map(|h| if h % 3 == 0 { 0.0 } else { (h % 17) as f32 - 8.0 }).collect(),
        hashes("near one").map(|h| 1.0 + (h % 9) as f32 * f32::EPSILON).collect(),
        vec![2.5; N],
    ]
}

/// Places of equal keys, in increasing order of the key.
fn tied_groups<K: PartialOrd + Copy>(keys: &[K]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[a].partial_cmp(&keys[b]).unwrap());
    order.chunk_by(|&a, &b| keys[a] == keys[b]).map(<[usize]>::to_vec).collect()
}

/// Mid-ranks times `2n`.
fn doubled_ranks<K: PartialOrd + Copy>(column: &[K]) -> Vec<i64> {
    let mut ranks = vec![0; column.len()];
    let mut below = 0;
    for group in tied_groups(column) {
        group.iter().for_each(|&row| ranks[row] = 2 * below + group.len() as i64);
        below += group.len() as i64;
    }
    ranks
}

#[test]
fn ranks_are_those_of_sorting() {
    for column in columns() {
        let expected: Vec<f64> =
            doubled_ranks(&column).into_iter().map(|r| r as f64 / (2 * N) as f64).collect();
        for ranks in on_threads(|| mid_ranks(&column).unwrap()) {
            assert_eq!(ranks, expected);
        }
    }
}

#[test]
fn coordinates_are_those_of_sorting() {
    // Gradients are integers up to a power of two and coefficients are dyadic, so the definition is exact in integers.
    let gradient: Vec<f32> = hashes("gradient").map(|h| (h % 9) as f32).collect();
    let columns = columns();
    for (a, b) in [(0, 1), (1, 2), (2, 3), (1, 1), (4, 4)] {
        let (x, y) = (doubled_ranks(&columns[a]), doubled_ranks(&columns[b]));
        for (c, weight) in [([1.0, -0.5], [2, -1]), ([1.0, -1.0], [1, -1]), ([0.0, -1.0], [0, -1])] {
            let z: Vec<i64> = x.iter().zip(&y).map(|(x, y)| weight[0] * x + weight[1] * y).collect();
            let groups = tied_groups(&z);
            for transform in [Transform::Cgf, Transform::Cdf] {
                let mass = |row: usize| if transform == Transform::Cgf { gradient[row] as u64 } else { 1 };
                let total: u64 = (0..N).map(mass).sum();
                let (mut expected, mut below) = (vec![0.0; N], 0);
                for group in &groups {
                    let upto = below + group.iter().map(|&row| mass(row)).sum::<u64>();
                    // A mirrored rule turns the coordinate after rounding.
                    let u = (below + upto) as f64 / (2 * total) as f64;
                    let mirrored = 1.0 - (2 * total - below - upto) as f64 / (2 * total) as f64;
                    let u = if c[0] == 0.0 { mirrored } else { u };
                    group.iter().for_each(|&row| expected[row] = u);
                    below = upto;
                }
                let spec = SamplerSpec::new(["x", "y"], transform).unwrap().with_segments(2).unwrap();
                let params = SamplerParams::new(&spec, c.to_vec(), vec![0.5], vec![1.0, 0.5, 0.0]).unwrap();
                let coordinate = || {
                    let columns: [&[f32]; 2] = [&columns[a], &columns[b]];
                    RankedFeatures::new(spec.clone(), &columns, &gradient)
                        .unwrap()
                        .coordinate(&params)
                        .unwrap()
                };
                for u in on_threads(coordinate) {
                    assert!(u == expected, "columns {a}, {b}, coefficients {c:?}, {transform:?}");
                }
            }
        }
    }
}

#[test]
fn any_number_of_features_is_combined() {
    let columns = columns();
    let ranks: Vec<Vec<i64>> = columns.iter().map(|column| doubled_ranks(column)).collect();
    for weight in [&[4][..], &[4, -1, 2], &[1, 2, 4, -3]] {
        let z: Vec<i64> =
            (0..N).map(|row| weight.iter().zip(&ranks).map(|(w, ranks)| w * ranks[row]).sum()).collect();
        let expected: Vec<f64> = doubled_ranks(&z).into_iter().map(|r| r as f64 / (2 * N) as f64).collect();
        let names = ["a", "b", "c", "d"].into_iter().take(weight.len());
        let spec = SamplerSpec::new(names, Transform::Cdf).unwrap().with_segments(2).unwrap();
        let c = weight.iter().map(|&w| w as f64 / 4.0).collect();
        let params = SamplerParams::new(&spec, c, vec![0.5], vec![1.0, 0.5, 0.0]).unwrap();
        let features: Vec<&[f32]> = columns[..weight.len()].iter().map(Vec::as_slice).collect();
        let u = RankedFeatures::new(spec, &features, &[]).unwrap().coordinate(&params).unwrap();
        assert!(u == expected, "{weight:?}");
    }
}

fn stream() -> Stream {
    Seed::new(34).stream("order")
}

const EPOCH: u64 = 7;

/// `(example, copy)` in the order of the epoch.
fn in_order(mut draws: Vec<(usize, u32)>) -> Vec<(usize, u32)> {
    let key =
        |example: usize, copy: u32| stream().index(EPOCH).index(example as u64).index(copy.into()).hash();
    draws.sort_by_key(|&(example, copy)| (key(example, copy), example, copy));
    draws
}

#[track_caller]
fn assert_draws(plans: [EpochPlan; 2], expected: &[(usize, u32)]) {
    for plan in plans {
        assert_eq!(plan.len(), expected.len());
        assert!(plan.draws().iter().zip(expected).all(|(draw, e)| (draw.example(), draw.copy()) == *e));
    }
}

/// Weights 0, 1, ..., 8.
fn weights() -> Vec<u64> {
    let mut weights: Vec<u64> = hashes("weights").map(|h| h % 9).collect();
    weights[0] = 8;
    weights
}

fn as_weights(weights: &[u64]) -> Weights {
    Weights::new(weights.iter().map(|&w| w as f64).collect()).unwrap()
}

#[test]
fn epochs_are_in_the_order_of_their_hash() {
    let expected = in_order((0..N).map(|i| (i, 0)).collect());
    assert_draws(on_threads(|| EpochPlan::shuffled(N, stream(), EPOCH).unwrap()), &expected);
}

#[test]
fn systematic_epochs_are_a_walk_along_the_residuals() {
    // Masses are the weights, times 2^40: the largest becomes 2^(62 - ceil(log2 n)).
    let weights = weights();
    let total = weights.iter().sum::<u64>() << 40;
    for m in [N / 3, N, 2 * N + 1] {
        let share = |i: usize| m as u128 * (u128::from(weights[i]) << 40);
        let mut counts: Vec<u32> = (0..N).map(|i| (share(i) / u128::from(total)) as u32).collect();
        let mut walk: Vec<usize> = (0..N).filter(|&i| share(i) % u128::from(total) > 0).collect();
        let epoch = stream().index(EPOCH);
        walk.sort_by_key(|&i| (epoch.index(u64::MAX).index(i as u64).hash(), i));
        let mut next = (u128::from(epoch.index(u64::MAX - 1).hash()) * u128::from(total)) >> 64;
        let mut sum = 0;
        for i in walk {
            sum += share(i) % u128::from(total);
            if next < sum {
                counts[i] += 1;
                next += u128::from(total);
            }
        }
        let draws = (0..N).flat_map(|i| (0..counts[i]).map(move |copy| (i, copy))).collect();
        let plan = || EpochPlan::systematic(&as_weights(&weights), m, stream(), EPOCH).unwrap();
        assert_draws(on_threads(plan), &in_order(draws));
    }
}

#[test]
fn independent_draws_are_picks_with_numbered_copies() {
    let weights = as_weights(&weights());
    let table = AliasTable::new(&weights);
    let independent = stream().index(EPOCH).index(u64::MAX - 2);
    for m in [1000, 2 * N] {
        let mut seen = vec![0; N];
        let pick = |d: usize| table.pick(independent.index(d as u64).hash());
        let expected: Vec<(usize, u32)> = (0..m)
            .map(|d| {
                let example = pick(d);
                seen[example] += 1;
                (example, seen[example] - 1)
            })
            .collect();
        assert_draws(on_threads(|| EpochPlan::multinomial(&weights, m, stream(), EPOCH).unwrap()), &expected);
    }
    // One example drawn more often than copies can be numbered.
    let one = Weights::new(vec![0.0, 1.0]).unwrap();
    let error = EpochPlan::multinomial(&one, (1 << 24) + 1, stream(), EPOCH).unwrap_err();
    assert!(error.to_string().contains("draws of one example"), "{error}");
}

#[test]
fn draws_without_replacement_have_the_smallest_keys() {
    // In the second set the weights of every 64th example are a thousand times larger, and in the third smaller: the sample
    // that guesses the limit is wrong.
    for scale in [1, 1000, 0] {
        let mut weights = weights();
        for k in 0..N / 64 {
            weights[64 * k + k % 64] *= scale;
        }
        let weights = as_weights(&weights);
        let epoch = stream().index(EPOCH).index(u64::MAX - 3);
        let key = |i: usize| {
            let unit = ((epoch.index(i as u64).hash() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
            -unit.ln() / weights.probability(i)
        };
        let mut keyed: Vec<(f64, usize)> =
            (0..N).filter(|&i| weights.tau()[i] > 0.0).map(|i| (key(i), i)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        for m in [1, N / 10, N / 2, weights.positive()] {
            let chosen = in_order(keyed[..m].iter().map(|&(_, i)| (i, 0)).collect());
            let plan = || EpochPlan::without_replacement(&weights, m, stream(), EPOCH).unwrap();
            assert_draws(on_threads(plan), &chosen);
        }
        let positive = weights.positive();
        let error = EpochPlan::without_replacement(&weights, positive + 1, stream(), EPOCH).unwrap_err();
        assert_eq!(error, Error::NotEnough { draws: positive + 1, positive });
    }
}
