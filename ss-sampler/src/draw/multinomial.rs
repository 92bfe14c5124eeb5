//! Independent draws with replacement.

use rayon::prelude::*;
use ss_seed::Stream;

use super::{AliasTable, INDEPENDENT, TASK};
use crate::{Draw, EpochPlan, Result, Weights};

/// `m` independent draws; the order is already random.
pub(crate) fn multinomial(weights: &Weights, m: usize, stream: Stream) -> Result<Vec<Draw>> {
    let table = AliasTable::new(weights);
    let stream = stream.index(INDEPENDENT);
    let pick = |d: usize| Draw::new(table.pick(stream.index(d as u64).hash()), 0);
    let mut draws: Vec<Draw> = (0..m).into_par_iter().with_min_len(TASK).map(pick).collect();
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
