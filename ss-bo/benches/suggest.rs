//! Time of one suggestion, on one core: `cargo bench -p ss-bo`.
//!
//! The bar: at most 20 ms with 40 observations in ten dimensions, at most 500 ms with 500.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ss_bo::testfunctions::PROBLEMS;
use ss_bo::{BayesOpt, BoConfig, Event, Optimizer, Origin, Outcome, Suggestion, TrialId, sobol::Sobol};
use ss_seed::Seed;

/// A study of `n` completed trials at Sobol points of the 10-dimensional Levy function.
fn study(n: u64) -> BayesOpt {
    let problem = &PROBLEMS[3];
    let sobol = Sobol::new(problem.dim, Seed::new(0).stream("bench"));
    let history: Vec<Event> = (0..n)
        .flat_map(|i| {
            let (id, x) = (TrialId(i), sobol.point(i));
            let score = problem.score(&x);
            let asked = Event::Asked(Suggestion { id, x, origin: Origin::Startup });
            [asked, Event::Told(id, Outcome::Score(score))]
        })
        .collect();
    let mut bo = BayesOpt::new(problem.dim, BoConfig::default()).expect("a valid configuration");
    bo.replay(&history).expect("a valid history");
    bo
}

fn suggest(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    let mut group = c.benchmark_group("suggest");
    group.sample_size(10);
    for n in [40, 100, 500] {
        let bo = study(n);
        group.bench_function(format!("{n}x10"), |b| {
            b.iter_batched_ref(|| bo.clone(), |bo| pool.install(|| bo.ask()), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, suggest);
criterion_main!(benches);
