//! What the tests share: random tensors, comparison with a stated tolerance.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use candle_core::{DType, Device, Result, Tensor, Var};
use ss_kernels::Isa;

/// Deterministic values in `[-1, 1)` that look random (a 64-bit mix of seed and index).
pub fn values(len: usize, seed: u64) -> Vec<f32> {
    (0..len as u64)
        .map(|i| {
            let mut z = (seed << 32 ^ i).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

pub fn var(dims: &[usize], seed: u64) -> Var {
    let t = Tensor::from_vec(values(dims.iter().product(), seed), dims, &Device::Cpu).unwrap();
    Var::from_tensor(&t).unwrap()
}

/// The same values in `f64`, which candle's stock operations take.
pub fn double(v: &Var) -> Var {
    Var::from_tensor(&v.as_tensor().to_dtype(DType::F64).unwrap()).unwrap()
}

pub fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference relative to the largest reference value.
#[track_caller]
pub fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (f, e) = (flat(found), flat(expected));
    let scale = e.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    for (i, (f, e)) in f.iter().zip(&e).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * scale,
            "{what}: value {i} of {:?} is {f}, expected {e} (scale {scale})",
            found.dims()
        );
    }
}

/// A scalar that depends on every value of `y` in a different way.
pub fn probe(y: &Tensor, seed: u64) -> Result<Tensor> {
    let p = Tensor::from_vec(values(y.elem_count(), seed), y.dims(), &Device::Cpu)?;
    y.mul(&p.to_dtype(y.dtype())?)?.sum_all()
}

/// Runs `f` once with each instruction set that this CPU has.
pub fn each_isa(mut f: impl FnMut(Isa)) {
    for &isa in Isa::available() {
        isa.run_with(|| f(isa)).unwrap();
    }
}
