//! One layer at a time: the convolution's three passes and batch normalisation, on the layers of the
//! benchmark networks, with the throughput in floating-point operations of direct convolution.
//!
//! `cargo bench -p ss-kernels --bench layers -- [FILTER]`; `RAYON_NUM_THREADS=1` for one thread.

#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor, Var};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ss_kernels::{Activation, Conv2dSpec, batch_norm_train, conv2d, conv2d_folded, global_avg_pool2d};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Name, batch, input channels, size, output channels, kernel, stride.
const LAYERS: [(&str, usize, usize, usize, usize, usize, usize); 10] = [
    ("stem-3-32", 128, 3, 32, 32, 3, 1),
    ("six-conv-2", 128, 32, 32, 32, 3, 1),
    ("six-conv-3", 128, 32, 32, 64, 3, 2),
    ("six-conv-4", 128, 64, 16, 64, 3, 1),
    ("six-conv-6", 128, 128, 8, 128, 3, 1),
    ("resnet-16", 128, 16, 32, 16, 3, 1),
    ("shortcut", 128, 16, 32, 32, 1, 2),
    ("digits-16", 32, 16, 8, 16, 3, 1),
    ("digits-32", 32, 32, 4, 32, 3, 1),
    ("digits-64", 32, 64, 2, 64, 3, 1),
];

fn layers(criterion: &mut Criterion) {
    for (name, n, c, size, o, k, stride) in LAYERS {
        let spec = Conv2dSpec { stride, padding: k / 2, groups: 1 };
        let tensor = |dims: &[usize]| Tensor::randn(0f32, 1.0, dims, &Device::Cpu).unwrap();
        let x = tensor(&[n, c, size, size]);
        let x = x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap().permute((0, 3, 1, 2)).unwrap();
        let w = tensor(&[o, c, k, k]);
        let (xv, wv) = (Var::from_tensor(&x).unwrap(), Var::from_tensor(&w).unwrap());
        let y = conv2d(&x, &w, spec).unwrap();
        let (scale, shift) = (
            Var::ones(o, DType::F32, &Device::Cpu).unwrap(),
            Var::zeros(o, DType::F32, &Device::Cpu).unwrap(),
        );
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        group.throughput(Throughput::Elements((2 * y.elem_count() * c * k * k) as u64));
        group.bench_function("forward", |b| b.iter(|| black_box(conv2d(&x, &w, spec).unwrap())));
        group.bench_function("folded", |b| {
            let act = Activation::Relu;
            b.iter(|| black_box(conv2d_folded(&x, &w, spec, &scale, &shift, None, act).unwrap()));
        });
        // A gradient reaches one argument only where the other is no variable. The input's includes
        // candle's own sum at the variable, which activations inside a network do not pay.
        let end = |y: Tensor| global_avg_pool2d(&y).unwrap().sum_all().unwrap();
        let through_x = end(conv2d(&xv, &w, spec).unwrap());
        group.bench_function("input-gradient", |b| b.iter(|| through_x.backward().unwrap()));
        let through_w = end(conv2d(&x, &wv, spec).unwrap());
        group.bench_function("weight-gradient", |b| b.iter(|| through_w.backward().unwrap()));
        group.throughput(Throughput::Elements(y.elem_count() as u64));
        group.bench_function("batch-norm", |b| {
            b.iter(|| batch_norm_train(&y, &scale, &shift, None, 1e-5, Activation::Relu).unwrap());
        });
        let normed = end(batch_norm_train(&y, &scale, &shift, None, 1e-5, Activation::Relu).unwrap().0);
        group.bench_function("batch-norm-gradient", |b| b.iter(|| normed.backward().unwrap()));
        group.finish();
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
