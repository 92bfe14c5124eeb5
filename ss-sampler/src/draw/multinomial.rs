//! Independent draws with replacement.

use rayon::prelude::*;
use ss_seed::Stream;

use super::{AliasTable, INDEPENDENT, TASK};
use crate::coordinate::ceil_log2;
use crate::partition::{Partition, bucket_bits, cut};
use crate::{Draw, EpochPlan, Result, Weights};

/// `m` independent draws; the order is already random.
pub(crate) fn multinomial(weights: &Weights, m: usize, stream: Stream) -> Result<Vec<Draw>> {
    let table = AliasTable::new(weights);
    let stream = stream.index(INDEPENDENT);
    let pick = |d: usize| Draw::new(table.pick(stream.index(d as u64).hash()), 0);
    let mut draws: Vec<Draw> = (0..m).into_par_iter().with_min_len(TASK).map(pick).collect();
    drop(table);
    number_copies(&mut draws, weights.len())?;
    Ok(draws)
}

/// Gives the draws of each example the numbers 0, 1, ... in their order.
///
/// Draws go to buckets by ranges of examples, so that the counters of a bucket stay in cache. Takes 4 bytes a draw.
fn number_copies(draws: &mut [Draw], examples: usize) -> Result<()> {
    let bits = bucket_bits(draws.len().max(examples));
    // At most 2^40 examples, of which 2^12 buckets leave 28 bits.
    let range_bits = ceil_log2(examples as u64).saturating_sub(bits);
    let range = 1_usize << range_bits;
    let bucket_of = |draw: &Draw| Some(draw.example() >> range_bits);
    let partition = Partition::new(draws.len(), examples.div_ceil(range), |d| bucket_of(&draws[d]));
    let mut spread = partition.scatter(0_u32, |d| (draws[d].example() % range) as u32);
    cut(&partition.sizes(), &mut spread).into_par_iter().try_for_each_init(
        || vec![0_u32; range],
        |seen, bucket| {
            bucket.iter().for_each(|&example| seen[example as usize] = 0);
            for entry in bucket {
                let copies = &mut seen[*entry as usize];
                if u64::from(*copies) == Draw::MAX_COPIES {
                    return Err(EpochPlan::copies_exceeded(u64::from(*copies) + 1));
                }
                *entry = *copies;
                *copies += 1;
            }
            Ok(())
        },
    )?;
    let layout = partition.into_layout();
    layout.gather(
        &spread,
        draws,
        |_, draw| bucket_of(draw),
        |draw, copy| *draw = Draw::new(draw.example(), copy.into()),
    );
    Ok(())
}
