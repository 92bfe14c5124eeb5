//! Ranks, weights and the three kinds of draws at a million examples: `cargo bench -p ss-sampler`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ss_sampler::{EpochPlan, RankedFeatures, SamplerParams, SamplerSpec};
use ss_seed::Seed;

const N: usize = 1_000_000;

fn columns() -> [Vec<f32>; 3] {
    ["loss", "entropy", "gradient"].map(|name| {
        let stream = Seed::new(1).stream(name);
        (0..N as u64).map(|i| (-stream.index(i).unit().ln_1p() + 0.7).max(0.0) as f32).collect()
    })
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("1e6");
    group.sample_size(10);
    let [loss, entropy, gradient] = columns();
    let spec = SamplerSpec::paper();
    let rank = || RankedFeatures::new(spec.clone(), &[&loss, &entropy], &gradient).expect("valid columns");
    group.bench_function("rank two features", |b| b.iter(rank));

    let ranked = rank();
    let (knots, values) = (vec![0.2, 0.5, 0.8], vec![1.0, 1.0, 0.5, 0.1, 0.0]);
    let params = SamplerParams::new(&spec, vec![1.0, -0.4], knots, values).expect("valid parameters");
    group.bench_function("weights of one sampler", |b| {
        b.iter(|| ranked.weights(black_box(&params)).expect("positive weights"));
    });

    let weights = ranked.weights(&params).expect("positive weights");
    let stream = Seed::new(2).stream("order");
    group.bench_function("shuffled epoch", |b| b.iter(|| EpochPlan::shuffled(N, stream, 3)));
    group.bench_function("systematic epoch", |b| b.iter(|| EpochPlan::systematic(&weights, N, stream, 3)));
    group.bench_function("multinomial epoch", |b| b.iter(|| EpochPlan::multinomial(&weights, N, stream, 3)));
    group.bench_function("without replacement, n/10", |b| {
        b.iter(|| EpochPlan::without_replacement(&weights, N / 10, stream, 3));
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
