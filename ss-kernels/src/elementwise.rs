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

/// The sums of `of(j)` below `len` in sixteen interleaved parts, which is faster than one and loses fewer digits, and where what is
/// left of them begins.
#[inline(always)]
pub(crate) fn sixteen_parts(len: usize, of: impl Fn(usize) -> f32) -> ([f32; 16], usize) {
    let mut parts = [0.0f32; 16];
    let whole = len / parts.len() * parts.len();
    for start in (0..whole).step_by(parts.len()) {
        for (i, part) in parts.iter_mut().enumerate() {
            *part += of(start + i);
        }
    }
    (parts, whole)
}
