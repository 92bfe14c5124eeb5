//! Gradients of a block against finite differences.

use candle_core::{DType, Device, Tensor, Var};

use crate::{Parameters, Result};

/// Numbers in `[-1, 1)` that look random.
fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len)
        .map(|i| ((i + 1000 * seed) as f64 * 12.9898).sin() * 43758.5453)
        .map(|v| (2.0 * (v - v.floor()) - 1.0) as f32)
        .collect()
}

/// Compares the gradient of `sum(p * block(x))`, `p` fixed, in `x` and in every trained value with difference quotients
/// along one direction each.
///
/// Normalised values are shifted to about 3 with a deviation of 0.5, where ReLU and ReLU6 are the identity: a kink
/// within a step would spoil the quotient. (Kinks: `ss-kernels/tests`.)
pub(crate) fn check(parameters: &Parameters, dims: [usize; 4], block: impl Fn(&Tensor) -> Result<Tensor>) {
    let names: Vec<String> = parameters.snapshot().unwrap().tensors().keys().cloned().collect();
    for name in &names {
        let var = parameters.get(name).unwrap();
        let norm = names.iter().any(|n| {
            Some(n.as_str()) == name.strip_suffix("weight").map(|p| format!("{p}running_mean")).as_deref()
        });
        let shift = names.iter().any(|n| {
            Some(n.as_str()) == name.strip_suffix("bias").map(|p| format!("{p}running_mean")).as_deref()
        });
        if norm || shift {
            let value = if norm { 0.5 } else { 3.0 };
            var.set(&(var.zeros_like().unwrap() + value).unwrap()).unwrap();
        }
    }
    let tensor = |dims: &[usize], seed| {
        Tensor::from_vec(values(dims.iter().product(), seed), dims, &Device::Cpu).unwrap()
    };
    let x = Var::from_tensor(&tensor(&dims, 1)).unwrap();
    let loss = || {
        let y = block(&x).unwrap().contiguous().unwrap();
        (y.to_dtype(DType::F64).unwrap() * tensor(y.dims(), 2).to_dtype(DType::F64).unwrap())
            .unwrap()
            .sum_all()
            .unwrap()
    };
    let grads = loss().backward().unwrap();
    let norm = |grad: &Tensor| grad.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    let largest = norm(grads.get(&x).unwrap());
    let vars = names
        .iter()
        .filter(|name| !name.contains("running"))
        .map(|name| (name.as_str(), parameters.get(name).unwrap()))
        .chain([("the input", x.clone())]);
    for (name, var) in vars {
        let grad = grads.get(&var).unwrap();
        let before = var.as_detached_tensor().copy().unwrap();
        // Along the gradient, so that the quotient is its norm, with noise elsewhere.
        let norm = norm(grad);
        let direction = (grad / f64::from(norm)).unwrap();
        let direction = (direction
            + (tensor(var.dims(), 3) * (0.3 / (var.elem_count() as f64).sqrt())).unwrap())
        .unwrap();
        let slope = (grad * &direction).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        let step = 1e-2;
        let moved = |by: f64| {
            var.set(&(&before + (&direction * by).unwrap()).unwrap()).unwrap();
            loss().to_scalar::<f64>().unwrap()
        };
        let quotient = (moved(step) - moved(-step)) / (2.0 * step);
        var.set(&before).unwrap();
        let gap = (quotient - f64::from(slope)).abs();
        // A shift that the next normalisation takes away has no gradient but rounding.
        assert!(
            gap < 0.01 * f64::from(norm) + 1e-3 * f64::from(largest),
            "{name}: {quotient}, gradient {slope}"
        );
    }
}
