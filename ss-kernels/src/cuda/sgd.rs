//! A parameter's step of stochastic gradient descent, in one pass.

use std::cell::RefCell;

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, PushKernelArg};
use candle_core::cuda_backend::{CudaStorage, WrapErr};
use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, Var, bail};

use super::launch::{self, Kernels, NULL, over};
use crate::SgdConfig;

pub(super) const KERNELS: Kernels = Kernels { name: "sgd", source: include_str!("sgd.cu") };

/// The momentum of one parameter.
pub(crate) struct Buffer(CudaSlice<f32>);

impl Buffer {
    /// Zeros for `var`.
    pub(crate) fn new(var: &Var) -> Result<Self> {
        Ok(Self(launch::device_of(var)?.alloc_zeros(var.elem_count())?))
    }
}

/// A learning rate on a GPU.
pub(crate) struct Rate(CudaSlice<f32>);

impl Rate {
    pub(crate) fn new(device: &Device) -> Result<Self> {
        Ok(Self(device.as_cuda_device()?.alloc_zeros(1)?))
    }

    pub(crate) fn set(&mut self, device: &Device, rate: f64) -> Result<()> {
        device.as_cuda_device()?.memcpy_htod(&[rate as f32], &mut self.0)
    }
}

/// One step of `var` with learning rate `rate`; `buffer` where there is momentum.
pub(crate) fn step(
    config: &SgdConfig,
    var: &Var,
    buffer: Option<&mut Buffer>,
    grad: &Tensor,
    rate: &Rate,
) -> Result<()> {
    let op = Update { config, rate, buffer: RefCell::new(buffer) };
    var.as_tensor().inplace_op2(&grad.detach().contiguous()?, &op)
}

struct Update<'a> {
    config: &'a SgdConfig,
    rate: &'a Rate,
    buffer: RefCell<Option<&'a mut Buffer>>,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "ss-kernels-cuda-sgd"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        bail!("the step of GPUs was given tensors of the CPU")
    }

    fn cuda_fwd(
        &self,
        value: &mut CudaStorage,
        value_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        let device = launch::device_in(value);
        let grad = launch::view(grad, grad_layout)?;
        let Some((from, to)) = value_layout.contiguous_offsets() else {
            bail!("Sgd: expected contiguous parameters");
        };
        let mut buffer = self.buffer.borrow_mut();
        if grad.len() != to - from || buffer.as_ref().is_some_and(|buffer| buffer.0.len() != to - from) {
            bail!("Sgd: a gradient or a momentum of another length than its parameter of {}", to - from);
        }
        let mut value = value.as_cuda_slice_mut::<f32>()?.slice_mut(from..to);
        let (len, nesterov) = (grad.len() as i32, i32::from(self.config.nesterov));
        let (momentum, decay) = (self.config.momentum as f32, self.config.weight_decay as f32);
        let kernel = KERNELS.get(&device, "sgd")?;
        let mut launch = kernel.builder();
        launch.arg(&mut value).arg(&grad);
        match buffer.as_mut() {
            Some(buffer) => launch.arg(&mut buffer.0),
            None => launch.arg(&NULL),
        };
        launch.arg(&len).arg(&self.rate.0).arg(&momentum).arg(&decay).arg(&nesterov);
        // SAFETY: all three hold `len` values, the last one where it is not null; the rate is one value.
        unsafe { launch.launch(over(grad.len())) }.w().map(drop)
    }
}
