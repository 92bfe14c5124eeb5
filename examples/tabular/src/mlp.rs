//! The model: one hidden layer, trained by SGD with momentum. Swift Sampler needs to know nothing of it but its logits.

use ss_sampler::{EpochPlan, Weights};
use ss_seed::Seed;

use crate::table::{CLASSES, Rows, WIDTH};

const HIDDEN: usize = 64;
const BATCH: usize = 16;
const MOMENTUM: f32 = 0.9;

/// `logits = W2 relu(W1 x + b1) + b2`, with the momentum of its training.
#[derive(Clone)]
pub(crate) struct Mlp {
    values: Vec<f32>,
    momentum: Vec<f32>,
}

/// Where the parts lie in `values`.
const W1: usize = 0;
const B1: usize = W1 + HIDDEN * WIDTH;
const W2: usize = B1 + HIDDEN;
const B2: usize = W2 + CLASSES * HIDDEN;
const VALUES: usize = B2 + CLASSES;

/// What the model says of some rows.
pub(crate) struct Seen {
    /// `[n, CLASSES]`.
    pub(crate) logits: Vec<f32>,
    /// Squared norms of the hidden activations, `[n]`.
    pub(crate) hidden_sq_norm: Vec<f32>,
}

/// Some epochs of training.
pub(crate) struct Run<'a> {
    pub(crate) rows: &'a Rows,
    /// How rows are drawn; every row once an epoch where it is `None`.
    pub(crate) weights: Option<&'a Weights>,
    /// Number of the first epoch: order and draws follow from seed and number.
    pub(crate) first_epoch: usize,
    pub(crate) epochs: usize,
    /// Learning rate of the first step; it falls to zero.
    pub(crate) rate: f32,
    pub(crate) seed: Seed,
}

impl Mlp {
    pub(crate) fn new(seed: Seed) -> Self {
        let stream = seed.stream("initial-weights");
        // He et al. 2015, uniform.
        let bound = |i: usize| match i {
            W1..B1 => (6.0 / WIDTH as f64).sqrt(),
            W2..B2 => (6.0 / HIDDEN as f64).sqrt(),
            _ => 0.0,
        };
        let value = |i| ((2.0 * stream.index(i as u64).unit() - 1.0) * bound(i)) as f32;
        Self { values: (0..VALUES).map(value).collect(), momentum: vec![0.0; VALUES] }
    }

    /// Trains, and calls `after_epoch` with the number of epochs done and the model.
    pub(crate) fn train(
        &mut self,
        run: &Run,
        mut after_epoch: impl FnMut(usize, &Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let n = run.rows.len();
        let steps = (run.epochs * n.div_ceil(BATCH)) as f32;
        let mut step = 0.0;
        for epoch in run.first_epoch..run.first_epoch + run.epochs {
            let stream = run.seed.stream("epoch-order");
            let plan = match run.weights {
                None => EpochPlan::shuffled(n, stream, epoch as u64)?,
                Some(weights) => EpochPlan::systematic(weights, n, stream, epoch as u64)?,
            };
            let drawn: Vec<usize> = plan.indices().collect();
            for batch in drawn.chunks(BATCH) {
                self.step(run.rows, batch, run.rate * (1.0 - step / steps));
                step += 1.0;
            }
            after_epoch(epoch + 1, self)?;
        }
        Ok(())
    }

    fn hidden(&self, x: &[f32]) -> [f32; HIDDEN] {
        let unit = |j: usize| {
            let weights = &self.values[W1 + j * WIDTH..W1 + (j + 1) * WIDTH];
            let sum: f32 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
            (sum + self.values[B1 + j]).max(0.0)
        };
        std::array::from_fn(unit)
    }

    fn logits(&self, hidden: &[f32; HIDDEN]) -> [f32; CLASSES] {
        let of = |k: usize| {
            let weights = &self.values[W2 + k * HIDDEN..W2 + (k + 1) * HIDDEN];
            weights.iter().zip(hidden).map(|(w, h)| w * h).sum::<f32>() + self.values[B2 + k]
        };
        std::array::from_fn(of)
    }

    /// One step along the gradient of the batch's mean cross-entropy.
    fn step(&mut self, rows: &Rows, batch: &[usize], rate: f32) {
        let mut gradient = vec![0.0_f32; VALUES];
        for &i in batch {
            let (x, label) = (rows.row(i), rows.labels[i] as usize);
            let hidden = self.hidden(x);
            let logits = self.logits(&hidden);
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = logits.iter().map(|z| (z - top).exp()).sum();
            let mut below = [0.0_f32; HIDDEN];
            for k in 0..CLASSES {
                let share = (logits[k] - top).exp() / sum;
                let error = (share - f32::from(u8::from(k == label))) / batch.len() as f32;
                gradient[B2 + k] += error;
                for j in 0..HIDDEN {
                    gradient[W2 + k * HIDDEN + j] += error * hidden[j];
                    below[j] += error * self.values[W2 + k * HIDDEN + j];
                }
            }
            for j in (0..HIDDEN).filter(|&j| hidden[j] > 0.0) {
                gradient[B1 + j] += below[j];
                for (g, x) in gradient[W1 + j * WIDTH..W1 + (j + 1) * WIDTH].iter_mut().zip(x) {
                    *g += below[j] * x;
                }
            }
        }
        for ((value, momentum), gradient) in self.values.iter_mut().zip(&mut self.momentum).zip(gradient) {
            *momentum = MOMENTUM * *momentum + gradient;
            *value -= rate * *momentum;
        }
    }

    pub(crate) fn see(&self, rows: &Rows) -> Seen {
        let mut seen = Seen { logits: Vec::new(), hidden_sq_norm: Vec::new() };
        for i in 0..rows.len() {
            let hidden = self.hidden(rows.row(i));
            seen.logits.extend(self.logits(&hidden));
            seen.hidden_sq_norm.push(hidden.iter().map(|h| h * h).sum());
        }
        seen
    }
}

impl Seen {
    /// Share of rows whose larger logit is the label's, in percent.
    pub(crate) fn accuracy(&self, rows: &Rows) -> f64 {
        let right = |(z, &label): (&[f32], &u32)| u32::from(z[1] > z[0]) == label;
        let hits = self.logits.chunks_exact(CLASSES).zip(&rows.labels).filter(|&pair| right(pair)).count();
        100.0 * hits as f64 / rows.len() as f64
    }
}
