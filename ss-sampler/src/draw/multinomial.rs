//! Independent draws with replacement.

use rayon::prelude::*;
use ss_seed::Stream;

use super::{AliasTable, INDEPENDENT};
use crate::{Draw, EpochPlan, Result, Weights};

/// `m` independent draws; the order is already random.
pub(crate) fn multinomial(weights: &Weights, m: usize, stream: Stream) -> Result<Vec<Draw>> {
    let table = AliasTable::new(weights);
    let stream = stream.index(INDEPENDENT);
    let picks = (0..m as u64).into_par_iter().map(|d| Draw::new(table.pick(stream.index(d).hash()), 0));
    let mut draws: Vec<Draw> = picks.collect();
    drop(table);
    // Copies are numbered in the order of the draws.
    let mut seen = vec![0_u32; weights.len()];
    for draw in &mut draws {
        let copies = &mut seen[draw.example()];
        if u64::from(*copies) == Draw::MAX_COPIES {
            return Err(EpochPlan::copies_exceeded(u64::from(*copies) + 1));
        }
        *draw = Draw::new(draw.example(), u64::from(*copies));
        *copies += 1;
    }
    Ok(draws)
}
