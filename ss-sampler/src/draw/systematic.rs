//! Systematic draws: expected counts, up to less than one.

use rayon::prelude::*;
use ss_seed::Stream;

use super::{RESIDUAL_OFFSET, RESIDUAL_ORDER, TASK, below};
use crate::masses::Masses;
use crate::{Draw, EpochPlan, Result, Weights};

/// `m` draws in the order of the examples, each example `floor(m p)` or `ceil(m p)` times.
pub(crate) fn systematic(weights: &Weights, m: usize, stream: Stream) -> Result<Vec<Draw>> {
    let Masses { each, total } = Masses::of_weights(weights.tau());
    let m = m as u64;
    let most = weights.tau().par_iter().with_min_len(TASK).copied().reduce(|| 0.0, f64::max)
        / weights.total()
        * m as f64;
    if most >= (Draw::MAX_COPIES - 1) as f64 {
        return Err(EpochPlan::copies_exceeded(most.ceil() as u64));
    }

    let mut counts: Vec<u32> = vec![0; each.len()];
    let order = stream.index(RESIDUAL_ORDER);
    let mut residuals: Vec<(u64, u64, u64)> = counts
        .par_iter_mut()
        .zip(each)
        .enumerate()
        .with_min_len(TASK)
        .filter_map(|(i, (count, mass))| {
            let (whole, residual) = expected_count(m, mass, total);
            *count = whole as u32;
            (residual > 0).then(|| (order.index(i as u64).hash(), i as u64, residual))
        })
        .collect();
    // Walking the residuals in random order keeps neighbours in the data from excluding one another.
    residuals.par_sort_unstable();

    // Residuals sum to a multiple of `total`; one draw falls at every `offset + j total` of their running
    // sum.
    let mut ahead = below(stream.index(RESIDUAL_OFFSET).hash(), total);
    for (_, i, residual) in residuals {
        if ahead < residual {
            counts[i as usize] += 1;
            ahead += total;
        }
        ahead -= residual;
    }

    let mut draws = Vec::with_capacity(m as usize);
    for (i, &count) in counts.iter().enumerate() {
        draws.extend((0..u64::from(count)).map(|copy| Draw::new(i, copy)));
    }
    debug_assert_eq!(draws.len() as u64, m);
    Ok(draws)
}

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
