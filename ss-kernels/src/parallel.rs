//! Parallel loops whose partition depends on shapes alone, never on the number of threads: each task
//! writes its own part of the output, so results are bit-identical on any pool.

use rayon::prelude::*;

/// Below this many floating-point operations (or as many values moved), waking another thread costs
/// more than it gains.
const WORTH_WAKING: usize = 400_000;

/// Calls `task(i)` for `i` in `0..tasks`, in parallel on the current rayon pool when the total
/// `work` (floating-point operations) is worth it.
#[inline]
pub(crate) fn for_each(tasks: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    if tasks <= 1 || work < WORTH_WAKING || rayon::current_num_threads() == 1 {
        (0..tasks).for_each(task);
    } else {
        (0..tasks).into_par_iter().with_max_len(1).for_each(task);
    }
}
