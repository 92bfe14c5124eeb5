//! How activations travel through candle's graph.
//!
//! Between two operations of this crate an activation is held in channels-last order
//! (`[n, h, w, c]` in memory; the tensor a caller sees is the usual `[n, c, h, w]` view of it), and its
//! gradient does not pass through candle's gradient store, which would fill a buffer with zeros, read
//! it back, add and write a third one for every activation. Instead:
//!
//! - every operation is a node whose candle value is one dummy scalar, its *handle*; candle orders the
//!   nodes and drives the backward pass as usual;
//! - the gradient is deposited in the node's [`Slot`]: the first deposit is a move, further ones (a
//!   residual branch) are added in place;
//! - [`leave`] makes the tensor that a caller sees: a node on top of the handle, whose backward
//!   deposits a gradient that comes from a foreign operation. A registry maps that tensor's id to
//!   the handle for as long as the tensor lives, so [`enter`] of the next operation finds the short
//!   way. Any tensor derived by a candle operation has another id and takes the ordinary way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, DType, Device, Layout, Result, Shape, Tensor, TensorId, bail,
};

/// The gradient of an activation, in channels-last order, while the backward pass runs.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Vec<f32>>>);

impl Slot {
    /// Adds a gradient.
    pub(crate) fn deposit(&self, grad: Vec<f32>) {
        let mut held = lock(&self.0);
        *held = Some(match held.take() {
            None => grad,
            Some(mut sum) => {
                crate::elementwise::add_assign(&mut sum, &grad);
                sum
            }
        });
    }

    /// Takes the gradient of `len` values out, for the node's own backward.
    pub(crate) fn take(&self, len: usize) -> Result<Vec<f32>> {
        match lock(&self.0).take() {
            Some(grad) if grad.len() == len => Ok(grad),
            Some(grad) => bail!("gradient of {} values where {len} were expected", grad.len()),
            None => Ok(vec![0.0; len]),
        }
    }
}

/// An activation as an operation of this crate sees it.
pub(crate) struct Input {
    /// Values, `[n, h, w, c]`, contiguous, outside the graph.
    pub(crate) data: Tensor,
    /// The graph argument to build on: a scalar.
    pub(crate) handle: Tensor,
    /// Where the gradient goes; `None` when nobody needs it.
    pub(crate) slot: Option<Arc<Slot>>,
}

impl Input {
    pub(crate) fn is_tracked(&self) -> bool {
        self.slot.is_some()
    }

    /// Dimensions `(n, h, w, c)`.
    pub(crate) fn dims(&self) -> Result<(usize, usize, usize, usize)> {
        self.data.dims4()
    }
}

struct Known {
    data: Tensor,
    handle: Tensor,
    slot: Arc<Slot>,
}

fn registry() -> MutexGuard<'static, HashMap<TensorId, Known>> {
    static REGISTRY: OnceLock<Mutex<HashMap<TensorId, Known>>> = OnceLock::new();
    lock(REGISTRY.get_or_init(Mutex::default))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the kernels of this crate take this tensor: `f32` on the CPU.
pub(crate) fn is_ours(t: &Tensor) -> bool {
    t.device().is_cpu() && t.dtype() == DType::F32
}

/// One scalar outside any graph, the handle of what needs no gradient.
fn untracked_handle() -> Result<Tensor> {
    static ZERO: OnceLock<Tensor> = OnceLock::new();
    match ZERO.get() {
        Some(t) => Ok(t.clone()),
        None => {
            let t = Tensor::zeros((), DType::F32, &Device::Cpu)?;
            Ok(ZERO.get_or_init(|| t).clone())
        }
    }
}

/// Prepares `x`, `[n, c, h, w]`, as the input of an operation.
pub(crate) fn enter(x: &Tensor) -> Result<Input> {
    if let Some(known) = registry().get(&x.id()) {
        return Ok(Input {
            data: known.data.clone(),
            handle: known.handle.clone(),
            slot: Some(known.slot.clone()),
        });
    }
    let data = channels_last(x)?;
    if !x.track_op() {
        return Ok(Input { data, handle: untracked_handle()?, slot: None });
    }
    let slot = Arc::new(Slot::default());
    let handle = x.apply_op1(Enter(slot.clone()))?;
    Ok(Input { data, handle, slot: Some(slot) })
}

/// The values of `x`, `[n, c, h, w]`, as a contiguous `[n, h, w, c]` tensor outside the graph; no copy
/// where the memory is in that order already.
pub(crate) fn channels_last(x: &Tensor) -> Result<Tensor> {
    x.detach().permute((0, 2, 3, 1))?.contiguous()
}

