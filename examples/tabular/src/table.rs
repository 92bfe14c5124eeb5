//! The data: 569 biopsies, 30 numbers each, benign or malignant (Wisconsin diagnostic breast cancer), some labels wrong.

use ss_seed::Seed;

/// Rows to train on, to judge rules by, and to report on.
pub(crate) struct Split {
    pub(crate) train: Rows,
    pub(crate) validation: Rows,
    pub(crate) test: Rows,
    /// Whether each training label is wrong; only the oracle may look.
    pub(crate) wrong: Vec<bool>,
}

/// Standardised inputs, row after row, and labels.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) inputs: Vec<f32>,
    pub(crate) labels: Vec<u32>,
}

/// Inputs of a row.
pub(crate) const WIDTH: usize = 30;
pub(crate) const CLASSES: usize = 2;

const TRAIN: usize = 269;
const VALIDATION: usize = 150;

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn row(&self, i: usize) -> &[f32] {
        &self.inputs[i * WIDTH..(i + 1) * WIDTH]
    }
}

impl Split {
    /// Shuffles the rows, and turns this share of the training labels around. Validation and test labels are right, as those
    /// of a few rows that somebody has looked at again.
    pub(crate) fn new(seed: Seed, noise: f64) -> Self {
        let data = smartcore::dataset::breast_cancer::load_dataset();
        let order = by_hash(data.num_samples, seed, "rows");
        let inputs = standardised(&data.data, &order[..TRAIN]);
        let rows = |places: &[usize]| Rows {
            inputs: places.iter().flat_map(|&i| &inputs[i * WIDTH..(i + 1) * WIDTH]).copied().collect(),
            labels: places.iter().map(|&i| data.target[i]).collect(),
        };
        let mut train = rows(&order[..TRAIN]);
        let mut wrong = vec![false; TRAIN];
        for &i in &by_hash(TRAIN, seed, "noise")[..(noise * TRAIN as f64).round() as usize] {
            wrong[i] = true;
            train.labels[i] = 1 - train.labels[i];
        }
        let (validation, test) = order[TRAIN..].split_at(VALIDATION);
        Self { train, validation: rows(validation), test: rows(test), wrong }
    }
}

/// `0 .. n` in random order.
fn by_hash(n: usize, seed: Seed, name: &str) -> Vec<usize> {
    let stream = seed.stream(name);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&i| stream.index(i as u64).hash());
    order
}

/// Every column with mean 0 and deviation 1 over the training rows.
fn standardised(data: &[f32], train: &[usize]) -> Vec<f32> {
    let mut scaled = data.to_vec();
    for column in 0..WIDTH {
        let value = |&i: &usize| f64::from(data[i * WIDTH + column]);
        let mean = train.iter().map(value).sum::<f64>() / train.len() as f64;
        let variance = train.iter().map(|i| (value(i) - mean).powi(2)).sum::<f64>() / train.len() as f64;
        for x in scaled.iter_mut().skip(column).step_by(WIDTH) {
            *x = ((f64::from(*x) - mean) / variance.sqrt()) as f32;
        }
    }
    scaled
}
