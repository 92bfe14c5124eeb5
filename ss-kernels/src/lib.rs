//! Fast training kernels as candle custom operations, for the CPU and for NVIDIA GPUs.
//!
//! Stock candle spends nearly all of a small network's training step in the convolution's backward
//! pass. The operations here replace what a convolutional network needs: [`conv2d`],
//! [`batch_norm_train`] / [`batch_norm_eval`] with ReLU or ReLU6 and the residual addition fused in, [`channel_gate`], pooling,
//! [`linear`], [`cross_entropy`], both in one as [`linear_cross_entropy`],
//! a transformer's [`layer_norm`], [`masked_softmax`] and [`gelu`], and the [`Sgd`] update. They take and return ordinary `[n, c, h, w]` tensors and are
//! differentiable by candle's `backward`, so any candle program can use them one by one.
//!
//! On the CPU with `f32` the kernels of this crate run, with AVX-512 or AVX2 where the CPU has them
//! (see [`Isa`]) and on the current rayon pool. With the feature `cuda` there are kernels for `f32` on NVIDIA GPUs too, for convolution,
//! batch normalisation, cross-entropy and the update. Everything else (Metal, `f64`, pooling on GPUs) falls through to candle's own
//! operations. [`Backend`] has the same operations and can be told to take candle's on the CPU too.
//!
//! Results do not depend on the number of threads: work is cut by shape alone and partial sums are added
//! in a fixed order.
//!
//! How it is done and what it gains: `DESIGN.md` beside this crate's sources.
//!
//! ```
//! use candle_core::{DType, Device, Tensor, Var};
//! use ss_kernels::{Activation, Conv2dSpec, batch_norm_train, conv2d, cross_entropy, global_avg_pool2d};
//!
//! let x = Tensor::ones((2, 3, 8, 8), DType::F32, &Device::Cpu)?;
//! let w = Var::randn(0f32, 0.1, (4, 3, 3, 3), &Device::Cpu)?;
//! let scale = Var::ones(4, DType::F32, &Device::Cpu)?;
//! let shift = Var::zeros(4, DType::F32, &Device::Cpu)?;
//! let y = conv2d(&x, &w, Conv2dSpec { padding: 1, ..Conv2dSpec::default() })?;
//! let (y, _stats) = batch_norm_train(&y, &scale, &shift, None, 1e-5, Activation::Relu)?;
//! let logits = global_avg_pool2d(&y)?;
//! let loss = cross_entropy(&logits, &Tensor::new(&[0u32, 3], &Device::Cpu)?, None)?.loss;
//! let grads = loss.backward()?;
//! assert_eq!(grads.get(&w).map(|g| g.dims().to_vec()), Some(vec![4, 3, 3, 3]));
//! # Ok::<(), candle_core::Error>(())
//! ```

mod activation;
mod backend;
mod batch_norm;
mod channel_gate;
mod conv;
mod cross_entropy;
#[cfg(feature = "cuda")]
mod cuda;
mod elementwise;
mod gelu;
mod graph;
mod layer_norm;
mod linear;
mod linear_cross_entropy;
mod masked_softmax;
mod memory;
mod parallel;
mod pool;
mod running;
mod sgd;
mod simd;

pub use activation::Activation;
pub use backend::Backend;
pub use batch_norm::{BatchStats, batch_norm_eval, batch_norm_train};
pub use channel_gate::channel_gate;
pub use conv::{Conv2dSpec, conv2d, conv2d_folded};
pub use cross_entropy::{CrossEntropy, cross_entropy};
#[cfg(feature = "cuda")]
pub use cuda::{Recording, open_gpu};
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::{linear, linear_with_bias};
pub use linear_cross_entropy::linear_cross_entropy;
pub use masked_softmax::masked_softmax;
pub use pool::{avg_pool2d, global_avg_pool2d, max_pool2d};
pub use running::running_average;
pub use sgd::{Sgd, SgdConfig};
pub use simd::Isa;
