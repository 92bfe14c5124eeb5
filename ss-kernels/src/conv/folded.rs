//! Convolution with everything that follows it at evaluation folded in.

use candle_core::{DType, Result, Tensor, bail};

use super::forward::{Epilogue, forward};
use super::geometry::{Conv2dSpec, Geometry};
use crate::Activation;
use crate::graph;
use crate::memory::{to_vec, with_data};
use crate::simd::{Isa, Kernel, Simd, dispatch};

/// `act(conv2d(x, weight) * scale + shift + residual)` in one pass, forward only (the result is outside
/// the graph): a convolution and the batch normalisation after it, at evaluation.
///
/// Shapes as for [`conv2d`](crate::conv2d); `scale` and `shift` are `[o]`, `residual` has the result's
/// shape. For batch normalisation with running `mean` and `var`, `scale = gamma / sqrt(var + eps)` and
/// `shift = beta - mean * scale`.
///
/// # Errors
/// As for [`conv2d`](crate::conv2d); also `scale`, `shift` or `residual` of another shape.
pub fn conv2d_folded(
    x: &Tensor,
    weight: &Tensor,
    spec: Conv2dSpec,
    scale: &Tensor,
    shift: &Tensor,
    residual: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    let after = After { scale, shift, residual, act };
    let g = after.geometry(x, weight, spec)?;
    let tensors = [Some(x), Some(weight), Some(scale), Some(shift), residual];
    if !tensors.into_iter().flatten().all(graph::is_ours) {
        return after.finish_elsewhere(&super::elsewhere(&g, &x.detach(), &weight.detach())?);
    }
    let isa = Isa::current();
    let per_channel = weight.elem_count() / g.o;
    let scale = to_vec(scale)?;
    let mut kernel = to_vec(weight)?;
    for (row, s) in kernel.chunks_exact_mut(per_channel).zip(&scale) {
        row.iter_mut().for_each(|w| *w *= s);
    }
    let shift = to_vec(shift)?;
    let input = graph::channels_last(x)?;
    let run = |residual: Option<&[f32]>| {
        let epilogue = Finish { isa, image: g.out_image(), shift: &shift, residual, act };
        with_data(&input, |x| Ok(forward(isa, &g, x, &kernel, &epilogue)))
    };
    let y = match residual {
        Some(r) => with_data(&graph::channels_last(r)?, |r| run(Some(r)))?,
        None => run(None)?,
    };
    graph::leave(y, (g.n, g.oh, g.ow, g.o), None)
}

/// What follows a convolution.
pub(crate) struct After<'a> {
    pub(crate) scale: &'a Tensor,
    pub(crate) shift: &'a Tensor,
    pub(crate) residual: Option<&'a Tensor>,
    pub(crate) act: Activation,
}

impl After<'_> {
    /// [`conv2d_folded`] by candle's own operations.
    pub(crate) fn candle(&self, x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Tensor> {
        let g = self.geometry(x, weight, spec)?;
        self.finish(&super::stock(&g, x, weight)?)
    }

    /// [`conv2d_folded`] by candle's own operations with the convolution in `bf16`. What follows it is computed in `f32`, as the
    /// normalisation in training is, and only the result is `bf16`.
    pub(crate) fn candle_half(&self, x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Tensor> {
        let g = self.geometry(x, weight, spec)?;
        self.finish_half(&super::stock(&g, &x.to_dtype(DType::BF16)?, &weight.to_dtype(DType::BF16)?)?)
    }

    fn geometry(&self, x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Geometry> {
        let g = Geometry::new(x, weight, spec)?;
        let (scale, shift) = (self.scale.dims(), self.shift.dims());
        if scale != [g.o] || shift != [g.o] {
            bail!("conv2d_folded: scale {scale:?} and shift {shift:?} must both be [{}]", g.o);
        }
        if let Some(r) = self.residual
            && r.dims() != [g.n, g.o, g.oh, g.ow]
        {
            bail!("conv2d_folded: the residual must be {:?}, found {:?}", [g.n, g.o, g.oh, g.ow], r.dims());
        }
        Ok(g)
    }

    /// What follows a convolution of what is not `f32` on the CPU.
    fn finish_elsewhere(&self, y: &Tensor) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if [Some(y), Some(self.scale), Some(self.shift), self.residual]
            .into_iter()
            .flatten()
            .all(crate::cuda::is_ours)
        {
            return crate::cuda::normalised(y, self.scale, self.shift, self.residual, self.act);
        }
        self.finish(y)
    }

    fn finish_half(&self, y: &Tensor) -> Result<Tensor> {
        let residual = self.residual.map(|r| r.to_dtype(DType::F32)).transpose()?;
        After { residual: residual.as_ref(), ..*self }.finish(&y.to_dtype(DType::F32)?)?.to_dtype(DType::BF16)
    }

    /// All of it, in the type of the arguments.
    fn finish(&self, y: &Tensor) -> Result<Tensor> {
        let column = (1, self.scale.dim(0)?, 1, 1);
        let y = y.broadcast_mul(&self.scale.reshape(column)?)?.broadcast_add(&self.shift.reshape(column)?)?;
        let y = match self.residual {
            Some(r) => (y + r)?,
            None => y,
        };
        Ok(self.act.apply(&y)?.detach())
    }
}

struct Finish<'a> {
    isa: Isa,
    image: usize,
    shift: &'a [f32],
    residual: Option<&'a [f32]>,
    act: Activation,
}

