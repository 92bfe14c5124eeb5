//! A factor for each channel of each image, with the residual addition and the activation that follow it.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor, bail};

use crate::Activation;
use crate::graph::{self, Slot};
use crate::memory::{Output, SharedMut, to_vec, with_data};
use crate::parallel;
use crate::simd::{Isa, Kernel, Simd, dispatch};

/// `act(x * gate + residual)`, the end of a block with squeeze-and-excitation.
///
/// `x` and `residual` are `[n, c, h, w]`, `gate` is `[n, c]`: one factor for each channel of each image.
/// Differentiable in all three.
///
/// # Errors
/// Shapes that do not fit each other, an empty input.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ss_kernels::{Activation, channel_gate};
///
/// let x = Tensor::new(&[[[[1f32, -2.]], [[3., 4.]]]], &Device::Cpu)?;
/// let gate = Tensor::new(&[[0.5f32, 2.]], &Device::Cpu)?;
/// let y = channel_gate(&x, &gate, None, Activation::Relu)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [0.5, 0., 6., 8.]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn channel_gate(x: &Tensor, gate: &Tensor, residual: Option<&Tensor>, act: Activation) -> Result<Tensor> {
    check(x, gate, residual)?;
    if !graph::is_ours(x) || !graph::is_ours(gate) || !residual.is_none_or(graph::is_ours) {
        return stock(x, gate, residual, act);
    }
    let input = graph::enter(x)?;
    let residual = residual.map(graph::enter).transpose()?;
    let dims = input.dims()?;
    let gates = to_vec(gate)?;
    let pass =
        Pass { isa: Isa::current(), image: dims.1 * dims.2 * dims.3, channels: dims.3, gates: &gates, act };
    let y = with_data(&input.data, |x| match &residual {
        Some(r) => with_data(&r.data, |r| Ok(pass.forward(x, Some(r)))),
        None => Ok(pass.forward(x, None)),
    })?;
    let tracked =
        input.is_tracked() || gate.track_op() || residual.as_ref().is_some_and(graph::Input::is_tracked);
    if !tracked {
        return graph::leave(y, dims, None);
    }
    let handle = match &residual {
        Some(r) if r.is_tracked() => graph::join(&input.handle, &r.handle)?,
        _ => input.handle.clone(),
    };
    let slot = Arc::new(Slot::default());
    let (r, residual_slot) = residual.map_or((None, None), |r| (Some(r.data), r.slot));
    let op = ChannelGate {
        x: input.data,
        x_slot: input.slot,
        gates,
        residual: r,
        residual_slot,
        act,
        slot: slot.clone(),
    };
    graph::leave(y, dims, Some((handle.apply_op2(gate, op)?, slot)))
}

/// [`channel_gate`] by candle's own operations.
pub(crate) fn candle_channel_gate(
    x: &Tensor,
    gate: &Tensor,
    residual: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    check(x, gate, residual)?;
    stock(x, gate, residual, act)
}

fn check(x: &Tensor, gate: &Tensor, residual: Option<&Tensor>) -> Result<()> {
    let (n, c, h, w) = x.dims4()?;
    if n * c * h * w == 0 {
        bail!("channel_gate: the input must hold at least one value, found {:?}", x.dims());
    }
    if gate.dims() != [n, c] {
        bail!("channel_gate: the gate must be {:?}, found {:?}", [n, c], gate.dims());
    }
    if let Some(r) = residual
        && r.dims() != x.dims()
    {
        bail!("channel_gate: the residual must be {:?}, found {:?}", x.dims(), r.dims());
    }
    Ok(())
}

fn stock(x: &Tensor, gate: &Tensor, residual: Option<&Tensor>, act: Activation) -> Result<Tensor> {
    let y = x.broadcast_mul(&gate.unsqueeze(2)?.unsqueeze(3)?)?;
    let y = match residual {
        Some(r) => (y + r)?,
        None => y,
    };
    act.apply(&y)
}

/// What both passes share.
#[derive(Clone, Copy)]
struct Pass<'a> {
    isa: Isa,
    /// Values of one image.
    image: usize,
    channels: usize,
    /// `[n, c]`.
    gates: &'a [f32],
    act: Activation,
}

impl Pass<'_> {
    /// `x` and `residual` are `[n, h, w, c]`, as is the result.
    fn forward(self, x: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
        let mut y = Output::new(x.len());
        let out = y.ptr();
        parallel::for_each(x.len() / self.image, 4 * x.len(), |image| {
            // SAFETY: the instruction set is available; each task owns one image of the result.
            unsafe {
                let forward = Forward { pass: self, image, x, residual, y: out.at(image * self.image) };
                dispatch(self.isa, forward);
            }
        });
        // SAFETY: the tasks cover all images.
        unsafe { y.finish(x.len()) }
    }

    /// Overwrites `dy` with its masked values, the residual's gradient. Returns the gradients of the gates and, where
    /// asked for, of `x`.
    fn backward(
        self,
        x: &[f32],
        residual: Option<&[f32]>,
        dy: &mut [f32],
        needs_dx: bool,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let mut dgates = vec![0.0; self.gates.len()];
        let mut dx = Output::new(if needs_dx { x.len() } else { 0 });
        let (dgates_out, dx_out, dy_out) = (SharedMut::new(&mut dgates), dx.ptr(), SharedMut::new(dy));
        parallel::for_each(x.len() / self.image, 6 * x.len(), |image| {
            // SAFETY: the instruction set is available; each task owns one image of `dy` and `dx`, and its gates'
            // gradients.
            unsafe {
                let backward = Backward {
                    pass: self,
                    image,
                    x,
                    residual,
                    dy: dy_out.at(image * self.image),
                    dx: needs_dx.then(|| dx_out.at(image * self.image)),
                    dgates: dgates_out.at(image * self.channels),
                };
                dispatch(self.isa, backward);
            }
        });
        // SAFETY: the tasks cover all images.
        let dx = needs_dx.then(|| unsafe { dx.finish(x.len()) });
        (dgates, dx)
    }
}

