//! Two-dimensional convolution.

mod depthwise;
mod depthwise_3x3;
mod folded;
mod forward;
mod gather;
mod geometry;
mod input_grad;
mod outer;
mod rows;
mod weight_grad;
mod winograd;

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};

pub(crate) use folded::After;
pub use folded::conv2d_folded;
pub(crate) use gather::{Gather, Panels, Pixels};
pub use geometry::Conv2dSpec;
pub(crate) use geometry::Geometry;
pub(crate) use outer::{Outer, Steps};
pub(crate) use rows::Rows;

use crate::graph::{self, Slot};
use crate::memory::with_data;
use crate::simd::Isa;

/// Two-dimensional convolution (cross-correlation, as in every deep-learning library).
///
/// `x` is `[n, c, h, w]`, `weight` is `[o, c / groups, kh, kw]`; the result is `[n, o, oh, ow]` with
/// `oh = (h + 2 * padding - kh) / stride + 1`. Differentiable in both. On the CPU with `f32` the kernels
/// of this crate run; the result is then an `[n, o, oh, ow]` *view* of channels-last memory, which the
/// crate's other operations take as it is (a `contiguous()` in between would only cost time). Any other
/// device or type takes candle's own convolution.
///
/// # Errors
/// Shapes that do not fit each other, a stride or group count of zero, a kernel larger than the
/// padded input.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ss_kernels::{Conv2dSpec, conv2d};
///
/// let x = Tensor::new(&[[[[1f32, 2., 3.], [4., 5., 6.], [7., 8., 9.]]]], &Device::Cpu)?;
/// let w = Tensor::new(&[[[[1f32, 0.], [0., 1.]]]], &Device::Cpu)?;
/// let y = conv2d(&x, &w, Conv2dSpec::default())?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [6., 8., 12., 14.]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv2d(x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Tensor> {
    let g = Geometry::new(x, weight, spec)?;
    if !graph::is_ours(x) || !graph::is_ours(weight) {
        return elsewhere(&g, x, weight);
    }
    let isa = Isa::current();
    let input = graph::enter(x)?;
    let kernel = weight.detach().contiguous()?;
    let y = with_data(&input.data, |x| with_data(&kernel, |w| Ok(forward::forward(isa, &g, x, w, &()))))?;
    let handle = if input.is_tracked() || weight.track_op() {
        let slot = Arc::new(Slot::default());
        let op = Conv2d { g, x: input.data, x_slot: input.slot, kernel, slot: slot.clone() };
        Some((input.handle.apply_op2(weight, op)?, slot))
    } else {
        None
    };
    graph::leave(y, (g.n, g.oh, g.ow, g.o), handle)
}

/// [`conv2d`] of what is not `f32` on the CPU.
fn elsewhere(g: &Geometry, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if crate::cuda::is_ours(x) && crate::cuda::is_ours(weight) {
        return crate::cuda::conv2d(g, x, weight);
    }
    stock(g, x, weight)
}

/// [`conv2d`] by candle's own operations.
pub(crate) fn candle_conv2d(x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Tensor> {
    stock(&Geometry::new(x, weight, spec)?, x, weight)
}

/// Candle's convolution. Its backward pass takes the same number of unused rows and of unused columns at
/// the end of the input for granted; where they differ the input is brought to the exact size first.
fn stock(g: &Geometry, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let used = [(g.oh - 1) * g.stride + g.kh, (g.ow - 1) * g.stride + g.kw];
    let unused = |dim: usize| [g.h, g.w][dim] + 2 * g.padding - used[dim];
    if unused(0) == unused(1) {
        return x.conv2d(weight, g.padding, g.stride, 1, g.groups);
    }
    let p = g.padding;
    let x = x.pad_with_zeros(2, p, p)?.narrow(2, 0, used[0])?;
    let x = x.pad_with_zeros(3, p, p)?.narrow(3, 0, used[1])?;
    x.contiguous()?.conv2d(weight, 0, g.stride, 1, g.groups)
}

struct Conv2d {
    g: Geometry,
    x: Tensor,
    x_slot: Option<Arc<Slot>>,
    kernel: Tensor,
    slot: Arc<Slot>,
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "ss-kernels-conv2d"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(graph::handle_value())
    }

    fn bwd(
        &self,
        _: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (isa, g) = (Isa::current(), &self.g);
        let dy = self.slot.take(g.n * g.out_image())?;
        let dw = if weight.track_op() {
            let dw = with_data(&self.x, |x| Ok(weight_grad::weight_grad(isa, g, x, &dy)))?;
            Some(Tensor::from_vec(dw, weight.dims(), &Device::Cpu)?)
        } else {
            None
        };
        let dx = match &self.x_slot {
            Some(slot) => {
                let dx = with_data(&self.kernel, |w| Ok(input_grad::input_grad(isa, g, &dy, w)))?;
                slot.deposit(dx);
                Some(graph::handle_grad()?)
            }
            None => None,
        };
        Ok((dx, dw))
    }
}
