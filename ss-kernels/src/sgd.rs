//! Stochastic gradient descent in one pass over the parameters.

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var, bail};

use crate::memory::SharedMut;
use crate::parallel;
use crate::{Backend, graph};

/// Settings of [`Sgd`].
#[derive(Clone, Copy, Debug)]
pub struct SgdConfig {
    /// Momentum in `[0, 1)`. Default 0.
    pub momentum: f64,
    /// Nesterov's look-ahead; needs a positive momentum. Default off.
    pub nesterov: bool,
    /// L2 penalty at least 0, added to the gradient (not decoupled). Default 0.
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self { momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

/// Stochastic gradient descent with PyTorch's semantics (`torch.optim.SGD`, `dampening = 0`):
/// `g += weight_decay * p`; `b = momentum * b + g` (first step: `b = g`); `p -= lr * b`, or with Nesterov
/// `p -= lr * (g + momentum * b)`.
///
/// Parameters are updated in place: a graph built before a step must not be used after it.
pub struct Sgd {
    params: Vec<Param>,
    config: SgdConfig,
    backend: Backend,
    rate: f64,
    #[cfg(feature = "cuda")]
    rate_on_gpu: Option<crate::cuda::Rate>,
}

struct Param {
    var: Var,
    momentum: Option<Momentum>,
}

enum Momentum {
    Cpu(Vec<f32>),
    #[cfg(feature = "cuda")]
    Cuda(crate::cuda::Buffer),
    Other(Tensor),
}

impl Sgd {
    /// An optimiser of `vars`.
    ///
    /// # Errors
    /// A setting outside its range.
    pub fn new(vars: Vec<Var>, config: SgdConfig) -> Result<Self> {
        Self::on(Backend::Kernels, vars, config)
    }

    pub(crate) fn on(backend: Backend, vars: Vec<Var>, config: SgdConfig) -> Result<Self> {
        let SgdConfig { momentum, nesterov, weight_decay } = config;
        if !(0.0..1.0).contains(&momentum) {
            bail!("Sgd: momentum must lie in [0, 1), found {momentum}");
        }
        if nesterov && momentum == 0.0 {
            bail!("Sgd: Nesterov needs a positive momentum");
        }
        if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
            bail!("Sgd: weight_decay must be finite and at least 0, found {weight_decay}");
        }
        let params = vars.into_iter().map(|var| Param { var, momentum: None }).collect();
        Ok(Self {
            params,
            config,
            backend,
            rate: 0.0,
            #[cfg(feature = "cuda")]
            rate_on_gpu: None,
        })
    }

    /// One step with learning rate `lr`. Parameters without a gradient in `grads` are left alone.
    ///
    /// # Errors
    /// A learning rate that is negative or not finite; a gradient of another shape than its parameter.
    pub fn step(&mut self, grads: &GradStore, lr: f64) -> Result<()> {
        self.prepare(lr)?;
        self.step_prepared(grads)
    }

    /// Sets the learning rate of the steps that follow; uploads it where the parameters lie on a GPU.
    ///
    /// # Errors
    /// A learning rate that is negative or not finite.
    pub fn prepare(&mut self, lr: f64) -> Result<()> {
        if !(lr >= 0.0 && lr.is_finite()) {
            bail!("Sgd: the learning rate must be finite and at least 0, found {lr}");
        }
        self.rate = lr;
        #[cfg(feature = "cuda")]
        if self.backend == Backend::Kernels
            && let Some(Param { var, .. }) = self.params.iter().find(|param| crate::cuda::is_ours(&param.var))
        {
            let device = var.device();
            let rate = match &mut self.rate_on_gpu {
                Some(rate) => rate,
                none => none.insert(crate::cuda::Rate::new(device)?),
            };
            rate.set(device, lr)?;
            // Not in the first step: that may be under way of being recorded, and what it takes then belongs to the recording.
            for Param { var, momentum } in &mut self.params {
                if self.config.momentum > 0.0 && momentum.is_none() && crate::cuda::is_ours(var) {
                    *momentum = Some(Momentum::Cuda(crate::cuda::Buffer::new(var)?));
                }
            }
        }
        Ok(())
    }

    /// One step with the learning rate that was prepared. On a GPU it can be recorded (`Recording`) and replayed with other rates.
    ///
    /// # Errors
    /// A gradient of another shape than its parameter.
    pub fn step_prepared(&mut self, grads: &GradStore) -> Result<()> {
        let lr = self.rate;
        for Param { var, momentum } in &mut self.params {
            let Some(grad) = grads.get(var.as_tensor()) else { continue };
            if grad.dims() != var.dims() {
                bail!("Sgd: gradient {:?} of a parameter {:?}", grad.dims(), var.dims());
            }
            let ours = self.backend == Backend::Kernels && graph::is_ours(var) && graph::is_ours(grad);
            if ours && var.is_contiguous() {
                step_in_place(&self.config, var, momentum, grad, lr)?;
                continue;
            }
            #[cfg(feature = "cuda")]
            if self.backend == Backend::Kernels
                && crate::cuda::is_ours(var)
                && crate::cuda::is_ours(grad)
                && var.is_contiguous()
            {
                let Some(rate) = &self.rate_on_gpu else {
                    bail!("Sgd: a step on a GPU before a learning rate was set");
                };
                step_on_gpu(&self.config, var, momentum, grad, rate)?;
                continue;
            }
            step_stock(&self.config, var, momentum, grad, lr)?;
        }
        Ok(())
    }
}

fn step_in_place(
    config: &SgdConfig,
    var: &Var,
    momentum: &mut Option<Momentum>,
    grad: &Tensor,
    lr: f64,
) -> Result<()> {
    let buffer: &mut [f32] = if config.momentum == 0.0 {
        &mut []
    } else {
        let fresh = || Momentum::Cpu(vec![0.0; var.elem_count()]);
        match momentum.get_or_insert_with(fresh) {
            Momentum::Cpu(buffer) => buffer,
            _ => bail!("Sgd: a parameter moved between devices"),
        }
    };
    let update = Update {
        momentum: config.momentum as f32,
        nesterov: config.nesterov,
        decay: config.weight_decay as f32,
        lr: lr as f32,
        buffer: RefCell::new(buffer),
    };
    var.as_tensor().inplace_op2(&grad.detach().contiguous()?, &update)
}

#[cfg(feature = "cuda")]
fn step_on_gpu(
    config: &SgdConfig,
    var: &Var,
    momentum: &mut Option<Momentum>,
    grad: &Tensor,
    rate: &crate::cuda::Rate,
) -> Result<()> {
    let buffer = match momentum {
        None if config.momentum > 0.0 => bail!("Sgd: a parameter moved between devices"),
        None => None,
        Some(Momentum::Cuda(buffer)) => Some(buffer),
        Some(_) => bail!("Sgd: a parameter moved between devices"),
    };
    crate::cuda::step(config, var, buffer, grad, rate)
}

fn step_stock(
    config: &SgdConfig,
    var: &Var,
    momentum: &mut Option<Momentum>,
    grad: &Tensor,
    lr: f64,
) -> Result<()> {
    let value = var.as_tensor().detach();
    let mut step = grad.detach();
    if config.weight_decay > 0.0 {
        step = (step + (&value * config.weight_decay)?)?;
    }
    if config.momentum > 0.0 {
        let buffer = match momentum {
            Some(Momentum::Other(b)) => ((&*b * config.momentum)? + &step)?,
            None => step.clone(),
            Some(_) => bail!("Sgd: a parameter moved between devices"),
        };
        step = if config.nesterov { (step + (&buffer * config.momentum)?)? } else { buffer.clone() };
        *momentum = Some(Momentum::Other(buffer));
    }
    var.set(&(value - (step * lr)?)?)
}

struct Update<'a> {
    momentum: f32,
    nesterov: bool,
    decay: f32,
    lr: f32,
    /// Empty without momentum.
    buffer: RefCell<&'a mut [f32]>,
}