struct Forward<'a> {
    pass: Pass<'a>,
    image: usize,
    x: &'a [f32],
    residual: Option<&'a [f32]>,
    y: *mut f32,
}

/// `x * gate + residual` of `valid` channels at `at`.
#[inline(always)]
unsafe fn sum<S: Simd>(x: S::V, gate: S::V, residual: Option<&[f32]>, at: usize, valid: usize) -> S::V {
    // SAFETY: the caller keeps `at..at + valid` inside the residual.
    unsafe {
        match residual {
            Some(r) => S::fma(x, gate, S::load_n(r.as_ptr().add(at), valid)),
            None => S::mul(x, gate),
        }
    }
}

impl Kernel for Forward<'_> {
    type Out = ();

    // SAFETY conditions: `image` is one of those of `x`, the residual and the gates; `y` has room for it.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Pass { image, channels, gates, act, .. } = self.pass;
        let mut c = 0;
        while c < channels {
            let valid = S::LANES.min(channels - c);
            // SAFETY: channels `c..c + valid` of pixels that exist.
            unsafe {
                let gate = S::load_n(gates.as_ptr().add(self.image * channels + c), valid);
                for at in (c..image).step_by(channels) {
                    let place = self.image * image + at;
                    let x = S::load_n(self.x.as_ptr().add(place), valid);
                    let v = sum::<S>(x, gate, self.residual, place, valid);
                    S::store_n(self.y.add(at), act.vector::<S>(v), valid);
                }
            }
            c += S::LANES;
        }
    }
}

struct Backward<'a> {
    pass: Pass<'a>,
    image: usize,
    x: &'a [f32],
    residual: Option<&'a [f32]>,
    dy: *mut f32,
    dx: Option<*mut f32>,
    dgates: *mut f32,
}

impl Kernel for Backward<'_> {
    type Out = ();

    // SAFETY conditions: as for `Forward`; `dy` and `dx` hold one image, `dgates` one value a channel.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Pass { image, channels, gates, act, .. } = self.pass;
        let mut c = 0;
        while c < channels {
            let valid = S::LANES.min(channels - c);
            // SAFETY: channels `c..c + valid` of pixels that exist.
            unsafe {
                let gate = S::load_n(gates.as_ptr().add(self.image * channels + c), valid);
                let mut dgate = S::zero();
                for at in (c..image).step_by(channels) {
                    let place = self.image * image + at;
                    let x = S::load_n(self.x.as_ptr().add(place), valid);
                    let v = sum::<S>(x, gate, self.residual, place, valid);
                    let g = act.gradient::<S>(v, S::load_n(self.dy.add(at), valid));
                    S::store_n(self.dy.add(at), g, valid);
                    dgate = S::fma(g, x, dgate);
                    if let Some(dx) = self.dx {
                        S::store_n(dx.add(at), S::mul(g, gate), valid);
                    }
                }
                S::store_n(self.dgates.add(c), dgate, valid);
            }
            c += S::LANES;
        }
    }
}

struct ChannelGate {
    x: Tensor,
    x_slot: Option<Arc<Slot>>,
    gates: Vec<f32>,
    residual: Option<Tensor>,
    residual_slot: Option<Arc<Slot>>,
    act: Activation,
    slot: Arc<Slot>,
}

impl CustomOp2 for ChannelGate {
    fn name(&self) -> &'static str {
        "ss-kernels-channel-gate"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(graph::handle_value())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, h, w, channels) = self.x.dims4()?;
        let pass = Pass {
            isa: Isa::current(),
            image: h * w * channels,
            channels,
            gates: &self.gates,
            act: self.act,
        };
        let mut dy = self.slot.take(self.x.elem_count())?;
        let needs_dx = self.x_slot.is_some();
        let (dgates, dx) = with_data(&self.x, |x| match &self.residual {
            Some(r) => with_data(r, |r| Ok(pass.backward(x, Some(r), &mut dy, needs_dx))),
            None => Ok(pass.backward(x, None, &mut dy, needs_dx)),
        })?;
        if let (Some(slot), Some(dx)) = (&self.x_slot, dx) {
            slot.deposit(dx);
        }
        if let Some(slot) = &self.residual_slot {
            slot.deposit(dy);
        }
        let tracked = self.x_slot.is_some() || self.residual_slot.is_some();
        Ok((
            tracked.then(graph::handle_grad).transpose()?,
            Some(Tensor::from_vec(dgates, (n, channels), &Device::Cpu)?),
        ))
    }
}