/// Makes the tensor `[n, c, h, w]` that the caller sees from values in `[n, h, w, c]` order.
/// `handle` is the operation's node, or `None` when nothing needs a gradient.
pub(crate) fn leave(
    values: Vec<f32>,
    (n, h, w, c): (usize, usize, usize, usize),
    handle: Option<(Tensor, Arc<Slot>)>,
) -> Result<Tensor> {
    let Some((handle, slot)) = handle else {
        return Tensor::from_vec(values, (n, h, w, c), &Device::Cpu)?.permute((0, 3, 1, 2));
    };
    let listed = Arc::new(OnceLock::new());
    let leave = Leave {
        values: Mutex::new(Some(values)),
        shape: Shape::from((n, h, w, c)),
        slot: slot.clone(),
        _listed: listed.clone(),
    };
    let channels_last = handle.apply_op1(leave)?;
    let data = channels_last.detach();
    let seen = channels_last.permute((0, 3, 1, 2))?;
    registry().insert(seen.id(), Known { data, handle, slot });
    // Set once, just above: the cell is fresh.
    let _ = listed.set(Listed(seen.id()));
    Ok(seen)
}

/// Joins the handles of two inputs, so that an operation with three tensor arguments besides fits
/// candle's three.
pub(crate) fn join(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.apply_op2(b, Join)
}

/// The value of a handle.
pub(crate) fn handle_value() -> (CpuStorage, Shape) {
    (CpuStorage::F32(vec![0.0]), Shape::from(()))
}

/// The candle gradient of a handle: the real one is in its slot.
pub(crate) fn handle_grad() -> Result<Tensor> {
    untracked_handle()
}

/// Removes the registry's entry when the tensor that a caller saw is gone.
struct Listed(TensorId);

impl Drop for Listed {
    fn drop(&mut self) {
        // The entry may own a graph that holds further entries: drop it after the lock is released.
        let known = registry().remove(&self.0);
        drop(known);
    }
}

struct Enter(Arc<Slot>);

impl CustomOp1 for Enter {
    fn name(&self) -> &'static str {
        "ss-kernels-enter"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(handle_value())
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let (n, c, h, w) = x.dims4()?;
        let grad = self.0.take(n * c * h * w)?;
        let grad = Tensor::from_vec(grad, (n, h, w, c), &Device::Cpu)?;
        Ok(Some(grad.permute((0, 3, 1, 2))?))
    }
}

struct Leave {
    values: Mutex<Option<Vec<f32>>>,
    shape: Shape,
    slot: Arc<Slot>,
    _listed: Arc<OnceLock<Listed>>,
}

impl CustomOp1 for Leave {
    fn name(&self) -> &'static str {
        "ss-kernels-leave"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        match lock(&self.values).take() {
            Some(values) => Ok((CpuStorage::F32(values), self.shape.clone())),
            None => bail!("the values of this activation were taken before"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        self.slot.deposit(crate::memory::to_vec(grad)?);
        Ok(Some(handle_grad()?))
    }
}

struct Join;

impl CustomOp2 for Join {
    fn name(&self) -> &'static str {
        "ss-kernels-join"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(handle_value())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(handle_grad()?), Some(handle_grad()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2dSpec, conv2d};
    use candle_core::Var;

    #[test]
    fn the_registry_forgets_what_is_dropped_and_the_short_way_is_taken() {
        let w = Var::ones((4, 4, 3, 3), DType::F32, &Device::Cpu).unwrap();
        let x = Tensor::ones((1, 4, 5, 5), DType::F32, &Device::Cpu).unwrap();
        let spec = Conv2dSpec { padding: 1, ..Conv2dSpec::default() };
        let a = conv2d(&x, &w, spec).unwrap();
        let id = a.id();
        assert!(registry().contains_key(&id));
        let known = enter(&a).unwrap();
        assert!(Arc::ptr_eq(known.slot.as_ref().unwrap(), &registry().get(&id).unwrap().slot));
        // A tensor derived by candle takes the ordinary way, through a node of its own.
        let derived = enter(&a.relu().unwrap()).unwrap();
        assert!(!Arc::ptr_eq(known.slot.as_ref().unwrap(), derived.slot.as_ref().unwrap()));
        let b = conv2d(&a, &w, spec).unwrap();
        drop((a, known, derived));
        assert!(!registry().contains_key(&id));
        // The graph lives on without the tensor.
        let grads = b.sum_all().unwrap().backward().unwrap();
        assert!(grads.get(&w).is_some());
    }

    #[test]
    fn nothing_is_tracked_without_variables() {
        let x = Tensor::ones((1, 4, 5, 5), DType::F32, &Device::Cpu).unwrap();
        let w = Tensor::ones((4, 4, 3, 3), DType::F32, &Device::Cpu).unwrap();
        let y = conv2d(&x, &w, Conv2dSpec::default()).unwrap();
        assert!(!y.track_op() && !registry().contains_key(&y.id()));
    }
}
