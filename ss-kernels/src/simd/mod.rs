//! Instruction sets: what a kernel may use, chosen at run time.
//!
//! A kernel is a value that implements [`Kernel`]; its body is generic over [`Simd`] and is compiled
//! once for each instruction set. [`dispatch`] picks the compiled copy, so one binary runs anywhere
//! and uses AVX-512 or AVX2 + FMA where the CPU has them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod exp;
mod portable;

use std::cell::Cell;
use std::sync::OnceLock;

pub(crate) use exp::{exp, exp_in_place};
use portable::Portable;

/// An instruction set that the kernels are compiled for.
///
/// Results are bit-identical for any number of threads on one instruction set; they differ in the
/// last bits between instruction sets, because sums are grouped by vector width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 512-bit vectors with fused multiply-add (x86-64, AVX-512F).
    Avx512,
    /// 256-bit vectors with fused multiply-add (x86-64, AVX2 and FMA).
    Avx2,
    /// Plain Rust, vectorised by the compiler for the target's baseline.
    Portable,
}

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

impl Isa {
    /// All instruction sets that this CPU has, best first.
    pub fn available() -> &'static [Isa] {
        static FOUND: OnceLock<Vec<Isa>> = OnceLock::new();
        FOUND.get_or_init(|| {
            let mut found = Vec::new();
            #[cfg(target_arch = "x86_64")]
            {
                let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if avx2 && is_x86_feature_detected!("avx512f") {
                    found.push(Isa::Avx512);
                }
                if avx2 {
                    found.push(Isa::Avx2);
                }
            }
            found.push(Isa::Portable);
            found
        })
    }

    /// The instruction set used by operations that the calling thread starts.
    pub fn current() -> Isa {
        FORCED.get().unwrap_or_else(|| Isa::available()[0])
    }

    /// Runs `f` with this instruction set in place of the best one, for operations (and their
    /// backward passes) started by the calling thread within `f`. Returns `None`, without running
    /// `f`, when the CPU lacks it.
    pub fn run_with<R>(self, f: impl FnOnce() -> R) -> Option<R> {
        if !Isa::available().contains(&self) {
            return None;
        }
        struct Restore(Option<Isa>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FORCED.set(self.0);
            }
        }
        let _restore = Restore(FORCED.replace(Some(self)));
        Some(f())
    }

    /// Number of `f32` lanes of one vector.
    pub(crate) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::Avx2::LANES,
            _ => Portable::LANES,
        }
    }
}

/// Vectors of `f32` and the few operations that the kernels need.
///
/// # Safety
/// Every method may compile to instructions of its set, so it must run only on a CPU that has them
/// (which [`dispatch`] ensures); pointers must be valid for the lanes that are read or written.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Simd: Copy {
    /// One vector.
    type V: Copy;
    /// Lanes of one vector.
    const LANES: usize;
    /// Whether there are 32 vector registers (8 rows by 2 vectors of accumulators fit).
    const WIDE: bool;

    unsafe fn zero() -> Self::V;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    /// Loads the first `n` lanes (`n <= LANES`), the rest are zero.
    unsafe fn load_n(p: *const f32, n: usize) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    /// Stores the first `n` lanes (`n <= LANES`).
    unsafe fn store_n(p: *mut f32, v: Self::V, n: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one; `b` when either is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller one; `b` when either is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// `x` where `cond > 0`, zero elsewhere.
    unsafe fn where_positive(cond: Self::V, x: Self::V) -> Self::V;
    /// `2^x` of whole numbers from -126 to 127; some number elsewhere.
    unsafe fn two_to(x: Self::V) -> Self::V;
}

/// A computation that is compiled for every instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Out;
    /// The body. Implementations are `#[inline(always)]`, so that they are compiled inside
    /// [`dispatch`]'s functions with the instruction set enabled.
    ///
    /// # Safety
    /// The CPU must have the instructions of `S`; the implementor's own conditions hold too.
    unsafe fn run<S: Simd>(self) -> Self::Out;
}

/// Runs `kernel` with the instructions of `isa`.
///
/// # Safety
/// `isa` is one of [`Isa::available`], and the kernel's own conditions hold.
#[inline]
pub(crate) unsafe fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Out {
    match isa {
        // SAFETY: the caller promises that the CPU has `isa`, and the kernel's conditions.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { run_avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { run_avx2(kernel) },
        // SAFETY: as above; the portable set needs nothing.
        _ => unsafe { kernel.run::<Portable>() },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: this function's callers have AVX-512F; the kernel's conditions are theirs too.
    unsafe { kernel.run::<avx512::Avx512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Out {
    // SAFETY: this function's callers have AVX2 and FMA; the kernel's conditions are theirs too.
    unsafe { kernel.run::<avx2::Avx2>() }
}
