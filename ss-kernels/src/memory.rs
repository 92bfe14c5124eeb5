//! Buffers: outputs that are written before they are read, per-thread scratch, tensor data access.

use std::cell::RefCell;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// A fresh output buffer whose values are not set yet, so that no pass is spent on zeroing it.
pub(crate) struct Output(Vec<f32>);

impl Output {
    pub(crate) fn new(len: usize) -> Self {
        Self(Vec::with_capacity(len))
    }

    pub(crate) fn ptr(&mut self) -> SharedMut {
        SharedMut(self.0.as_mut_ptr())
    }

    /// # Safety
    /// All `len` values have been written.
    pub(crate) unsafe fn finish(mut self, len: usize) -> Vec<f32> {
        debug_assert!(len <= self.0.capacity());
        // SAFETY: the capacity is at least `len` and the caller has written that many values.
        unsafe { self.0.set_len(len) };
        self.0
    }
}

/// A pointer that parallel tasks write through, each to its own part.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut(*mut f32);

// SAFETY: the tasks that share it write disjoint parts; each use states why.
unsafe impl Send for SharedMut {}
// SAFETY: as above.
unsafe impl Sync for SharedMut {}

impl SharedMut {
    pub(crate) fn new(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// # Safety
    /// `offset` lies inside the buffer.
    #[inline(always)]
    pub(crate) unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller keeps `offset` inside the buffer.
        unsafe { self.0.add(offset) }
    }
}

/// The values of a contiguous operand of the operation `name`.
pub(crate) fn contiguous<'a>(name: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((first, end)) => Ok(&storage.as_slice::<f32>()?[first..end]),
        None => bail!("{name}: an operand is not contiguous"),
    }
}

/// Calls `f` with `len` floats of this thread's scratch memory (unspecified values), which is kept
/// for the next call. Nested calls get their own buffers.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    }
    let mut buffer = FREE
        .with_borrow_mut(|free| {
            // The smallest that fits, else the largest, which then grows.
            let best = (0..free.len()).min_by_key(|&i| {
                let l = free[i].len();
                if l >= len { (0, l) } else { (1, usize::MAX - l) }
            });
            best.map(|i| free.swap_remove(i))
        })
        .unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = f(&mut buffer[..len]);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

/// Calls `f` with the values of a contiguous `f32` tensor on the CPU.
pub(crate) fn with_data<R>(t: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = t.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("expected a contiguous tensor, found strides {:?}", layout.stride())
    };
    match &*storage {
        Storage::Cpu(CpuStorage::F32(v)) => f(&v[start..end]),
        _ => bail!("expected an f32 tensor on the CPU, found {:?} on {:?}", t.dtype(), t.device()),
    }
}

/// The values of a small tensor as a vector.
pub(crate) fn to_vec(t: &Tensor) -> Result<Vec<f32>> {
    with_data(&t.contiguous()?, |v| Ok(v.to_vec()))
}
