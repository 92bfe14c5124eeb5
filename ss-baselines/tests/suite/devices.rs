//! Every method on candle's own operations, as on a GPU, against the kernels of the CPU.

use ss_approx::Device;
use ss_baselines::Task;

use crate::contract::{methods, told};
use crate::fixtures::{Problem, SEED};

#[test]
fn every_method_follows_the_kernels_on_candles_operations() {
    let mut problem = Problem::of_size(128, 0.3);
    // One epoch of four steps: long enough for every part of a step to matter, too short for rounding to grow.
    problem.epochs = 1;
    // The GPU too, where there is one.
    let gpu = Device::first_gpu().unwrap().inspect_err(|reason| println!("no GPU: {reason}")).ok();
    let devices: Vec<Device> = [Device::candle_on_cpu()].into_iter().chain(gpu).collect();
    let losses: Vec<f32> = (0..128).map(|i| i as f32).collect();
    for method in methods() {
        let name = method.name();
        let known = told(method.as_ref(), &problem, &losses);
        let trained = |trainer| {
            let task = Task { trainer: &trainer, seed: SEED, validation: &problem.validation, known };
            let run = method.train(&task, &mut |_| ()).unwrap().run;
            let seen = trainer.predict(&run.last, &problem.test).unwrap();
            let logits = seen.classes().unwrap().logits().to_vec();
            (run.history[0].train_loss, logits)
        };
        let (expected_loss, expected) = trained(problem.trainer());
        let largest = expected.iter().fold(0_f32, |m, v| m.max(v.abs()));
        for device in &devices {
            let (loss, logits) = trained(problem.trainer_on(device));
            let gap = logits.iter().zip(&expected).fold(0_f32, |m, (a, b)| m.max((a - b).abs()));
            println!("{name} on {device}: loss {loss} {expected_loss}, gap {gap} of {largest}");
            // L2RW divides differences of rounded losses by a step of a few millionths
            // (ss_baselines::alignment::RELATIVE_STEP), so that rounding moves its weights by some percent.
            let tolerance = if name == "l2rw" { 0.1 } else { 1e-3 };
            assert!(
                (loss - expected_loss).abs() < f64::from(tolerance) * expected_loss,
                "{name} on {device}: {loss} {expected_loss}"
            );
            assert!(gap <= tolerance * largest, "{name} on {device}: logits differ by {gap} of {largest}");
        }
    }
}