/// Values of one task.
const TASK: usize = 1 << 15;

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "ss-kernels-sgd"
    }

    fn cpu_fwd(
        &self,
        value: &mut CpuStorage,
        value_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(value), CpuStorage::F32(grad)) = (value, grad) else {
            bail!("Sgd: expected f32 parameters and gradients");
        };
        let (Some(v), Some(g)) = (value_layout.contiguous_offsets(), grad_layout.contiguous_offsets()) else {
            bail!("Sgd: expected contiguous parameters and gradients");
        };
        let (value, grad) = (&mut value[v.0..v.1], &grad[g.0..g.1]);
        let len = value.len();
        let mut buffer = self.buffer.borrow_mut();
        let with_momentum = buffer.len() == len;
        let (values, buffers) = (SharedMut::new(value), SharedMut::new(&mut buffer));
        let Self { momentum, nesterov, decay, lr, .. } = *self;
        parallel::for_each(len.div_ceil(TASK), 6 * len, |task| {
            let start = task * TASK;
            let count = TASK.min(len - start);
            let grad = &grad[start..start + count];
            // SAFETY: tasks own disjoint ranges of the parameter and, where there is one, its buffer.
            let value = unsafe { std::slice::from_raw_parts_mut(values.at(start), count) };
            if !with_momentum {
                for (p, &g) in value.iter_mut().zip(grad) {
                    *p -= lr * (g + decay * *p);
                }
                return;
            }
            // SAFETY: as above; the buffer is as long as the parameter.
            let buffer = unsafe { std::slice::from_raw_parts_mut(buffers.at(start), count) };
            for ((p, &g), b) in value.iter_mut().zip(grad).zip(buffer) {
                let g = g + decay * *p;
                *b = momentum * *b + g;
                *p -= lr * if nesterov { g + momentum * *b } else { *b };
            }
        });
        Ok(())
    }
}
