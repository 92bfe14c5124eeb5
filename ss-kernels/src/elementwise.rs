//! Element-wise passes over whole buffers.

use crate::memory::SharedMut;
use crate::parallel;

/// Values in one task: large enough to hide the task's cost, small enough to spread.
const TASK: usize = 1 << 16;

/// `sum[i] += x[i]`.
pub(crate) fn add_assign(sum: &mut [f32], x: &[f32]) {
    let len = sum.len().min(x.len());
    let out = SharedMut::new(sum);
    parallel::for_each(len.div_ceil(TASK), len, |task| {
        let start = task * TASK;
        let end = (start + TASK).min(len);
        // SAFETY: tasks own disjoint ranges inside `sum`.
        let part = unsafe { std::slice::from_raw_parts_mut(out.at(start), end - start) };
        for (s, v) in part.iter_mut().zip(&x[start..end]) {
            *s += v;
        }
    });
}
