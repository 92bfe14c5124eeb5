//! Passes over the rows of a dataset, each by all threads.

use std::sync::{Arc, Mutex};

use ss_data::{RowBlock, Shards};
use ss_sampler::{Sketch, SketchInput, SketchPlan};

use super::{columns_of, slices};
use crate::{Error, Result};

/// Makes the next pass of the plan over these shards: `None` when all is known. Blocks are counted in a sketch for each
/// thread; that their counts are integers makes the sum the same, whichever thread counts which block.
///
/// # Errors
/// [`Error::Data`] for files that cannot be read, with file and row; [`Error::RowsOf`] for rows that cannot be counted.
pub fn count(plan: &Arc<SketchPlan>, shards: &Shards) -> Result<Option<Sketch>> {
    let Some(mut whole) = plan.sketch() else { return Ok(None) };
    let names = columns_of(plan.sampler().spec(), plan.reads_norms());
    let idle = Mutex::new(Vec::new());
    let add = |block: RowBlock| {
        let free = idle.lock().map_or(None, |mut idle: std::sync::MutexGuard<Vec<Sketch>>| idle.pop());
        let Some(mut sketch) = free.or_else(|| plan.sketch()) else { return Ok(()) };
        let mut columns = slices(&block.columns);
        let norms = if plan.reads_norms() { columns.pop().unwrap_or_default() } else { &[] };
        sketch
            .add(&columns, norms, block.row_in_shard)
            .map_err(|reason| Error::RowsOf { place: shards.place_name(block.shard), reason })?;
        if let Ok(mut idle) = idle.lock() {
            idle.push(sketch);
        }
        Ok(())
    };
    shards.for_each_block(&names, None, threads(), add, |()| Ok::<_, Error>(()))?;
    for part in idle.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        whole.merge(part)?;
    }
    Ok(Some(whole))
}

/// As [`count`], and notes which files were counted, for sketches that are kept in files.
///
/// # Errors
/// As [`count`]; [`Error::Sampler`] for a file that is given twice, or that the pass before has not seen.
pub fn count_recorded(plan: &Arc<SketchPlan>, shards: &Shards) -> Result<Option<Sketch>> {
    // Before the work.
    let inputs = inputs(shards)?;
    let Some(mut sketch) = plan.sketch() else { return Ok(None) };
    for input in inputs {
        sketch.record(input)?;
    }
    if let Some(counted) = count(plan, shards)? {
        sketch.merge(counted)?;
    }
    Ok(Some(sketch))
}

/// The files of these shards as sketches know them.
///
/// # Errors
/// [`Error::Data`] when one cannot be read.
pub fn inputs(shards: &Shards) -> Result<Vec<SketchInput>> {
    let input = |shard| {
        let (name, digest) = shards.fingerprint(shard)?;
        Ok(SketchInput { name, digest })
    };
    (0..shards.len()).map(input).collect()
}

/// Makes all passes, telling `tell` what is known after each.
///
/// # Errors
/// As [`count`]; [`Error::RowsOf`] for a dataset without rows or without weight.
pub fn make_all(plan: SketchPlan, shards: &Shards, mut tell: impl FnMut(&SketchPlan)) -> Result<SketchPlan> {
    let mut plan = Arc::new(plan);
    while let Some(sketch) = count(&plan, shards)? {
        let next =
            plan.after(&sketch).map_err(|reason| Error::RowsOf { place: shards.place_names(), reason })?;
        tell(&next);
        plan = Arc::new(next);
    }
    Ok(Arc::unwrap_or_clone(plan))
}

/// Threads that read and count.
pub(super) fn threads() -> usize {
    rayon::current_num_threads()
}
