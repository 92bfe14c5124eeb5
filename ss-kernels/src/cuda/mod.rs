//! The operations of this crate on NVIDIA GPUs, in `f32`.
//!
//! Candle's own operations are right there and slow: its convolution's input gradient is a kernel without blocking, and a batch
//! normalisation made of single operations moves every activation some 125 times through memory and costs some 60 launches. Here a
//! convolution is unfolding and cuBLAS, or direct for few channels, and a normalisation with what follows it two passes forward and two back.
//!
//! The kernels are CUDA C++ beside this file, compiled by NVRTC for the GPU at hand when they are first needed. Sums are taken in one
//! order, without atomics. Activations are `[n, c, h, w]`, contiguous, and pass through candle's graph as usual.

mod batch_norm;
mod convolution;
mod cross_entropy;
mod device;
mod direct;
mod launch;
mod recording;
mod sgd;
mod sizes;
mod sum;

use candle_core::{DType, Tensor};

pub(crate) use batch_norm::{batch_norm_train, normalised, running_average};
pub(crate) use convolution::conv2d;
pub(crate) use cross_entropy::cross_entropy;
pub use device::open_gpu;
pub use recording::Recording;
pub(crate) use sgd::{Buffer, Rate, step};

/// Counted in 32 bits, with room for a step beyond.
const MOST_VALUES: usize = 1 << 30;

/// Whether the kernels here take this tensor.
pub(crate) fn is_ours(t: &Tensor) -> bool {
    t.device().is_cuda() && t.dtype() == DType::F32 && t.elem_count() <= MOST_VALUES
}

#[cfg(test)]
mod tests {
    use super::{batch_norm, convolution, cross_entropy, direct, sgd, sum};

    #[test]
    fn the_kernels_compile() {
        let all = [
            batch_norm::KERNELS,
            convolution::KERNELS,
            cross_entropy::KERNELS,
            direct::KERNELS,
            sgd::KERNELS,
            sum::KERNELS,
        ];
        for kernels in all {
            for capability in ["75", "80", "90"] {
                let ptx = kernels.compiled(&format!("{}-{capability}", kernels.name), capability).unwrap();
                assert!(ptx.contains(&format!(".target sm_{capability}")), "{ptx:.300}");
            }
        }
    }
}
