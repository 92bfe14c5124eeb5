//! The exponential function of whole vectors.

use super::{Isa, Kernel, Simd, dispatch};

/// `e^x` for `x` up to 88, within 2 units of the last place; 0 below -87.33, where results leave the normal numbers; NaN of NaN.
/// `e^0` is 1 exactly.
///
/// `2^n` times a polynomial on `[-ln 2 / 2, ln 2 / 2]`, with the coefficients of `expf` in Cephes (Moshier 1992).
///
/// # Safety
/// The CPU has the instructions of `S`.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    const LOWEST: f32 = -87.33;
    /// Added to a number of at most 2^22 it leaves no bits for a fraction.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first (355 / 512) of nine bits: its product with `n` is exact.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    // SAFETY: the caller's condition; no memory is touched.
    unsafe {
        // The order of the arguments lets NaN through.
        let clamped = S::max(S::splat(LOWEST), x);
        let n = S::fma(clamped, S::splat(std::f32::consts::LOG2_E), S::splat(ROUND));
        let n = S::sub(n, S::splat(ROUND));
        let r = S::fma(n, S::splat(-LN_2[0]), clamped);
        let r = S::fma(n, S::splat(-LN_2[1]), r);
        let mut p = S::splat(POLYNOMIAL[0]);
        for i in 1..POLYNOMIAL.len() {
            p = S::fma(p, r, S::splat(POLYNOMIAL[i]));
        }
        let p = S::add(S::fma(p, S::mul(r, r), r), S::splat(1.0));
        let y = S::mul(p, S::two_to(n));
        // Not a choice between `y` and zero, which NaN would not come through.
        S::sub(y, S::where_positive(S::sub(S::splat(LOWEST), x), y))
    }
}

/// [`exp()`] of every value, with the instructions of `isa`, one of those available.
pub(crate) fn exp_in_place(isa: Isa, values: &mut [f32]) {
    // SAFETY: `isa` is available.
    unsafe { dispatch(isa, InPlace(values)) }
}

struct InPlace<'a>(&'a mut [f32]);

impl Kernel for InPlace<'_> {
    type Out = ();

    // SAFETY conditions: none beside the instruction set.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut at = 0;
        while at < self.0.len() {
            let n = (self.0.len() - at).min(S::LANES);
            // SAFETY: `n` values are left.
            unsafe {
                let p = self.0.as_mut_ptr().add(at);
                S::store_n(p, exp::<S>(S::load_n(p, n)), n);
            }
            at += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exp_of(isa: Isa, values: &[f32]) -> Vec<f32> {
        let mut values = values.to_vec();
        exp_in_place(isa, &mut values);
        values
    }

    #[test]
    fn it_is_the_exponential_of_double_precision() {
        let x: Vec<f32> = (-87_300..=88_000).map(|i| i as f32 / 1000.0).collect();
        for &isa in Isa::available() {
            for (x, y) in x.iter().zip(exp_of(isa, &x)) {
                let expected = f64::from(*x).exp();
                assert!((f64::from(y) / expected - 1.0).abs() < 2.4e-7, "{isa:?} {x}: {y} {expected}");
            }
        }
    }

    #[test]
    fn its_ends_are_exact_and_nan_stays() {
        for &isa in Isa::available() {
            let y = exp_of(isa, &[0.0, -0.0, -87.4, -1e30, f32::NEG_INFINITY, f32::NAN]);
            assert_eq!(y[..5], [1.0, 1.0, 0.0, 0.0, 0.0], "{isa:?}");
            assert!(y[5].is_nan(), "{isa:?}");
        }
    }
}
