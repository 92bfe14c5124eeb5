//! Systematic draws: expected counts, up to less than one.

use rayon::prelude::*;
use ss_seed::Stream;

use super::{RESIDUAL_OFFSET, RESIDUAL_ORDER, TASK, below};
use crate::masses::Masses;
use crate::partition::{BucketOrder, Partition, bucket_bits, cut};
use crate::{Draw, EpochPlan, Result, Weights};

/// `m` draws in the order of the examples, each example `floor(m p)` or `ceil(m p)` times.
///
/// Takes 12 bytes an example and another 16 for each that has a residual.
pub(crate) fn systematic(weights: &Weights, m: usize, stream: Stream) -> Result<Vec<Draw>> {
    let most = weights.tau().par_iter().with_min_len(TASK).copied().reduce(|| 0.0, f64::max)
        / weights.total()
        * m as f64;
    if most >= (Draw::MAX_COPIES - 1) as f64 {
        return Err(EpochPlan::copies_exceeded(most.ceil() as u64));
    }
    let counts = systematic_counts(weights, m as u64, stream);
    Ok(repeated(&counts, m))
}

/// How often each example is drawn, `[n]`.
fn systematic_counts(weights: &Weights, m: u64, stream: Stream) -> Vec<u32> {
    let Masses { each: mut residuals, total } = Masses::of_weights(weights.tau());
    let mut counts: Vec<u32> = vec![0; residuals.len()];
    counts.par_iter_mut().zip(&mut residuals).with_min_len(TASK).for_each(|(count, mass)| {
        let (whole, residual) = expected_count(m, *mass, total);
        (*count, *mass) = (whole as u32, residual);
    });

    // Walking the residuals in random order, that of a hash, keeps neighbours in the data from excluding one
    // another.
    let order = stream.index(RESIDUAL_ORDER);
    let hash = |i: usize| order.index(i as u64).hash();
    let bits = bucket_bits(residuals.len());
    let within = u64::BITS - bits;
    let partition = Partition::new(residuals.len(), 1 << bits, |i| {
        (residuals[i] > 0).then(|| hash(i).unbounded_shr(within) as usize)
    });
    let sizes = partition.sizes();
    let mut walk = partition.scatter((0, 0), |i| (hash(i), residuals[i]));
    let buckets = cut(&sizes, &mut walk);
    let sums: Vec<u64> = buckets
        .par_iter()
        .map(|bucket| bucket.iter().fold(0, |sum, &(_, residual)| add_modulo(sum, residual, total)))
        .collect();
    // Residuals sum to a multiple of `total`; one draw falls at every `offset + j total` of their running
    // sum. `ahead` is how far the next one is.
    let mut ahead = below(stream.index(RESIDUAL_OFFSET).hash(), total);
    let starts: Vec<u64> = sums
        .iter()
        .map(|&sum| {
            let start = ahead;
            ahead = add_modulo(ahead, total - sum, total);
            start
        })
        .collect();
    let low = u64::MAX >> bits;
    buckets.into_par_iter().zip(starts).for_each_init(
        BucketOrder::default,
        |scratch, (bucket, mut ahead)| {
            for place in scratch.sort(bucket.len(), within, |place| bucket[place].0 & low).places() {
                let residual = bucket[place].1;
                let drawn = ahead < residual;
                if drawn {
                    ahead += total;
                }
                ahead -= residual;
                bucket[place].1 = drawn.into();
            }
        },
    );
    partition.gather(&walk, &mut counts, |count, (_, drawn)| *count += drawn as u32);
    counts
}

/// The sum, modulo `total <= 2^62`, of a number below it and one up to it.
const fn add_modulo(a: u64, b: u64, total: u64) -> u64 {
    let sum = a + b;
    if sum >= total { sum - total } else { sum }
}

/// Example after example, each as often as its count says, `m` in all.
fn repeated(counts: &[u32], m: usize) -> Vec<Draw> {
    let chunk_draws: Vec<usize> =
        counts.par_chunks(CHUNK).map(|chunk| chunk.iter().map(|&count| count as usize).sum()).collect();
    let mut draws = vec![Draw::new(0, 0); m];
    cut(&chunk_draws, &mut draws).into_par_iter().zip(counts.par_chunks(CHUNK)).enumerate().for_each(
        |(chunk, (draws, counts))| {
            let repeated = (chunk * CHUNK..).zip(counts).flat_map(|(example, &count)| {
                (0..u64::from(count)).map(move |copy| Draw::new(example, copy))
            });
            draws.iter_mut().zip(repeated).for_each(|(place, draw)| *place = draw);
        },
    );
    draws
}

/// Examples whose draws are written by one thread at a time.
const CHUNK: usize = 1 << 14;

/// Quotient and remainder of `m * mass / total`, for a quotient below `2^25` and `total <= 2^62`.
///
/// A division of 128 by 64 bits is slow; the f64 estimate is off by one at most, and then the remainder,
/// which is right modulo `2^64`, shows it.
fn expected_count(m: u64, mass: u64, total: u64) -> (u64, u64) {
    let guess = (mass as f64 * (m as f64 / total as f64)) as u64;
    let rest = m.wrapping_mul(mass).wrapping_sub(guess.wrapping_mul(total)).cast_signed();
    if rest < 0 {
        (guess - 1, rest.cast_unsigned().wrapping_add(total))
    } else if rest.cast_unsigned() >= total {
        (guess + 1, rest.cast_unsigned() - total)
    } else {
        (guess, rest.cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn expected_counts_are_exact(
            total in 1_u64..=1 << 62,
            share in 0.0_f64..=1.0,
            m in 1_u64..1 << 24,
            nudge in -2_i64..=2,
            k in 0_u64..1 << 24,
        ) {
            // Arbitrary masses, and masses right at a whole count.
            let edge = ((u128::from(total) * u128::from(k.min(m)) / u128::from(m)) as u64).saturating_add_signed(nudge);
            for mass in [(total as f64 * share) as u64, edge] {
                let mass = mass.min(total);
                let exact = u128::from(m) * u128::from(mass);
                let (quotient, remainder) = expected_count(m, mass, total);
                prop_assert_eq!(u128::from(quotient), exact / u128::from(total));
                prop_assert_eq!(u128::from(remainder), exact % u128::from(total));
            }
        }
    }
}
