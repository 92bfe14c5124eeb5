//! The same bits for any number of threads.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{Device, Tensor, Var};
use ss_kernels::{
    Activation, Conv2dSpec, Sgd, SgdConfig, batch_norm_train, conv2d, cross_entropy, global_avg_pool2d,
    max_pool2d,
};
use support::*;

/// Three steps of a small residual network; the bits of all parameters and of the last losses.
fn train(n: usize, size: usize, widths: [usize; 2]) -> Vec<u32> {
    let x = var(&[n, 3, size, size], 1);
    let x = x.as_tensor().detach();
    let targets = Tensor::from_vec((0..n as u32).map(|i| i % 10).collect(), n, &Device::Cpu).unwrap();
    let small = |dims: &[usize], seed| {
        Var::from_tensor(&(var(dims, seed).as_tensor() * 0.3).unwrap().detach()).unwrap()
    };
    let [a, b] = widths;
    let convs = [
        small(&[a, 3, 3, 3], 2),
        small(&[a, a, 3, 3], 3),
        small(&[b, a, 3, 3], 4),
        small(&[b, b, 3, 3], 5),
        small(&[b, a, 1, 1], 6),
        small(&[b, 1, 3, 3], 7),
    ];
    let norms: Vec<(Var, Var)> = [a, a, b, b].iter().map(|&c| (small(&[c], 8), small(&[c], 9))).collect();
    let linear = small(&[b, 10], 10);
    let mut vars: Vec<Var> = convs.to_vec();
    vars.extend(norms.iter().flat_map(|(s, b)| [s.clone(), b.clone()]));
    vars.push(linear.clone());
    let config = SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 1e-3 };
    let mut sgd = Sgd::new(vars.clone(), config).unwrap();
    let spec = |stride, padding, groups| Conv2dSpec { stride, padding, groups };
    let mut losses = Vec::new();
    for _ in 0..3 {
        let norm = |x: &Tensor, i: usize, r: Option<&Tensor>| {
            let (scale, shift) = &norms[i];
            batch_norm_train(x, scale, shift, r, 1e-5, Activation::Relu).unwrap().0
        };
        let y = norm(&conv2d(&x, &convs[0], spec(1, 1, 1)).unwrap(), 0, None);
        let y = norm(&conv2d(&y, &convs[1], spec(1, 1, 1)).unwrap(), 1, Some(&y));
        let shortcut = conv2d(&y, &convs[4], spec(2, 0, 1)).unwrap();
        let y = norm(&conv2d(&y, &convs[2], spec(2, 1, 1)).unwrap(), 2, None);
        let y = norm(&conv2d(&y, &convs[3], spec(1, 1, 1)).unwrap(), 3, Some(&shortcut));
        let y = conv2d(&y, &convs[5], spec(1, 1, b)).unwrap();
        let y = global_avg_pool2d(&max_pool2d(&y, 3, 2, 1).unwrap()).unwrap();
        let out = cross_entropy(&y.matmul(&linear).unwrap(), &targets, None).unwrap();
        sgd.step(&out.loss.backward().unwrap(), 0.05).unwrap();
        losses = out.per_example.to_vec1::<f32>().unwrap();
    }
    let params = vars.iter().flat_map(|v| v.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    params.chain(losses).map(f32::to_bits).collect()
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for (n, size, widths) in [(37, 16, [16, 48]), (64, 8, [16, 32]), (5, 7, [3, 5]), (128, 32, [16, 32])] {
        let one = pool(1).install(|| train(n, size, widths));
        assert!(one.iter().all(|&b| f32::from_bits(b).is_finite()));
        for threads in [2, 3, 5] {
            let more = pool(threads).install(|| train(n, size, widths));
            assert!(one == more, "{threads} threads, batch {n}, size {size}, widths {widths:?}");
        }
        assert!(one == train(n, size, widths), "outside a pool");
    }
}

/// Independent trainings on one-thread pools of their own do not disturb each other.
#[test]
fn concurrent_trainings_are_independent() {
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let shapes = [(32, 8, [8, 16]), (16, 16, [16, 24])];
    let alone = shapes.map(|(n, size, widths)| pool().install(|| train(n, size, widths)));
    let together = std::thread::scope(|scope| {
        let runs =
            shapes.map(|(n, size, widths)| scope.spawn(move || pool().install(|| train(n, size, widths))));
        runs.map(|run| run.join().unwrap())
    });
    assert!(alone == together);
}