impl Epilogue for Finish<'_> {
    fn finish(&self, index: usize, image: &mut [f32]) {
        let residual = self.residual.map(|r| &r[index * self.image..][..self.image]);
        let kernel = ShiftAct { image, shift: self.shift, residual, act: self.act };
        // SAFETY: `isa` is available (it comes from `Isa::current`); slices carry their lengths.
        unsafe { dispatch(self.isa, kernel) };
    }
}

struct ShiftAct<'a> {
    image: &'a mut [f32],
    shift: &'a [f32],
    residual: Option<&'a [f32]>,
    act: Activation,
}

impl Kernel for ShiftAct<'_> {
    type Out = ();

    // SAFETY conditions: none beyond the instruction set; lengths are those of the slices.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.shift.len();
        for (p, pixel) in self.image.chunks_exact_mut(channels).enumerate() {
            let mut c = 0;
            while c < channels {
                let valid = S::LANES.min(channels - c);
                // SAFETY: `valid` lanes from `c` lie inside the pixel and the shift; the residual
                // has as many values as the image.
                unsafe {
                    let y = pixel.as_mut_ptr().add(c);
                    let shift = S::load_n(self.shift.as_ptr().add(c), valid);
                    let mut v = S::add(S::load_n(y, valid), shift);
                    if let Some(r) = self.residual {
                        v = S::add(v, S::load_n(r.as_ptr().add(p * channels + c), valid));
                    }
                    S::store_n(y, self.act.vector::<S>(v), valid);
                }
                c += S::LANES;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// `1.0078125` is the `bf16` after 1: in `bf16` the product below would be rounded away, and what is left after the shift is
    /// nothing but that rounding.
    #[test]
    fn what_follows_a_bf16_convolution_is_computed_in_f32() {
        let device = Device::Cpu;
        let y = Tensor::new(&[1.0078125f32, 0.5], &device).unwrap().reshape((1, 1, 1, 2)).unwrap();
        let residual = Tensor::new(&[0.25f32, -8.0], &device).unwrap().reshape((1, 1, 1, 2)).unwrap();
        let half = |t: &Tensor| t.to_dtype(DType::BF16).unwrap();
        let (scale, shift) =
            (Tensor::new(&[1.001f32], &device).unwrap(), Tensor::new(&[-1.0f32], &device).unwrap());
        for (residual, expected) in
            [(None, [1.0078125 * 1.001 - 1.0, 0.0]), (Some(&residual), [0.25882, 0.0])]
        {
            let residual = residual.map(half);
            let (scale, shift, residual) = (&scale, &shift, residual.as_ref());
            let found =
                After { scale, shift, residual, act: Activation::Relu }.finish_half(&half(&y)).unwrap();
            assert_eq!(found.dtype(), DType::BF16);
            let found = found.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for (found, expected) in found.iter().zip(expected) {
                // Rounded once, at the end.
                assert!((f64::from(*found) - expected).abs() <= expected / 256.0, "{found} {expected}");
            }
        }
    }
}
