//! Winograd's one-dimensional transforms for three taps and `M` outputs, on `M + 2` points
//! (Winograd, 1980; matrices as in Lavin and Gray, 2016, arXiv 1509.09308).
//!
//! With `y = At [(G g) * (Bt d)]` for input `d`, taps `g` and output `y`, the convolution of a tile is `At [(G g
//! Gt) * (Bt d B)] A`. It is bilinear, so the gradient of the taps is `Gt [(A dy At) * (Bt d B)] G`.

use crate::simd::Simd;

/// Six entries, of which `M + 2` (points) or fewer are used.
pub(super) type Line<S> = [<S as Simd>::V; 6];

/// `Bt d`: `M + 2` inputs to `M + 2` points.
#[inline(always)]
pub(super) unsafe fn input<S: Simd, const M: usize>(d: Line<S>) -> Line<S> {
    // SAFETY: the caller runs with the instruction set of `S`.
    unsafe {
        let z = S::zero();
        if M == 2 {
            return [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3]), z, z];
        }
        let (two, four, five) = (S::splat(2.0), S::splat(-4.0), S::splat(-5.0));
        let a = S::fma(d[2], four, d[4]);
        let b = S::fma(d[1], four, d[3]);
        let c = S::sub(d[4], d[2]);
        let e = S::mul(S::sub(d[3], d[1]), two);
        [
            S::fma(d[0], S::splat(4.0), S::fma(d[2], five, d[4])),
            S::add(a, b),
            S::sub(a, b),
            S::add(c, e),
            S::sub(c, e),
            S::fma(d[1], S::splat(4.0), S::fma(d[3], five, d[5])),
        ]
    }
}

/// `At m`: `M + 2` points to `M` outputs.
#[inline(always)]
pub(super) unsafe fn output<S: Simd, const M: usize>(m: Line<S>) -> Line<S> {
    // SAFETY: as above.
    unsafe {
        let z = S::zero();
        if M == 2 {
            let (a, b) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            return [S::add(m[0], a), S::sub(b, m[3]), z, z, z, z];
        }
        let (a, b) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (c, d) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], a), c),
            S::fma(d, S::splat(2.0), b),
            S::fma(c, S::splat(4.0), a),
            S::add(S::fma(d, S::splat(8.0), b), m[5]),
            z,
            z,
        ]
    }
}

/// `A y`, the transpose of [`output`]: `M` output gradients to `M + 2` points.
#[inline(always)]
pub(super) unsafe fn output_transposed<S: Simd, const M: usize>(y: Line<S>) -> Line<S> {
    // SAFETY: as above.
    unsafe {
        let z = S::zero();
        if M == 2 {
            return [y[0], S::add(y[0], y[1]), S::sub(y[0], y[1]), S::sub(z, y[1]), z, z];
        }
        let (a, b) = (S::add(y[0], y[2]), S::add(y[1], y[3]));
        let c = S::fma(y[2], S::splat(4.0), y[0]);
        let d = S::mul(S::fma(y[3], S::splat(4.0), y[1]), S::splat(2.0));
        [y[0], S::add(a, b), S::sub(a, b), S::add(c, d), S::sub(c, d), y[3]]
    }
}

/// `G g`: three taps to `M + 2` points.
#[inline(always)]
pub(super) unsafe fn taps<S: Simd, const M: usize>(g: Line<S>) -> Line<S> {
    // SAFETY: as above.
    unsafe {
        let z = S::zero();
        let (even, odd) = (S::add(g[0], g[2]), g[1]);
        if M == 2 {
            let half = S::splat(0.5);
            let (a, b) = (S::mul(even, half), S::mul(odd, half));
            return [g[0], S::add(a, b), S::sub(a, b), g[2], z, z];
        }
        let sixth = S::splat(-1.0 / 6.0);
        let (a, b) = (S::mul(even, sixth), S::mul(odd, sixth));
        let c = S::fma(g[0], S::splat(1.0 / 24.0), S::mul(g[2], S::splat(1.0 / 6.0)));
        let d = S::mul(odd, S::splat(1.0 / 12.0));
        [S::mul(g[0], S::splat(0.25)), S::add(a, b), S::sub(a, b), S::add(c, d), S::sub(c, d), g[2]]
    }
}

/// `Gt u`, the transpose of [`taps`]: `M + 2` points to three tap gradients.
#[inline(always)]
pub(super) unsafe fn taps_transposed<S: Simd, const M: usize>(u: Line<S>) -> Line<S> {
    // SAFETY: as above.
    unsafe {
        let z = S::zero();
        let (a, b) = (S::add(u[1], u[2]), S::sub(u[1], u[2]));
        if M == 2 {
            let half = S::splat(0.5);
            return [S::fma(a, half, u[0]), S::mul(b, half), S::fma(a, half, u[3]), z, z, z];
        }
        let (c, d) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
        let sixth = S::splat(1.0 / 6.0);
        [
            S::fma(u[0], S::splat(0.25), S::sub(S::mul(c, S::splat(1.0 / 24.0)), S::mul(a, sixth))),
            S::sub(S::mul(d, S::splat(1.0 / 12.0)), S::mul(b, sixth)),
            S::add(S::mul(S::sub(c, a), sixth), u[5]),
            z,
            z,
            z,
        ]
    }
}
